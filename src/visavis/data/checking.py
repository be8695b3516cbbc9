"""Files become samples: each is read and decoded once, so that what cannot be used is known before any work starts.

The cost is one decoding of every image, on threads, which Pillow's decoders allow. JPEGs are decoded at an eighth of
their size, which finds the same damage: 0.03 s for 12 megapixels instead of 0.25 s; a PNG of that size takes 0.4 s
(one core of a 2-core virtual machine, Pillow 13.0).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from visavis.data.dataset import Sample, Skipped, sample_id
from visavis.data.decoding import UnreadableImage, decode_image

Progress: TypeAlias = Callable[[int, int], None]  # called with the images done and their total

MAX_FILE_BYTES = 2**30  # more than any image below the pixel limit needs, even as 16-bit RGBA without compression
MAX_THREADS = 4  # each may hold one image of the pixel limit
UNUSABLE = (UnreadableImage, OSError, ValueError)  # what reading an image raises; ValueError: a NUL in the name


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What a reader found; not yet known to be an image.

    Attributes:
        place: Where it lies in the data set, in POSIX form; with the bytes it makes the sample's id.
        path: The file, or None where `data` holds the encoded image or `read` gives it.
        data: The encoded image, or None.
        read: As in Sample; raises one of `UNUSABLE`.
        label: As in Sample; so are `labels`, `captions`, `part` and `group`.
    """

    place: str
    path: Path | None = None
    data: bytes | None = None
    read: Callable[[], bytes] | None = None
    label: str | None = None
    labels: tuple[str, ...] | None = None
    captions: tuple[str, ...] = ()
    part: str = ""
    group: str = ""


def check_samples(
    candidates: Sequence[Candidate], progress: Progress | None = None
) -> tuple[tuple[Sample, ...], tuple[Skipped, ...]]:
    """Decode every candidate once; the order is kept.

    An image listed more than once under one label becomes one sample with all its captions; under another label, in
    another part or group it is skipped.
    """
    samples: dict[str, Sample] = {}
    skipped: list[Skipped] = []
    pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1), thread_name_prefix="visavis-check")
    try:
        for done, found in enumerate(pool.map(_check, candidates), start=1):
            if isinstance(found, Skipped):
                skipped.append(found)
            elif found.id not in samples:
                samples[found.id] = found
            elif _same_use(samples[found.id], found):
                known = samples[found.id]
                samples[found.id] = replace(known, captions=_unique(known.captions + found.captions))
            else:
                skipped.append(Skipped(name=found.name, reason=_contradiction(samples[found.id])))
            if progress is not None:
                progress(done, len(candidates))
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for the files still queued
    return tuple(samples.values()), tuple(skipped)


def printable(text: str) -> str:
    r"""A file system's name as text that every table and file can hold; bytes that are no UTF-8 show as \xff."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def shown(path: Path) -> str:
    """A path as messages show it."""
    return repr(printable(str(path)))


def _check(candidate: Candidate) -> Sample | Skipped:
    name = printable(candidate.place)
    try:
        data = _bytes_of(candidate)
        decode_image(data, at_least=1)
    except UNUSABLE as error:
        return Skipped(name=name, reason=reason_of(error))
    return Sample(
        id=sample_id(data, candidate.place),
        name=name,
        path=candidate.path,
        data=candidate.data,
        read=candidate.read,
        n_bytes=len(data) if candidate.read is not None else 0,
        label=candidate.label,
        labels=candidate.labels,
        captions=candidate.captions,
        part=candidate.part,
        group=candidate.group,
    )


def _bytes_of(candidate: Candidate) -> bytes:
    if candidate.read is not None:
        return candidate.read()
    return (candidate.data or b"") if candidate.path is None else read_file(candidate.path)


def reason_of(error: Exception) -> str:
    """Why an image could not be read or decoded, one of `UNUSABLE`, in words for the report."""
    if isinstance(error, UnreadableImage):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return f"cannot be opened: {getattr(error, 'strerror', None) or error}"


def read_file(path: Path) -> bytes:
    """The file's bytes. Raises UnreadableImage for what is no plain file (a pipe would block) or too much to hold."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImage("a folder" if stat.S_ISDIR(status.st_mode) else "not a plain file")
    if status.st_size > MAX_FILE_BYTES:
        raise UnreadableImage(f"too large: {status.st_size / 2**30:.1f} GiB, the limit is 1 GiB")
    return path.read_bytes()


def _same_use(one: Sample, other: Sample) -> bool:
    return (one.label, one.labels, one.part, one.group) == (other.label, other.labels, other.part, other.group)


def _contradiction(known: Sample) -> str:
    part = f" in the {known.part} part" if known.part else ""
    group = f", group {known.group!r}" if known.group else ""
    return f"listed before under the label {known.label!r}{part}{group}"


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
