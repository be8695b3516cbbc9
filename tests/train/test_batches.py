from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from visavis.data.dataset import Dataset
from visavis.errors import UsageError, VisavisError
from visavis.train import batches
from visavis.train.batches import TrainingSet, batch_of_step, load_training_set
from visavis.train.recipe import TrainConfig
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.tokenizer import Tokenizer

PREPROCESS = Preprocess(image_size=32, resize=32)
TOKENIZER = Tokenizer(vocab_size=1024, context_length=24)


def nothing(done: int, total: int) -> None: ...


def config(**values) -> TrainConfig:
    usual = {
        "architecture": "ViT-mini-8",
        "data": "x",
        "objective": "contrastive",
        "samples": 400,
        "batch_size": 5,
    }
    return TrainConfig(**{**usual, **values})


@pytest.fixture(scope="module")
def loaded(drawings) -> TrainingSet:
    return load_training_set(drawings, PREPROCESS, TOKENIZER, nothing)


def test_what_is_loaded(drawings, loaded):
    assert loaded.pixels.shape == (12, 3, 32, 32)
    assert loaded.pixels.dtype == torch.uint8
    assert loaded.class_names == tuple(f"thing {number}" for number in range(6))
    assert loaded.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert loaded.caption_ranges.tolist() == [[2 * image, 2 * image + 2] for image in range(12)]
    image = drawings.samples[3]
    from visavis.engine.pictures import read_picture

    np.testing.assert_array_equal(loaded.pixels[3].permute(1, 2, 0), PREPROCESS.pixels(read_picture(image)))
    assert loaded.captions[6].tolist() == TOKENIZER([image.captions[0]])[0].tolist()


def test_a_batch_is_a_function_of_seed_and_step_alone(loaded):
    run = config(augmentation="icons")
    torch.manual_seed(0)
    one = batch_of_step(loaded, run, 7)
    torch.manual_seed(99)
    batch_of_step(loaded, run, 3)
    same = batch_of_step(loaded, run, 7)
    for field in dataclasses.fields(one):
        assert torch.equal(getattr(one, field.name), getattr(same, field.name))
    assert not torch.equal(one.images, batch_of_step(loaded, run, 8).images)
    assert not torch.equal(one.images, batch_of_step(loaded, config(augmentation="icons", seed=1), 7).images)


@pytest.mark.parametrize("batch_size", [2, 5, 12, 30])
def test_every_image_once_an_epoch(loaded, batch_size):
    marked = dataclasses.replace(loaded, labels=torch.arange(12))  # so that a label tells the image
    run = config(batch_size=batch_size, samples=120)
    seen = torch.cat([batch_of_step(marked, run, step).labels for step in range(run.steps)])
    epochs = seen[: len(seen) // 12 * 12].view(-1, 12)
    assert len(epochs) == 10
    assert all(sorted(epoch.tolist()) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 10  # another order each time


def test_images_labels_and_captions_belong_together(loaded):
    run = config(batch_size=12)
    owner = {tuple(row.tolist()): index // 2 for index, row in enumerate(loaded.captions)}
    longest = loaded.captions.shape[1]
    chosen = set()
    for step in range(8):
        batch = batch_of_step(loaded, run, step)
        for image, label, tokens in zip(batch.images, batch.labels, batch.tokens, strict=True):
            padded = tuple(tokens.tolist() + [0] * (longest - len(tokens)))
            number = owner[padded]
            chosen.add((int(label), tokens.tolist().count(0)))
            assert int(loaded.labels[number]) == int(label)
            match = (loaded.pixels.float() / 255 == image).flatten(1).all(1)
            assert int(label) in loaded.labels[match]
    assert len(chosen) > 6  # both captions come up


def test_tokens_end_with_the_longest_text_of_the_batch(loaded):
    batch = batch_of_step(loaded, config(), 0)
    ends = batch.tokens.argmax(dim=1) + 1
    assert int(ends.max()) == batch.tokens.shape[1] < 24


def test_labels_alone_need_no_tokens(drawings):
    data = load_training_set(drawings, PREPROCESS, None, nothing)
    batch = batch_of_step(data, config(), 0)
    assert batch.tokens.shape == (5, 0)
    assert float(batch.images.min()) >= 0
    assert float(batch.images.max()) == 1


def test_the_test_part_is_never_trained_on(drawings):
    parted = tuple(
        dataclasses.replace(sample, part="test" if sample.label == "thing 5" else "") for sample in drawings.samples
    )
    data = load_training_set(Dataset(name="parted", samples=parted), PREPROCESS, None, nothing)
    assert len(data.pixels) == 10
    assert "thing 5" not in data.class_names


def test_images_without_label_count_by_their_caption(drawings):
    bare = tuple(dataclasses.replace(sample, label=None) for sample in drawings.samples)
    data = load_training_set(Dataset(name="bare", samples=bare), PREPROCESS, TOKENIZER, nothing)
    assert data.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]  # the same caption, the same concept


def test_data_that_cannot_be_trained_on(drawings, monkeypatch):
    nameless = tuple(dataclasses.replace(sample, label=None, captions=()) for sample in drawings.samples[:2])
    with pytest.raises(UsageError, match="2 of 12 training images without either"):
        load_training_set(Dataset(name="d", samples=nameless + drawings.samples[2:]), PREPROCESS, TOKENIZER, nothing)
    tests = tuple(dataclasses.replace(sample, part="test") for sample in drawings.samples)
    with pytest.raises(UsageError, match="no training images: all 12"):
        load_training_set(Dataset(name="d", samples=tests), PREPROCESS, TOKENIZER, nothing)
    monkeypatch.setattr(batches, "MEMORY_LIMIT", 10_000)
    with pytest.raises(UsageError, match="12 images of 32 x 32 pixels need more than"):
        load_training_set(drawings, PREPROCESS, TOKENIZER, nothing)


def test_an_image_that_vanished_meanwhile(drawings, tmp_path):
    gone = dataclasses.replace(drawings.samples[0], data=None, path=tmp_path / "gone.png")
    with pytest.raises(VisavisError, match=r"'0/0.png' could be read when .*No such file"):
        load_training_set(Dataset(name="d", samples=(gone,)), PREPROCESS, None, nothing)


def test_an_image_is_changed_anew_each_time_it_is_seen(loaded):
    alone = dataclasses.replace(
        loaded, pixels=loaded.pixels[:1], labels=loaded.labels[:1], caption_ranges=loaded.caption_ranges[:1]
    )
    seen = [batch_of_step(alone, config(augmentation="icons", batch_size=2), step).images for step in range(3)]
    views = torch.cat(seen)
    assert len({view.numpy().tobytes() for view in views}) == 6
