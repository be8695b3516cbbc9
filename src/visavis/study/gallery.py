"""The pictures a report shows: those on which the models disagree, the most confident disagreements first."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pandas as pd
from PIL import Image

from visavis.data.dataset import Sample
from visavis.engine.pictures import read_picture
from visavis.report.pictures import surest_disagreements
from visavis.report.tables import headline

PICTURES = 48
LONGEST_SIDE = 128  # pixels


def gallery(
    predictions: pd.DataFrame, results: pd.DataFrame, samples: Sequence[Sample], others: Sequence[str]
) -> pd.DataFrame:
    """Small copies of the pictures on which models disagree, and of others: sample, name, label, image (WebP bytes)."""
    disputed = surest_disagreements(predictions, headline(results), PICTURES)["sample"]
    chosen = dict.fromkeys([*disputed, *others])
    by_id = {sample.id: sample for sample in samples}
    rows = [by_id[sample] for sample in chosen]
    return pd.DataFrame(
        {
            "sample": [sample.id for sample in rows],
            "name": [sample.name for sample in rows],
            "label": [sample.label or next(iter((*(sample.labels or ()), *sample.captions)), None) for sample in rows],
            "image": [thumbnail(read_picture(sample, at_least=LONGEST_SIDE)) for sample in rows],
        }
    )


def thumbnail(image: Image.Image) -> bytes:
    """A WebP of at most 128 pixels a side; the image itself is made that small."""
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=80)
    return stream.getvalue()
