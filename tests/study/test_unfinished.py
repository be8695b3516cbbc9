"""A long measure is taken once: the same evidence finds its answer, any other does not, nor does a damaged file."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from visavis.errors import UsageError
from visavis.study import unfinished
from visavis.study.evidence import Evidence
from visavis.study.unfinished import Unfinished, begun_with


@pytest.fixture
def evidence() -> Evidence:
    random = np.random.default_rng(0)
    return Evidence(
        encoder=SimpleNamespace(fingerprint="f" * 64, project=lambda features: features),
        classes=("a", "b"),
        prompt_names=("a", "b"),
        templates=("a {}",),
        train_features=random.normal(size=(12, 3)).astype(np.float32),
        train_labels=("a", "b") * 6,
        test_features=random.normal(size=(5, 3)).astype(np.float32),
        seed=0,
    )


@pytest.fixture
def taken(monkeypatch) -> list[str]:
    """The measures that were computed, all of which take long."""
    monkeypatch.setattr(unfinished, "WORTH_KEEPING", 0.0)
    computed: list[str] = []

    def counted(name, measure):
        return lambda evidence: computed.append(name) or measure(evidence)

    counting = {name: counted(name, measure) for name, measure in unfinished.MEASURES.items()}
    monkeypatch.setattr(unfinished, "MEASURES", counting)
    return computed


def test_what_took_long_is_taken_once_to_the_same_bits(evidence, taken, tmp_path):
    first = Unfinished(tmp_path).take("linear_probe", evidence)
    again = Unfinished(tmp_path).take("linear_probe", evidence)
    assert taken == ["linear_probe"]
    assert again.probabilities.tobytes() == first.probabilities.tobytes()
    assert again.probabilities.dtype == first.probabilities.dtype
    assert again.chosen == first.chosen
    Unfinished(tmp_path).end()
    assert list(tmp_path.iterdir()) == []


def test_other_evidence_finds_nothing(evidence, taken, tmp_path):
    others = [
        replace(evidence, seed=1),
        replace(evidence, test_features=evidence.test_features + 1),
        replace(evidence, train_features=-evidence.train_features),
        replace(evidence, train_labels=("b", "a") * 6),
        replace(evidence, encoder=SimpleNamespace(fingerprint="0" * 64, project=lambda features: features)),
    ]
    for one in (evidence, *others):
        Unfinished(tmp_path).take("knn", one)
    Unfinished(tmp_path).take("linear_probe", evidence)
    assert taken == ["knn"] * 6 + ["linear_probe"]


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[:-40], lambda whole: b"PK" + whole[2:90]])
def test_a_damaged_answer_is_computed_again(evidence, taken, tmp_path, damage):
    first = Unfinished(tmp_path).take("knn", evidence)
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(damage(file.read_bytes()))
    again = Unfinished(tmp_path).take("knn", evidence)
    np.testing.assert_array_equal(again.probabilities, first.probabilities)
    assert taken == ["knn", "knn"]


def test_quick_ones_and_studies_in_memory_leave_nothing(evidence, tmp_path):
    Unfinished(tmp_path).take("knn", evidence)
    Unfinished(None).take("knn", evidence)
    Unfinished(None).begin({})
    Unfinished(None).end()
    assert list(tmp_path.iterdir()) == []


def test_it_says_with_what_it_was_begun(tmp_path):
    arguments = {"models": ["a\udcff"], "seed": 3}  # a file's name that is no Unicode
    Unfinished(tmp_path).begin(arguments)
    assert begun_with(tmp_path) == arguments
    Unfinished(tmp_path).end()
    with pytest.raises(UsageError, match="no study that was begun"):
        begun_with(tmp_path)
    (tmp_path / "study.json").write_text('{"arguments": {"seed": 4}}')
    Unfinished(tmp_path).begin(arguments)  # it is finished, so nothing is noted
    assert begun_with(tmp_path) == {"seed": 4}
