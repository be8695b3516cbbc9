"""How much the answer hangs on the prompt: each template alone, all together, and names that read alike."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from visavis.errors import TextsCut
from visavis.evaluate.prompts import answers_by_prompt, nearest_names
from visavis.evaluate.scores import NotMeasurable, unit_rows
from visavis.study.bootstrap import Resampling, estimate_accuracies, estimate_contrasts
from visavis.study.chapters.chapter import Chapter, Material
from visavis.study.chapters.scored import Tested, images_of
from visavis.study.wording import points

if TYPE_CHECKING:
    from visavis.engine.encoder import Encoder

TOGETHER = ""  # the template's cell where all are averaged
MOST_PAIRS = 10  # of names, for each model


def prompts(material: Material) -> Chapter:
    """Zero-shot accuracy by template, each against the ensemble on the same images; and the names most alike.

    Returns:
        prompts: model, template (empty for all together), value, low, high, difference (to all together),
            difference_low, difference_high, n.
        names: model, class_a, class_b, cosine (of their vectors), mixed_up (test images of one answered with the
            other), n (test images of both).
    """
    plan = material.plan
    readers = [encoder for encoder in plan.encoders if ("zero_shot", encoder.name) in material.probabilities]
    if not readers:
        raise NotMeasurable("No model of this study answers to prompts.")
    images = images_of(material)
    tables, names = [], []
    for done, encoder in enumerate(readers, start=1):
        by_prompt = _encoded(encoder, plan.prompt_names, plan.templates)
        vectors = material.embed(encoder, plan.part("test"), material.view)[images.order]
        answers = answers_by_prompt(vectors, by_prompt)
        tables.append(_accuracies(encoder.name, plan.templates, answers, images, material))
        alike = nearest_names(unit_rows(by_prompt.mean(axis=0)), MOST_PAIRS)
        names += [_mixed_up(encoder.name, plan.classes, pair, answers[:, -1], images) for pair in alike]
        material.progress("prompts", done, len(readers))
    table = pd.concat(tables, ignore_index=True)
    pairs = pd.DataFrame(names, columns=["model", "class_a", "class_b", "cosine", "mixed_up", "n"])
    return Chapter(tables={"prompts": table, "names": pairs}, headline=_headline(table, pairs))


def _encoded(encoder: Encoder, names: tuple[str, ...], templates: tuple[str, ...]) -> np.ndarray:
    """Unit vectors, float32 [templates, classes, embed_dim]."""
    texts = [template.replace("{}", name) for template in templates for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TextsCut)  # zero-shot has said so
        return encoder.encode_texts(texts, normalize=True).reshape(len(templates), len(names), -1)


def _accuracies(
    model: str, templates: tuple[str, ...], answers: np.ndarray, images: Tested, material: Material
) -> pd.DataFrame:
    right = (answers == images.truth[:, None]).astype(float)  # [images, templates + 1]
    resampling = Resampling(seed=material.plan.seed)
    found = estimate_accuracies(right, np.ones_like(right), images.strata, resampling)
    against = estimate_contrasts(right - right[:, -1:], images.strata, np.ones(right.shape[1]), resampling)
    table = pd.DataFrame(
        {
            "model": model, "template": [*templates, TOGETHER], "value": found.value, "low": found.low,
            "high": found.high, "difference": against.value, "difference_low": against.low,
            "difference_high": against.high, "n": found.n,
        }
    )  # fmt: skip
    table.loc[table["template"] == TOGETHER, ["difference", "difference_low", "difference_high"]] = np.nan
    return table.iloc[-1:] if len(templates) == 1 else table


def _mixed_up(
    model: str, classes: tuple[str, ...], pair: tuple[int, int, float], answers: np.ndarray, images: Tested
) -> tuple[object, ...]:
    a, b, cosine = pair
    swapped = ((images.truth == a) & (answers == b)) | ((images.truth == b) & (answers == a))
    return model, classes[a], classes[b], cosine, int(swapped.sum()), int(np.isin(images.truth, (a, b)).sum())


def _headline(table: pd.DataFrame, names: pd.DataFrame) -> str:
    """The widest spread over templates; with one template, the names most alike."""
    alone = table[table["template"] != TOGETHER]
    if alone.empty:
        pair = names.sort_values("cosine", ascending=False, kind="stable").iloc[0]
        return f"{pair['model']} reads “{pair['class_a']}” and “{pair['class_b']}” most alike"
    spans = alone.groupby("model", sort=False)["value"].agg(["min", "max"])
    model = (spans["max"] - spans["min"]).idxmax()
    low, high = spans.loc[model]
    return f"The choice of one prompt among {len(alone['template'].unique())} moves {model} by {points(high - low)}"
