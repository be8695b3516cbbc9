"""Every measure of every model under every view: what a study decides about single images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from visavis.data.dataset import Sample
from visavis.data.views import View, parse_view
from visavis.engine.cache import default_cache
from visavis.engine.embed import embed
from visavis.engine.encoder import Encoder
from visavis.evaluate.scores import NotMeasurable, predictions_from_scores
from visavis.progress import ShowProgress
from visavis.study.measures import MEASURES, Evidence
from visavis.study.plan import Plan
from visavis.study.unfinished import Unfinished


@dataclass
class Findings:
    """What the run gathers; `probabilities` are those of the first view, for each (measure, model)."""

    predictions: list[pd.DataFrame] = field(default_factory=list)
    probabilities: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    empty_cells: list[dict[str, str]] = field(default_factory=list)
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)


def run_measures(plan: Plan, unfinished: Unfinished, progress: ShowProgress) -> Findings:
    """Every measure of every model under every view: one row a decision. What took long is kept in `unfinished`."""
    findings = Findings()
    train, test = plan.part("train"), plan.part("test")
    test_labels = tuple(str(sample.label) for sample in test)
    for encoder in plan.encoders:
        train_vectors = _embed(encoder, train, parse_view("clean"), "training images", progress)
        for view in plan.views:
            evidence = Evidence(
                encoder=encoder,
                classes=plan.classes,
                prompt_names=plan.prompt_names,
                templates=plan.templates,
                train=train_vectors,
                train_labels=tuple(str(sample.label) for sample in train),
                test=_embed(encoder, test, view, f"test images, {view.name}", progress),
                seed=plan.seed,
            )
            wanted = [measure for measure in MEASURES if plan.wants(measure)]
            for done, measure in enumerate(wanted, start=1):
                scores = _take(measure, evidence, view, test, test_labels, unfinished, findings)
                if scores is not None and view == plan.views[0]:
                    findings.probabilities[measure, encoder.name] = scores
                progress(f"measures of {encoder.name}, {view.name}", done, len(wanted))
    return findings


def _take(
    measure: str,
    evidence: Evidence,
    view: View,
    test: tuple[Sample, ...],
    labels: tuple[str, ...],
    unfinished: Unfinished,
    findings: Findings,
) -> np.ndarray | None:
    """Gathers one measure's decisions, or the reason why there are none; returns its probabilities."""
    model = evidence.encoder.name
    try:
        scores = unfinished.take(measure, evidence)
        decisions = predictions_from_scores(scores.probabilities, evidence.classes, labels)
    except NotMeasurable as reason:
        cell = {"model": model, "measure": measure, "reason": str(reason)}
        if cell not in findings.empty_cells:
            findings.empty_cells.append(cell)
        return None
    decisions.insert(0, "sample", [sample.id for sample in test])
    decisions.insert(1, "model", model)
    decisions.insert(2, "view", view.name)
    decisions.insert(3, "measure", measure)
    decisions.insert(4, "draw", 0)
    if any(sample.group for sample in test):
        decisions["group"] = [sample.group for sample in test]
    findings.predictions.append(decisions)
    findings.chosen.setdefault(measure, {})[model] = scores.chosen
    return scores.probabilities


def _embed(encoder: Encoder, samples: tuple[Sample, ...], view: View, what: str, progress: ShowProgress) -> np.ndarray:
    stage, done = f"{encoder.name}: {what}", 0

    def advance(images: int) -> None:
        nonlocal done
        done += images
        progress(stage, done, len(samples))

    return embed(encoder, samples, view, default_cache(), advance)
