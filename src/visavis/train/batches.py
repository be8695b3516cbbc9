"""A training set in memory, and the batch of any step as a pure function of the seed and the step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from visavis.data.dataset import Dataset
from visavis.engine.pictures import read_picture
from visavis.errors import UsageError
from visavis.train.augmentation import augment_icons
from visavis.train.recipe import TrainConfig
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.tokenizer import Tokenizer

MEMORY_LIMIT = 8 * 2**30  # bytes of decoded training images


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Decoded images with what they are to be matched to.

    Attributes:
        pixels: uint8 [images, 3, image_size, image_size].
        labels: int64 [images]: the class, or the concept where pairs are trained; equal for equal concepts.
        class_names: Names by label.
        captions: int64 [captions, context_length], tokens of all captions; empty without a tokenizer.
        caption_ranges: int64 [images, 2]: first caption of each image and the one after its last.
    """

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    captions: Tensor
    caption_ranges: Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One step's images [batch, 3, size, size] in 0 to 1, labels int64 [batch], tokens int64 [batch, length]."""

    images: Tensor
    labels: Tensor
    tokens: Tensor


def load_training_set(
    dataset: Dataset,
    preprocess: Preprocess,
    tokenizer: Tokenizer | None,
    progress: Callable[[int, int], None],
) -> TrainingSet:
    """Decodes the training part into memory. `progress` is called with images done and images in all.

    Raises:
        UsageError: No images, no labels or captions, or more images than memory should hold.
        VisavisError: An image can no longer be read.
    """
    samples = [sample for sample in dataset.samples if sample.part != "test"]
    concepts = [sample.label or next(iter(sample.captions), None) for sample in samples]
    if not samples:
        raise UsageError(f"{dataset.name!r} has no training images: all {len(dataset.samples)} are of its test part.")
    if None in concepts:
        raise UsageError(
            f"Training needs a label or a caption for every image, but {dataset.name!r} has "
            f"{concepts.count(None)} of {len(samples)} training images without either."
        )
    side = preprocess.image_size
    if len(samples) * 3 * side * side > MEMORY_LIMIT:
        raise UsageError(
            f"{len(samples)} images of {side} x {side} pixels need more than {MEMORY_LIMIT / 2**30:g} GiB decoded, the "
            "limit for training from memory. Train on fewer images or a smaller image_size."
        )
    pixels = torch.empty(len(samples), 3, side, side, dtype=torch.uint8)
    for index, sample in enumerate(samples):
        cut = preprocess.pixels(read_picture(sample))  # [side, side, 3]
        pixels[index] = torch.from_numpy(np.moveaxis(cut, -1, 0).copy())
        progress(index + 1, len(samples))
    class_names = tuple(sorted({concept for concept in concepts if concept}))
    number = {name: index for index, name in enumerate(class_names)}
    captions = [sample.captions or (sample.label or "",) for sample in samples]
    ends = torch.tensor([len(texts) for texts in captions]).cumsum(0)
    starts = ends - torch.tensor([len(texts) for texts in captions])
    tokens = torch.empty(0, 0, dtype=torch.int64)
    if tokenizer is not None:
        tokens = torch.from_numpy(tokenizer([text for texts in captions for text in texts]))
    return TrainingSet(
        pixels=pixels,
        labels=torch.tensor([number[concept] for concept in concepts if concept]),
        class_names=class_names,
        captions=tokens,
        caption_ranges=torch.stack([starts, ends], dim=1),
    )


def batch_of_step(data: TrainingSet, config: TrainConfig, step: int) -> Batch:
    """The batch of a step: a pure function, so a run that resumes sees what an unbroken one would have seen."""
    generator = torch.Generator().manual_seed(_mix(config.seed, step))
    chosen = _chosen(len(data.pixels), config, step)
    images = data.pixels[chosen].float() / 255
    if config.augmentation == "icons":
        images = augment_icons(images, generator)
    tokens = torch.empty(len(chosen), 0, dtype=torch.int64)
    if data.captions.numel():
        starts, ends = data.caption_ranges[chosen].unbind(dim=1)
        picked = starts + (torch.rand(len(chosen), generator=generator) * (ends - starts)).long()
        tokens = data.captions[picked]  # [batch, context_length]
        longest = int(tokens.argmax(dim=1).max()) + 1  # columns after the last end token change nothing
        tokens = tokens[:, :longest]
    return Batch(images=images, labels=data.labels[chosen], tokens=tokens)


def _chosen(images: int, config: TrainConfig, step: int) -> Tensor:
    """Indices of a step's images: each epoch is a seeded permutation, cut into batches that may span two epochs."""
    positions = torch.arange(step * config.batch_size, (step + 1) * config.batch_size)
    epochs = positions // images
    orders = {
        int(epoch): torch.randperm(images, generator=torch.Generator().manual_seed(_mix(config.seed, -1 - int(epoch))))
        for epoch in epochs.unique()
    }
    return torch.stack(
        [orders[int(epoch)][position % images] for epoch, position in zip(epochs, positions, strict=True)]
    )


def _mix(seed: int, step: int) -> int:
    """One 63-bit seed from two numbers, so that neighbouring steps and seeds share nothing."""
    return int(np.random.SeedSequence([seed, step & (2**64 - 1)]).generate_state(1, np.uint64)[0] >> np.uint64(1))
