from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visavis.data.find_listing import find_listing
from visavis.data.read import read_dataset
from visavis.errors import UsageError

CAPTIONS = {
    "images": [{"id": 9, "file_name": "9.png"}, {"id": 4, "file_name": "4.png"}, {"id": 5, "file_name": "5.png"}],
    "annotations": [
        {"image_id": 4, "caption": "a four"},
        {"image_id": 9, "caption": "a nine "},
        {"image_id": 4, "caption": "the 4"},
        {"image_id": 4, "caption": "a four"},
    ],
}


def write(path: Path, said: Any, images: Path | None = None) -> Path:
    for place, shade in (("9.png", 9), ("4.png", 4), ("5.png", 5)):
        folder = images or path.parent
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (shade, 0, 0)).save(folder / place)
    path.parent.mkdir(exist_ok=True)
    path.write_text(said if isinstance(said, str) else json.dumps(said))
    return path


def objects(*pairs: tuple[int, int]) -> dict[str, Any]:
    return {
        "images": CAPTIONS["images"],
        "annotations": [
            {"image_id": image, "category_id": category, "bbox": [0, 0, 1, 1]} for image, category in pairs
        ],
        "categories": [{"id": 51, "name": "bowl"}, {"id": 17, "name": "cat"}],
    }


@pytest.mark.parametrize("images", [".", "images", "val2017", "../val2017", "../images", "../images/val2017"])
def test_captions_and_where_their_images_lie(tmp_path, images):
    path = write(tmp_path / "annotations" / "captions_val2017.json", CAPTIONS, tmp_path / "annotations" / images)
    found = {sample.name: sample.captions for sample in read_dataset(path).samples}
    assert found == {"9.png": ("a nine",), "4.png": ("a four", "the 4"), "5.png": ()}


def test_objects_of_one_category_an_image_are_labels(tmp_path):
    path = write(tmp_path / "a.json", objects((9, 51), (4, 17), (4, 17)))
    samples = read_dataset(path).samples
    assert [(sample.label, sample.labels) for sample in samples] == [("bowl", None), ("cat", None), (None, None)]
    assert [entry.label for entry in find_listing(str(path)).entries(0)] == ["bowl", "cat", None]


def test_objects_of_several_categories_are_several_labels(tmp_path):
    path = write(tmp_path / "a.json", objects((9, 51), (9, 17), (4, 17)))
    samples = read_dataset(path).samples
    assert [(sample.label, sample.labels) for sample in samples] == [
        (None, ("bowl", "cat")),
        (None, ("cat",)),
        (None, ()),
    ]
    alone = read_dataset(write(tmp_path / "b.json", objects((9, 51), (4, 17))))
    assert alone.fingerprint != read_dataset(path).fingerprint


def test_images_named_outside_are_skipped(tmp_path):
    said = {
        **CAPTIONS,
        "images": [*CAPTIONS["images"], {"id": 1, "file_name": "../1.png"}, {"id": 2, "file_name": "/1.png"}],
    }
    skipped = read_dataset(write(tmp_path / "a.json", said)).skipped
    assert {found.reason for found in skipped} == {"named as a place outside the folder of images"}
    assert len(skipped) == 2


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[", "are no JSON: "),
        ("[" * 100_000, "are no JSON: "),
        ([], "are a list, not an object with images. COCO's form is"),
        ({"a": 1}, "images is missing; it holds 'a'. COCO's form is"),
        ({"images": 3}, "images is a int, not a list"),
        ({"images": [], "annotations": []}, "list no images"),
        ({"images": [3], "annotations": []}, "images[0] is a int."),
        ({"images": [{"id": 1}], "annotations": []}, "images[0].file_name is missing."),
        ({"images": [{"id": 1, "file_name": 5}], "annotations": []}, "images[0].file_name is '5', not a text."),
        (
            {"images": [{"id": [1], "file_name": "a"}], "annotations": []},
            "images[0].id is '[1]', neither a whole number",
        ),
        ({**CAPTIONS, "annotations": [{"caption": "x"}]}, "annotations[0].image_id is missing."),
        (
            {**CAPTIONS, "annotations": [*CAPTIONS["annotations"], {"image_id": 1, "caption": "x"}]},
            "annotations[4].image_id is '1', which none of the 3 images has.",
        ),
        (
            {**CAPTIONS, "annotations": [{"image_id": 9, "caption": None}]},
            "annotations[0].caption is 'None', not a text.",
        ),
        ({**CAPTIONS, "annotations": [{"image_id": 9}]}, "annotations[0].category_id is missing."),
        (objects((9, 51), (9, 18)), "annotations[1].category_id is '18', which none of the 2 categories has."),
    ],
)
def test_what_is_wrong_is_named_by_its_number_and_field(tmp_path, said, words):
    with pytest.raises(UsageError) as refused:
        read_dataset(write(tmp_path / "a.json", said))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_images_that_are_nowhere(tmp_path):
    path = write(tmp_path / "captions_val2017.json", CAPTIONS, tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"such as '9.png', lie in none of the usual folders: .*val2017"):
        read_dataset(path)
