"""Position embeddings and how alike they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from visavis.inspection.sight.positions import find_positions, position_similarity


def holding(**parameters):
    module = nn.Module()
    for name, tensor in parameters.items():
        setattr(module, name, nn.Parameter(tensor))
    return module


def test_cosines_by_hand_without_the_class_token():
    table = torch.tensor([[9.0, 9.0], [1, 0], [0, 2], [-3, 0], [1, 1]])
    found = position_similarity(holding(positional_embedding=table))
    half = 0.5**0.5
    expected = [[1, 0, -1, half], [0, 1, 0, half], [-1, 0, 1, -half], [half, half, -half, 1]]
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "shape", "patches"),
    [
        ("pos_embed", (1, 10, 4), 9),  # timm
        ("positional_embedding", (10, 4), 9),  # open_clip
        ("position_embeddings", (1, 9, 4), 9),  # transformers, without a class token
        ("pos_embed", (1, 14, 4), 9),  # with four registers
    ],
)
def test_names_and_shapes_of_other_libraries(name, shape, patches):
    tower = holding(cls_token=torch.ones(1, 1, 4), **{name: torch.randn(shape)})
    assert find_positions(tower)[0] == name
    assert position_similarity(tower).shape == (patches, patches)


def test_the_table_of_an_embedding_module():
    tower = nn.Module()
    tower.position_embedding = nn.Embedding(17, 8)
    assert find_positions(tower)[0] == "position_embedding.weight"
    assert position_similarity(tower).shape == (16, 16)


def test_relative_ones_and_other_parameters_are_none():
    tower = holding(
        relative_position_bias_table=torch.ones(169, 3), pos_drop_scale=torch.ones(4), weight=torch.ones(9, 9)
    )
    assert find_positions(tower) is None
    assert position_similarity(tower) is None


def test_families(encoder_of):
    assert position_similarity(encoder_of("resnet").image_tower) is None
    assert position_similarity(encoder_of("clip-resnet").image_tower).shape == (4, 4)  # of the attention pooling
    assert position_similarity(encoder_of("clip-vit").image_tower).shape == (16, 16)
    zero = position_similarity(holding(pos_embed=torch.zeros(1, 9, 4)))
    assert (zero == 0).all()  # fresh ones, like nothing
