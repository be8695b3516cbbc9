"""Totals, kinds and famous numbers of published networks, as counted on the peers' own modules.

tests/models/README.md says how architectures.csv was made.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from pathlib import Path

import pytest

from visavis.inspection.anatomy.anatomy import Anatomy, inspect
from visavis.inspection.anatomy.tree import Rule
from visavis.zoo.architectures import ARCHITECTURES

with (Path(__file__).parents[2] / "models" / "architectures.csv").open() as file:
    PUBLISHED = list(csv.DictReader(file))
EACH_PUBLISHED = pytest.mark.parametrize("row", PUBLISHED, ids=[row["name"] for row in PUBLISHED])


@cache
def opened(name: str) -> Anatomy:
    return inspect(name)


def rules(name: str) -> dict[int, Rule]:
    """The rules of the image tower by their number."""
    found: dict[int, Rule] = {}
    for rule in opened(name).rules:
        found.setdefault(rule.number, rule)
    return found


@EACH_PUBLISHED
def test_parameters_to_the_unit(row):
    anatomy = opened(row["name"])
    image, *text = (tower.root for tower in anatomy.towers)
    assert anatomy.params == int(row["params_total"])
    assert image.params == int(row["params_image"])
    assert [str(root.params) for root in text] == ([row["params_text"]] if row["params_text"] else [])
    between = anatomy.params - image.params - sum(root.params for root in text)
    assert between == len(text)  # a pair's logit scale


@EACH_PUBLISHED
def test_multiply_accumulates(row):
    """A CLIP ResNet with the one pooling query that is computed here; the rule tells what all of them cost."""
    anatomy = opened(row["name"])
    assert anatomy.macs / 1e9 == pytest.approx(float(row["gmacs_image_one_query"] or row["gmacs_image"]), rel=0.005)
    if row["gmacs_text"]:
        assert anatomy.text_macs / 1e9 == pytest.approx(float(row["gmacs_text"]), rel=0.005)
    else:
        assert anatomy.text_macs is None
    if row["gmacs_image_one_query"]:
        (rule,) = (rule for rule in anatomy.rules if "queries only the mean" in rule.says)
        assert (anatomy.macs + rule.number) / 1e9 == pytest.approx(float(row["gmacs_image"]), rel=0.005)
        assert f"{(anatomy.macs + rule.number) / 1e9:.2f} G in place of {anatomy.macs / 1e9:.2f} G" in rule.says


@EACH_PUBLISHED
def test_kinds_and_shapes(row):
    anatomy = opened(row["name"])
    assert anatomy.kinds["Conv2d"] == int(row["conv_layers"])
    assert anatomy.kinds["Linear"] == int(row["linear_layers"])
    assert anatomy.kinds["Block"] == int(row["transformer_blocks_image"])
    stages = [part for part in anatomy.stages if part.role == "stage"]
    if "tokens" in row["final_map"]:
        shape = (int(row["final_map"].split()[0]), int(row["width"]))
    else:
        shape = tuple(map(int, row["final_map"].split("x")))
    assert stages[-1].output_shape[-2:] == shape
    assert anatomy.towers[0].input_shape == (3, int(row["image_size"]), int(row["image_size"]))
    assert sum(part.blocks for part in stages) == (int(row["transformer_blocks_image"]) or sum(blocks(row["name"])))
    if row["transformer_blocks_text"]:
        (text,) = (part for part in anatomy.towers[1].parts if part.role == "stage")
        assert text.blocks == int(row["transformer_blocks_text"])


def blocks(name: str) -> tuple[int, ...]:
    config = ARCHITECTURES[name]
    return (config.visual if hasattr(config, "visual") else config).layers


@pytest.mark.parametrize(
    ("name", "number", "convolutions", "shortcuts"),
    [
        ("resnet18", 18, 20, 3),
        ("resnet34", 34, 36, 3),
        ("resnet50", 50, 53, 4),
        ("resnet101", 101, 104, 4),
        ("resnet152", 152, 155, 4),
    ],
)
def test_why_a_resnet_has_its_name(name, number, convolutions, shortcuts):
    """He et al. 2016, table 1 counts weighted layers; torchvision's modules have the projections besides."""
    named, counted, linear = (rules(name)[n] for n in (number, convolutions, 1))
    per_block = 2 if number < 50 else 3
    all_blocks = sum(blocks(name))
    assert named.sum == f"1 + {per_block} x {all_blocks} + 1"
    assert counted.sum == f"1 + {per_block} x {all_blocks} + {shortcuts}"
    assert len(named.layers) == number
    assert len(counted.layers) == convolutions
    assert set(counted.layers) - set(named.layers) == {
        f"layer{stage}.0.downsample.0" for stage in range(5 - shortcuts, 5)
    }
    assert set(named.layers) - set(counted.layers) == set(linear.layers) == {"fc"}


def test_clips_resnet_50_has_55_convolutions_and_four_projections():
    """Three in the stem, 3 x 16 in blocks, four on shortcuts; and attention pooling's query, key, value and output."""
    rule = next(rule for rule in opened("RN50").rules if rule.says.startswith("Convolutions, with"))
    assert (rule.number, rule.sum) == (55, "3 + 3 x 16 + 4")
    assert {name for name in rule.layers if "." not in name} == {"conv1", "conv2", "conv3"}
    four = rules("RN50")[4]
    assert set(four.layers) == {f"attnpool.{letter}_proj" for letter in "qkvc"}
    assert "4 of them attention pooling's" in four.says


@pytest.mark.parametrize(
    ("name", "image", "matrices", "text"),
    # Patch embedding, four matrices a block (query, key and value in one), classifier or projection; a text tower has
    # no patch embedding.
    [
        ("vit_base_patch16_224", 12, "1 + 4 x 12 + 1", None),
        ("ViT-B-32", 12, "1 + 4 x 12 + 1", "4 x 12 + 1"),
        ("ViT-L-14", 24, "1 + 4 x 24 + 1", "4 x 12 + 1"),
        ("RN50", None, None, "4 x 12 + 1"),
    ],
)
def test_what_a_transformer_counts(name, image, matrices, text):
    said = [(rule.number, rule.sum, rule.says) for rule in opened(name).rules]
    counts = [(number, arithmetic) for number, arithmetic, says in said if says.startswith("Weight matrices")]
    expected = [arithmetic for arithmetic in (matrices, text) if arithmetic is not None]
    assert [arithmetic for _, arithmetic in counts] == expected
    assert [number for number, _ in counts] == [worth(arithmetic) for arithmetic in expected]
    towers = [(number, says.split(",")[0]) for number, _, says in said if says.startswith("Blocks of the")]
    assert towers == [(image, "Blocks of the image tower")] * (image is not None) + [
        (12, "Blocks of the text tower")
    ] * (text is not None)


@pytest.mark.parametrize("name", ["resnet50", "RN50", "ViT-B-16", "vit_base_patch32_224"])
def test_every_sum_is_its_number_and_every_layer_exists(name):
    anatomy = opened(name)
    names = {layer.name for tower in anatomy.towers for layer in tower.root.walk()}
    for rule in anatomy.rules:
        if "sqrt" not in rule.sum:
            assert worth(rule.sum) == rule.number
        assert set(rule.layers) <= names
        assert rule.layers
        assert rule.source


def test_attention_that_module_counters_miss():
    """16.85 GMACs without the two products, 17.56 with them: 2 x 197 x 197 x 768 in each of twelve blocks."""
    rule = next(rule for rule in opened("ViT-B-16").rules if "two products, queries" in rule.says)
    assert rule.number == 2 * 197 * 197 * 768 * 12
    assert "16.85 G in place of 17.56 G" in rule.says
    root = opened("ViT-B-16").towers[0].root
    assert {root.find(name).macs for name in rule.layers} == {2 * 197 * 197 * 768}


def test_where_attention_overtakes_the_weights():
    """A block of width w has 12 w^2 weights for each token, and 2 n w for its n tokens: level at n = 6 w."""
    rule = next(rule for rule in opened("ViT-B-16").rules if "sqrt" in rule.sum)
    assert "level at 4,608 tokens" in rule.says
    assert rule.number == 16 * math.ceil(math.sqrt(6 * 768))
    block = opened("ViT-B-16").towers[0].root.find("transformer.resblocks.0")
    below, above = ((rule.number + more) // 16 for more in (-16, 0))
    weights = (block.macs - 2 * 197 * 197 * 768) // 197
    assert 2 * (below**2) ** 2 * 768 < weights * below**2
    assert 2 * (above**2) ** 2 * 768 >= weights * above**2


def worth(arithmetic: str) -> int:
    """The value of "1 + 3 x 16 + 1"."""
    terms = arithmetic.replace(",", "").split(" + ")
    return sum(math.prod(int(factor) for factor in term.split(" x ")) for term in terms)
