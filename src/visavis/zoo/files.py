"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

TEMPORARY = ".tmp"  # how the names of unfinished files end; a kill leaves them behind


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; it takes the place of `path` only when the block ends without error.

    So a full disk, an exception or a kill at any moment leaves what was there before. Raises OSError as writing does.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):  # gone after a success; never there where the folder could not be written
            temporary.unlink()


def write_together(folder: Path, writers: Mapping[str, Callable[[Path], Any]]) -> None:
    """Writes several files into a folder, made when missing: all of them take their places, or none.

    Args:
        folder: Where.
        writers: By file name, a folder before it or not, what writes to the path that it is given; the first is the
            last put in place. Raises OSError as writing does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as whole:
        for name, write in writers.items():
            (folder / name).parent.mkdir(exist_ok=True)
            write(whole.enter_context(replacing(folder / name)))
