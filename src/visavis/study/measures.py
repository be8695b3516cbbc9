"""Which measures a study takes of each model, and what each needs of it: embeddings in, predictions out."""

from __future__ import annotations

from collections.abc import Callable

from visavis.evaluate.classifier import own_classifier
from visavis.evaluate.knn import knn
from visavis.evaluate.linear_probe import linear_probe
from visavis.evaluate.scores import NotMeasurable
from visavis.evaluate.zero_shot import zero_shot
from visavis.study.evidence import Evidence, Scores, noting_cuts
from visavis.study.tuning import by_fine_tuning, by_lora, by_wise_ft


def by_zero_shot(evidence: Evidence) -> Scores:
    """Names, prompts and the text tower; no image of the user's is needed."""
    encoder = evidence.encoder
    if encoder.logit_scale is None:
        reason = ": it was trained on labels" if encoder.family.startswith("supervised") else ""
        raise NotMeasurable(f"{encoder.name} has no text tower{reason}.")
    classifier, chosen = noting_cuts(
        "prompts", lambda: encoder.zero_shot_classifier(evidence.prompt_names, evidence.templates)
    )
    return Scores(probabilities=zero_shot(evidence.test, classifier, encoder.logit_scale), chosen=chosen)


def by_classifier(evidence: Evidence) -> Scores:
    """A supervised model's own head, where it knows the data's classes."""
    encoder = evidence.encoder
    if encoder.head is None:
        reason = ": it was trained on language" if encoder.family.startswith("clip") else ""
        raise NotMeasurable(f"{encoder.name} has no classifier of its own{reason}.")
    if encoder.class_names is None:
        raise NotMeasurable(f"The weights of {encoder.name} do not say what its classifier tells apart.")
    weight, bias = encoder.head
    probabilities = own_classifier(evidence.test, weight, bias, encoder.class_names, evidence.classes)
    return Scores(probabilities=probabilities, chosen={"head_classes": len(encoder.class_names)})


def by_knn(evidence: Evidence) -> Scores:
    """The nearest training images vote."""
    probabilities, k = knn(evidence.train, evidence.train_labels, evidence.test, classes=evidence.classes)
    return Scores(probabilities=probabilities, chosen={"k": k})


def by_linear_probe(evidence: Evidence) -> Scores:
    """A linear classifier trained on features before the projection, as Radford et al. 2021 train it (appendix A.3)."""
    probabilities, strength = linear_probe(
        evidence.train_features,
        evidence.train_labels,
        evidence.test_features,
        classes=evidence.classes,
        seed=evidence.seed,
    )
    return Scores(probabilities=probabilities, chosen={"C": strength})


def by_embedding_probe(evidence: Evidence) -> Scores:
    """The same on the vectors behind the projection, what `encode_images` gives."""
    if evidence.train is evidence.train_features:
        raise NotMeasurable(f"{evidence.encoder.name} has no projection that could be told: its probe is the same.")
    probabilities, strength = linear_probe(
        evidence.train, evidence.train_labels, evidence.test, classes=evidence.classes, seed=evidence.seed
    )
    return Scores(probabilities=probabilities, chosen={"C": strength})


MEASURES: dict[str, Callable[[Evidence], Scores]] = {
    "classifier": by_classifier,
    "zero_shot": by_zero_shot,
    "knn": by_knn,
    "linear_probe": by_linear_probe,
    "embedding_probe": by_embedding_probe,
    "fine_tuning": by_fine_tuning,
    "lora": by_lora,
    "wise_ft": by_wise_ft,
}
# Measures and chapters that are taken only where they are named.
ON_REQUEST = ("embedding_probe", "fine_tuning", "lora", "wise_ft", "sensitivity")
