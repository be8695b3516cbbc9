"""Pictures that come as numbers: arrays of pixels become image files in memory, as all other readers find them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from visavis.data.checking import Candidate

MAX_BYTES = 2**31  # of pixels in one file; more belongs into a folder or Parquet, which are read piece by piece


def candidates_of(
    pixels: np.ndarray, labels: Sequence[str | None], *, place: str, part: str = "", groups: Sequence[str] = ()
) -> list[Candidate]:
    """One candidate a picture, its pixels kept exactly (PNG).

    Args:
        pixels: uint8 [images, height, width], or with 1, 3 or 4 channels last.
        labels: Class names [images].
        place: Of the array within the data set; a picture's place adds its number.
        part: As in Sample.
        groups: As in Sample [images]; none where empty.
    """
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    return [
        Candidate(
            place=f"{place}/{number:06d}",
            data=_png(one),
            label=label,
            part=part,
            group=groups[number] if groups else "",
        )
        for number, (one, label) in enumerate(zip(pixels, labels, strict=True))
    ]


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return file.getvalue()
