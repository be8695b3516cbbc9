"""A study made up here, as large as a real one and with names that attack a page."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw
from scipy import stats

from visavis.report.page import ReportTables, write_report

# name: (architecture, training, accuracy by measure, images a second)
MODELS = {
    "resnet-mini.emoji": ("ResNet", "labels", {"classifier": 0.55, "linear_probe": 0.63, "knn": 0.58}, 410),
    "vit-mini-patch8.emoji": ("ViT", "labels", {"classifier": 0.31, "linear_probe": 0.42, "knn": 0.36}, 505),
    "RN-mini.emoji": ("ResNet", "language", {"zero_shot": 0.53, "linear_probe": 0.60, "knn": 0.57}, 402),
    "ViT-mini-8.emoji": ("ViT", "language", {"zero_shot": 0.24, "linear_probe": 0.35, "knn": 0.30}, 511),
}
NASTY = (
    "<script>alert('class')</script>",
    "\"quoted\" & 'single' <b>bold</b>",
    "</style></script><img src=x onerror=alert(1)>",
    "two\nlines\tand a tab",
    "שלום עולם",
    "مرحبا \u202e reversed",
    "👩‍🚀 astronaut 🚀",
    "{{ 7 * 7 }} {% raw %}",
    "--><svg onload=alert(2)>",
    "a" * 400,
    "x/../../etc/passwd",
)
NOT_UNICODE = "half of a pair \ud83d"  # a file's name can hold it; a table cannot
ACCURACIES = ("accuracy", "balanced_accuracy", "accuracy@5")
WORDS = (
    ("red", "sleepy", "tiny", "round", "old", "flying"),
    ("fox", "kite", "pear", "boat", "moon", "drum", "leaf"),
)


def make_tables(  # each is one thing that a test varies
    n_classes: int = 688,
    images_per_class: int = 1,
    models: tuple[str, ...] = tuple(MODELS),
    views: tuple[str, ...] = ("clean",),
    pictures: int = 30,
    seed: int = 0,
) -> ReportTables:
    """A study as `compare` would make it, from a seed; all tables agree with its predictions."""
    classes = [*NASTY[:n_classes], *(_class_name(number) for number in range(n_classes - len(NASTY)))]
    predictions = make_predictions(classes, images_per_class, models, views, seed)
    pairs = make_pairs(predictions)
    results = pd.concat([make_results(predictions, pairs), make_costs(models)], ignore_index=True)
    effects = make_effects(predictions) if set(models) == set(MODELS) else make_effects(predictions).head(0)
    labels = predictions.drop_duplicates("sample").set_index("sample")["label"].iloc[:pictures]
    thumbnails = pd.DataFrame(
        {
            "sample": labels.index,
            "name": [f"style/{number} {label[:20]}.png" for number, label in enumerate(labels)],
            "label": labels.to_list(),
            "image": [drawing(number) for number in range(len(labels))],
        }
    )
    return ReportTables(
        results=results,
        pairs=pairs,
        effects=effects,
        predictions=predictions,
        thumbnails=thumbnails,
        protocol=make_protocol(models, views, n_classes, n_classes * images_per_class),
    )


def make_predictions(
    classes: list[str], images_per_class: int, models: tuple[str, ...], views: tuple[str, ...], seed: int
) -> pd.DataFrame:
    """Decisions in which an easy image is easy for all models."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(classes)), images_per_class)
    n = len(labels)
    ease = random.normal(size=n)
    naming, others = [], []
    for view_number, view in enumerate(views):
        for model in models:
            accuracies = dict(MODELS[model][2])
            for measure, accuracy in accuracies.items():
                score = 0.8 * ease + 0.6 * random.normal(size=n)
                right = stats.norm.cdf(score) > 1 - accuracy * 0.7**view_number
                wrong = (labels + random.integers(1, len(classes), size=n)) % len(classes)
                rank = np.where(right, 1, 2 + random.geometric(0.15, size=n).clip(max=len(classes) - 2))
                frame = pd.DataFrame(
                    {
                        "sample": [f"{number:016x}" for number in range(n)],
                        "model": model, "view": view, "measure": measure, "draw": 0,
                        "label": [classes[number] for number in labels],
                        "predicted": [classes[number] for number in np.where(right, labels, wrong)],
                        "confidence": random.beta(np.where(right, 6, 2), 2),
                        "rank": rank,
                    }
                )  # fmt: skip
                others.append(frame)
                if measure in ("classifier", "zero_shot"):
                    naming.append(frame.assign(measure="naming"))
    return pd.concat([*naming, *others], ignore_index=True)


def make_results(predictions: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Accuracies with Wald intervals, and tie groups from the adjusted p values."""
    right = predictions["predicted"] == predictions["label"]
    scored = predictions.assign(
        **{"accuracy": right.astype(float), "accuracy@5": (predictions["rank"] <= 5).astype(float)}
    )
    by_class = scored.groupby(["model", "view", "measure", "label"])["accuracy"].mean()
    rows = []
    for (model, view, measure), own in scored.groupby(["model", "view", "measure"], sort=False):
        values = {name: own[name].mean() for name in ("accuracy", "accuracy@5")}
        values["balanced_accuracy"] = float(by_class.loc[(model, view, measure)].mean())
        for metric in ACCURACIES:
            value, n = float(values[metric]), len(own)
            half = 1.96 * math.sqrt(value * (1 - value) / n)
            rows.append(
                {
                    "model": model, "view": view, "measure": measure, "metric": metric, "value": value,
                    "low": max(0.0, value - half), "high": min(1.0, value + half), "n": float(n),
                    "draw_low": math.nan, "draw_high": math.nan, "tie_group": math.nan,
                }
            )  # fmt: skip
    results = pd.DataFrame(rows)
    for (view, measure), own in results[results["metric"] == "accuracy"].groupby(["view", "measure"]):
        group, leader = 0, ""
        for index, model in own.sort_values("value", ascending=False)["model"].items():
            if not leader or _p_between(pairs, view, measure, leader, model) < 0.05:
                group, leader = group + 1, model
            results.loc[index, "tie_group"] = group
    return results


def make_pairs(predictions: pd.DataFrame) -> pd.DataFrame:
    """Exact McNemar tests with Bonferroni's correction, which is enough for a page."""
    columns = [
        "model_a", "model_b", "view", "measure", "metric", "difference", "low", "high", "n", "discordant", "p_value",
        "p_adjusted", "verdict",
    ]  # fmt: skip
    rows = []
    for (view, measure), right in _right(predictions):
        for one, other in combinations(right, 2):
            a, b = (one, other) if right[one].mean() >= right[other].mean() else (other, one)
            gap = right[a].astype(int) - right[b].astype(int)
            only_a, only_b = int((gap > 0).sum()), int((gap < 0).sum())
            p = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
            adjusted = min(1.0, p * math.comb(right.shape[1], 2))
            half = 1.96 * float(gap.std()) / math.sqrt(len(gap))
            difference = float(gap.mean())
            words = f"{a} is better" if adjusted < 0.05 else "not separable; about 2,400 images would do"
            rows.append(
                [a, b, view, measure, "accuracy", difference, difference - half, difference + half, len(gap),
                 only_a + only_b, p, adjusted, words]
            )  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def make_effects(predictions: pd.DataFrame) -> pd.DataFrame:
    """The three contrasts of the square."""
    weights = {
        "architecture": ("ViT minus ResNet, mean over both kinds of training", (-0.5, 0.5, -0.5, 0.5)),
        "training": ("language minus labels, mean over both architectures", (-0.5, -0.5, 0.5, 0.5)),
        "interaction": (
            "what language adds to the ViT minus what it adds to the ResNet",
            (1.0, -1.0, -1.0, 1.0),
        ),
    }
    rows = []
    for (view, measure), right in _right(predictions):
        for effect, (description, contrast) in weights.items():
            if right.shape[1] == 4:
                gap = right[list(MODELS)].astype(float) @ np.array(contrast)
                value, half = float(gap.mean()), 1.96 * float(gap.std()) / math.sqrt(len(gap))
                rows.append([view, measure, effect, description, value, value - half, value + half, len(gap)])
    columns = ["view", "measure", "effect", "description", "difference", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def make_costs(models: tuple[str, ...]) -> pd.DataFrame:
    """Counted costs without intervals, measured ones from lowest to highest."""
    rows = []
    for number, model in enumerate(models):
        speed = float(MODELS[model][3])
        for metric, value, measured in (
            ("params", 4_312_000.0 + 91_000 * number, False),
            ("macs", 152_300_000.0 + 1_700_000 * number, False),
            ("weight_mib", 16.45 + 0.35 * number, False),
            ("images_per_s", speed, True),
            ("peak_memory_mib", 120.0 + 9.5 * number, True),
        ):
            spread = (0.96 * value, 1.03 * value, 128.0) if measured else (math.nan, math.nan, math.nan)
            rows.append([model, "", "cost", metric, value, *spread, math.nan, math.nan, math.nan])
    columns = [
        "model",
        "view",
        "measure",
        "metric",
        "value",
        "low",
        "high",
        "n",
        "draw_low",
        "draw_high",
        "tie_group",
    ]
    return pd.DataFrame(rows, columns=columns)


def make_protocol(models: tuple[str, ...], views: tuple[str, ...], n_classes: int, n_test: int) -> dict[str, Any]:
    """study.json of the made-up study."""
    empty = [
        {"model": name, "measure": missing, "reason": f"{name} was not made for it: <b>{missing}</b>."}
        for name, (_, training, _, _) in MODELS.items()
        if name in models
        for missing in ["zero_shot" if training == "labels" else "classifier"]
    ]
    described = [
        {
            "name": name, "family": f"{training}-{architecture}", "architecture": architecture, "training": training,
            "params": 4_312_000, "macs": 152_300_000, "image_size": 64, "embed_dim": 256,
            "trained_on": "emoji <drawings>", "license": "MIT", "fingerprint": "9f" * 16,
            "preprocessing": "Preprocess(image_size=64, resize=64, interpolation='bicubic')",
        }
        for name, (architecture, training, _, _) in MODELS.items() if name in models
    ]  # fmt: skip
    return {
        "visavis": "0.1.0",
        "created": "2026-11-23T17:30:00+00:00",
        "command": "visavis compare " + " ".join(models) + " --data 'a <folder> & more' --seed 0",
        "arguments": {"models": list(models), "data": "a <folder> & more", "views": list(views)},
        "verdict": f"Use {models[0]}: it gets 55.1% [51.4, 58.8] of {n_test} images right, naming without examples, "
        "1.7 points [-1.1, 4.6] more than the next (adjusted p = 0.24). If that difference is real, about 2,400 images "
        "would show it. On average, ResNets beat ViTs, and training on labels beats training on language.",
        "data": {
            "name": "emoji <b>&amp;</b> friends", "fingerprint": "ab" * 32, "n_train": 2 * n_test, "n_test": n_test,
            "classes": n_classes, "split": "as the data set says: OpenMoji's drawings are tested.",
            "skipped": [
                {"name": name, "reason": f"{name[:20]} is cut short"} for name in (*NASTY, NOT_UNICODE)
            ],
        },
        "models": described,
        "measures": {
            "classifier": {"chosen": {}},
            "zero_shot": {"templates": ["{}", "an emoji of {}"]},
            "knn": {"chosen": {name: {"k": 5} for name in models}},
            "linear_probe": {"chosen": {name: {"C": 0.316} for name in models}},
        },
        "empty_cells": empty,
        "seed": 0,
        "bootstrap": {"draws": 2000, "level": 0.95},
        "machine": {"cpu": "Some CPU @ 2 GHz, 2 logical", "threads": 2, "platform": "Linux"},
        "packages": {"python": "3.11.9", "torch": "2.13.0", "numpy": "2.4.0"},
        "seconds": {"total": 61.5},
    }  # fmt: skip


def drawing(number: int) -> bytes:
    """A small picture as WebP bytes: a shape of some colour."""
    image = Image.new("RGB", (64, 64), "white")
    brush = ImageDraw.Draw(image)
    colour = ((37 * number) % 256, (101 * number) % 256, (59 * number) % 256)
    (brush.ellipse, brush.rectangle)[number % 2]((10, 10, 54, 54), fill=colour, outline="black", width=3)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=80)
    return stream.getvalue()


@pytest.fixture(scope="session")
def make() -> Callable[..., ReportTables]:
    """The maker of studies, for tests that vary one thing."""
    return make_tables


@pytest.fixture(scope="session")
def tables() -> ReportTables:
    """Four models, 688 classes of one image, nasty names."""
    return make_tables()


@pytest.fixture(scope="session")
def report_file(tables: ReportTables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of `tables`, written."""
    return write_report(tables, tmp_path_factory.mktemp("report") / "report.html")


def _right(predictions: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    right = predictions.assign(right=predictions["predicted"] == predictions["label"])
    for cell, own in right.groupby(["view", "measure"], sort=False):
        yield cell, own.pivot(index="sample", columns="model", values="right")


def _p_between(pairs: pd.DataFrame, view: str, measure: str, one: str, other: str) -> float:
    own = pairs[(pairs["view"] == view) & (pairs["measure"] == measure)]
    return float(own[own[["model_a", "model_b"]].isin([one, other]).all(axis=1)]["p_adjusted"].iloc[0])


def _class_name(number: int) -> str:
    first, second = WORDS
    return f"{first[number % len(first)]} {second[number // len(first) % len(second)]} {number}"
