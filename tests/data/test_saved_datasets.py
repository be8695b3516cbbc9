"""Folders in the form of `save_to_disk`, written by hand; those of the library itself are in tests/peers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from visavis.data.find_listing import find_listing
from visavis.data.read import read_dataset
from visavis.errors import UsageError

IMAGE = {"_type": "Image"}
CLASSES = {"names": ["cat", "dog"], "_type": "ClassLabel"}


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


def save(folder: Path, columns: dict[str, list[Any]], features: dict[str, Any], shards: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    size = -(-table.num_rows // shards)
    names = [f"data-{number:05d}-of-{shards:05d}.arrow" for number in range(shards)]
    for number, name in enumerate(names):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table.slice(number * size, size), max_chunksize=2)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def images(count: int) -> list[dict[str, Any]]:
    return [{"bytes": png(shade), "path": None} for shade in range(count)]


def error_of(path: Path) -> str:
    with pytest.raises(UsageError) as refused:
        read_dataset(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("shards", [1, 3])
def test_rows_are_samples(tmp_path, shards):
    columns = {"img": images(5), "label": [0, 1, 0, -1, None], "caption": [["a", "b"], [], None, ["c"], ["a", "a"]]}
    columns["group"] = ["x", "x", "y", None, ""]
    path = save(tmp_path / "set", columns, {"img": IMAGE, "label": CLASSES, "caption": {"_type": "List"}}, shards)
    dataset = read_dataset(path)
    assert dataset.name == "set"
    assert [sample.label for sample in dataset.samples] == ["cat", "dog", "cat", None, None]
    assert [sample.captions for sample in dataset.samples] == [("a", "b"), (), (), ("c",), ("a",)]
    assert [sample.read_bytes() for sample in dataset.samples] == [png(shade) for shade in range(5)]
    assert all(sample.data is None for sample in dataset.samples)
    assert [entry.label for entry in find_listing(str(path)).entries(2)] == ["cat", None, None]


def test_splits_are_parts(tmp_path):
    for name in ("train", "validation", "odd"):
        save(tmp_path / name, {"image": images(2)}, {"image": IMAGE})
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "validation", "odd"]}')
    found = [(sample.name, sample.part) for sample in read_dataset(tmp_path).samples]
    assert found[::2] == [("train/000000", "train"), ("validation/000000", "test"), ("odd/000000", "")]


@pytest.mark.parametrize("kind", ["List", "Sequence"])
def test_a_list_of_classes_is_several_labels(tmp_path, kind):
    features = {"image": IMAGE, "objects": {"_type": kind, "feature": CLASSES}}
    path = save(tmp_path / "set", {"image": images(3), "objects": [[1, 0, 1], [], None]}, features)
    samples = read_dataset(path).samples
    assert [(sample.label, sample.labels) for sample in samples] == [
        (None, ("cat", "dog")),
        (None, ()),
        (None, None),
    ]


def test_of_several_class_columns_the_one_with_most_classes(tmp_path):
    features = {"image": IMAGE, "coarse": {"names": ["x"], "_type": "ClassLabel"}, "fine": CLASSES}
    path = save(tmp_path / "set", {"image": images(2), "coarse": [0, 0], "fine": [0, 1]}, features)
    assert read_dataset(path).classes == ("cat", "dog")


def test_images_beside_and_images_that_are_none(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "1.png").write_bytes(png(1))
    rows = [{"bytes": None, "path": "1.png"}, {"bytes": None, "path": None}, None, {"bytes": b"words", "path": "a"}]
    dataset = read_dataset(save(tmp_path / "set", {"image": rows}, {"image": IMAGE}))
    assert [sample.read_bytes() for sample in dataset.samples] == [png(1)]
    assert [skipped.reason for skipped in dataset.skipped] == ["no image", "no image", "not an image: text"]


def test_no_images(tmp_path):
    path = save(tmp_path / "set", {"a": [1]}, {"a": {"_type": "Value"}})
    assert "has no column of type Image; its columns are 'a' (Value)." in error_of(path)
    path = save(tmp_path / "other", {"a": [1]}, {"a": IMAGE})
    assert "holds no images, though its type is said to be Image" in error_of(path)


class TestDamage:
    @pytest.fixture
    def saved(self, tmp_path):
        return save(tmp_path / "set", {"image": images(3)}, {"image": IMAGE})

    def test_arrow_files(self, saved):
        file = saved / "data-00000-of-00001.arrow"
        whole = file.read_bytes()
        for content in (b"", b"words", whole[:100], whole[: len(whole) // 2]):
            file.write_bytes(content)
            assert "cannot be read as Arrow" in error_of(saved)
        file.unlink()
        assert "cannot be read as Arrow" in error_of(saved)

    def test_offsets_that_lead_out_of_the_file(self, saved):
        """An Arrow file's lengths are not believed: images would come from other memory, or the process would end."""
        file = saved / "data-00000-of-00001.arrow"
        content = bytearray(file.read_bytes())
        length = len(png(0)).to_bytes(4, "little")
        content[content.rindex(bytes(4) + length) + 4 : content.rindex(bytes(4) + length) + 8] = b"\xff\xff\xff\x7f"
        file.write_bytes(content)
        assert "cannot be read as Arrow" in error_of(saved)

    @pytest.mark.parametrize("said", ["", "[]", "{}", '{"_data_files": []}', '{"_data_files": [{"filename": "../a"}]}'])
    def test_state(self, saved, said):
        (saved / "state.json").write_text(said)
        assert "state.json' " in error_of(saved)

    @pytest.mark.parametrize("said", ["{", "3", "{}", '{"features": []}'])
    def test_features(self, saved, said):
        (saved / "dataset_info.json").write_text(said)
        assert "dataset_info.json' " in error_of(saved)

    @pytest.mark.parametrize("names", ["3", '["../set"]', '["a/b"]', "[1]"])
    def test_splits(self, saved, names):
        (saved / "dataset_dict.json").write_text(f'{{"splits": {names}}}')
        assert "does not list the splits' names" in error_of(saved)


def test_by_name_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UsageError, match=r"which is not installed. Install it by: pip install 'visavis\[datasets\]'"):
        read_dataset("hf:cifar10")
    with pytest.raises(UsageError, match="name is missing"):
        find_listing("hf:")
