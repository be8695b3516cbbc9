"""The page in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from visavis.report.page import ReportTables, write_report

pytestmark = pytest.mark.browser
# Contrast of two computed CSS colours, WCAG 2.2's formula.
CONTRAST = """([selector, property]) => {
  const luminance = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = luminance(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll(selector)].map((element) => {
    const own = luminance(getComputedStyle(element)[property]);
    return (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05);
  });
}"""
OPEN_ALL = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"


@pytest.fixture
def visit(browser: Any, report_file: Path) -> Iterator[Callable[..., Any]]:
    """Opens the report; afterwards nothing may have gone wrong: no error, no dialog, no request beyond the file."""
    trouble: list[str] = []
    contexts = []

    def open_page(path: Path = report_file, **options: Any) -> Any:
        context = browser.new_context(**options)
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
def test_nothing_scrolls_sideways(visit: Callable[..., Any], width: int) -> None:
    page = visit(viewport={"width": width, "height": 844})
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = page.evaluate(
        """(width) => [...document.querySelectorAll("body *")]
          .filter((e) => !e.closest(".scroll, .skip, .sr") && e.getBoundingClientRect().right > width + 1)
          .map((e) => e.outerHTML.slice(0, 80))""",
        width,
    )
    assert beyond == []


def test_long_model_names_do_not_widen_the_page(
    visit: Callable[..., Any], make: Callable[..., ReportTables], tmp_path: Path
) -> None:
    tables = make(n_classes=30)
    name = {"RN-mini.emoji": "runs/" + "x" * 120 + ".safetensors"}
    renamed = replace(
        tables,
        results=tables.results.replace({"model": name}),
        predictions=tables.predictions.replace({"model": name}),
        pairs=tables.pairs.replace({"model_a": name, "model_b": name}),
    )
    page = visit(write_report(renamed, tmp_path / "report.html"), viewport={"width": 390, "height": 844})
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_contrast(visit: Callable[..., Any], scheme: str) -> None:
    page = visit(color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(",")) / 3
    assert (lightness > 200) == (scheme == "light")
    assert min(page.evaluate(CONTRAST, ["body, .lead", "color"])) > 12
    assert min(page.evaluate(CONTRAST, [".aside, figcaption, .note, .ends", "color"])) > 4.5
    assert min(page.evaluate(CONTRAST, [".mark, .label, .dot", "fill"])) > 4.5
    assert min(page.evaluate(CONTRAST, [".answers .tick", "color"])) > 4.5


def test_all_eight_model_colours_contrast(visit: Callable[..., Any]) -> None:
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme)
        page.evaluate(
            """() => { for (let i = 0; i < 8; i++) {
              const span = document.createElement("span");
              span.className = `probe c${i}`;
              span.style.color = "var(--own)";
              document.body.append(span);
            } }"""
        )
        contrasts = page.evaluate(CONTRAST, [".probe", "color"])
        assert len(contrasts) == 8
        assert min(contrasts) > 4.5


def test_tables_sort_within_their_groups(visit: Callable[..., Any]) -> None:
    page = visit()
    values = """() => [...document.querySelectorAll("table.results tbody")].map((body) =>
        [...body.querySelectorAll("td:nth-child(2) .interval > data")].map((d) => Number(d.value)))"""
    first = """() => [...document.querySelectorAll("table.results tbody tr:first-child")]
        .every((row) => row.className === "heading")"""
    before = page.evaluate(values)
    head = page.locator("table.results thead th").nth(1)
    for order in ("descending", "ascending"):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == order
        after = page.evaluate(values)
        assert after == [sorted(group, reverse=order == "descending") for group in before]
        assert page.evaluate(first)
    page.locator("table.results thead th").first.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") is None
    names = page.locator("table.results tbody").first.locator("tr:not(.heading) th").all_inner_texts()
    assert names == sorted(names, key=str.casefold)


def test_gallery_filters_by_model(visit: Callable[..., Any]) -> None:
    page = visit()
    cards = page.locator(".card")
    total = cards.count()
    assert total > 9
    page.select_option("#filter-choice", "right 0")
    shown = page.locator(".card:visible")
    assert 0 < shown.count() < total
    marks = page.locator(".card:visible .answers li:first-child .tick .sr").all_inner_texts()
    assert set(marks) == {"right"}
    assert page.locator("#filter output").inner_text() == f"{shown.count()} of {total}"
    page.select_option("#filter-choice", "")
    assert page.locator(".card:visible").count() == total


def test_pictures_decode(visit: Callable[..., Any]) -> None:
    page = visit()
    page.evaluate(OPEN_ALL)
    for image in page.locator(".card img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0 && image.alt)")


def test_page_is_readable_without_script(visit: Callable[..., Any]) -> None:
    page = visit(java_script_enabled=False)
    assert page.locator("#filter").is_hidden()
    assert page.locator(".copy").first.is_hidden()
    assert page.locator("#scheme").is_hidden()
    for section in ("accuracy", "pictures", "results", "cost", "classes", "skipped", "protocol"):
        assert page.locator(f"#{section} h2").is_visible()
    page.locator("#classes summary").first.click()
    assert page.locator("#classes table").first.is_visible()


def test_keyboard_reaches_the_skip_link_first_and_the_tables(visit: Callable[..., Any]) -> None:
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every((box) => box.tabIndex === 0)")


def test_the_readers_own_scheme_beats_the_systems(visit: Callable[..., Any]) -> None:
    for system, own in (("light", "dark"), ("dark", "light")):
        page = visit(color_scheme=system)
        ground = "getComputedStyle(document.body).backgroundColor"
        before, button = page.evaluate(ground), page.locator("#scheme")
        assert button.inner_text().lower() == own
        button.click()
        assert page.evaluate(ground) != before
        assert min(page.evaluate(CONTRAST, [".aside, figcaption, .note, .ends", "color"])) > 4.5
        assert button.inner_text().lower() == system
        page.emulate_media(media="print")
        assert page.evaluate(ground) == "rgb(255, 255, 255)"
        page.emulate_media(media="screen")
        button.click()
        assert page.evaluate(ground) == before


def test_every_figure_is_saved_as_svg_and_png(visit: Callable[..., Any], tmp_path: Path) -> None:
    page = visit(viewport={"width": 1200, "height": 800})
    figures = page.locator("figure:has(> .save)")
    assert figures.count() == page.locator("figure").count() >= 3
    for number in range(figures.count()):
        figure = figures.nth(number)
        saved = {}
        for kind in ("SVG", "PNG"):
            with page.expect_download() as download:
                figure.locator(".save button", has_text=kind).click()
            saved[kind] = tmp_path / f"{number}-{download.value.suggested_filename}"
            download.value.save_as(saved[kind])
        root = ElementTree.parse(saved["SVG"]).getroot()
        written = "".join("".join(root.itertext()).split())
        shown = figure.evaluate("e => [...e.querySelectorAll('h3, figcaption')].map((part) => part.textContent)")
        for part in shown:
            assert "".join(part.split()) in written
        marks = figure.locator(".dot").count()
        assert len([e for e in root.iter() if e.get("href", "").startswith("#mark-")]) >= marks > 0
        assert "var(--" not in saved["SVG"].read_text("utf-8").split("<defs")[0]
        with Image.open(saved["PNG"]) as picture:
            assert picture.size == (2 * int(root.get("width")), 2 * int(root.get("height")))
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 20


def test_print_unfolds_and_fits_the_paper(visit: Callable[..., Any]) -> None:
    page = visit(viewport={"width": 680, "height": 900}, color_scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details')].every((details) => details.open)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 680
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.evaluate("[...document.querySelectorAll('details')].some((details) => details.open)")
