"""The page of networks taken apart: what it says is in the records and in the JSON, whatever they are called."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_anatomies import HOSTILE, LONG, foreign, resnet, sight, similarity, vit
from made_layers import layer
from PIL import Image

from visavis.errors import VisavisError
from visavis.inspection.anatomy.anatomy import Anatomy
from visavis.inspection.anatomy.tree import Rule
from visavis.inspection.sight.records import Sight, Similarity
from visavis.report.anatomy import render_page, to_json, write_page
from visavis.report.anatomy.columns import columns_of, drawn_layers
from visavis.report.anatomy.findings import growth_title, lead, view_title
from visavis.report.anatomy.kinds import explain
from visavis.report.anatomy.rasters import attention_sheet, colours, columns_for, position_sheet
from visavis.report.anatomy.reach import growth_chart, reach_chart, theoretical
from visavis.report.anatomy.record import DIGITS, crossings, halves
from visavis.report.anatomy.sights import short_layer
from visavis.report.anatomy.sums import sum_of
from visavis.report.anatomy.tally import tally_of
from visavis.report.anatomy.worth import worth_of
from visavis.report.drawing import network_svg


@pytest.fixture(scope="module")
def networks() -> list[Anatomy]:
    return [resnet(), vit()]


@pytest.fixture(scope="module")
def sights() -> list[Sight]:
    return [sight("resnet-like", attends=False), sight("vit-like")]


@pytest.fixture(scope="module")
def page(networks: list[Anatomy], sights: list[Sight]) -> str:
    return render_page(networks, sights, [similarity("resnet-like", "vit-like")])


class Reader(HTMLParser):
    """Collects texts, tags and addresses; complains about tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "style") and value:
                self.addresses.append(value)
            if name == "id" and value:
                self.ids.append(value)
            assert not name.startswith("on")
        if tag not in ("meta", "link", "br", "img", "input", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_is_whole(page: str) -> None:
    reader = read(page)
    outside = [one for one in reader.addresses if re.search(r"https?:|//", one.replace("data:image/png;base64,", ""))]
    assert [one for one in outside if "url(data:" not in one and not one.startswith("data:")] == []
    assert len(reader.ids) == len(set(reader.ids))
    assert {one[1:] for one in reader.addresses if one.startswith("#")} <= set(reader.ids)
    assert len(page) < 400_000


def test_every_layer_stands_on_the_page_with_its_shape(page: str, networks: list[Anatomy]) -> None:
    text = "".join(read(page).texts)
    for network in networks:
        for tower in network.towers:
            for one in tower.root.walk():
                if one.name and any(one.name.startswith(name) for part in tower.parts for name in part.layers):
                    assert one.kind in text
                    assert one.settings in text
    assert text.count("12 heads of 64") >= 1 + 1  # blocks that are alike are one line, in each tower
    assert "3 ×" in text
    assert "not counted: einsum <b>" in text
    assert "MACs unknown" in text


def test_shares_are_of_the_tower(networks: list[Anatomy]) -> None:
    (column,) = columns_of(networks[0])
    pieces = [piece for pieces in column.regions.values() for piece in pieces]
    assert [piece.part.title for piece in pieces] == ["Stem", "Stage 1", "Stage 2", "Average pooling", "Head"]
    assert sum(piece.params_share or 0 for piece in pieces) == pytest.approx(1)
    assert sum(piece.macs_share or 0 for piece in pieces) == pytest.approx(1)
    assert sum(piece.span for piece in pieces) == pytest.approx(1)
    assert pieces[0].macs_share == pytest.approx(118_013_952 / (118_013_952 + 30 + 512_000))
    stem = columns_of(networks[1])[0].regions["stem"][0]
    assert stem.beside == 50 * 768  # position embeddings


def test_blocks_of_each_build_are_drawn_once(networks: list[Anatomy]) -> None:
    drawn = drawn_layers(networks[0].towers[0])
    assert [(one.layer.name, one.alike) for one in drawn] == [("layer2.0", 1), ("layer2.1", 1)]
    drawn = drawn_layers(networks[1].towers[0])
    assert [(one.layer.name, one.alike) for one in drawn] == [
        ("transformer.resblocks.0", 3),
        ("transformer.resblocks.0.attn", 1),
    ]


def test_the_json_holds_what_the_page_shows(page: str, networks: list[Anatomy], sights: list[Sight]) -> None:
    one = similarity("resnet-like", "vit-like")
    data = json.loads(to_json(networks, sights, [one]))
    text = "".join(read(page).texts)
    assert [model["name"] for model in data["models"]] == ["resnet-like", "vit-like"]
    for model, network in zip(data["models"], networks, strict=True):
        assert model["params"] == network.params
        assert model["flops"] == 2 * network.macs
        assert model["kinds"] == dict(network.kinds)
        named = [layer.name for tower in network.towers for layer in tower.root.walk()]
        assert [name for tower in model["towers"] for name in names(tower["root"])] == named
        assert model["rules"][0]["sum"] in text
    assert data["models"][0]["towers"][0]["root"]["children"][1]["macs"] is None
    shown = data["sights"][1]
    digits = 0.5 * 10.0 ** (1 - DIGITS)  # what rounding may take
    assert np.allclose(shown["attention"]["maps"], sights[1].attention.maps, rtol=digits, atol=0)
    assert np.allclose(shown["positions"], sights[1].positions, rtol=digits, atol=0)
    assert shown["first_layer"]["pictures"] == sights[1].first_layer.pictures.tolist()
    assert np.allclose(data["similarities"][0]["values"], one.values, rtol=digits, atol=0)
    for said in data["computes"].values():
        assert said["formula"] in text
    assert {kind for network in networks for kind in network.kinds} - set(data["computes"]) == {
        "Wondrous", "ResNet", "Tower", "Transformer"
    }  # fmt: skip
    (crossing,) = data["crossings"]
    assert f"cost the same at {crossing['image_size']:.0f} px" in page
    (half,) = data["halves"]
    assert f"from {half['image_size']:.0f} px attention’s two products are half of {half['model']}" in page


def names(root: dict) -> list[str]:
    return [root.get("name", ""), *(name for child in root["children"] for name in names(child))]


def test_numbers_that_are_none_become_null(networks: list[Anatomy], sights: list[Sight]) -> None:
    odd = replace(sights[1], norms={"image embedding": math.nan}, positions=np.array([[math.inf]]))
    data = json.loads(to_json(networks, [odd]), parse_constant=pytest.fail)
    assert data["sights"][0]["norms"] == {"image embedding": None}
    assert data["sights"][0]["positions"] == [[None]]


def named(network: Anatomy, name: str) -> Anatomy:
    """The network with a name wherever one can stand."""
    tower = network.towers[0]
    odd = tuple(replace(layer, name=name, kind=name, settings=name) for layer in tower.root.children[:1])
    return replace(
        network,
        name=name,
        settings=name,
        notes=(name,),
        rules=(replace(network.rules[0], says=name, sum=name, source=name),),
        towers=(replace(tower, root=replace(tower.root, children=(*odd, *tower.root.children))),),
    )


def test_hostile_names_stay_text(networks: list[Anatomy]) -> None:
    def made(name: str) -> str:
        seen = replace(sight(name), notes=(name,), data=name)
        return render_page([named(networks[1], name), networks[0]], [seen], [similarity(name, name)])

    page = made(HOSTILE)
    harmless, hostile = ([tag for tag in read(text).tags if tag != "wbr"] for text in (made("harmless"), page))
    assert hostile == harmless
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "{{ 7 * 7 }}" in page
    data = json.loads(to_json([named(networks[1], HOSTILE)]))
    assert data["models"][0]["name"] == HOSTILE


def test_a_network_without_parts_shows_its_layers() -> None:
    page = render_page([foreign(LONG)])
    text = "".join(read(page).texts)
    assert "2 layers as they run" in text
    assert "No counting rule is known" in text
    assert "MACs unknown" in text
    assert "Wondrous" in network_svg(foreign())
    assert "--data" in text  # how to get what was not measured
    assert "growth" not in read(page).ids


def test_what_was_not_measured_is_said(networks: list[Anatomy]) -> None:
    text = "".join(read(render_page(networks)).texts)
    assert text.count("--data PATH") == 2
    assert "mean attention distance" not in text


def test_crossing_by_hand() -> None:
    # 30 s^2 = 10 s^2 + s^3 / 10 at s = 200, between the counted 128 and 256, where both are nearly powers.
    ((a, b, size, macs),) = crossings([resnet(), vit()])
    assert (a, b) == ("resnet-like", "vit-like")
    assert size == pytest.approx(200, rel=0.03)
    assert macs == pytest.approx(30 * size**2, rel=1e-6)
    assert crossings([resnet(), resnet("again")]) == []
    chart = growth_chart([resnet(), vit()])
    assert chart is not None
    assert [(line.model, line.kind) for line in chart.lines] == [
        ("resnet-like", "macs"), ("vit-like", "macs"), ("vit-like", "attention_macs")
    ]  # fmt: skip
    assert len(chart.marks) == 2
    assert growth_chart([foreign()]) is None
    # s^3 / 10 is half of 10 s^2 + s^3 / 10 at s = 100, between the counted 64 and 128.
    ((name, size, macs),) = halves([resnet(), vit()])
    assert name == "vit-like"
    assert size == pytest.approx(100, rel=0.03)
    assert macs == pytest.approx(20 * size**2, rel=0.06)
    # 16 times the side: 256 times the pixels, and 10 s^2 + s^3 / 10 from 67,174 to 117,859,942.
    assert growth_title([resnet(), vit()]) == (
        "From 64 to 1,024 pixels a side, 256 times the pixels cost resnet-like 256 times as much and vit-like 1,755"
    )
    assert growth_title([foreign()]) == "What a larger image costs"


def test_reach_from_arithmetic_and_from_measurement() -> None:
    steps = theoretical(resnet().towers[0])
    last = "layer2.1.relu3"  # pooling gives one place, which is no view any more
    assert [(step.layer, step.pixels) for step in steps] == [("conv1", 7), ("layer1", 35), (last, 99), (last, 99)]
    assert steps[-1].depth == 1
    assert [step.depth for step in steps] == sorted(step.depth for step in steps)
    whole = theoretical(vit().towers[0])
    assert whole[-1].pixels == 224  # from the first attention on, all of the image
    measured = reach_chart([resnet(), vit()], [sight("vit-like")])
    assert measured is not None
    assert [(line.model, line.kind) for line in measured.lines] == [
        ("resnet-like", "theoretical"), ("vit-like", "theoretical"), ("vit-like", "attention")
    ]  # fmt: skip
    attention = measured.lines[-1]
    assert [x for x, _ in attention.points] == pytest.approx([33.33, 66.67, 100])
    heights = [y for _, y in attention.points]
    assert heights == sorted(heights, reverse=True)  # farther is higher
    assert len(attention.dots) == 3 * 2


def test_the_lead_says_how_each_family_comes_to_see_all() -> None:
    convolution, attention, other = lead([resnet(), vit(), foreign()])
    assert "resnet-like from 35 to 99 pixels" in convolution
    assert "50 tokens and 3 blocks in vit-like" in attention
    assert "foreign" in other


def test_the_title_says_at_which_depth_the_whole_image_is_in_view() -> None:
    # vit-like's attention follows two of its sixteen weighted layers: the patches and the products of the first block.
    steps = theoretical(vit().towers[0])
    share = next(step.depth for step in steps if step.pixels >= 224)
    assert view_title([resnet(), vit()]) == f"The whole image in view: vit-like after {100 * share:.0f}% of the layers"
    assert view_title([foreign()]) == "How far each network sees"


def test_views_of_blocks_widen_and_attention_sees_all() -> None:
    (column,) = columns_of(resnet())
    views = {piece.part.title: piece.views for pieces in column.regions.values() for piece in pieces}
    assert views == {
        "Stem": (7,), "Stage 1": (35,), "Stage 2": (35, 99), "Average pooling": (), "Head": ()
    }  # fmt: skip
    image, text = columns_of(vit())
    assert image.regions["stage"][0].views == (224, 224, 224)
    assert image.patches == 7
    assert text.regions["stage"][0].views == ()
    assert text.patches == 0


def test_sums_by_hand() -> None:
    # 3 x 3 x 64 x 64 weights at each of 56 x 56 places.
    conv = layer("c", "Conv2d", (64, 56, 56), params=36864, macs=36864 * 3136)
    assert sum_of(conv) == "36,864 weights × 56×56 places = 115,605,504 MACs"
    biased = layer("l", "Linear", (50, 3072), params=768 * 3072 + 3072, macs=768 * 3072 * 50)
    assert sum_of(biased) == "2,359,296 weights × 50 tokens = 117,964,800 MACs"
    head = layer("h", "Linear", (1000,), params=2_049_000, macs=2_048_000)
    assert sum_of(head) == "2,048,000 weights, each used once = 2,048,000 MACs"
    said = "12 heads of 64, 50 x 50 places"
    attention = layer("a", "scaled_dot_product_attention", (12, 50, 64), settings=said, macs=2 * 12 * 64 * 50 * 50)
    assert sum_of(attention).endswith("= 3,840,000 MACs")
    # Nothing is said where the sum would not hold.
    assert sum_of(replace(attention, macs=1)) == ""
    assert sum_of(replace(conv, macs=36864 * 3136 + 1)) == ""
    assert sum_of(replace(conv, params=100)) == ""
    assert sum_of(replace(conv, macs=None)) == ""


def test_parts_stand_on_one_axis_the_weightiest_first(sights: list[Sight]) -> None:
    worth = worth_of(sights)
    assert worth is not None
    assert [[row.part for row in rows] for _, rows in worth.panels] == 2 * [["positions", "head 1 of block 0 attn"]]
    first, second = worth.panels[0][1]
    assert first.cosine.low < first.cosine.at < first.cosine.high < second.cosine.low
    # From 0.45 to 1 the axis runs in steps of 0.2, the first at 0.4: 0.5123 lies at 0.1123 of 0.6.
    assert (worth.cosines.low, worth.cosines.high) == (pytest.approx(0.4), pytest.approx(1.0))
    margin = worth.cosines.ticks[0][0]
    assert first.cosine.at == pytest.approx(margin + (100 - 2 * margin) * 0.1123 / 0.6, abs=0.01)
    assert worth.points is not None
    assert worth.points.high == 0  # what no change is
    assert worth.points.ticks[-1][1] == "0"
    assert second.accuracy is None  # was measured without labels
    assert worth_of([replace(sights[0], ablations=())]) is None
    turned = replace(sights[0].ablations[0], cosine=-0.188, low=-0.242, high=-0.0478)
    text = "".join(read(render_page([resnet()], [replace(sights[0], ablations=(turned,))])).texts)
    assert "−0.19 [−0.24, −0.05]" in text


@pytest.mark.parametrize(
    ("number", "said", "groups"),
    [
        (50, "1 + 3 x 16 + 1", [(1, 1, 0), (16, 3, 1), (1, 1, 2)]),
        (53, "1 + 3 × 16 + 4", [(1, 1, 0), (16, 3, 1), (1, 4, 2)]),
        (12, "12", []),
        (51, "1 + 3 x 16 + 1", []),  # the sum is not the number
        (2176, "32 x sqrt(7,077,888 / (2 x 768))", []),
        (427, "1 + 6 x 1 + 2 x 2 + 416", []),  # too many to be counted
    ],
)
def test_tallies_by_hand(number: int, said: str, groups: list[tuple[int, int, int]]) -> None:
    assert tally_of(Rule(number=number, says="", sum=said, layers=(), source="")) == groups


def test_kinds_are_explained() -> None:
    for kind in ("Conv2d", "BatchNorm2d", "LayerNorm", "GELU", "QuickGELU", "AttentionPool", "add", "Attention",
                 "MultiheadAttention", "scaled_dot_product_attention", "MaxPool2d", "Bottleneck", "Block"):  # fmt: skip
        said = explain(kind)
        assert said is not None, kind
        assert said.formula
    assert "1.702" in explain("QuickGELU").formula
    assert explain("GELU") != explain("QuickGELU")
    assert explain("Conv2d; DROP") is None


def test_pictures_by_hand() -> None:
    low, high, odd = colours(np.array([0.0, 1.0, math.nan]))
    assert (low.tolist(), high.tolist(), odd.tolist()) == ([27, 33, 64], [243, 233, 166], [128, 128, 128])
    maps = np.zeros((2, 3, 1, 2))
    maps[1, 2, 0, 1] = 0.25
    sheet = attention_sheet(maps, columns=3)
    assert sheet.shape == (2 * 1 + 1, 3 * 2 + 2, 4)
    lit = np.argwhere(sheet[..., 3] > 0)
    assert lit.tolist() == [[2, 7]]  # second layer, third head, its right place; each map is as bright as its highest
    assert position_sheet(np.eye(9)).shape == (3 * 3 + 2, 3 * 3 + 2, 4)
    assert [columns_for(n) for n in (1, 12, 28, 64, 13)] == [1, 3, 7, 8, 4]


def test_layers_in_short() -> None:
    given = ("transformer.resblocks.11.attn", "visual.transformer.resblocks.3", "blocks.4", "layer3.2", "attnpool")
    assert [short_layer(name) for name in given] == ["block 11 attn", "block 3", "block 4", "layer3.2", "attnpool"]


def test_pictures_of_the_page_are_png(page: str, sights: list[Sight]) -> None:
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)
    sizes = [Image.open(io.BytesIO(base64.b64decode(one))).size for one in found]
    assert sights[1].picture.shape[:2] in sizes
    assert all(Image.open(io.BytesIO(base64.b64decode(one))).format == "PNG" for one in found)


def test_files(tmp_path: Path, networks: list[Anatomy], sights: list[Sight]) -> None:
    similarities: list[Similarity] = []
    path = write_page(networks, sights, similarities, tmp_path / "new" / "anatomy")
    assert path == tmp_path / "new" / "anatomy" / "index.html"
    assert path.read_text("utf-8") == render_page(networks, sights)
    assert (path.parent / "anatomy.json").read_text("utf-8") == to_json(networks, sights)
    assert sorted(one.name for one in path.parent.iterdir()) == ["anatomy.json", "index.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(VisavisError, match="Cannot write the page"):
        write_page(networks, sights, similarities, tmp_path / "file" / "anatomy")
