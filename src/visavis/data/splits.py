"""Which images train and which test: as the data says, else drawn by a seeded hash, class by class.

The one idea: within a class, images stand in the order of a hash of (seed, id), and the first ones test. The same data
and seed give the same parts in whatever order the files come, and a new image moves at most one other.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from visavis.data.dataset import Dataset, Sample, Skipped
from visavis.data.decoding import UnreadableImage
from visavis.data.known import known_of
from visavis.errors import UsageError, VisavisError

_TRAIN_NAMES = ("train", "training")
_TEST_NAMES = ("test", "testing")
_VALIDATION_NAMES = ("val", "valid", "validation")
PART_NAMES = _TRAIN_NAMES + _TEST_NAMES + _VALIDATION_NAMES


def parts_by_name(names: Iterable[str]) -> dict[str, str]:
    """What the data's own names for its parts mean here: "train" or "test" for each.

    A validation part tests where there is no test part; beside one it trains, since nothing is chosen on it here.

    Raises:
        KeyError: A name that, in lower case, is none of PART_NAMES.
    """
    names = set(names)
    has_test = any(name.casefold() in _TEST_NAMES for name in names)
    meaning = dict.fromkeys(_TRAIN_NAMES, "train") | dict.fromkeys(_TEST_NAMES, "test")
    meaning |= dict.fromkeys(_VALIDATION_NAMES, "train" if has_test else "test")
    return {name: meaning[name.casefold()] for name in names}


def split(dataset: Dataset, *, test_fraction: float, seed: int) -> Dataset:
    """Every sample in "train" or "test".

    Where the data names a test part, its parts are kept, and samples of no part train. Otherwise each class gives
    round(test_fraction * its distinct images) to the test part, at least one and never all. Identical files of a class
    stay together, and so do samples of one group, which count as one image; a group with samples of several classes
    counts in the class of its first. A class with one distinct image trains: it can be predicted, but its accuracy is
    not measured. Images without a label are divided likewise, as if they were a class of their own.

    Raises:
        UsageError: The fraction is not between 0 and 1.
        VisavisError: A file can no longer be read.
    """
    if not 0 < test_fraction < 1:
        raise UsageError(
            f"The test fraction must lie between 0 and 1, both excluded, but is {test_fraction}. 0.2 is usual."
        )
    if names_its_parts(dataset):
        samples = tuple(sample if sample.part else replace(sample, part="train") for sample in dataset.samples)
        return replace(dataset, samples=samples)
    by_class: dict[str | None, list[Sample]] = defaultdict(list)
    class_of_group: dict[str, str | None] = {}
    for sample in dataset.samples:
        label = class_of_group.setdefault(sample.group, sample.label) if sample.group else sample.label
        by_class[label].append(sample)
    testing = {
        sample.id for members in by_class.values() for sample in _draw_test_samples(members, test_fraction, seed)
    }
    samples = tuple(replace(sample, part="test" if sample.id in testing else "train") for sample in dataset.samples)
    return replace(dataset, samples=samples)


def only_labelled(dataset: Dataset) -> Dataset:
    """Without the images that have no label; they stand among the skipped, since nothing can be right about them."""
    unlabelled = tuple(sample for sample in dataset.samples if sample.label is None)
    skipped = tuple(Skipped(name=sample.name, reason="without a label") for sample in unlabelled)
    samples = tuple(sample for sample in dataset.samples if sample.label is not None)
    return replace(dataset, samples=samples, skipped=(*dataset.skipped, *skipped))


def only_captioned(dataset: Dataset) -> Dataset:
    """Images with captions, without labels: all of them test, or those that the data themselves test on.

    Nothing is learnt, so that what the data train on is not looked at.
    """
    return _to_test(dataset, [sample for sample in dataset.samples if sample.captions], "without a caption")


def only_several_labelled(dataset: Dataset) -> Dataset:
    """Images whose classes are known, those with none of them included.

    Where the data name a test part, the others train. Elsewhere all test, since naming learns nothing; probes learn
    from one half and are asked about the other (`halves`).
    """
    known = [sample for sample in dataset.samples if sample.labels is not None]
    found = _to_test(dataset, known, "without labels")
    if not names_its_parts(dataset):
        return found
    train = tuple(replace(sample, part="train") for sample in known if sample.part != "test")
    return replace(found, samples=(*train, *found.samples))


def halves(samples: Sequence[Sample], seed: int) -> list[bool]:
    """Which samples are of the first half, by a hash of the seed and themselves; groups and identical files stay whole.

    Raises VisavisError where a file can no longer be read.
    """
    together = sorted(_inseparable(samples), key=lambda own: min(_rank(seed, sample) for sample in own))
    first = {sample.id for own in together[: len(together) // 2] for sample in own}
    return [sample.id in first for sample in samples]


def only_test(dataset: Dataset) -> Dataset:
    """Images of which nothing is known; to test on as `only_captioned`."""
    return _to_test(dataset, dataset.samples, "")


def _to_test(dataset: Dataset, used: Sequence[Sample], reason: str) -> Dataset:
    kept = {sample.id for sample in used}
    skipped = tuple(Skipped(name=sample.name, reason=reason) for sample in dataset.samples if sample.id not in kept)
    whole = not names_its_parts(dataset)
    samples = tuple(replace(sample, part="test", label=None) for sample in used if whole or sample.part == "test")
    return replace(dataset, samples=samples, skipped=(*dataset.skipped, *skipped))


def names_its_parts(dataset: Dataset) -> bool:
    """Whether the data itself says what tests. A part named "train" alone leaves nothing to test with: no."""
    return any(sample.part == "test" for sample in dataset.samples)


def describe_split(before: Dataset, after: Dataset, *, seed: int) -> str:
    """In words for the report: how the parts were made, their sizes, and the classes that are missing in one.

    Args:
        before: As read.
        after: What `split` made of it.
        seed: The seed given to `split`.
    """
    count = {part: sum(sample.part == part for sample in after.samples) for part in ("train", "test")}
    sizes = f"{_images(count['train'])} for training, {_images(count['test'])} for testing"
    if not after.classes:
        named, known = names_its_parts(before), known_of(after)
        if known == "classes" and not named:
            halved = "probes learn from one half and are asked about the other"
            return f"{_images(count['test'])} with any number of classes for testing; {halved}, both ways round."
        if known == "classes":
            return f"As the data itself says: {sizes}, with any number of classes an image."
        what = {"captions": "with captions", "nothing": "without labels"}[known]
        chosen = ", as the data itself says" if named else ""
        return f"Nothing is learnt from images: {_images(count['test'])} {what} for testing{chosen}."
    if names_its_parts(before):
        words = [f"As the data itself says: {sizes}."]
    else:
        words = [
            f"Drawn within each class by a hash of the seed ({seed}) and the image: {sizes}. Identical files of a "
            "class stay in one part."
        ]
        if any(sample.group for sample in after.samples):
            words.append("Groups are never parted.")
    if torn := len(_groups_in(after, "train") & _groups_in(after, "test")):
        words.append(f"{_groups(torn)} in both parts, so that what is tested has in part been seen.")
    if never_tested := _classes_outside(after, "test"):
        words.append(f"Classes that can be predicted but are never tested: {_listed(never_tested)}.")
    if never_trained := _classes_outside(after, "train"):
        words.append(f"Classes tested without training images: {_listed(never_trained)}.")
    return " ".join(words)


def _draw_test_samples(members: Sequence[Sample], test_fraction: float, seed: int) -> list[Sample]:
    groups = sorted(_inseparable(members), key=lambda group: min(_rank(seed, sample) for sample in group))
    n_test = min(max(1, round(test_fraction * len(groups))), len(groups) - 1)
    return [sample for group in groups[:n_test] for sample in group]


def _inseparable(members: Sequence[Sample]) -> list[list[Sample]]:
    """Samples with the same bytes or of the same group together, in the order of their first."""
    identical = groups_of_identical(members)
    leader: dict[str, str] = {}  # of a group: another that it shares bytes with, in the end itself

    def root(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for copies in identical:
        first, *others = dict.fromkeys(_belongs_to(sample) for sample in copies)
        for other in others:
            leader[root(other)] = root(first)
    together: dict[str, list[Sample]] = defaultdict(list)
    for copies in identical:
        together[root(_belongs_to(copies[0]))] += copies
    return list(together.values())


def _belongs_to(sample: Sample) -> str:
    return f"group {sample.group}" if sample.group else sample.id


def groups_of_identical(members: Sequence[Sample]) -> list[list[Sample]]:
    """Samples with the same bytes together. Only files of one size can be equal, so few are read again."""
    by_size: dict[int, list[Sample]] = defaultdict(list)
    by_content: dict[object, list[Sample]] = defaultdict(list)
    try:
        for sample in members:
            by_size[_n_bytes(sample)].append(sample)
        for same_size in by_size.values():
            for sample in same_size:
                alone = len(same_size) == 1
                by_content[sample.id if alone else hashlib.sha256(sample.read_bytes()).digest()].append(sample)
    except (OSError, UnreadableImage) as error:
        what = getattr(error, "filename", None) or sample.name
        raise VisavisError(
            f"{what!r} could be read when the images were listed and cannot be any more "
            f"({getattr(error, 'strerror', None) or error}). Run again once the files stay in place."
        ) from error
    return list(by_content.values())


def _n_bytes(sample: Sample) -> int:
    if sample.data is not None:
        return len(sample.data)
    return sample.n_bytes if sample.path is None else sample.path.stat().st_size


def _rank(seed: int, sample: Sample) -> bytes:
    return hashlib.sha256(f"{seed}/{sample.id}".encode()).digest()


def _groups_in(dataset: Dataset, part: str) -> set[str]:
    return {sample.group for sample in dataset.samples if sample.part == part and sample.group}


def _classes_outside(dataset: Dataset, part: str) -> list[str]:
    inside = {sample.label for sample in dataset.samples if sample.part == part}
    return [name for name in dataset.classes if name not in inside]


def _listed(names: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{', '.join(names[:limit])}{more}"


def _groups(count: int) -> str:
    return "1 group is" if count == 1 else f"{count} groups are"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"
