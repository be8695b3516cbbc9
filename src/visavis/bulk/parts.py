"""The finished pieces of a long job, in a folder beside its output: each written whole, named after all it depends on.

The one idea: a piece's name holds a hash of what made it (model, view, engine, the images' places and stamps). So what
a killed run left is taken up where it still holds and passed over where it does not, and no list of what was done can
disagree with what was done. The folder is locked by the process that works in it; a lock ends with its process.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from visavis.bulk.embedding_file import Row, open_writer, schema_of, table_of, write_tables
from visavis.data.checking import printable
from visavis.data.dataset import Skipped
from visavis.errors import VisavisError
from visavis.zoo.files import TEMPORARY, replacing

_PIECE = re.compile(r"\d{8}-[0-9a-f]{16}\.parquet")
_SKIPPED = b"skipped"
_LOCK = "lock"
_ENGINE = "engine"


class BusyError(VisavisError):
    """Another process writes the same output."""


def pack(rows: Sequence[Row], skipped: Sequence[Skipped], embed_dim: int, dtype: str) -> bytes:
    """A piece as the bytes of its file: Parquet, with what was skipped in its metadata."""
    about = {_SKIPPED: json.dumps([(one.name, one.reason) for one in skipped]).encode()}
    schema = schema_of(embed_dim, dtype, about={}).with_metadata(about)
    stream = io.BytesIO()
    with open_writer(stream, schema) as writer:
        writer.write_table(table_of(rows, schema))
    return stream.getvalue()


class Parts:
    """The pieces of one output, while this process alone works on them.

    Args:
        out: The file that they will become.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(f"{out.name}.parts")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """For this process alone. Raises BusyError where another one is at work, VisavisError without a folder."""
        import fcntl

        with self.writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / _LOCK).open("a")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise BusyError(
                    f"Another process is writing {printable(str(self.out))!r}. Wait until it has ended, or choose "
                    "another --out."
                ) from error
            for path in self.folder.glob(f".*{TEMPORARY}"):  # unfinished, and nobody is at work on it
                path.unlink()
            yield

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turns a full disk or a folder that cannot be written into words."""
        try:
            yield
        except OSError as error:
            raise VisavisError(
                f"Cannot write {printable(str(self.out))!r}: {error.strerror or error}. Free some space or choose "
                "another --out (of the cache: VISAVIS_CACHE); what was embedded is kept, and the same command goes on "
                "from there."
            ) from error

    def begun_with(self) -> str | None:
        """The name of the engine that made the pieces that are there, or None. Another one would round otherwise."""
        note = self.folder / _ENGINE
        return note.read_text("utf-8") if note.exists() and self.finished() else None

    def note_engine(self, name: str) -> None:
        """For `begun_with`."""
        with self.writing(), replacing(self.folder / _ENGINE) as temporary:
            temporary.write_text(name, "utf-8")

    def finished(self) -> set[str]:
        """The names of the pieces that are there."""
        return {path.name for path in self.folder.iterdir() if _PIECE.fullmatch(path.name)}

    def write(self, name: str, piece: bytes) -> None:
        """One piece, whole or not at all. Raises VisavisError where it cannot be written."""
        with self.writing(), replacing(self.folder / name) as temporary:
            temporary.write_bytes(piece)

    def count(self, names: Sequence[str]) -> tuple[int, list[Skipped]]:
        """How many images the pieces hold, and what they skipped."""
        n_images, skipped = 0, []
        for name in names:
            with self._reading(name) as path:
                found = pq.read_metadata(path)
                n_images += found.num_rows
                skipped += [Skipped(name=name, reason=reason) for name, reason in json.loads(found.metadata[_SKIPPED])]
        return n_images, skipped

    def merge(self, names: Sequence[str], skipped: Sequence[Skipped], schema: pa.Schema) -> None:
        """Joins the pieces to the output, which is there whole or not at all, and what was skipped beside it."""

        def tables() -> Iterator[pa.Table]:
            for name in names:
                with self._reading(name) as path, pq.ParquetFile(path, page_checksum_verification=True) as file:
                    yield file.read()

        whole = self.folder / self.out.name
        with self.writing():
            with replacing(whole) as temporary:
                write_tables(temporary, schema, tables())
            self.write_skipped(skipped)
            os.replace(whole, self.out)

    def write_skipped(self, skipped: Sequence[Skipped]) -> None:
        """The side file: name and reason; none where nothing was skipped."""
        if not skipped:
            self.skipped_file.unlink(missing_ok=True)
            return
        with (
            self.writing(),
            replacing(self.skipped_file) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(("name", "reason"))
            writer.writerows((one.name, one.reason) for one in skipped)

    @property
    def skipped_file(self) -> Path:
        """F.parquet has F.skipped.csv."""
        return self.out.with_suffix(".skipped.csv")

    def remove(self) -> None:
        """Takes away what this class has written; a file of somebody else's stays, with the folder."""
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if _PIECE.fullmatch(path.name) or path.name in (_LOCK, _ENGINE, self.out.name):
                    path.unlink()
            self.folder.rmdir()

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        """A piece to be read; one that is damaged is removed, to be made again."""
        path = self.folder / name
        try:
            yield path
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            path.unlink(missing_ok=True)
            raise VisavisError(
                f"The piece {name!r} in {printable(str(self.folder))!r} was damaged and is removed. Run the same "
                "command again: it is made again, and all others are kept."
            ) from error
