"""Measures that change the network: fine-tuning, LoRA and WiSE-FT, each from the best head that a model has at first.

A CLIP begins with its zero-shot classifier, as in Wortsman et al. 2022; a model of labels with a linear probe, as in
Kumar et al. 2022 (Fine-tuning can distort pretrained features). They are taken only where they are named.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from visavis.engine.encoder import Encoder
from visavis.evaluate.linear_probe import probe_weights
from visavis.evaluate.scores import NotMeasurable, softmax
from visavis.study.evidence import Evidence, Scores
from visavis.train.batches import MEMORY_LIMIT
from visavis.train.fine_tuning import (
    Classifier,
    FineTuning,
    Start,
    average_weights,
    classify,
    fine_tune,
    seconds_a_step,
    steps_in_all,
)

WHOLE = FineTuning()
LOW_RANK = FineTuning(rank=8, learning_rates=(1e-4, 1e-3))  # fewer weights move, so they move further
TUNED = {"fine_tuning": (WHOLE,), "lora": (LOW_RANK,), "wise_ft": (WHOLE,)}  # what each measure trains


def by_fine_tuning(evidence: Evidence) -> Scores:
    """All weights are trained on the training part."""
    tuned, rate = _tuned(evidence, WHOLE)
    return Scores(probabilities=_answers(evidence, tuned), chosen={"learning_rate": rate})


def by_lora(evidence: Evidence) -> Scores:
    """Low-rank changes of the weights are trained (Hu et al. 2022)."""
    tuned, rate = _tuned(evidence, LOW_RANK)
    return Scores(probabilities=_answers(evidence, tuned), chosen={"learning_rate": rate, "rank": LOW_RANK.rank})


def by_wise_ft(evidence: Evidence) -> Scores:
    """Half way between the zero-shot network and the fine-tuned one (Wortsman et al. 2022)."""
    if not evidence.encoder.has_text:
        raise NotMeasurable(f"{evidence.encoder.name} has no zero-shot classifier to average with.")
    tuned, rate = _tuned(evidence, WHOLE)
    averaged = average_weights(Classifier(evidence.encoder, _start(evidence)), tuned)
    return Scores(probabilities=_answers(evidence, averaged), chosen={"learning_rate": rate, "share": 0.5})


def seconds_to_tune(encoder: Encoder, n_images: int, n_classes: int, measures: set[str]) -> float:
    """About how long the tuning of an encoder takes that these measures need."""
    start = Start(
        weight=np.zeros((n_classes, encoder.embed_dim), np.float32), bias=np.zeros(n_classes, np.float32), unit=True
    )
    configs = {config for measure in measures for config in TUNED.get(measure, ())}
    return sum(
        steps_in_all(n_images, config) * seconds_a_step(encoder, start, config, time.perf_counter) for config in configs
    )


def _tuned(evidence: Evidence, config: FineTuning) -> tuple[Classifier, float]:
    """The trained network and its learning rate; trained once for all measures that need it."""
    key = repr(config)
    if key not in evidence.kept:
        evidence.kept[key] = _tune(evidence, config)
    return evidence.kept[key]


def _tune(evidence: Evidence, config: FineTuning) -> tuple[Classifier, float]:
    encoder, pictures = evidence.encoder, evidence.pictures
    assert pictures is not None, "a study's evidence has its pictures"
    n_images, side = len(evidence.train_labels), encoder.image_size
    if n_images < config.batch_size:
        raise NotMeasurable(
            f"Fine-tuning needs {config.batch_size} training images at least, and there are {n_images}."
        )
    if n_images * 3 * side * side > MEMORY_LIMIT:
        raise NotMeasurable(
            f"{n_images:,} training images of {side} x {side} pixels need over {MEMORY_LIMIT / 2**30:g} GiB decoded."
        )
    pixels = np.concatenate(list(pictures.train()))  # uint8 [train images, side, side, 3]
    kind = "LoRA" if config.rank else "fine-tuning"

    def progress(done: int, total: int) -> None:
        pictures.progress(f"{kind} of {encoder.name}, steps", done, total)

    config = replace(config, seed=evidence.seed)
    return fine_tune(encoder, _start(evidence), pixels, _truth(evidence), config, progress)


def _start(evidence: Evidence) -> Start:
    encoder, n_classes = evidence.encoder, len(evidence.classes)
    if encoder.logit_scale is not None:
        classifier = encoder.zero_shot_classifier(evidence.prompt_names, evidence.templates)
        return Start(weight=classifier * encoder.logit_scale, bias=np.zeros(n_classes, np.float32), unit=True)
    weight, bias = probe_weights(evidence.train, _truth(evidence), n_classes)
    return Start(weight=weight, bias=bias, unit=False)


def _truth(evidence: Evidence) -> np.ndarray:
    """Class numbers of the training images."""
    number = {name: column for column, name in enumerate(evidence.classes)}
    return np.array([number[label] for label in evidence.train_labels])


def _answers(evidence: Evidence, classifier: Classifier) -> np.ndarray:
    """Probabilities float32 [test images, classes]."""
    assert evidence.pictures is not None, "a study's evidence has its pictures"
    return softmax(np.concatenate(list(classify(evidence.encoder, classifier, evidence.pictures.test()))))
