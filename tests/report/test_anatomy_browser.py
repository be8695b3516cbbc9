"""The page of networks taken apart in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from made_anatomies import HOSTILE, LONG, foreign, resnet, sight, similarity, vit
from made_layers import bottleneck, layer, transformer_block

from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.anatomy.tree import INPUT
from visavis.report.anatomy import write_page
from visavis.report.drawing import block_svg, drawing_style, network_svg

pytestmark = pytest.mark.browser
# Texts whose colour is too near to the ground behind them: less than 4.5 to 1, as WCAG 2.2 counts it.
FAINT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = rgba(colour).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const own = e.querySelector?.(":scope > rect.box, :scope > circle.join");
      if (own) return getComputedStyle(own).fill;
      const colour = getComputedStyle(e).backgroundColor;
      if (rgba(colour)[3] > 250) return colour;
    }
    return "white";
  };
  const faint = [];
  for (const e of document.querySelectorAll("body *")) {
    const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent.trim()).join("");
    if (!text || !e.checkVisibility() || e.closest("script, style, title, desc, .sr")) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(e.closest("svg") ? style.fill : style.color), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${e.outerHTML.slice(0, 90)}`);
  }
  return faint;
}"""
OPEN_ALL = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"
# Texts of drawings that leave their drawing, or overlap another text or leave their box.
BAD_TEXTS = """() => {
  const bad = [];
  for (const svg of document.querySelectorAll("svg.drawing")) {
    const all = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")]
      .map((t) => ({ text: t.textContent, box: t.getBoundingClientRect(), t }));
    for (const { text, box, t } of texts) {
      if (box.left < all.left - 1 || box.right > all.right + 1 || box.top < all.top - 1 || box.bottom > all.bottom + 1)
        bad.push(`${text} leaves its drawing`);
      const rect = t.closest("g.node")?.querySelector("rect");
      if (rect) {
        const own = rect.getBoundingClientRect();
        if (box.left < own.left || box.right > own.right || box.top < own.top - 1 || box.bottom > own.bottom + 1)
          bad.push(`${text} leaves its box`);
      }
    }
    for (let i = 0; i < texts.length; i++) for (let j = 0; j < i; j++) {
      const [a, b] = [texts[i].box, texts[j].box];
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 0.5 && down > 3) bad.push(`${texts[i].text} on ${texts[j].text}`);
    }
  }
  return bad;
}"""
# Elements that reach beyond the window, but for what lies in boxes that scroll by themselves.
BEYOND = """() => [...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".scroll, .canvas, .opened > .column, .skip, .sr, .outlines, svg.field"))
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.outerHTML.slice(0, 90))"""
# Elements whose text is cut or runs over their own edge.
CUT = """() => [...document.querySelectorAll(".column *, .choice *, .rules *")]
  .filter((e) => !e.closest("svg, .sr") && getComputedStyle(e).display !== "inline")
  .filter((e) => e.scrollWidth > e.clientWidth + 1)
  .map((e) => e.outerHTML.slice(0, 90))"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    networks = [resnet(), vit(), replace(foreign(LONG), notes=(HOSTILE,))]
    sights = [sight("resnet-like", attends=False), sight("vit-like")]
    similarities = [similarity("vit-like", "vit-like"), similarity("resnet-like", "vit-like")]
    return write_page(networks, sights, similarities, tmp_path_factory.mktemp("anatomy"))


@pytest.fixture
def visit(browser: Any, page_file: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page; afterwards nothing may have gone wrong: no error, no dialog, no request beyond the file."""
    trouble: list[str] = []
    contexts = []

    def open_page(path: Path = page_file, **options: Any) -> Any:
        context = browser.new_context(reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("dialog", lambda dialog: trouble.append(f"dialog: {dialog.message}"))
        own = (path.as_uri(), "data:")
        page.on("request", lambda asked: None if asked.url.startswith(own) else trouble.append(f"request: {asked.url}"))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert trouble == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_cut_or_scrolls_sideways(visit: Callable[..., Any], width: int) -> None:
    page = visit(viewport={"width": width, "height": 844})
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(BEYOND) == []
    assert page.evaluate(CUT) == []


@pytest.mark.parametrize("font", ["", "DejaVu Sans", "Liberation Serif"])
def test_texts_of_drawings_fit_in_any_font(visit: Callable[..., Any], tmp_path: Path, font: str) -> None:
    crowd = [layer(f"step{n}", "add", (2048, 112, 112), INPUT, *(f"step{m}" for m in range(n))) for n in range(5)]
    wordy = layer(
        "w", "ReparametrisedConvolution2dWithManyBranches", (64, 7, 7), INPUT, settings="groups " * 9, params=7
    )
    nets = [bottleneck(), bottleneck("b", False), transformer_block(), layer("", "Net", (8,), children=tuple(crowd)),
            layer("", "Net", (8,), children=(wordy,))]  # fmt: skip
    drawn = [block_svg(one, 1 + 11 * number, f"b{number}") for number, one in enumerate(nets)]
    drawn += [network_svg(one, f"n{number}") for number, one in enumerate((resnet(), vit(), foreign()))]
    path = tmp_path / "drawings.html"
    own = f"svg.drawing, svg.drawing text {{ font-family: '{font}' !important }}" if font else ""
    head = f'<link rel="icon" href="data:,"><style>{drawing_style()}{own}</style>'
    path.write_text(f"<!doctype html><meta charset=utf-8>{head}{''.join(drawn)}", "utf-8")
    assert visit(path).evaluate(BAD_TEXTS) == []


def test_real_networks_are_drawn_and_fit(visit: Callable[..., Any], tmp_path: Path) -> None:
    networks = [inspect(name) for name in ("resnet18", "resnet50", "RN50", "ViT-B-32", "vit_base_patch16_224")]
    path = write_page(networks, [], [], tmp_path)
    assert path.stat().st_size < 450_000
    page = visit(path, viewport={"width": 1280, "height": 900})
    page.evaluate(OPEN_ALL)
    assert page.evaluate(BAD_TEXTS) == []
    assert page.evaluate(CUT) == []
    headers = page.locator(".column > header").all_inner_texts()
    assert "38.3 M params, 102 M with the text tower" in headers[2].replace("\N{NO-BREAK SPACE}", " ")
    assert "4.09 GMACs = 8.18 GFLOPs an image" in headers[1].replace("\N{NO-BREAK SPACE}", " ")
    drawn = page.evaluate("[...document.querySelectorAll('.drawing.block > title')].map((t) => t.textContent)")
    assert [title for title in drawn if "resblocks" not in title] == [
        "BasicBlock layer1.0", "BasicBlock layer2.0", "Bottleneck layer1.0", "Bottleneck layer1.1",
        "Bottleneck layer1.0", "Bottleneck layer1.1", "Bottleneck layer2.0", "AttentionPool attnpool",
    ]  # fmt: skip
    # RN50's text tower, both towers of ViT-B-32, the supervised ViT: of each a block, and the attention in it.
    assert [title for title in drawn if "resblocks" in title] == 4 * [
        "Block transformer.resblocks.0",
        "Attention transformer.resblocks.0.attn",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_drawings_on_the_page_fit_and_contrast(visit: Callable[..., Any], scheme: str) -> None:
    page = visit(color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    assert page.evaluate(BAD_TEXTS) == []
    fills = page.evaluate("[...document.querySelectorAll('.drawing text')].map((t) => getComputedStyle(t).fill)")
    lightness = [sum(int(part) for part in fill[4:-1].split(",")) / 3 for fill in fills]
    assert all((value < 128) == (scheme == "light") for value in lightness)


def test_a_drawing_stands_alone_as_a_file(visit: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "block.svg"
    path.write_text(block_svg(transformer_block()), "utf-8")
    page = visit(path)
    assert page.evaluate("document.documentElement.getAttribute('role')") == "img"
    named = page.evaluate("document.documentElement.getAttribute('aria-labelledby').split(' ')")
    assert all(page.evaluate("(id) => document.getElementById(id).textContent", identity) for identity in named)


def test_steps_fold_and_unfold_by_keyboard(visit: Callable[..., Any]) -> None:
    page = visit()
    step = page.locator(".region.stage > .piece").nth(2)  # the Transformer's blocks
    step.locator("> summary").focus()
    page.keyboard.press("Enter")
    assert step.evaluate("(d) => d.open")
    page.keyboard.press("Tab")  # to the first block
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Space")
    kinds = step.locator(".tree .tree .kind:visible").all_inner_texts()
    assert kinds[:3] == ["LayerNorm", "Attention", "add"]
    shapes = step.locator(".tree .tree .shape:visible").all_inner_texts()
    assert shapes[0] == "50×768"
    page.keyboard.press("Space")
    assert step.locator(".tree .tree .kind:visible").count() == 0
    page.locator("#unfold").press("Enter")
    assert page.evaluate("[...document.querySelectorAll('details.piece')].every((d) => d.open)")
    page.locator("#fold").press("Enter")
    assert not page.evaluate("[...document.querySelectorAll('#columns details')].some((d) => d.open)")


def test_a_kind_says_what_it_computes(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 390, "height": 844})
    page.locator("#unfold").click()
    link = page.locator("a.kind:visible", has_text="LayerNorm").first
    link.focus()
    tip = page.locator("#tip")
    assert "Ba et al. 2016" in tip.inner_text()
    assert "√(var(x) + ε)" in tip.inner_text()
    assert link.get_attribute("aria-describedby") == "tip"
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    page.locator("a.kind:visible", has_text="Conv2d").first.hover()
    assert "LeCun" in tip.inner_text()
    page.keyboard.press("Escape")
    link.click()  # as a tap does; the page stays where it is
    assert "Ba et al. 2016" in tip.inner_text()
    assert page.evaluate("location.hash") == ""


def test_a_layer_says_how_its_cost_comes_about(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit(write_page([inspect("ViT-B-32")], [], [], tmp_path))
    page.evaluate(OPEN_ALL)
    page.locator(".stage a.kind", has_text="scaled_dot_product_attention").first.focus()
    said = page.locator("#tip .sum").inner_text()
    assert said == "2 products × 50 queries × 50 keys × 12 heads of 64 = 3,840,000 MACs"
    page.locator(".stem a.kind", has_text="Conv2d").first.focus()
    assert page.locator("#tip .sum").inner_text() == "2,359,296 weights × 7×7 places = 115,605,504 MACs"
    page.locator(".stage a.kind", has_text="GELU").first.focus()
    assert page.locator("#tip .sum").count() == 0


def test_a_box_of_a_drawing_says_what_it_computes(visit: Callable[..., Any]) -> None:
    page = visit()
    page.locator(".drawing.block .node.weights").first.hover()
    assert "LeCun et al. 1989" in page.locator("#tip").inner_text()
    page.locator("h1").hover()
    assert page.locator("#tip").is_hidden()


def test_alike_blocks_are_one_line_that_unfolds_to_layers(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit(write_page([inspect("resnet50"), inspect("ViT-B-32")], [], [], tmp_path))
    stages = page.locator(".region.stage > .piece")
    third = stages.nth(2)
    assert third.locator(".deck i").count() == 6  # a plate a block, though five of them share a line
    third.locator("> summary").press("Enter")
    lines = third.locator(".inside > .tree > li")
    assert lines.count() == 2
    assert lines.nth(1).locator(".alike").inner_text() == "5 ×"
    assert "sees 139 to 267 px" in lines.nth(1).inner_text()
    lines.nth(1).locator("summary").first.press("Enter")
    assert "the first of them" in lines.nth(1).inner_text()
    assert lines.nth(1).locator(".tree .kind:visible").first.inner_text() == "Conv2d"
    stages.nth(4).locator("> summary").press("Enter")
    assert stages.nth(4).locator(".inside > .tree > li").count() == 1  # twelve blocks alike


def test_squares_show_how_much_of_the_image_is_in_view(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit(write_page([inspect("resnet50"), inspect("ViT-B-32")], [], [], tmp_path))
    shares = page.evaluate(
        """() => [...document.querySelectorAll(".opened > .column")].map((column) =>
          [...column.querySelectorAll(".stage .views s")].map((s) => Number(s.style.getPropertyValue("--view"))))"""
    )
    assert len(shares[0]) == 3 + 4 + 6 + 3
    assert shares[0] == sorted(shares[0])
    assert shares[0][0] == pytest.approx(19 / 224, abs=1e-3)
    assert shares[0][-1] == 1
    assert shares[1] == [1] * 12  # from the first block on


def test_levels_of_equal_depth_stand_level(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 1280, "height": 900})
    tops = page.evaluate(
        """() => [...document.querySelectorAll(".opened > .column")].map((column) =>
          [...column.querySelectorAll(".region")].map((region) => Math.round(region.getBoundingClientRect().top)))"""
    )
    assert tops[0] == tops[1] == tops[2]
    heights = page.evaluate(
        """() => [...document.querySelectorAll(".region.stage > .piece")]
          .map((piece) => piece.getBoundingClientRect().height)"""
    )
    first, second, blocks = heights[:3]  # depths of 0.3 and 0.5, and of 0.96 in the other column
    assert (second - 1) / first == pytest.approx(5 / 3, rel=0.01)  # less the line between them
    assert blocks / first == pytest.approx(0.96 / 0.3, rel=0.01)


def test_sliders_choose_the_attention_map(visit: Callable[..., Any]) -> None:
    page = visit()
    figure = page.locator(".gaze").first
    place = "(e) => getComputedStyle(e).backgroundPosition"
    before = figure.locator(".map").evaluate(place)
    picture = figure.locator(".scene").screenshot()
    layers, heads = figure.locator("input.layer"), figure.locator("input.head")
    layers.press("Home")
    heads.press("ArrowRight")
    assert figure.locator(".map").evaluate(place) != before
    assert figure.locator(".scene").screenshot() != picture
    assert figure.locator("output").inner_text().startswith("block 0 attn, head 1 of 2; at most ")
    assert layers.get_attribute("aria-valuetext") == "block 0 attn"
    # The map that is shown is the sheet's: its brightest patch lies where the record's highest weight does.
    highest = sight("vit-like").attention.maps[0, 0]
    said = figure.locator("output").inner_text()
    assert f"at most {100 * highest.max():.1f}%" in said


def test_heat_maps_tell_single_values_by_keyboard(visit: Callable[..., Any]) -> None:
    page = visit()
    figure = page.locator(".heat").first
    figure.locator(".cells").focus()
    page.keyboard.press("ArrowRight")
    assert figure.locator(".said").inner_text() == "block 0 and block 1: 0.78, noise floor 0.01"
    page.keyboard.press("ArrowDown")
    assert figure.locator(".said").inner_text() == "block 1 and block 1: 1.00, noise floor 0.01"


def test_boxes_hide_lines_of_a_chart(visit: Callable[..., Any]) -> None:
    page = visit()
    chart = page.locator("#chart-reach")
    lines = chart.locator(".curve:visible").count()
    chart.get_by_label("mean attention distance").uncheck()
    assert chart.locator(".curve:visible").count() < lines
    chart.get_by_label("vit-like").uncheck()
    assert chart.locator(".curve:visible").count() == chart.locator(".curve.m-0").count()
    chart.get_by_label("vit-like").check()
    chart.get_by_label("mean attention distance").check()
    assert chart.locator(".curve:visible").count() == lines


def test_the_page_works_without_script(visit: Callable[..., Any]) -> None:
    page = visit(java_script_enabled=False)
    assert page.locator(".tools").is_hidden()
    step = page.locator(".region.stage > .piece").first
    step.locator("> summary").click()
    assert step.locator(".tree").first.is_visible()
    link = page.locator(".region.stage > .piece a.kind:visible").first
    link.click()  # leads to the whole table
    assert page.evaluate("document.querySelector(':target th').textContent") == link.inner_text()
    assert page.locator(".scene .map").first.is_visible()
    assert page.locator(".gaze output").first.inner_text().startswith("block 2 attn, mean over 2 heads")


def test_keyboard_reaches_the_skip_link_first(visit: Callable[..., Any]) -> None:
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every((box) => box.tabIndex === 0)")


def test_paper_shows_the_columns_on_one_sheet_and_the_drawings(visit: Callable[..., Any], tmp_path: Path) -> None:
    path = write_page([inspect(name) for name in ("resnet50", "RN50", "ViT-B-32", "ViT-B-16")], [], [], tmp_path)
    page = visit(path, viewport={"width": 1046, "height": 718}, color_scheme="dark")  # A4 across, less its margins
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1046
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("#columns").bounding_box()["height"] < 718
    assert page.locator(".tree .kind:visible").count() == 0  # not every layer of every block
    assert page.locator(".drawn-model .drawing.block:visible").count() >= 6
    assert page.locator(".tools, .together").evaluate_all("all => all.every((e) => !e.checkVisibility())")


def test_the_sheet_of_paper_is_a_whole_pdf(visit: Callable[..., Any]) -> None:
    pdf = visit().pdf(prefer_css_page_size=True, format="A4")
    assert pdf.startswith(b"%PDF")
    assert 3 < pdf.count(b"/Type /Page\n") < 30


def test_one_slider_moves_all_networks_to_a_depth(visit: Callable[..., Any], tmp_path: Path) -> None:
    networks = [vit("a"), vit("b")]
    page = visit(write_page(networks, [sight("a"), sight("b")], [], tmp_path))
    slider = page.locator(".together input")
    slider.press("Home")
    assert page.locator(".gaze input.layer").evaluate_all("all => all.map((e) => e.value)") == ["0", "0"]
    assert page.locator(".gaze output").nth(1).inner_text().startswith("block 0 attn")
    for _ in range(50):
        slider.press("ArrowRight")
    assert page.locator(".gaze input.layer").evaluate_all("all => all.map((e) => e.value)") == ["1", "1"]
    assert page.locator(".together output").inner_text() == "50%"


def test_everything_is_reached_by_tab_and_shows_its_focus(visit: Callable[..., Any]) -> None:
    page = visit()
    count = page.evaluate(
        """() => [...document.querySelectorAll("a[href], button, input:not([disabled]), summary, [tabindex='0']")]
          .filter((e) => e.checkVisibility()).length"""
    )
    seen = []
    for _ in range(count):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                  const e = document.activeElement, style = getComputedStyle(e);
                  const name = e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent;
                  const at = [...document.querySelectorAll("*")].indexOf(e);
                  return [at, style.outlineStyle, parseFloat(style.outlineWidth), name.trim().length > 0];
                }"""
            )
        )
    places = [place for place, *_ in seen]
    assert len(set(places)) == count  # each once
    assert places == sorted(places)  # in the order of the page
    assert all(style == "solid" and width >= 2 for _, style, width, _ in seen)
    assert all(named for *_, named in seen)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_contrasts_with_its_ground(visit: Callable[..., Any], scheme: str) -> None:
    page = visit(color_scheme=scheme)
    page.evaluate(OPEN_ALL)
    assert page.evaluate(FAINT) == []


def test_pictures_and_graphics_are_named_or_hidden(visit: Callable[..., Any]) -> None:
    page = visit()
    page.evaluate(OPEN_ALL)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("svg, img, [role=img]")]
          .filter((e) => !e.closest("[aria-hidden=true]") && !e.parentElement.closest("svg, [role=img], .floor"))
          .filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.alt))
          .map((e) => e.outerHTML.slice(0, 90))"""
    )
    assert unnamed == []
    headings = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map((h) => Number(h.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))  # no level is left out


def test_pictures_decode(visit: Callable[..., Any]) -> None:
    page = visit()
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
