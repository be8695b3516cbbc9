"""Which vectors each measure sees."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from visavis.evaluate.scores import NotMeasurable
from visavis.study.evidence import Evidence
from visavis.study.measures import MEASURES, ON_REQUEST
from visavis.study.plan import Plan

TRUTH = np.arange(60) % 2


def evidence_with(project) -> Evidence:
    """Features whose first column tells two classes apart, and whose others are noise."""
    noise = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)
    noise[:, 0] = np.concatenate([TRUTH, TRUTH]) + 0.05 * noise[:, 0]
    return Evidence(
        encoder=SimpleNamespace(name="m", project=project), classes=("a", "b"), prompt_names=("a", "b"),
        templates=("{}",), train_features=noise[:60], train_labels=tuple("ab"[one] for one in TRUTH),
        test_features=noise[60:], seed=0,
    )  # fmt: skip


def accuracy(measure: str, evidence: Evidence) -> float:
    return float((MEASURES[measure](evidence).probabilities.argmax(axis=1) == TRUTH).mean())


def test_a_probe_sees_what_the_projection_drops_and_the_others_do_not():
    evidence = evidence_with(lambda features: features[:, 1:])
    assert accuracy("linear_probe", evidence) == 1.0
    assert 0.2 < accuracy("embedding_probe", evidence) < 0.8
    assert 0.2 < accuracy("knn", evidence) < 0.8


def test_one_probe_is_enough_where_nothing_is_projected():
    with pytest.raises(NotMeasurable, match="no projection"):
        MEASURES["embedding_probe"](evidence_with(lambda features: features))


@pytest.mark.parametrize(("asked", "taken"), [((), False), (("embedding_probe",), True), (("knn",), False)])
def test_what_is_taken_on_request_alone(asked, taken):
    plan = Plan(encoders=(), dataset=None, classes=(), views=(), templates=(), seed=0, measures=asked)
    assert "embedding_probe" in ON_REQUEST
    assert plan.wants("embedding_probe") is taken
