"""The two published tables, in one set of units: fractions, millions of parameters, 10⁹ MACs.

They are others' measurements, made by their protocols, and are never mixed with ours.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

RECORDED = Path(__file__).parent / "recorded"
SHIFTS = {
    "ImageNet v2": "imagenet_v2_top1",
    "ImageNet Sketch": "imagenet_sketch_top1",
    "ImageNet-R": "imagenet_r_top1",
    "ImageNet-A": "imagenet_a_top1",
}
BASELINE = "ImageNet 1k"
ABOUT = ("name", "pretrained", "params (M)", "FLOPs (B)", "Average perf. on 38 datasets")
# Words of timm's tags that tell of other data than ImageNet-1k's images and labels.
OTHER_DATA = re.compile(
    r"ft|jft|ns|swsl|ssl|ssld|seer|swag|webli|laion\w*|openai|clip|in2[12]k\w*|in12k\w*|ig\w*b|yfcc\w*|lion|mim|fcmae|mae|"
    r"dino|distilled|dist|snap|usi|m3[08]m"
)


def read_supervised() -> pd.DataFrame:
    """The table of timm: one row a model that has an ImageNet accuracy, at the image size where that is highest.

    Returns:
        model, family ("resnet" or "vit" or "other"), imagenet_only, params_m, gmacs (one image), and accuracies as
        fractions under the names of `BASELINE` and `SHIFTS`; empty where timm has none.
    """
    import pandas as pd

    table = pd.read_csv(RECORDED / "timm_imagenet_family.csv.gz", thousands=",")
    table = (
        table.dropna(subset="imagenet_top1")
        .sort_values("imagenet_top1", ascending=False, kind="stable")
        .drop_duplicates("model")
    )
    columns = {BASELINE: "imagenet_top1", **SHIFTS}
    return pd.DataFrame(
        {
            "model": table["model"],
            "family": table["model"].map(family_of_name),
            "imagenet_only": table["model"].map(is_imagenet_only),
            "params_m": table["params_m"],
            "gmacs": table["gmacs"],
            **{name: table[column] / 100 for name, column in columns.items()},
        }
    ).reset_index(drop=True)


def read_zero_shot() -> pd.DataFrame:
    """The table of open_clip: CLIPs that none of the 38 data sets trained; identical rows under two names are one.

    Returns:
        model (open_clip's "architecture.tag"), family, params_m, gmacs (an image and a text, half of the table's
        FLOPs), and the 38 metrics as fractions, named as there.
    """
    import pandas as pd

    table = pd.read_csv(RECORDED / "open_clip_zero_shot_38.csv.gz")
    metrics = [name for name in table if name not in ABOUT]
    table = table.drop_duplicates(metrics)
    return pd.DataFrame(
        {
            "model": table["name"] + "." + table["pretrained"],
            "family": table["name"].map(family_of_name),
            "params_m": table["params (M)"],
            "gmacs": table["FLOPs (B)"] / 2,
            **{name: table[name] for name in metrics},
        }
    ).reset_index(drop=True)


def metrics_of(zero_shot: pd.DataFrame) -> list[str]:
    """Names of the 38 metrics of `read_zero_shot`."""
    return list(zero_shot.columns[4:])


def family_of_name(name: str) -> str:
    """Which of "resnet", "vit" and "other" a published model's name tells of.

    >>> [family_of_name(name) for name in ("resnet50.tv_in1k", "RN50x4", "ViT-B-32", "convnext_base", "vit_tiny")]
    ['resnet', 'resnet', 'vit', 'other', 'vit']
    """
    if re.match(r"RN\d|(tv_|wide_)?resnet\d|resnext\d", name):
        return "resnet"
    return "vit" if re.match(r"(ViT|EVA|vit|deit|eva)\w*[-_\d]", name) else "other"


def is_imagenet_only(model: str) -> bool:
    """Whether timm's tag says that nothing but ImageNet-1k's images and labels trained a model.

    >>> [is_imagenet_only(f"m.{tag}") for tag in ("a1_in1k", "augreg_in21k_ft_in1k", "laion2b_ft_in1k", "fb_dist_in1k")]
    [True, False, False, False]
    """
    _, _, tag = model.partition(".")
    words = tag.split("_")
    return "in1k" in words and not any(OTHER_DATA.fullmatch(word) for word in words) and "clip" not in model
