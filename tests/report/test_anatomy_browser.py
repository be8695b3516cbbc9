"""The page of networks taken apart in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_anatomies import HOSTILE, LONG, foreign, resnet, sight, similarity, vit
from made_layers import bottleneck, layer, transformer_block

from visavis.inspection.anatomy.anatomy import inspect
from visavis.inspection.anatomy.tree import INPUT
from visavis.report.anatomy import write_page
from visavis.report.drawing import block_svg, network_svg

pytestmark = pytest.mark.browser
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
  .filter((e) => !e.closest(".scroll, .canvas, .skip, .sr, .outlines, svg.field"))
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
    drawn = [block_svg(one, f"b{number}") for number, one in enumerate(nets)]
    drawn += [network_svg(one, f"n{number}") for number, one in enumerate((resnet(), vit(), foreign()))]
    path = tmp_path / "drawings.html"
    style = f"<style>svg.drawing, svg.drawing text {{ font-family: '{font}' !important }}</style>" if font else ""
    icon = '<link rel="icon" href="data:,">'
    path.write_text(f"<!doctype html><meta charset=utf-8>{icon}{''.join(drawn)}{style}", "utf-8")
    assert visit(path).evaluate(BAD_TEXTS) == []


def test_real_networks_are_drawn_and_fit(visit: Callable[..., Any], tmp_path: Path) -> None:
    networks = [inspect(name) for name in ("resnet18", "resnet50", "RN50", "ViT-B-32", "vit_base_patch16_224")]
    page = visit(write_page(networks, [], [], tmp_path), viewport={"width": 1280, "height": 900})
    page.evaluate(OPEN_ALL)
    assert page.evaluate(BAD_TEXTS) == []
    assert page.evaluate(CUT) == []
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
    link.click()  # and the whole table, also without a script
    assert page.evaluate("document.querySelector(':target th').textContent") == "LayerNorm"


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
    assert page.locator(".scene .map").first.is_visible()
    assert page.locator(".gaze output").first.inner_text().startswith("block 2 attn, mean over 2 heads")


def test_keyboard_reaches_the_skip_link_first(visit: Callable[..., Any]) -> None:
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every((box) => box.tabIndex === 0)")


def test_paper_shows_steps_and_drawings(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 680, "height": 900}, color_scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('.piece, .drawn-model')].every((d) => d.open)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".tree .tree .kind:visible").count() == 0  # not every layer of every block
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.evaluate("[...document.querySelectorAll('.piece')].some((d) => d.open)")


def test_pictures_decode(visit: Callable[..., Any]) -> None:
    page = visit()
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
