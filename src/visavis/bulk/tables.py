"""Results as files: CSV, JSON or a page, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.data.checking import printable
from visavis.errors import UsageError, VisavisError
from visavis.zoo.files import replacing

if TYPE_CHECKING:
    import pandas as pd


def check_out(out: Path | None, suffixes: tuple[str, ...]) -> None:
    """Raises UsageError where a file's name ends in none of the suffixes. To be called before any work."""
    if out is not None and out.suffix not in suffixes:
        raise UsageError(f"Results are written as {', '.join(suffixes)}, and {out.name!r} ends otherwise. Name it so.")


def write_text(out: Path, content: pd.DataFrame | str, about: dict[str, Any] | None = None) -> Path:
    """Writes a text, or a table as .csv or .json; in JSON `about` stands before the rows.

    Raises:
        VisavisError: The file cannot be written.
    """
    if isinstance(content, str):
        text = content
    elif out.suffix == ".csv":
        text = content.to_csv(index=False)
    else:
        rows = content.astype(object).where(content.notna(), None).to_dict("records")
        text = json.dumps({**(about or {}), "rows": rows}, ensure_ascii=False, indent=1) + "\n"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as temporary:
            temporary.write_text(text, "utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise VisavisError(
            f"Cannot write {printable(str(out))!r}: {error.strerror or error}. Free some space or choose another --out."
        ) from error
    return out
