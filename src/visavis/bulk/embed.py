"""`visavis embed`: the images of any source as vectors in a Parquet file."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from visavis.bulk.embedding_file import FORMAT
from visavis.bulk.job import Encode, OnProgress, Summary, Work, make_pieces, run_job, survey
from visavis.bulk.ray_data import check_ray, make_on_ray
from visavis.bulk.stream import decode_entries
from visavis.data.find_listing import find_listing
from visavis.data.listing import Listing
from visavis.data.views import parse_view
from visavis.engine.encoder import Encoder
from visavis.errors import UsageError


def embed_data(
    encoder: Encoder,
    data: str,
    out: Path,
    *,
    view: str = "clean",
    dtype: str = "float32",
    ray: bool = False,
    on_progress: OnProgress = lambda *_: None,
) -> Summary:
    """Embeds the images of a source; the same call goes on where a stopped one was.

    Args:
        encoder: The model.
        data: As for `find_listing`.
        out: The Parquet file; pieces of it lie in a folder beside it until it is done.
        view: The change made to each image first.
        dtype: "float32" or "float16".
        ray: Whether the machines of a Ray cluster do it.
        on_progress: Called with a stage, the images done and their number (0 while it is not known).

    Raises:
        UsageError: There are no such data, or `out` is something else already.
        VisavisError: Not one image could be embedded, or the disk is full.
    """
    if out.suffix.lower() != ".parquet":
        raise UsageError(f"Embeddings are written as .parquet, and {out.name!r} ends otherwise. Name it so.")
    parse_view(view)
    if ray:
        check_ray()
    listing = find_listing(data)
    work = work_of(encoder, listing, view, dtype)
    return run_job(listing, survey(listing, on_progress), work, out, on_progress, make_on_ray if ray else make_pieces)


def work_of(encoder: Encoder, listing: Listing, view: str, dtype: str) -> Work:
    """What an encoder does to the images of a listing under a view."""
    change = parse_view(view).apply
    at_least = encoder.enough_pixels if view == "clean" else None  # a view may change a smaller picture otherwise

    def pixels(image: Image.Image) -> np.ndarray:
        return encoder.preprocessing.pixels(change(image))

    def normalised(stack: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(encoder.preprocessing.normalise(stack))

    def open_engine(total: int, begun_with: str | None) -> tuple[str, str, Encode]:
        def examples(most: int) -> torch.Tensor:
            spread = islice(listing.entries(0), 0, None, -(-total // most))
            found = [
                decoded.pixels for decoded in decode_entries(spread, pixels, at_least) if decoded.pixels is not None
            ]
            side = encoder.image_size
            return normalised(np.stack(found) if found else np.zeros((1, side, side, 3), np.uint8))

        engine = encoder.open_engine(total, examples, begun_with)
        return engine.name, engine.identity, lambda stack: engine.encode(normalised(stack)).numpy()

    about = {
        "format": FORMAT,
        "model": encoder.name,
        "fingerprint": encoder.fingerprint,
        "family": encoder.family,
        "embed_dim": encoder.embed_dim,
        "preprocessing": asdict(encoder.preprocessing),
        "decode": encoder.decode,
        "view": view,
        "source": {"kind": listing.kind, "path": listing.source},
    }
    if encoder.wanted_engine != "auto":  # a file by another one is another file
        about["wanted_engine"] = encoder.wanted_engine
    return Work(
        about=about, embed_dim=encoder.embed_dim, dtype=dtype, pixels=pixels, at_least=at_least, open=open_engine
    )
