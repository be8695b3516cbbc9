"""Names for classes that the data only number: a text file beside them, one name a line, from 0 on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from visavis.data.checking import shown
from visavis.errors import UsageError

CLASSES = "classes.txt"


def read_class_names(path: Path) -> list[str]:
    """The names in the file, without empty lines; none where there is no file.

    Raises:
        UsageError: It is no text in UTF-8.
    """
    if not path.is_file():
        return []
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read the class names in {shown(path)}: {error}. It must be text in UTF-8.") from error


def class_named(label: str | None, names: Sequence[str]) -> str | None:
    """The name for a label that is a number; the label itself where it is none or has no name."""
    known = label is not None and label.isdecimal() and len(label) < 10 and int(label) < len(names)
    return names[int(label)] if known and label else label
