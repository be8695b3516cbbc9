"""Every measure of every model under every view: what a study decides about single images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from visavis.data.dataset import Sample
from visavis.data.splits import halves
from visavis.data.views import View, parse_view
from visavis.engine.cache import default_cache
from visavis.engine.embed import embed_features, pixels_of
from visavis.engine.encoder import Encoder
from visavis.evaluate.scores import NotMeasurable, predictions_from_scores
from visavis.progress import ShowProgress
from visavis.study.captions import caption_decisions, captioned, encode_captions
from visavis.study.evidence import Evidence, Pictures
from visavis.study.found_again import MIXED, again_decisions, mixed, same_files
from visavis.study.measures import MEASURES
from visavis.study.multi_label import by_name, by_probe, classes_among, decide, has_class
from visavis.study.plan import Plan
from visavis.study.summary import ANY_LABEL, ANY_LABEL_PROBE, FOUND_AGAIN, IMAGE_TO_TEXT
from visavis.study.unfinished import Unfinished

CELLS = 2**27  # probabilities held at once (512 MiB)


@dataclass
class Findings:
    """What the run gathers; `probabilities` are those of the first view, for each (measure, model).

    Of images that may have several classes they are scores of any scale, the higher the likelier.
    """

    predictions: list[pd.DataFrame] = field(default_factory=list)
    probabilities: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    empty_cells: list[dict[str, str]] = field(default_factory=list)
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def note(self, measure: str, model: str, chosen: dict[str, Any]) -> None:
        """What a measure chose for a model, if anything."""
        if chosen:
            self.chosen.setdefault(measure, {})[model] = chosen


def run_measures(plan: Plan, unfinished: Unfinished, progress: ShowProgress) -> Findings:
    """Every measure of every model under every view: one row a decision. What took long is kept in `unfinished`."""
    findings = Findings()
    train, test = plan.part("train"), plan.part("test")
    if plan.known != "class":
        ask = {"classes": _ask_classes, "captions": _ask_captions, "nothing": _find_again}[plan.known]
        ask(plan, findings, progress)
        return findings
    wanted = [measure for measure in MEASURES if plan.wants(measure)]
    for encoder in plan.encoders:
        train_features = _features(encoder, train, parse_view("clean"), "training images", progress)
        kept: dict[str, Any] = {}
        for views in _together(plan.views, len(test) * len(plan.classes)):
            features = [_features(encoder, test, view, f"test images, {view.name}", progress) for view in views]
            evidence = Evidence(
                encoder=encoder,
                classes=plan.classes,
                prompt_names=plan.prompt_names,
                templates=plan.templates,
                train_features=train_features,
                train_labels=tuple(str(sample.label) for sample in train),
                test_features=np.concatenate(features),
                seed=plan.seed,
                kept=kept,
                pictures=Pictures(
                    train=partial(pixels_of, encoder, train, (parse_view("clean"),)),
                    test=partial(pixels_of, encoder, test, views),
                    progress=progress,
                ),
            )
            taken: dict[str, np.ndarray] = {}  # [views, test images, classes] for each measure
            for done, measure in enumerate(wanted, start=1):
                scores = _take(measure, evidence, unfinished, findings)
                if scores is not None:
                    taken[measure] = scores.reshape(len(views), len(test), -1)
                progress(f"measures of {encoder.name}", done, len(wanted))
            for place, view in enumerate(views):
                for measure, by_view in taken.items():
                    findings.predictions.append(_decisions(plan, test, encoder, view, measure, by_view[place]))
                    if view == plan.views[0]:
                        findings.probabilities[measure, encoder.name] = by_view[place]
    return findings


def _ask_captions(plan: Plan, findings: Findings, progress: ShowProgress) -> None:
    """Where there are captions and no labels: which caption each image is nearest to, of models that read texts."""
    known = captioned(plan.part("test"))
    for encoder in plan.encoders if plan.wants(IMAGE_TO_TEXT) else ():
        try:
            texts, cut = encode_captions(encoder, known.texts)
            findings.note(IMAGE_TO_TEXT, encoder.name, cut)
            for view in plan.views:
                features = _features(encoder, known.samples, view, f"test images, {view.name}", progress)
                decisions = caption_decisions(known, encoder, encoder.project(features), texts)
                findings.predictions.append(_labelled(decisions, known.samples, encoder, view.name, IMAGE_TO_TEXT))
        except NotMeasurable as reason:
            findings.empty_cells.append({"model": encoder.name, "measure": IMAGE_TO_TEXT, "reason": str(reason)})


def _ask_classes(plan: Plan, findings: Findings, progress: ShowProgress) -> None:
    """Where images may have several classes: which of all is the likeliest, by its name and by probes."""
    classes = classes_among(plan.dataset)
    train, test = plan.part("train"), plan.part("test")
    right, clean = has_class(test, classes), parse_view("clean")
    asked = np.flatnonzero(right.any(axis=1))
    samples = tuple(test[place] for place in asked)
    first = np.array(halves(test, plan.seed))
    for encoder in plan.encoders:
        views = [_features(encoder, test, view, f"test images, {view.name}", progress) for view in plan.views]
        for measure in filter(plan.wants, (ANY_LABEL, ANY_LABEL_PROBE)):
            try:
                if measure == ANY_LABEL:
                    found = by_name(encoder, classes, plan.templates, views)
                else:
                    learnt = _features(encoder, train, clean, "training images", progress)
                    unchanged = _features(encoder, test, clean, "test images, clean", progress)
                    found = by_probe(learnt, has_class(train, classes), unchanged, right, first, views)
            except NotMeasurable as reason:
                findings.empty_cells.append({"model": encoder.name, "measure": measure, "reason": str(reason)})
                continue
            findings.probabilities[measure, encoder.name] = found[0].scores
            for view, own in zip(plan.views, found, strict=True):
                decisions = decide(samples, classes, own.scores[asked], own.sure[asked])
                findings.predictions.append(_labelled(decisions, samples, encoder, view.name, measure))


def _find_again(plan: Plan, findings: Findings, progress: ShowProgress) -> None:
    """What can be decided where nothing is known of the images: which unchanged one a changed one is nearest to."""
    if not plan.wants(FOUND_AGAIN):
        return
    test = plan.part("test")
    copies = same_files(test)
    changes = [view for view in plan.views if view.name != "clean"]
    for encoder in plan.encoders:
        unchanged = encoder.project(_features(encoder, test, parse_view("clean"), "test images, clean", progress))
        by_view = {}
        try:
            for view in changes:
                features = _features(encoder, test, view, f"test images, {view.name}", progress)
                by_view[view.name] = again_decisions(test, copies, encoder.project(features), unchanged)
        except NotMeasurable as reason:
            findings.empty_cells.append({"model": encoder.name, "measure": FOUND_AGAIN, "reason": str(reason)})
            continue
        together = {MIXED: mixed(by_view, plan.seed)} if len(by_view) > 1 else {}
        for name, decisions in (together | by_view).items():
            findings.predictions.append(_labelled(decisions, test, encoder, name, FOUND_AGAIN))


def _together(views: Sequence[View], cells: int) -> Iterator[Sequence[View]]:
    """Views whose images a measure is asked about at once, so that it is fitted once; memory stays bounded.

    Args:
        views: All.
        cells: Probabilities of one view.
    """
    size = max(1, CELLS // max(1, cells))
    return (views[start : start + size] for start in range(0, len(views), size))


def _take(measure: str, evidence: Evidence, unfinished: Unfinished, findings: Findings) -> np.ndarray | None:
    """One measure's probabilities; None where there are none, for which the reason is gathered."""
    model = evidence.encoder.name
    try:
        scores = unfinished.take(measure, evidence)
    except NotMeasurable as reason:
        cell = {"model": model, "measure": measure, "reason": str(reason)}
        if cell not in findings.empty_cells:
            findings.empty_cells.append(cell)
        return None
    findings.note(measure, model, scores.chosen)
    return scores.probabilities


def _decisions(
    plan: Plan, test: tuple[Sample, ...], encoder: Encoder, view: View, measure: str, probabilities: np.ndarray
) -> pd.DataFrame:
    """The rows of the study's predictions."""
    decisions = predictions_from_scores(probabilities, plan.classes, tuple(str(sample.label) for sample in test))
    decisions.insert(0, "sample", [sample.id for sample in test])
    return _labelled(decisions, test, encoder, view.name, measure)


def _labelled(
    decisions: pd.DataFrame, test: tuple[Sample, ...], encoder: Encoder, view: str, measure: str
) -> pd.DataFrame:
    """Decisions with whose they are."""
    decisions.insert(1, "model", encoder.name)
    decisions.insert(2, "view", view)
    decisions.insert(3, "measure", measure)
    decisions.insert(4, "draw", 0)
    if any(sample.group for sample in test):
        decisions["group"] = [sample.group for sample in test]
    return decisions


def _features(
    encoder: Encoder, samples: tuple[Sample, ...], view: View, what: str, progress: ShowProgress
) -> np.ndarray:
    stage, done = f"{encoder.name}: {what}", 0

    def advance(images: int) -> None:
        nonlocal done
        done += images
        progress(stage, done, len(samples))

    return embed_features(encoder, samples, view, default_cache(), advance)
