"""Hand-counted cases, then properties over drawn data sets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.data.dataset import Dataset, Sample, sample_id
from visavis.data.splits import describe_split, halves, only_labelled, parts_by_name, split
from visavis.errors import UsageError, VisavisError


def sample(place: str, label: str | None, content: int | None = None, part: str = "") -> Sample:
    """Contents are equal only where they are given and equal."""
    data = place.encode() if content is None else content.to_bytes(8, "big")
    return Sample(id=sample_id(data, place), name=place, data=data, label=label, part=part)


def dataset(*samples: Sample) -> Dataset:
    return Dataset(name="drawn", samples=samples)


def of_class(label: str, count: int) -> list[Sample]:
    return [sample(f"{label}/{number}", label) for number in range(count)]


def parts(data: Dataset) -> dict[str, str]:
    return {one.id: one.part for one in data.samples}


def count(data: Dataset, label: str | None, part: str) -> int:
    return sum(one.label == label and one.part == part for one in data.samples)


datasets = st.lists(
    st.tuples(st.sampled_from(["cat", "dog", "owl", None]), st.integers(0, 30)), min_size=1, max_size=40
).map(lambda rows: dataset(*(sample(f"{place}.png", label, content) for place, (label, content) in enumerate(rows))))
fractions = st.floats(0.05, 0.95)


class TestByHand:
    @pytest.mark.parametrize(
        ("n", "fraction", "n_test"),
        [(10, 0.2, 2), (10, 0.25, 2), (10, 0.31, 3), (2, 0.01, 1), (2, 0.99, 1), (5, 0.99, 4), (1, 0.5, 0)],
    )
    def test_sizes(self, n, fraction, n_test):
        parted = split(dataset(*of_class("cat", n)), test_fraction=fraction, seed=0)
        assert (count(parted, "cat", "test"), count(parted, "cat", "train")) == (n_test, n - n_test)

    def test_each_class_is_divided_by_itself(self):
        parted = split(dataset(*of_class("cat", 20), *of_class("dog", 5)), test_fraction=0.2, seed=3)
        assert (count(parted, "cat", "test"), count(parted, "dog", "test")) == (4, 1)

    def test_a_known_draw(self):
        # the three smallest of sha256("0/" + id), by the shell's sha256sum: 3cdf... (2), 3f3a... (0), 4384... (6);
        # another result would divide the data of every saved study anew
        parted = split(dataset(*of_class("cat", 10)), test_fraction=0.3, seed=0)
        assert [one.name for one in parted.samples if one.part == "test"] == ["cat/0", "cat/2", "cat/6"]

    def test_copies_stay_together_and_count_once(self):
        copies = [sample(f"copy{number}", "cat", content=1) for number in range(50)]
        parted = split(dataset(*copies, *of_class("cat", 4)), test_fraction=0.4, seed=0)
        assert len({one.part for one in parted.samples if one.name.startswith("copy")}) == 1
        testing = {one.read_bytes() for one in parted.samples if one.part == "test"}
        assert len(testing) == 2  # 0.4 of 5 distinct images

    def test_a_class_of_one_image_and_its_copy_trains(self):
        parted = split(dataset(sample("a", "cat", 1), sample("b", "cat", 1)), test_fraction=0.5, seed=0)
        assert {one.part for one in parted.samples} == {"train"}

    def test_files_are_compared_by_content_only_where_sizes_agree(self, tmp_path):
        for name, content in {"a": b"same", "b": b"same", "c": b"else", "d": b"longer"}.items():
            (tmp_path / name).write_bytes(content)
        samples = [
            Sample(id=sample_id((tmp_path / n).read_bytes(), n), name=n, path=tmp_path / n, label="x") for n in "abcd"
        ]
        for seed in range(20):
            parted = split(dataset(*samples), test_fraction=0.34, seed=seed)
            found = {one.name: one.part for one in parted.samples}
            assert found["a"] == found["b"]
            assert [found["a"], found["c"], found["d"]].count("test") == 1

    def test_a_file_that_went_away(self, tmp_path):
        gone = Sample(id="0" * 16, name="gone", path=tmp_path / "gone.png", label="cat")
        with pytest.raises(VisavisError, match=r"gone\.png' could be read when the images were listed") as caught:
            split(dataset(gone), test_fraction=0.5, seed=0)
        assert caught.value.exit_code == 1


class TestThePartsOfTheData:
    def test_are_kept_and_open_ones_train(self):
        data = dataset(sample("a", "x", part="test"), sample("b", "x", part="train"), sample("c", "x"))
        parted = split(data, test_fraction=0.9, seed=0)
        assert [one.part for one in parted.samples] == ["test", "train", "train"]

    def test_a_training_part_alone_is_divided(self):
        data = dataset(*(replace(one, part="train") for one in of_class("cat", 4)))
        assert count(split(data, test_fraction=0.5, seed=0), "cat", "test") == 2

    def test_names(self):
        assert parts_by_name(["Train", "validation"]) == {"Train": "train", "validation": "test"}
        assert parts_by_name(["train", "val", "TEST"]) == {"train": "train", "val": "train", "TEST": "test"}
        assert parts_by_name([]) == {}
        with pytest.raises(KeyError):
            parts_by_name(["other"])


class TestProperties:
    @settings(deadline=None)
    @given(datasets, fractions, st.integers(0, 5))
    def test_every_sample_has_a_part_and_nothing_else_changes(self, data, fraction, seed):
        parted = split(data, test_fraction=fraction, seed=seed)
        assert {one.part for one in parted.samples} <= {"train", "test"}
        assert tuple(replace(one, part="") for one in parted.samples) == data.samples

    @settings(deadline=None)
    @given(datasets, fractions, st.integers(0, 5))
    def test_stratified_by_distinct_images(self, data, fraction, seed):
        parted = split(data, test_fraction=fraction, seed=seed)
        for label in {one.label for one in data.samples}:
            members = [one for one in parted.samples if one.label == label]
            testing = {one.data for one in members if one.part == "test"}
            training = {one.data for one in members if one.part == "train"}
            distinct = len(testing) + len(training)
            assert not testing & training  # copies together
            assert training  # never all
            assert abs(len(testing) - fraction * distinct) <= 1
            assert bool(testing) == (distinct > 1)

    @settings(deadline=None)
    @given(datasets, fractions, st.randoms(use_true_random=False))
    def test_order_does_not_matter(self, data, fraction, random):
        shuffled = list(data.samples)
        random.shuffle(shuffled)
        one = split(data, test_fraction=fraction, seed=1)
        other = split(replace(data, samples=tuple(shuffled)), test_fraction=fraction, seed=1)
        assert parts(one) == parts(other)

    @settings(deadline=None)
    @given(datasets, fractions, st.sampled_from(["cat", "dog", "new"]))
    def test_a_new_image_moves_at_most_one_other(self, data, fraction, label):
        before = split(data, test_fraction=fraction, seed=2)
        added = sample("added.png", label, content=99)
        after = parts(split(replace(data, samples=(*data.samples, added)), test_fraction=fraction, seed=2))
        moved = {(one.label, one.data) for one in before.samples if after[one.id] != one.part}
        assert len(moved) <= 1
        assert {moved_label for moved_label, _ in moved} <= {label}

    def test_another_seed_gives_another_draw(self):
        data = dataset(*of_class("cat", 100))
        draws = [parts(split(data, test_fraction=0.5, seed=seed)) for seed in (0, 0, 1)]
        assert draws[0] == draws[1] != draws[2]
        agreement = sum(draws[0][key] == draws[2][key] for key in draws[0])
        assert 30 <= agreement <= 70  # independent draws agree on 50, with a deviation of 5


@pytest.mark.parametrize("fraction", [0, 1, -0.2, 20, float("nan")])
def test_a_fraction_out_of_range(fraction):
    with pytest.raises(UsageError, match="must lie between 0 and 1, both excluded, but is"):
        split(dataset(*of_class("cat", 4)), test_fraction=fraction, seed=0)


class TestWords:
    def test_of_a_draw(self):
        before = dataset(*of_class("cat", 4), *of_class("dog", 1))
        after = split(before, test_fraction=0.25, seed=7)
        assert describe_split(before, after, seed=7) == (
            "Drawn within each class by a hash of the seed (7) and the image: 4 images for training, 1 image for "
            "testing. Identical files of a class stay in one part. Classes that can be predicted but are never "
            "tested: dog."
        )

    def test_of_the_datas_own_parts(self):
        before = dataset(*(sample(f"{n}", f"class {n}", part="test") for n in range(7)))
        assert describe_split(before, split(before, test_fraction=0.5, seed=0), seed=0) == (
            "As the data itself says: 0 images for training, 7 images for testing. Classes tested without training "
            "images: class 0, class 1, class 2, class 3, class 4 and 2 more."
        )


def test_images_without_a_label_are_skipped_by_name():
    samples = tuple(
        Sample(id=str(number), name=f"{number}.png", data=b"", label=label)
        for number, label in enumerate(["cat", None, "dog"])
    )
    kept = only_labelled(Dataset(name="pets", samples=samples))
    assert [sample.label for sample in kept.samples] == ["cat", "dog"]
    assert [(file.name, file.reason) for file in kept.skipped] == [("1.png", "without a label")]


class TestGroups:
    def grouped(self, *groups: str, label: str = "cat") -> list[Sample]:
        return [replace(sample(f"{label}/{place}", label), group=group) for place, group in enumerate(groups)]

    def test_a_group_is_never_parted_and_counts_as_one_image(self):
        data = dataset(*self.grouped(*"aaaaaabbbccdefgg", "", ""))
        parted = split(data, test_fraction=0.5, seed=1)
        by_group = {group: {one.part for one in parted.samples if one.group == group} for group in "abcdefg"}
        assert all(len(own) == 1 for own in by_group.values())
        units = [*by_group.values(), *({one.part} for one in parted.samples if not one.group)]
        assert sum(own == {"test"} for own in units) == round(0.5 * 9)
        assert "Groups are never parted." in describe_split(data, parted, seed=1)

    def test_a_group_of_several_classes_stays_together(self):
        cats, dogs = self.grouped(*"abcdefgh"), self.grouped(*"abcdefgh", label="dog")
        parted = split(dataset(*cats, *dogs), test_fraction=0.5, seed=0)
        part = {one.group: one.part for one in parted.samples if one.label == "cat"}
        assert {one.group: one.part for one in parted.samples if one.label == "dog"} == part
        assert sorted(part.values()) == ["test"] * 4 + ["train"] * 4

    def test_groups_that_share_a_file_stay_together(self):
        one, other = (replace(sample(f"cat/{name}", "cat", content=7), group=name) for name in "ab")
        data = dataset(one, other, *self.grouped(*"abcdefgh"))
        for seed in range(8):
            parted = split(data, test_fraction=0.5, seed=seed)
            assert len({sample.part for sample in parted.samples if sample.group in "ab"}) == 1

    def test_data_that_part_a_group_themselves_are_told_so(self):
        samples = [
            replace(one, part=part) for one, part in zip(self.grouped(*"aab"), ("train", "test", "test"), strict=True)
        ]
        data = dataset(*samples)
        words = describe_split(data, split(data, test_fraction=0.5, seed=0), seed=0)
        assert "1 group is in both parts" in words


@given(datasets, st.integers(0, 2**20))
def test_halves_part_no_copies_and_no_groups(data, seed):
    samples = [
        replace(one, group=one.label or "") if number % 3 == 0 else one for number, one in enumerate(data.samples)
    ]
    first = halves(samples, seed)
    for a, in_first in zip(samples, first, strict=True):
        for b, also in zip(samples, first, strict=True):
            if a.data == b.data or (a.group and a.group == b.group):
                assert in_first == also
    assert dict(zip(samples, first, strict=True)) == dict(zip(samples[::-1], halves(samples[::-1], seed), strict=True))


def test_halves_are_halves():
    assert sum(halves(of_class("cat", 20), seed=3)) == 10
    assert halves(of_class("cat", 20), seed=3) != halves(of_class("cat", 20), seed=4)
