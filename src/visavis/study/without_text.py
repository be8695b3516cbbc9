"""What the verdict says of models without a text tower: why their cells are empty, and what they do instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from visavis.study.standing import Standing
from visavis.study.summary import ANY_LABEL, FOUND_AGAIN, IMAGE_TO_TEXT
from visavis.study.wording import listed


def without_text(standings: Mapping[str, Standing], models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences; none where all models have what was asked of them.

    Args:
        standings: By measure.
        models: For each model at least "name" and "training".
    """
    labelled = [str(model["name"]) for model in models if model["training"] == "labels"]
    if FOUND_AGAIN in standings:
        return []
    if labelled and IMAGE_TO_TEXT in standings:
        have, them = ("have", "them") if len(labelled) > 1 else ("has", "it")
        return [f"{listed(labelled)} {have} no text tower, so no text finds an image with {them}."]
    if labelled and ANY_LABEL in standings:
        have, them = ("have", "them") if len(labelled) > 1 else ("has", "it")
        return [f"{listed(labelled)} {have} no text tower, so no class is known to {them} by its name."]
    heads = set(standings["classifier"].rows.index) if "classifier" in standings else set()
    naming = [name for name in labelled if name in heads]
    silent = [name for name in labelled if name not in heads]
    sentences = []
    if naming:
        own = "they name with classifiers of their own" if len(naming) > 1 else "it names with a classifier of its own"
        sentences.append(f"{_no_zero_shot(naming)}; {own}.")
    if silent:
        sentences.append(f"{_no_zero_shot(silent)}, and no classifier over these classes is at hand.")
    return sentences


def _no_zero_shot(names: list[str]) -> str:
    have, them = ("have", "them") if len(names) > 1 else ("has", "it")
    return f"{listed(names)} {have} no text tower, so zero-shot is empty for {them}"
