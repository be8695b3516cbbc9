"""The chapters in a browser: nothing is wider than a phone, and tables sort."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from playwright.sync_api import expect
from test_agreement_drawn import CHAPTERS as AGREEMENT
from test_agreement_drawn import MODELS
from test_calibration_drawn import CHAPTERS as CONFIDENCE
from test_quality_drawn import tables_of
from test_why_drawn import TABLES as WHY

from visavis.report.page import write_report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(make, tmp_path_factory):
    tables = make(n_classes=30)
    shown = list(tables.thumbnails["sample"])
    ends = [("sharpness", end, place, shown[place], 0.1) for end in ("lowest", "highest") for place in range(4)]
    pictures = pd.DataFrame(ends, columns=["trait", "end", "place", "sample", "value"])
    chapters = {**AGREEMENT, **CONFIDENCE, "quality": tables_of(shown), "why": {**WHY, "why_pictures": pictures}}
    entries = {name: {"headline": f"what {name} found", "tables": list(own)} for name, own in chapters.items()}
    flat = {name: table for own in chapters.values() for name, table in own.items()}
    described = [{"name": model} for model in MODELS]
    protocol = {**tables.protocol, "chapters": entries, "models": described}
    path = tmp_path_factory.mktemp("chapters") / "report.html"
    return write_report(replace(tables, protocol=protocol, chapters=flat), path)


@pytest.mark.parametrize("width", [1200, 390])
def test_nothing_is_wider_than_the_page(browser, file, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    page.locator("#unfold").click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for name in (*AGREEMENT, *CONFIDENCE, "quality", "why"):
        box = page.locator(f"#{name}").bounding_box()
        assert box["height"] > 100
        assert box["x"] + box["width"] <= width + 1
    assert errors == []
    page.close()


def test_a_chapter_is_its_headline_until_it_is_wanted(browser, file):
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(file.as_uri())
    table = page.locator("#calibration table").first
    expect(page.locator("#calibration h3")).to_be_visible()
    expect(table).to_be_hidden()
    page.locator("nav a", has_text="Calibration").click()
    expect(table).to_be_visible()
    page.locator("#calibration summary").first.click()
    expect(table).to_be_hidden()
    page.locator("nav a", has_text="Calibration").click()  # the address is the same as before
    expect(table).to_be_visible()
    page.goto(f"{file.as_uri()}#selective")
    page.reload()
    expect(page.locator("#selective table").first).to_be_visible()
    page.locator("#unfold").click()
    assert page.evaluate("[...document.querySelectorAll('details.chapter')].every((one) => one.open)")
    page.locator("#unfold").click()
    assert not page.evaluate("[...document.querySelectorAll('details.chapter')].some((one) => one.open)")
    page.close()
