"""The user's own studies on the atlas, as far as they measured what the record did: naming ImageNet-1k's classes.

A study has its place where its classes are ImageNet-1k's thousand and a model named them on unchanged images, by its
own classifier or by zero-shot. That the images are ImageNet's validation images is the user's word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.atlas.record import BASELINE, is_imagenet_only
from visavis.study.study import Study, load_study

if TYPE_CHECKING:
    import pandas as pd

NAMING = ("classifier", "zero_shot")  # a model has one of them
CLASSES = 1000
FAMILIES = {"ResNet": "resnet", "ViT": "vit"}
COLUMNS = (
    "model", "family", "training", "params_m", "gmacs", BASELINE, "low", "high", "n", "study", "published"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What was placed, and why the rest was not.

    Attributes:
        models: `COLUMNS`; accuracy with its interval over n images, and the record's accuracy of the same name, or NaN.
        left_out: (study or study and model, the reason).
    """

    models: pd.DataFrame
    left_out: tuple[tuple[str, str], ...]


def place_studies(folders: Sequence[Path], published: pd.DataFrame) -> Placed:
    """Reads studies that `visavis compare` wrote.

    Args:
        folders: Their --out folders.
        published: The record: model and `BASELINE`.

    Raises:
        UsageError, VisavisError: A folder holds no study, or a damaged one.
    """
    import pandas as pd

    record = published.drop_duplicates("model").set_index("model")[BASELINE]
    rows: list[dict[str, Any]] = []
    left_out: list[tuple[str, str]] = []
    for folder in folders:
        study = load_study(folder)
        reason = _why_not(study)
        if reason:
            left_out.append((str(folder), reason))
            continue
        for model in study.protocol["models"]:
            row = _row(study, model, str(folder))
            if row is None:
                left_out.append((f"{folder}: {model['name']}", "It named no classes: no classifier, no text tower."))
            else:
                rows.append({**row, "published": record.get(row["model"], float("nan"))})
    return Placed(models=pd.DataFrame(rows, columns=list(COLUMNS)), left_out=tuple(left_out))


def _why_not(study: Study) -> str:
    from visavis.zoo.opening import imagenet_names

    n_classes = study.protocol["data"]["classes"]
    if n_classes != CLASSES or not set(study.predictions["label"]) <= set(imagenet_names()):
        return (
            f"The record names ImageNet-1k's {CLASSES:,} classes; this study has {n_classes:,} classes of its own, "
            "so its accuracies are of another task."
        )
    if "clean" not in set(study.results["view"]):
        return "The record is of unchanged images; this study has no view clean."
    return ""


def _row(study: Study, model: dict[str, Any], folder: str) -> dict[str, Any] | None:
    results = study.results
    own = results[(results["model"] == model["name"]) & (results["view"] == "clean")]
    own = own[(own["metric"] == "accuracy") & own["measure"].isin(NAMING)]
    if own.empty:
        return None
    found = own.iloc[0]
    by_language = model["training"] == "language"
    return {
        "model": model["name"],
        "family": FAMILIES.get(model["architecture"], "other"),
        "training": "language" if by_language else _training(model["name"]),
        "params_m": model["params"] / 1e6,
        # the record counts both towers of a CLIP, a study the image tower
        "gmacs": float("nan") if by_language else model["macs"] / 1e9,
        BASELINE: found["value"],
        "low": found["low"],
        "high": found["high"],
        "n": found["n"],
        "study": folder,
    }


def _training(name: str) -> str:
    return "ImageNet alone" if is_imagenet_only(name) else "labels and more"
