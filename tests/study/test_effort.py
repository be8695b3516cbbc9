"""What quick and thorough stand for, and which images a quick look takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from visavis import compare
from visavis.data.dataset import Dataset, Sample
from visavis.data.views import parse_view
from visavis.errors import UsageError
from visavis.study.chapters.write import CHAPTERS
from visavis.study.effort import EFFORTS, effort_of, thin_out
from visavis.study.measures import MEASURES
from visavis.study.summary import UNCLASSED

labels = some.lists(some.tuples(some.sampled_from("abcdef"), some.sampled_from(["train", "test"])), max_size=60)


def dataset(parts: list[tuple[str, str]]) -> Dataset:
    samples = [
        Sample(id=f"{number:04x}", name=str(number), data=b"", label=label, part=part)
        for number, (label, part) in enumerate(parts)
    ]
    return Dataset(name="some", samples=tuple(samples))


@given(labels, some.integers(1, 20), some.integers(0, 3))
def test_each_part_keeps_so_many_evenly_over_its_classes(parts, most, seed):
    whole = dataset(parts)
    thin = thin_out(whole, most, seed)
    for part in ("train", "test"):
        before = [sample.label for sample in whole.samples if sample.part == part]
        after = [sample.label for sample in thin.samples if sample.part == part]
        assert len(after) == min(most, len(before))
        fullest = max((after.count(label) for label in set(after)), default=0)
        for label in set(before):  # nobody is behind the fullest by more than one turn, unless it has no more
            assert after.count(label) >= min(fullest - 1, before.count(label))


@given(labels, some.integers(1, 20), some.randoms())
def test_the_order_of_the_files_does_not_matter(parts, most, random):
    whole = dataset(parts)
    shuffled = list(whole.samples)
    random.shuffle(shuffled)
    again = thin_out(Dataset(name="some", samples=tuple(shuffled)), most, seed=0)
    assert {sample.id for sample in again.samples} == {sample.id for sample in thin_out(whole, most, seed=0).samples}


def test_both_parts_keep_the_same_classes_first():
    whole = dataset([(label, part) for label in "abcdef" for part in ("train", "test") for _ in range(3)])
    kept = {part: {s.label for s in thin_out(whole, 4, seed=0).samples if s.part == part} for part in ("train", "test")}
    assert kept["train"] == kept["test"]
    assert len(kept["train"]) == 4
    others = {sample.label for sample in thin_out(whole, 4, seed=1).samples}
    assert others != kept["train"]


def test_efforts_name_what_there_is():
    for effort in EFFORTS.values():
        assert set(effort.measures) <= {*MEASURES, *UNCLASSED, *CHAPTERS}
        assert all(parse_view(name).name == name for name in effort.views)
    with pytest.raises(UsageError, match="Did you mean quick"):
        effort_of("quik")


@pytest.mark.parametrize("installed", [True, False])
def test_thorough_looks_for_text_or_says_what_that_takes(installed, tmp_path, monkeypatch):
    monkeypatch.setattr("visavis.study.compare.can_read_text", lambda: installed)
    for number, label in enumerate("aaabbb"):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(tmp_path / label / f"{number}.png")
    said: list[str] = []
    options = {"views": ["clean"], "measures": ["knn"], "tell": said.append}
    compare(["resnet-mini.emoji"], tmp_path, effort="thorough", **options)
    assert any("pip install 'visavis[text]'" in one for one in said) is not installed
    said.clear()
    compare(["resnet-mini.emoji"], tmp_path, effort="usual", **options)
    assert not any("visavis[text]" in one for one in said)
