"""Texts between an encoder and its tower: who leaves columns out, and who must not."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from visavis.engine.encoder import Encoder
from visavis.engine.parts import Parts, TextTower, parts_of
from visavis.zoo.architectures import build_model
from visavis.zoo.checkpoint import Checkpoint
from visavis.zoo.preprocess import Preprocess


def tiny_clip(config) -> Parts:
    state = build_model(config, seed=0).state_dict()
    return parts_of(Checkpoint(config=config, preprocess=Preprocess(image_size=32, resize=32), state=state))


def test_clip_leaves_out_columns_after_the_last_end_token(make):
    parts = tiny_clip(make("clip-vit").model.config)
    seen = []
    parts.model.text.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape))
    texts = ["a", "a dog and a cat"]
    tokens = torch.from_numpy(parts.text.tokenize(texts))
    ends = tokens.argmax(dim=1)
    trimmed = parts.text.encode(tokens)
    assert seen == [(2, int(ends.max()) + 1)]
    assert seen[0][1] < tokens.shape[1]
    np.testing.assert_allclose(trimmed, parts.model.encode_text(tokens), atol=1e-5)


def test_other_towers_get_every_column(make):
    """As SigLIP's: the highest token stands anywhere, and the vector is read from the last column."""
    tokens = np.array([[9, 1, 2, 0, 5], [3, 8, 0, 0, 7], [1, 1, 1, 1, 6]], np.int64)
    tower = TextTower(
        tokenize=lambda texts: tokens[: len(texts)], encode=lambda batch: batch[:, -1:].float(), logit_scale=1.0
    )
    parts = dataclasses.replace(tiny_clip(make("clip-vit").model.config), text=tower)
    vectors = Encoder("padded", parts).encode_texts(["one", "two", "three"], batch_size=2)
    np.testing.assert_array_equal(vectors, [[5], [7], [6]])
