"""A data set is a list of samples; where it came from is known by its reader alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image with what is known about it.

    Attributes:
        id: Stable identity: a hash of the image's bytes and of its place in the data set.
        name: What a person calls it: the path below the data set's root, or a title.
        path: The image file; None where `data` or `read` is given.
        data: The encoded image (PNG, WebP, ...), where it is held in memory.
        read: Gives the encoded image where it stands inside another file, such as an archive; raises OSError or
            UnreadableImage when it cannot any more.
        n_bytes: Of the encoded image, where `read` gives it.
        label: The class name, or None.
        labels: The class names of an image that may have several (then `label` is None), or None.
        captions: Texts that describe the image.
        part: "train" or "test" where the data set itself says so, else "".
        group: What belongs together and must not be taken apart, such as one emoji in several styles or the frames of
            one video; "" where the image stands alone.
    """

    id: str
    name: str
    path: Path | None = None
    data: bytes | None = None
    read: Callable[[], bytes] | None = None
    n_bytes: int = 0
    label: str | None = None
    labels: tuple[str, ...] | None = None
    captions: tuple[str, ...] = ()
    part: str = ""
    group: str = ""

    def read_bytes(self) -> bytes:
        """The encoded image. Raises OSError or UnreadableImage when it cannot be read any more."""
        if self.data is not None:
            return self.data
        if self.read is not None:
            return self.read()
        assert self.path is not None, "a sample has a path, data or a way to read it"
        return self.path.read_bytes()


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """An image that could not be used, and why, in words for the report."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Samples that decode, in a stable order.

    Attributes:
        name: What a person calls the data set.
        samples: The images that can be used.
        skipped: Those that cannot, and why.
        templates: Prompts with {} for a class name that suit these images; empty where nothing is known of them.
    """

    name: str
    samples: tuple[Sample, ...]
    skipped: tuple[Skipped, ...] = ()
    templates: tuple[str, ...] = ()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names, sorted."""
        return tuple(sorted({sample.label for sample in self.samples if sample.label is not None}))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of every sample's identity, label, captions, part and group: equal only for equal data sets."""
        digest = hashlib.sha256()
        for sample in self.samples:
            known: tuple[object, ...] = (sample.id, sample.label, sample.captions, sample.part)
            known += (sample.group,) if sample.group else ()
            digest.update(repr((*known, sample.labels) if sample.labels is not None else known).encode())
        return digest.hexdigest()


def sample_id(data: bytes, place: str) -> str:
    """The stable identity of an image: 16 hexadecimal digits over its bytes and its place in the data set."""
    return hashlib.sha256(hashlib.sha256(data).digest() + place.encode("utf-8", "surrogatepass")).hexdigest()[:16]
