"""Maps on the page: few elements for many points, numbers that are cells, names that harm nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_section import numbers_in

from visavis.report.page import render, write_report

MODELS = ("RN-mini.emoji", "<b>ViT</b>")


def tables_of(samples: list[str], labels: bool) -> dict[str, pd.DataFrame]:
    places = np.random.default_rng(0).normal(size=(len(MODELS), len(samples), 2))
    rows = [
        (sample, model, *places[number, place], place % 8, f"<i>{place % 8}</i>" if labels else "", place < 5)
        for number, model in enumerate(MODELS)
        for place, sample in enumerate(samples)
    ]
    fit = pd.DataFrame(
        [(MODELS[0], 0.31, np.nan, np.nan, np.nan, len(samples)), (MODELS[1], 0.27, 0.42, 0.31, 0.53, len(samples))],
        columns=["model", "explained", "value", "low", "high", "n"],
    )
    columns = ["sample", "model", "x", "y", "colour", "label", "pictured"]
    return {"maps": pd.DataFrame(rows, columns=columns), "maps_fit": fit}


@pytest.fixture(scope="module")
def tables(make):
    def build(n: int, labels: bool = True):
        made = make(n_classes=30)
        samples = [*made.thumbnails["sample"], *(f"{number:x}" for number in range(n))][:n]
        own = tables_of(samples, labels)
        protocol = {
            **made.protocol,
            "chapters": {"maps": {"headline": "they differ", "tables": list(own)}},
            "models": [{"name": model} for model in MODELS],
        }
        return replace(made, protocol=protocol, chapters=own)

    return build


def own_part(page: str) -> str:
    return page[page.index('id="maps"') : page.index('id="results"')]


@pytest.mark.parametrize("labels", [True, False])
def test_every_number_is_a_cell_and_names_are_text(tables, labels):
    made = tables(60, labels)
    own = own_part(render(made))
    assert numbers_in(own) == {0.31, 0.27, 0.42, 0.53, 60.0}
    assert "<b>ViT" not in own
    assert "<i>3" not in own
    assert ("&lt;i&gt;3&lt;/i&gt;" in own) == labels
    assert ("A colour is a class" in own) == labels


def test_a_thousand_points_are_a_few_elements(tables):
    own = own_part(render(tables(2000)))
    assert own.count("h0") == 2 * 2000
    assert own.count("<path") == 2 * 8
    assert own.count('class="spot') == 2 * 5
    assert len(re.sub(r"data:image[^\"]*", "", own)) < 80_000
    places = [int(place) for place in re.findall(r"M(\d+) ", own)]
    assert 0 <= min(places) < max(places) <= 1000


@pytest.mark.browser
def test_pointing_at_a_picture_finds_it_on_all_maps(tables, browser, tmp_path):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(write_report(tables(60), tmp_path / "report.html").as_uri() + "#maps")
    pictures = page.locator("#maps .lookup [data-picture]")
    assert pictures.count() == 5
    pictures.nth(2).focus()
    number = pictures.nth(2).get_attribute("data-picture")
    assert page.locator("#maps .spot.lit").count() == 2
    assert page.locator(f'#maps .spot.lit[data-picture="{number}"]').count() == 2
    pictures.nth(3).focus()
    assert page.locator("#maps .spot.lit").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.close()
