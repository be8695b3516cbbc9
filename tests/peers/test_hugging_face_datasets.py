"""Data sets that Hugging Face's library itself saved and loads, against what it gives back."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from visavis.data.dataset import Dataset
from visavis.data.decoding import decode_image
from visavis.data.read import read_dataset
from visavis.errors import UsageError

FEATURES = datasets.Features(
    {
        "img": datasets.Image(),
        "label": datasets.ClassLabel(names=["cat", "dog"]),
        "captions": datasets.List(datasets.Value("string")),
    }
)


@pytest.fixture(autouse=True)
def _without_network(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def rows(count: int) -> datasets.Dataset:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return datasets.Dataset.from_dict(
        {
            "img": [Image.fromarray(one) for one in pixels],
            "label": [number % 2 for number in range(count)],
            "captions": [[f"a {number}", f"b {number}"] for number in range(count)],
        },
        features=FEATURES,
    )


def same(ours: Dataset, theirs: datasets.Dataset) -> bool:
    assert len(ours.samples) == len(theirs)
    for sample, row in zip(ours.samples, theirs, strict=True):
        assert sample.label == FEATURES["label"].int2str(row["label"])
        assert sample.captions == tuple(row["captions"])
        assert np.array_equal(decode_image(sample.read_bytes()), row["img"])
    return True


@pytest.mark.parametrize("shards", [1, 3])
def test_saved(tmp_path, shards):
    theirs = rows(7).shuffle(seed=0).select(range(5))  # in an order of its own, as its users have it
    theirs.save_to_disk(tmp_path / "set", num_shards=shards)
    assert same(read_dataset(tmp_path / "set"), theirs)


def test_saved_splits(tmp_path):
    whole = rows(6).train_test_split(2, seed=0)
    whole.save_to_disk(tmp_path / "set")
    ours = read_dataset(tmp_path / "set")
    assert [sample.part for sample in ours.samples] == ["train"] * 4 + ["test"] * 2
    assert same(ours, datasets.concatenate_datasets([whole["train"], whole["test"]]))


def test_several_classes_an_image(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "tags": datasets.List(FEATURES["label"])})
    pictures = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in range(3)]
    saved = datasets.Dataset.from_dict({"image": pictures, "tags": [[1, 0], [1], []]}, features=features)
    saved.save_to_disk(tmp_path / "set")
    assert [sample.labels for sample in read_dataset(tmp_path / "set").samples] == [("cat", "dog"), ("dog",), ()]


def test_by_name(tmp_path):
    """A folder of Parquet stands for a name at the hub: `load_dataset` makes the same of both."""
    Path(tmp_path, "pq").mkdir()
    rows(4).to_parquet(tmp_path / "pq" / "train-00000-of-00001.parquet")
    rows(2).to_parquet(tmp_path / "pq" / "test-00000-of-00001.parquet")
    ours = read_dataset(f"hf:{tmp_path / 'pq'}")
    assert [sample.part for sample in ours.samples] == ["train"] * 4 + ["test"] * 2
    assert same(ours, datasets.concatenate_datasets([rows(4), rows(2)]))


def test_a_name_that_is_unknown():
    with pytest.raises(
        UsageError, match=r"The data set 'no/such-set' cannot be loaded by the library datasets: .*Offline"
    ):
        read_dataset("hf:no/such-set")
