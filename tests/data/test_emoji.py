"""The embedded emoji set: whole, licensed, and split as it says."""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from visavis.data import emoji
from visavis.data.decoding import decode_image
from visavis.data.emoji import TASKS, TEMPLATES, THINGS, TRAINING_STYLES, is_held_out
from visavis.errors import UsageError

read_emoji = functools.cache(emoji.read_emoji)  # each set is read once for all tests
HOME = Path(str(resources.files("visavis.data") / "emoji_set"))
COUNTS = {  # the set's README
    "fluent-3d": 1570,
    "fluent-color": 1594,
    "fluent-flat": 1594,
    "fluent-contrast": 1594,
    "noto": 1906,
    "noto-blob": 1232,
    "twemoji": 1906,
    "fxemoji": 871,
    "openmoji-color": 1913,
    "openmoji-black": 1642,
}
LICENSES = {"MIT": 4, "Apache-2.0": 2, "CC-BY-4.0": 2, "CC-BY-SA-4.0": 2}  # styles under each


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    columns = [
        "image",
        "codepoints",
        "style",
        "vendor",
        "license",
        "name",
        "group",
        "subgroup",
        "same_pixels_as",
    ]
    return [row for style in COUNTS for row in pq.read_table(HOME / f"{style}.parquet", columns=columns).to_pylist()]


def codepoints(name: str, part: str) -> set[str]:
    return {sample.name.split("/")[1] for sample in read_emoji(name).samples if sample.part == part}


def styles(name: str, part: str) -> set[str]:
    return {sample.name.split("/")[0] for sample in read_emoji(name).samples if sample.part == part}


def test_every_file_has_its_recorded_hash():
    recorded = dict(line.split()[::-1] for line in (HOME / "SHA256SUMS").read_text().splitlines())
    assert recorded.keys() == {f"{style}.parquet" for style in COUNTS} == {p.name for p in HOME.glob("*.parquet")}
    for name, digest in recorded.items():
        assert hashlib.sha256((HOME / name).read_bytes()).hexdigest() == digest, name


def test_counts(rows):
    found = defaultdict(int)
    for row in rows:
        found[row["style"]] += 1
    assert dict(found) == COUNTS
    assert len(rows) == 15_822
    assert len({row["codepoints"] for row in rows}) == 1914
    assert len({row["subgroup"] for row in rows}) == 98


def test_every_picture_names_its_licence_and_the_licence_is_shipped(rows):
    by_style = {style: {row["license"] for row in rows if row["style"] == style} for style in COUNTS}
    assert all(len(licenses) == 1 for licenses in by_style.values())
    counted = defaultdict(int)
    for licenses in by_style.values():
        counted[licenses.pop()] += 1
    assert dict(counted) == LICENSES
    shipped = [path.name for path in (HOME / "licenses").iterdir()]
    for license in (*LICENSES, "Unicode-3.0"):
        assert any(name.startswith(license) for name in shipped), license
    assert all((HOME / "licenses" / name).stat().st_size > 900 for name in shipped)
    words = (HOME / "LICENSES.md").read_text(encoding="utf-8")
    assert all(style in words for style in COUNTS)


def test_licences_travel_in_the_package():
    import tomllib

    with (Path(__file__).parents[2] / "pyproject.toml").open("rb") as file:
        patterns = tomllib.load(file)["tool"]["setuptools"]["package-data"]["visavis"]
    assert {"**/*.parquet", "**/*.md", "**/*.txt"} <= set(patterns)


def test_no_share_alike_picture_is_trained_on(rows):
    licenses = {row["style"]: row["license"] for row in rows}
    trained = styles("emoji-training", "train")
    assert trained == set(TRAINING_STYLES)
    assert not any("SA" in licenses[style] for style in trained)
    assert not any("openmoji" in style for name in TASKS for style in styles(name, "train"))


def test_whole_vendors_are_held_out(rows):
    vendors = {row["style"]: row["vendor"] for row in rows}
    trained = {vendors[style] for style in TRAINING_STYLES}
    for name, task in TASKS.items():
        assert not {vendors[style] for style in task.test} & trained, name


def test_about_a_fifth_of_the_concepts_is_held_out_everywhere(rows):
    concepts = {row["codepoints"] for row in rows}
    held_out = {codes for codes in concepts if is_held_out(codes)}
    # 1,914 draws of 1/5: 383 and a standard deviation of 17.5
    assert abs(len(held_out) - 1914 / 5) < 3 * 17.5
    assert not codepoints("emoji-training", "train") & held_out
    assert codepoints("emoji-new", "test") <= held_out
    assert codepoints("emoji-new", "train") <= held_out
    for name in ("emoji", "emoji-outline", "emoji-all", "emoji-all-outline"):
        assert not (codepoints(name, "test") | codepoints(name, "train")) & held_out, name


def test_the_split_is_the_one_that_was_made_once():
    # made with split 1's salt, 2026-11; another salt or hash would let models be tested on what they were trained on
    assert [is_held_out(codes) for codes in ("1F600", "1F34E", "1F436", "2764", "1F697", "1F3E0")] == EXPECTED_SPLIT
    assert {name: counts(name) for name in TASKS} == EXPECTED_COUNTS


EXPECTED_SPLIT = [False, True, False, False, False, False]  # the red apple is held out
EXPECTED_COUNTS = {  # training pictures, test pictures, classes
    "emoji": (1356, 678, 678),
    "emoji-outline": (1354, 677, 677),
    "emoji-all": (2973, 1495, 1495),
    "emoji-all-outline": (2484, 1250, 1250),
    "emoji-new": (734, 370, 370),
    "emoji-training": (9751, 0, 1521),
}


def counts(name: str) -> tuple[int, int, int]:
    dataset = read_emoji(name)
    train = sum(sample.part == "train" for sample in dataset.samples)
    return train, len(dataset.samples) - train, len(dataset.classes)


def test_one_name_one_concept(rows):
    """Labels are names: two concepts of one name would be one class."""
    names = {(row["codepoints"], row["name"]) for row in rows}
    assert len({code for code, _ in names}) == len({name for _, name in names}) == len(names)


def test_no_picture_has_two_right_names(rows):
    flagged = {(row["style"], row["codepoints"]) for row in rows if row["same_pixels_as"] is not None}
    assert flagged
    for name in TASKS:
        dataset = read_emoji(name)
        used = {tuple(sample.name.split("/")) for sample in dataset.samples}
        assert not used & flagged, name
        labels = defaultdict(set)
        for sample in dataset.samples:
            labels[sample.data].add(sample.label)
        assert not [names for names in labels.values() if len(names) > 1], name


def test_no_test_picture_is_trained_on():
    trained = {sample.data for sample in read_emoji("emoji-training").samples}
    for name in TASKS:
        dataset = read_emoji(name)
        own = {sample.data for sample in dataset.samples if sample.part == "train"}
        tested = [sample.name for sample in dataset.samples if sample.part == "test" and sample.data in own | trained]
        assert tested == [], name


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.test])
def test_both_parts_show_every_class(name):
    dataset = read_emoji(name)
    shown = {part: {s.label for s in dataset.samples if s.part == part} for part in ("train", "test")}
    assert shown["train"] == shown["test"] == set(dataset.classes)
    per_class = defaultdict(int)
    for sample in dataset.samples:
        per_class[sample.label] += sample.part == "test"
    assert set(per_class.values()) == {1}  # one picture a concept: resampling pictures is resampling concepts


def test_things_leave_out_faces_people_symbols_and_flags(rows):
    groups = {row["codepoints"]: row["group"] for row in rows}
    assert {groups[codes] for codes in codepoints("emoji", "test")} == set(THINGS)
    assert {groups[codes] for codes in codepoints("emoji-all", "test")} > set(THINGS)


def test_every_concept_of_the_tests_was_trained_on():
    trained = {sample.label for sample in read_emoji("emoji-training").samples}
    for name in ("emoji", "emoji-outline", "emoji-all", "emoji-all-outline"):
        assert set(read_emoji(name).classes) <= trained
    assert not set(read_emoji("emoji-new").classes) & trained


def test_samples_are_complete_and_stable():
    dataset = read_emoji("emoji")
    assert dataset.fingerprint == emoji.read_emoji("emoji").fingerprint
    assert dataset.templates == TEMPLATES
    assert len({sample.id for sample in dataset.samples}) == len(dataset.samples)
    sample = next(sample for sample in dataset.samples if sample.name == "openmoji-color/1F436")
    assert sample.label == "dog face"
    assert sample.captions[:2] == ("dog face", "an emoji of dog face")
    assert sample.captions[2].startswith("dog face, ")
    assert (sample.part, sample.path) == ("test", None)


@pytest.mark.parametrize("style", COUNTS)
def test_pictures_are_64_pixels_on_white(rows, style):
    of_style = [row for row in rows if row["style"] == style]
    white = 0
    for row in of_style[::50]:
        picture = decode_image(row["image"]["bytes"])
        assert (picture.size, picture.mode) == ((64, 64), "RGB")
        white += picture.getpixel((0, 0)) == (255, 255, 255)
    assert white >= 0.8 * len(of_style[::50])  # flags may reach the corners


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UsageError, match=r"Unknown embedded data set 'emoji-outlines'. Did you mean emoji-outline"):
        read_emoji("emoji-outlines")
