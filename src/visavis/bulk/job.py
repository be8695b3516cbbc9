"""A listing embedded into a file, in pieces, so that it can be stopped at any moment and goes on from there.

The one idea: the source is gone through twice. First it is only listed, which tells how many images there are and what
each piece of 256 depends on; then the pieces that are not there yet are made, here (`make_pieces`) or on many machines
(`ray_data.py`). A piece is the unit of what is lost by a kill, of order, and of arithmetic: images are encoded in the
same batches whenever, wherever and however often a run was stopped, so its output is the same to the byte.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from visavis.bulk.embedding_file import Row, about_of, schema_of
from visavis.bulk.parts import Parts, pack
from visavis.bulk.stream import Decoded, decode_entries, name_of
from visavis.data.checking import printable
from visavis.data.dataset import Skipped
from visavis.data.listing import Entry, Found, Listing
from visavis.errors import UsageError, VisavisError

PIECE = 256  # images
BATCH = 64  # images encoded at once; divides PIECE

OnProgress: TypeAlias = Callable[[str, int, int], None]  # stage, images done, images in all (0: not known yet)
Encode: TypeAlias = Callable[[np.ndarray], np.ndarray]  # uint8 [images, side, side, 3] -> float32 [images, embed_dim]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is done to every image.

    Attributes:
        about: What the output says of the model, its preprocessing and the view; with the listing it identifies a job.
        embed_dim: Length of a vector.
        dtype: "float32" or "float16".
        pixels: From an RGB picture to uint8 [side, side, 3].
        at_least: As in `visavis.data.decoding.decode_image`.
        open: From the number of images, and the engine's name that an earlier run began with or None, to what computes
            their vectors: its name, all that changes its numbers, and a function.
    """

    about: dict[str, Any]
    embed_dim: int
    dtype: str
    pixels: Callable[[Image.Image], np.ndarray]
    at_least: int | None = None
    open: Callable[[int, str | None], tuple[str, str, Encode]]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A listing gone through once: how many entries, and a hash of those of each piece."""

    total: int
    pieces: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done, and all that whoever does a part of it has to know.

    Attributes:
        listing: The images.
        survey: What was found there.
        work: What is done to each.
        engine: The name of what computes.
        identity: All that changes its numbers.
    """

    listing: Listing
    survey: Survey
    work: Work
    engine: str
    identity: str


Told: TypeAlias = Callable[[int], None]  # images dealt with since the last call
# From a job, what computes vectors here, and the numbers of pieces: each piece with its number, in any order.
Make: TypeAlias = Callable[[Job, Encode, Sequence[int], Told], Iterator[tuple[int, bytes]]]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a job did.

    Attributes:
        out: The file.
        n_images: Rows in it.
        n_before: Entries that an earlier run had dealt with.
        n_skipped: Entries that could not be embedded.
        skipped_file: Where they are listed, or None.
        seconds: How long the rest took.
        n_done: Entries dealt with in that time.
    """

    out: Path
    n_images: int
    n_before: int
    n_skipped: int
    skipped_file: Path | None
    seconds: float
    n_done: int

    @property
    def words(self) -> str:
        """One line for the terminal."""
        before = f", {self.n_before} of them before" if self.n_before else ""
        skipped = f"; {self.n_skipped} skipped, see {printable(str(self.skipped_file))}" if self.n_skipped else ""
        speed = f" ({self.n_done / self.seconds:.1f} images/s)" if self.n_done and self.seconds else ""
        images = "1 image" if self.n_images == 1 else f"{self.n_images} images"
        return f"{printable(str(self.out))}: {images} embedded{before}{skipped}{speed}"


def survey(listing: Listing, on_progress: OnProgress = lambda *_: None) -> Survey:
    """Goes through a listing without reading an image. Raises UsageError where it is empty."""
    pieces, total = [], 0
    entries = listing.entries(0)
    while found := list(islice(entries, PIECE)):
        pieces.append(_digest(found))
        total += len(found)
        on_progress("listing", total, 0)
    if not total:
        raise UsageError(f"{listing.source!r} lists no images, so there is nothing to embed.")
    return Survey(total=total, pieces=tuple(pieces))


def _digest(piece: list[Found]) -> str:
    digest = hashlib.sha256()
    for found in piece:
        known = (found.place, found.stamp, found.label) if isinstance(found, Entry) else (found.name, found.reason)
        digest.update(repr(known).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def job_id(found: Survey, work: Work) -> str:
    """A hash of all that the output depends on, besides the engine's rounding."""
    return _hash(_identity(work), found.pieces)


def make_pieces(job: Job, encode: Encode, numbers: Sequence[int], told: Told) -> Iterator[tuple[int, bytes]]:
    """Pieces of a job, made in this process, in order. Raises VisavisError where the data changed meanwhile."""
    total, work = job.survey.total, job.work
    entries = _entries_of(job.listing, total, set(numbers))
    with closing(decode_entries(entries, work.pixels, work.at_least)) as stream:
        for number in numbers:
            rows: list[Row] = []
            skipped: list[Skipped] = []
            seen: list[Found] = []
            while batch := list(islice(stream, min(BATCH, _size(number, total) - len(seen)))):
                seen += [decoded.found for decoded in batch]
                _encode(batch, work.dtype, encode, rows, skipped)
                told(len(batch))
            if _digest(seen) != job.survey.pieces[number]:
                raise VisavisError(
                    f"The images of {job.listing.source!r} changed while they were read. Run the same command again "
                    "once they stay as they are; what is still the same is kept."
                )
            yield number, pack(rows, skipped, work.embed_dim, work.dtype)


def run_job(
    listing: Listing,
    found: Survey,
    work: Work,
    out: Path,
    on_progress: OnProgress = lambda *_: None,
    make: Make = make_pieces,
) -> Summary:
    """Embeds what was surveyed into `out`, or what of it is still missing.

    Raises:
        UsageError: `out` is something else already.
        VisavisError: Not one image could be embedded; the disk is full; the data changed meanwhile.
    """
    known = job_id(found, work)
    parts = Parts(out)
    if out.exists():
        summary = _already(parts, known, found.total)
        parts.remove()
        return summary
    with parts.locked():
        engine, identity, encode = work.open(found.total, parts.begun_with())
        parts.note_engine(engine)
        job = Job(listing=listing, survey=found, work=work, engine=engine, identity=identity)
        made_by = _hash(_identity(work), identity)
        names = [f"{number:08d}-{_hash(made_by, piece)[:16]}.parquet" for number, piece in enumerate(found.pieces)]
        there = parts.finished()
        missing = [number for number, name in enumerate(names) if name not in there]
        n_done = sum(_size(number, found.total) for number in missing)
        start = time.monotonic()
        if missing:
            told = _counter(found.total - n_done, found.total, on_progress)
            for number, piece in make(job, encode, missing, told):
                parts.write(names[number], piece)
        seconds = time.monotonic() - start
        n_images, skipped = parts.count(names)
        if n_images:
            said = {**work.about, "engine": identity, "job": known, "images": n_images, "skipped": len(skipped)}
            on_progress("writing", 0, 0)
            parts.merge(names, skipped, schema_of(work.embed_dim, work.dtype, said))
        else:
            parts.write_skipped(skipped)
        parts.remove()
    if not n_images:
        raise VisavisError(_nothing(listing, skipped, parts.skipped_file))
    return Summary(
        out=out,
        n_images=n_images,
        n_before=found.total - n_done,
        n_skipped=len(skipped),
        skipped_file=parts.skipped_file if skipped else None,
        seconds=seconds,
        n_done=n_done,
    )


def _counter(done: int, total: int, on_progress: OnProgress) -> Told:
    on_progress("embedding", done, total)

    def told(n_images: int) -> None:
        nonlocal done
        done += n_images
        on_progress("embedding", done, total)

    return told


def _already(parts: Parts, job: str, total: int) -> Summary:
    """What is known of an output that is there. Raises UsageError where it is not this job's."""
    about = about_of(parts.out)
    if about is None or about.get("job") != job:
        what = f"the embeddings of {about['model']!r} of other data or settings" if about else "something else"
        raise UsageError(
            f"{printable(str(parts.out))!r} holds {what} already, and is left as it is. Remove it or choose another "
            "--out."
        )
    n_skipped = int(about.get("skipped", 0))
    return Summary(
        out=parts.out,
        n_images=int(about["images"]),
        n_before=total,
        n_skipped=n_skipped,
        skipped_file=parts.skipped_file if n_skipped else None,
        seconds=0.0,
        n_done=0,
    )


def _entries_of(listing: Listing, total: int, pieces: set[int]) -> Iterator[Found]:
    """The entries of some pieces, in order."""
    first = min(pieces) * PIECE
    for number, entry in enumerate(islice(listing.entries(first), total - first), first):
        if number // PIECE in pieces:
            yield entry


def _encode(batch: list[Decoded], dtype: str, encode: Encode, rows: list[Row], skipped: list[Skipped]) -> None:
    """Adds each image of a batch to the rows, or to what was skipped."""
    usable = [decoded.pixels for decoded in batch if decoded.pixels is not None]
    vectors: Iterator[np.ndarray] = iter(())
    if usable:
        with np.errstate(over="ignore"):  # beyond float16: infinite, and said below
            vectors = iter(encode(np.stack(usable)).astype(dtype))
    for decoded in batch:
        reason = decoded.reason
        if decoded.pixels is not None:
            vector = next(vectors)
            if np.isfinite(vector).all():
                label = decoded.found.label if isinstance(decoded.found, Entry) else None
                rows.append(Row(id=decoded.id, name=name_of(decoded.found), label=label, vector=vector))
                continue
            reason = f"the model's vector of it is not finite in {dtype}"
        skipped.append(Skipped(name=name_of(decoded.found), reason=reason))


def _identity(work: Work) -> list[Any]:
    """What changes the vectors; a model's name and a folder's place are how they are reached, and may change."""
    return [work.dtype, {key: value for key, value in work.about.items() if key not in ("model", "source")}]


def _size(number: int, total: int) -> int:
    return min(PIECE, total - number * PIECE)


def _hash(*known: Any) -> str:
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _nothing(listing: Listing, skipped: list[Skipped], file: Path, limit: int = 3) -> str:
    reasons = "; ".join(f"{one.name!r} is {one.reason}" for one in skipped[:limit])
    return (
        f"Not one of the {len(skipped)} images of {listing.source!r} could be embedded: {reasons}. "
        f"All are listed in {printable(str(file))!r}."
    )
