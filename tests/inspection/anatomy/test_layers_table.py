"""`Anatomy.layers`, and what `to_json`, `to_svg` and `to_html` say of the same layers."""

from __future__ import annotations

import json
from html import unescape
from xml.etree import ElementTree

import pandas as pd
import pytest
import torch
from small_networks import Called, conv, opened
from torch import nn

from visavis.inspection.anatomy.anatomy import inspect

DTYPES = {
    "tower": "str",
    "name": "str",
    "kind": "str",
    "settings": "str",
    "output_shape": "object",
    "params": "Int64",
    "macs": "Int64",
    "flops": "Int64",
    "activation_bytes": "Int64",
    "receptive_field": "Int64",
    "stride": "Int64",
    "centre": "Float64",
    "runs": "Int64",
}
NETWORKS = {
    "resnet18": lambda: inspect("resnet18"),
    "RN50": lambda: inspect("RN50"),
    "ViT-B-32": lambda: inspect("ViT-B-32"),
    "unknown": lambda: opened(lambda x, a, **_: torch.fft.rfft2(a(x)).abs(), a=conv(3, 4, 1), b=nn.Linear(2, 2)),
    "untraceable": lambda: inspect(Called(lambda x, a: a(x.item()), a=conv(3, 4, 1)), image_size=8),
    "empty": lambda: opened(nn.Identity()),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_columns(name):
    table = NETWORKS[name]().layers
    text = str(pd.Series(["a"]).dtype)  # str or object, by the version of pandas
    expected = {column: text if dtype == "str" else dtype for column, dtype in DTYPES.items()}
    assert {column: str(dtype) for column, dtype in table.dtypes.items()} == expected
    assert not table.duplicated(["tower", "name"]).any()
    assert table["params"].notna().all()
    assert (table["flops"].dropna() == 2 * table["macs"].dropna()).all()
    assert table["stride"].isna().tolist() == table["centre"].isna().tolist()
    assert all(shape is None or isinstance(shape, tuple) for shape in table["output_shape"])


def test_rows_by_hand():
    table = opened(
        lambda x, a, b, **_: b(a(x).mean((2, 3))), 8, a=conv(3, 4, 3, stride=2), b=nn.Linear(4, 2), idle=nn.Linear(1, 1)
    ).layers.set_index("name")
    assert list(table.index) == ["", "a", "mean", "b", "idle"]
    shown = [
        "kind",
        "settings",
        "output_shape",
        "params",
        "macs",
        "activation_bytes",
        "receptive_field",
        "stride",
        "centre",
    ]
    rows = table[shown].astype(object).where(table[shown].notna(), None).to_numpy().tolist()
    # 3 x 3 places, the last of which sees the lines 4 to 6.
    assert rows == [
        ["Called", "", (2,), 108 + 10 + 2, 108 * 9 + 8, 4 * (36 + 4 + 2), 7, None, None],
        ["Conv2d", "3x3, 3 to 4, stride 2", (4, 3, 3), 108, 108 * 9, 4 * 36, 3, 2, 1.0],
        ["mean", "", (4,), 0, 0, 16, 7, None, None],
        ["Linear", "4 to 2", (2,), 10, 8, 8, 7, None, None],
        ["Linear", "1 to 1", None, 2, None, None, None, None, None],
    ]


def test_towers_stand_one_below_the_other():
    table = inspect("ViT-B-32").layers
    assert table["tower"].unique().tolist() == ["image", "text"]
    roots = table[table["name"] == ""].set_index("tower")
    assert roots.loc["text", "output_shape"] == (512,)
    assert table[table["tower"] == "text"][["receptive_field", "stride", "centre"]].isna().all(axis=None)


def test_it_survives_a_file(tmp_path):
    table = inspect("resnet18").layers
    table.to_csv(tmp_path / "layers.csv", index=False)
    again = pd.read_csv(tmp_path / "layers.csv", keep_default_na=False)
    assert again["params"].tolist() == table["params"].tolist()
    assert again.loc[again["name"] == "conv1", "output_shape"].item() == "(64, 112, 112)"


def all_layers(layer: dict) -> list[dict]:
    return [layer, *(inner for child in layer["children"] for inner in all_layers(child))]


@pytest.mark.parametrize("name", NETWORKS)
def test_json_holds_every_layer(name):
    anatomy = NETWORKS[name]()
    (said,) = json.loads(anatomy.to_json())["models"]
    assert (said["name"], said["params"], said["macs"]) == (anatomy.name, anatomy.params, anatomy.macs)
    found = [layer for tower in said["towers"] for layer in all_layers(tower["root"])]
    expected = [layer for tower in anatomy.towers for layer in tower.root.walk()]
    assert len(found) == len(expected)
    for layer, record in zip(expected, found, strict=True):
        said_of = {"name": "", "settings": "", "output_shape": (), "sources": (), **record}  # what is empty is left out
        for key in ("name", "kind", "settings", "params", "macs", "runs"):
            assert said_of[key] == getattr(layer, key)
        for key in ("receptive_field", "stride", "centre", "activation_bytes"):
            assert record.get(key) == getattr(layer, key)
        assert tuple(said_of["output_shape"]) == (layer.output_shape or ())
        assert tuple(said_of["sources"]) == layer.sources
    assert [rule["number"] for rule in said["rules"]] == [rule.number for rule in anatomy.rules]
    assert [one["macs"] for one in said["growth"]] == [one.macs for one in anatomy.growth]
    assert said["notes"] == list(anatomy.notes)
    assert said["kinds"] == anatomy.kinds


@pytest.mark.parametrize("name", NETWORKS)
def test_drawing_and_page(name):
    anatomy = NETWORKS[name]()
    drawing = ElementTree.fromstring(anatomy.to_svg())
    assert drawing.tag.endswith("svg")
    page = anatomy.to_html()
    assert page.startswith("<!doctype html>")
    words = unescape(page)
    for part in anatomy.stages:
        assert part.title in words
    for rule in anatomy.rules:
        assert rule.source in words
    for note in anatomy.notes:
        assert note in words
