"""Both pages of explanations in a real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_explanations import saliencies, trusts
from test_browser import CONTRAST, visit  # noqa: F401  # a fixture: opens a page, and afterwards nothing went wrong

from visavis.report.explanation import write_explanation
from visavis.report.explanation_check import write_check

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("explanations")
    return {
        "explanation": write_explanation(saliencies(), folder / "maps.html"),
        "check": write_check(trusts(), folder / "check.html"),
    }


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("page", ["explanation", "check"])
def test_nothing_scrolls_sideways(visit: Callable[..., Any], pages: dict[str, Path], page: str, width: int) -> None:  # noqa: F811
    shown = visit(pages[page], viewport={"width": width, "height": 844})
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    beyond = shown.evaluate(
        """(width) => [...document.querySelectorAll("body *")]
          .filter((e) => !e.closest(".scroll, .sr") && e.getBoundingClientRect().right > width + 1)
          .map((e) => e.outerHTML.slice(0, 80))""",
        width,
    )
    assert beyond == []


def test_maps_stand_below_one_another(visit: Callable[..., Any], pages: dict[str, Path]) -> None:  # noqa: F811
    shown = visit(pages["explanation"], viewport={"width": 1280, "height": 900})
    lefts = """[...document.querySelectorAll(".model-row")]
        .map((row) => [...row.querySelectorAll(".map")].map((map) => Math.round(map.getBoundingClientRect().left)))"""
    first, second = shown.evaluate(lefts)
    assert len(set(first)) == 3
    assert second == first[:2]
    narrow = visit(pages["explanation"], viewport={"width": 390, "height": 844})
    assert [len(set(row)) for row in narrow.evaluate(lefts)] == [2, 2]


def test_maps_are_hidden_and_shown_by_the_keyboard(visit: Callable[..., Any], pages: dict[str, Path]) -> None:  # noqa: F811
    shown = visit(pages["explanation"])
    veil = shown.locator("img.veil").first
    assert veil.is_visible()
    shown.keyboard.press("Tab")
    assert shown.evaluate("document.activeElement.id") == "veil"
    shown.keyboard.press("Space")
    assert veil.is_hidden()
    assert shown.evaluate("getComputedStyle(document.querySelector('img.ground')).filter") == "none"


@pytest.mark.parametrize("page", ["explanation", "check"])
def test_pictures_are_shown_and_names_are_text(visit: Callable[..., Any], pages: dict[str, Path], page: str) -> None:  # noqa: F811
    shown = visit(pages[page])
    assert shown.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert "<script>alert(1)</script>" in shown.inner_text("main")
    assert shown.locator("script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["explanation", "check"])
def test_colours_contrast(visit: Callable[..., Any], pages: dict[str, Path], page: str, scheme: str) -> None:  # noqa: F811
    shown = visit(pages[page], color_scheme=scheme)
    assert min(shown.evaluate(CONTRAST, ["figcaption, .note, .ends, .score, .by", "color"])) > 4.5
    if page == "check":
        assert min(shown.evaluate(CONTRAST, [".verdict-passes .tick, .verdict-fails .tick", "color"])) > 4.5
        assert min(shown.evaluate(CONTRAST, [".plots .own, .plots .any", "stroke"])) > 3


@pytest.mark.parametrize("page", ["explanation", "check"])
def test_print_fits_the_paper(visit: Callable[..., Any], pages: dict[str, Path], page: str) -> None:  # noqa: F811
    shown = visit(pages[page], viewport={"width": 680, "height": 900}, color_scheme="dark")
    shown.emulate_media(media="print")
    assert shown.evaluate("document.documentElement.scrollWidth") <= 680
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown.locator(".switch:visible").count() == 0
