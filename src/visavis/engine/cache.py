"""Where computed things are kept between runs: content-addressed files, the least recently used ones removed first.

    embeddings/MODEL/*.float32     chunks of vectors, each behind its SHA-256; MODEL is the start of a fingerprint
    collections/MODEL/*.parquet    data that were searched
    vectors/MODEL/*.arrow          their rows with unit vectors, to be mapped into memory
    onnx/, engines/                exported networks, and which engine was quickest

The one idea: an entry's name says all that it depends on, and its content can be made again. So processes need no lock:
two that write one entry write the same, and one that finds an entry gone or damaged computes it. What was used last is
told by the time of access, which is set at every use; the time of change stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from visavis.errors import UsageError, VisavisError
from visavis.zoo.files import TEMPORARY, replacing

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("embeddings", "collections", "vectors", "onnx", "engines")
DEFAULT_SIZE = "20GB"
DIGEST_BYTES = 32
ABANDONED_SECONDS = 24 * 3600  # after which an unfinished file is one that a killed process left
UNFINISHED = ".parts"  # a folder of pieces of what will be one entry, as in bulk/parts.py
ABOUT = "model.json"
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def default_cache() -> Path:
    """Where embeddings and exported networks are kept: $VISAVIS_CACHE, else the user's cache folder."""
    chosen = os.environ.get("VISAVIS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "visavis"


def size_limit() -> int:
    """How many bytes the cache may hold: $VISAVIS_CACHE_SIZE, else 20 GB. Raises UsageError for what is no size."""
    return parse_size(os.environ.get("VISAVIS_CACHE_SIZE") or DEFAULT_SIZE)


def parse_size(text: str) -> int:
    """Bytes as people write them.

    >>> parse_size("5GB"), parse_size("1.5 M"), parse_size("2KiB"), parse_size("0")
    (5000000000, 1500000, 2048, 0)
    """
    found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{0,9})?)\s*([KMGT]?)(i?)B?\s*", text, re.IGNORECASE)
    if not found:
        raise UsageError(f"A size is a number with a unit, such as 5GB or 500MB, not {text!r}.")
    base = 1024 if found[3] else 1000
    return round(float(found[1]) * base ** _POWERS[found[2].upper()])


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One file of the cache.

    Attributes:
        path: Where it lies.
        kind: One of `KINDS`.
        model: The name of the model that it belongs to, or "".
        size: Bytes.
        used: When it was last used, in seconds since 1970.
    """

    path: Path
    kind: str
    model: str
    size: int
    used: float


def model_folder(cache: Path, kind: str, fingerprint: str, name: str) -> Path:
    """The folder of a model's entries of a kind, made when missing.

    Raises:
        VisavisError: It cannot be made.
    """
    folder = cache / kind / fingerprint[:16]
    about = folder / ABOUT
    if not about.exists():
        with keeping(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(about) as temporary:
                temporary.write_text(json.dumps({"model": name, "fingerprint": fingerprint}), "utf-8")
    return folder


@contextlib.contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """Turns a full disk or a folder that cannot be written into words."""
    try:
        yield
    except OSError as error:
        raise VisavisError(
            f"Cannot keep embeddings in {str(folder)!r}: {error.strerror or error}. Free some space, or set "
            "VISAVIS_CACHE to another folder; what was encoded before is kept."
        ) from error


def read_vectors(file: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """A kept chunk, or None where there is none, it was cut short, or a single bit of it has changed."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, values = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if len(values) != 4 * shape[0] * shape[1] or hashlib.sha256(values).digest() != digest:
        return None
    mark_used(file)
    return np.frombuffer(values, "<f4").astype(np.float32).reshape(shape)


def write_vectors(file: Path, vectors: np.ndarray) -> None:
    """SHA-256 of what follows, then the values, row by row, least byte first; then the cache is brought to its size.

    Raises:
        VisavisError: The disk is full, or the folder cannot be written.
    """
    values = np.ascontiguousarray(vectors, "<f4").tobytes()
    with keeping(file.parent), replacing(file) as temporary:
        temporary.write_bytes(hashlib.sha256(values).digest() + values)
    prune(file.parents[2], size_limit(), keep=file)


def mark_used(file: Path) -> None:
    """Notes that an entry was used, for `prune`."""
    with contextlib.suppress(OSError):  # pruned by another process, or on a disk that cannot be written
        os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))


def prune(cache: Path, limit: int, keep: Path | None = None) -> list[Kept]:
    """Removes the least recently used entries until no more than `limit` bytes are left.

    Args:
        cache: The cache's folder.
        limit: Bytes.
        keep: An entry that stays: the one that was just written, and is about to be used.

    Returns:
        What was removed. What other processes remove meanwhile is nobody's failure.
    """
    entries = sorted(list_kept(cache), key=lambda entry: entry.used)
    total = sum(entry.size for entry in entries)
    removed = []
    for entry in entries:
        if total <= limit:
            break
        if entry.path == keep:
            continue
        with contextlib.suppress(OSError):
            entry.path.unlink()
            removed.append(entry)
        total -= entry.size
    return removed


def list_kept(cache: Path) -> list[Kept]:
    """Every entry. What a killed process left unfinished a day ago is removed on the way."""
    return [entry for kind in KINDS for entry in _kept_in(cache / kind, kind)]


def summarise(entries: Sequence[Kept]) -> pd.DataFrame:
    """kind, model, entries, bytes and used (local time) of each model's entries of each kind."""
    import pandas as pd

    groups: dict[tuple[str, str], list[Kept]] = {}
    for entry in entries:
        groups.setdefault((entry.kind, entry.model), []).append(entry)
    rows = [
        {
            "kind": kind,
            "model": model,
            "entries": len(kept),
            "bytes": sum(entry.size for entry in kept),
            "used": datetime.fromtimestamp(max(entry.used for entry in kept)),
        }
        for (kind, model), kept in sorted(groups.items())
    ]
    return pd.DataFrame(rows, columns=["kind", "model", "entries", "bytes", "used"])


def _kept_in(folder: Path, kind: str, model: str = "") -> Iterator[Kept]:
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:  # none yet
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                inner = Path(entry.path)
                if inner.suffix == UNFINISHED and time.time() - entry.stat().st_mtime < ABANDONED_SECONDS:
                    continue  # somebody is at work there
                yield from _kept_in(inner, kind, model or _model_of(inner))
                continue
            status = entry.stat(follow_symlinks=False)
        except OSError:  # removed meanwhile
            continue
        used = max(status.st_atime, status.st_mtime)
        if entry.name.endswith(TEMPORARY):
            if time.time() - status.st_mtime > ABANDONED_SECONDS:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
        elif entry.name != ABOUT:
            yield Kept(path=Path(entry.path), kind=kind, model=model, size=status.st_size, used=used)


def _model_of(folder: Path) -> str:
    try:
        said = json.loads((folder / ABOUT).read_text("utf-8"))
        return str(said["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
