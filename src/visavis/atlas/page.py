"""The record, analysed and drawn: `visavis atlas`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from visavis.atlas.placing import place_studies
from visavis.atlas.ranking import compare_published, rank
from visavis.atlas.record import BASELINE, SHIFTS, metrics_of, read_supervised, read_zero_shot
from visavis.atlas.robustness import effective_robustness, fit_lines
from visavis.errors import VisavisError
from visavis.report.atlas import AtlasTables, render_atlas
from visavis.zoo.files import replacing

# CLIP's ResNets against its ViTs, as far as OpenAI trained them alike.
PAIRS = (
    ("RN50.openai", "ViT-B-16.openai"),
    ("RN50.openai", "ViT-B-32.openai"),
    ("RN101.openai", "ViT-B-32.openai"),
    ("ViT-B-32.openai", "ViT-B-16.openai"),
)
MEAN = "Mean of 38 data sets"


def analyse() -> AtlasTables:
    """All that the page shows, from the recorded tables."""
    import pandas as pd

    supervised, zero_shot = read_supervised(), read_zero_shot()
    metrics = metrics_of(zero_shot)
    training = supervised["imagenet_only"].map({True: "ImageNet alone", False: "labels and more"})
    clips = zero_shot.assign(training="language", **{MEAN: zero_shot[metrics].mean(axis=1)})
    accuracies = [BASELINE, *SHIFTS, MEAN]
    columns = ["model", "family", "training", "params_m", "gmacs", *accuracies]
    models = pd.concat(
        [supervised.assign(training=training).reindex(columns=columns), clips[columns]], ignore_index=True
    )
    lines = fit_lines(supervised)
    robustness = [effective_robustness(models, line).assign(shift=shift) for shift, line in lines.items()]
    return AtlasTables(
        models=models,
        accuracies=accuracies,
        shifts=list(SHIFTS),
        lines={
            shift: {"slope": line.slope, "intercept": line.intercept, "n": line.n, "spread": line.spread}
            for shift, line in lines.items()
        },
        robustness=pd.concat(robustness, ignore_index=True),
        ranking=rank(zero_shot),
        differences=[asdict(compare_published(zero_shot, *pair)) for pair in PAIRS],
        n_data_sets=len(metrics),
    )


def write_atlas(out: Path, studies: Sequence[Path] = ()) -> Path:
    """Writes atlas.html into a folder and returns its path.

    Args:
        out: The folder, made when missing.
        studies: Folders of the user's own studies, which are placed where the protocol is the same.

    Raises:
        UsageError: A study that is none.
        VisavisError: The page cannot be written, or a study is damaged.
    """
    path = out / "atlas.html"
    tables = analyse()
    if studies:
        placed = place_studies(studies, tables.models)
        tables = replace(tables, own=placed.models, left_out=placed.left_out)
    page = render_atlas(tables)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(page, "utf-8")
    except OSError as error:
        raise VisavisError(
            f"Cannot write the atlas to {str(path)!r}: {error.strerror or error}. Free some space or choose another "
            "--out."
        ) from error
    return path
