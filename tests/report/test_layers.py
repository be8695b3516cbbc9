"""The plot of a comparison layer by layer: places by hand, XML and HTML that hold, and a look in Chromium."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from visavis.errors import UsageError, VisavisError
from visavis.inspection.difference.layer_diff import LayerDiff, LayerRow
from visavis.report.layers import LEFT, RIGHT, draw, number, render_page, render_svg, short_name, write_layers
from visavis.report.terminal import layers_table

SVG = "{http://www.w3.org/2000/svg}"
NAME = '<script>alert(1)</script> & "it\'s" \x1b[31m'


def row(layer: str, relative: float, tower: Any = "image", stage: bool = True) -> LayerRow:
    cosine = math.nan if math.isinf(relative) else 1 - relative
    return LayerRow(
        tower=tower, layer=layer, stage=stage, shape=(5, 8), max_abs=2 * relative, relative=relative, cosine=cosine
    )


@pytest.fixture
def diff() -> LayerDiff:
    return LayerDiff(
        a=NAME,
        b="open_clip/ViT-B-32::openai",
        threshold=1e-4,
        way="layout",
        rows=(
            row("pixels", 0.0),
            row("visual.conv1", 1e-6),
            row("visual.transformer.resblocks.0.mlp.c_fc", 1e-5, stage=False),
            row("visual.transformer.resblocks.0.mlp.activation", 1e-2, stage=False),
            row("visual.transformer.resblocks.0", 1e-1),
            row("features", math.inf),
            row("tokens", 0.0, "text"),
            row("features", 1e-6, "text"),
        ),
        causes={"image": "The activation differs, GELU against QuickGELU."},
        unmatched_a=("visual.<b>",),
        unmatched_b=(),
    )


def test_places_by_hand(diff: LayerDiff) -> None:
    # From 1e-6 to 1e-1 are five decades between LEFT and RIGHT; the limit, 1e-4, is two of them from the left.
    chart = draw(diff)
    assert chart.threshold == (round(LEFT + (RIGHT - LEFT) * 2 / 5, 2), "10⁻⁴")
    assert [text for _, text in chart.ticks] == ["10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹"]
    image, text = chart.sections
    assert [stripe.x for stripe in image.stripes] == [
        0.0,
        LEFT,
        round(LEFT + (RIGHT - LEFT) / 5, 2),
        round(LEFT + (RIGHT - LEFT) * 4 / 5, 2),
        RIGHT,
        RIGHT,
    ]
    assert [stripe.differs for stripe in image.stripes] == [False, False, False, True, True, True]
    assert [stripe.is_first for stripe in image.stripes] == [False, False, False, True, False, False]
    assert not any(stripe.is_first for stripe in text.stripes)
    heights = [stripe.y for section in chart.sections for stripe in section.stripes]
    assert heights == sorted(set(heights))
    assert heights[-1] < chart.height


def test_names_are_short(diff: LayerDiff) -> None:
    assert short_name(diff.rows[3]) == "· block 0 mlp.activation"
    assert short_name(diff.rows[1]) == "conv1"
    assert short_name(row("before text.transformer.resblocks.11", 0)) == "before block 11"


def test_numbers() -> None:
    assert [number(value) for value in (0.0, 1.234e-5, 12.0, math.inf, math.nan)] == [
        "0",
        "1.2e−5",
        "1.2e+1",
        "not comparable",
        "–",
    ]


def test_networks_that_agree_have_a_plot_too(diff: LayerDiff) -> None:
    same = LayerDiff(**{**vars(diff), "rows": (row("pixels", 0.0), row("features", 0.0)), "causes": {}})
    assert all(stripe.x == 0 for section in draw(same).sections for stripe in section.stripes)
    assert "agree, bit by bit" in render_page(same)


def test_the_svg_is_xml_and_holds_every_layer(diff: LayerDiff) -> None:
    tree = ET.fromstring(render_svg(diff))
    said = [element.text for element in tree.iter(f"{SVG}title")]
    assert "visual.transformer.resblocks.0.mlp.activation: 1.0e−2" in said
    assert len(said) == 1 + len(diff.rows)
    assert "<script>alert(1)</script>" in str(said[0])
    assert "\x1b" not in str(said[0])
    assert len(list(tree.iter(f"{SVG}rect"))) == 1 + 3  # the ground, and squares where layers differ


def test_the_page_escapes_and_asks_for_nothing(diff: LayerDiff) -> None:
    page = render_page(diff)
    assert "<script" not in page
    assert "visual.&lt;b&gt;" in page
    assert re.findall(r"(?:src|href)=\"([^\"]*)\"", page) == ["data:,"]
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    for one in diff.rows:
        assert re.sub(r"\.(?=[a-z\d])", ".<wbr>", one.layer) in page


def test_files(diff: LayerDiff, tmp_path: Path) -> None:
    assert write_layers(diff, tmp_path / "new" / "d.svg").read_text("utf-8") == render_svg(diff)
    assert write_layers(diff, tmp_path / "d.html").read_text("utf-8") == render_page(diff)
    with pytest.raises(UsageError, match=r"\.html or \.svg"):
        write_layers(diff, tmp_path / "d.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(VisavisError, match="Cannot write"):
        write_layers(diff, tmp_path / "file" / "d.svg")


def test_the_terminal_table_has_a_row_for_each_layer(diff: LayerDiff) -> None:
    table = layers_table(diff)
    layers = [str(cell) for cell in table.columns[0].cells]
    assert [layer for layer in layers if layer and "tower" not in layer] == [short_name(one) for one in diff.rows]
    assert [one.style for one in table.rows].count("bold red") == 1


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_reads_on_a_phone(browser: Any, diff: LayerDiff, tmp_path: Path, scheme: str) -> None:
    path = write_layers(diff, tmp_path / "diff.html")
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else trouble.append(asked.url))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = page.evaluate(
        """() => [...document.querySelectorAll("svg.layers text")].map((text) => {
          const { left, right, height } = text.getBoundingClientRect();
          return [left, right, height, getComputedStyle(text).fill];
        })"""
    )
    assert len(boxes) > len(diff.rows)
    assert all(left >= 0 and right <= 390 and 11 < height < 25 for left, right, height, _ in boxes)
    lightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 for *_, colour in boxes]
    assert all((value < 128) == (scheme == "light") for value in lightness)
    assert trouble == []
    context.close()
