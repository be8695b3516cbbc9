"""Calibration, rejection and other images on the page: every number is a cell, every name is text."""

from __future__ import annotations

import pandas as pd
import pytest
from made_section import cells_of, draw_page, numbers_in, section_of

NAME = "resnet-mini.emoji"
ERRORS = pd.DataFrame(
    [
        ("naming", NAME, scaling, metric, value, value - 0.0123, value + 0.0321, 678)
        for shift, scaling in enumerate(("none", "temperature"))
        for metric, value in {
            "ece": 0.1234 + shift, "ece_if_calibrated": 0.0456 + shift, "l2_error_debiased": 0.1478 + shift,
            "overconfidence": -0.1111 + shift, "brier": 0.6123 + shift, "nll": 2.345 + shift,
        }.items()
    ],
    columns=["measure", "model", "scaling", "metric", "value", "low", "high", "n"],
)  # fmt: skip
BINS = pd.DataFrame(
    [
        ("naming", NAME, scaling, number, 40, 0.2 * number, 0.15 * number, 0.1 * number, 0.2 * number)
        for scaling in ("none", "temperature")
        for number in (1, 2, 3)
    ],
    columns=["measure", "model", "scaling", "bin", "n", "confidence", "accuracy", "low", "high"],
)
TEMPERATURES = pd.DataFrame(
    [("naming", NAME, 1, 1.7512, 339), ("naming", NAME, 2, 1.8634, 339)],
    columns=["measure", "model", "half", "temperature", "n"],
)
GAINS = pd.DataFrame(
    [("naming", NAME, "brier", -0.0369, -0.0443, -0.0002, 678), ("naming", NAME, "nll", -0.1554, -0.2, 0.0123, 678)],
    columns=["measure", "model", "metric", "difference", "low", "high", "n"],
)
KEPT = pd.DataFrame(
    [("naming", NAME, rejected, 0.5 + rejected / 3, 0.45, 0.9, 600) for rejected in (0.0, 0.1, 0.2, 0.3, 0.5)],
    columns=["measure", "model", "rejected", "value", "low", "high", "n"],
)
AREAS = pd.DataFrame(
    [("naming", NAME, "aurc", 0.1951, 0.1641, 0.2271, 678), ("naming", NAME, "aurc_least", 0.1191, None, None, 678)],
    columns=["measure", "model", "metric", "value", "low", "high", "n"],
)
OTHER = pd.DataFrame(
    [(NAME, "energy", metric, 0.7171, 0.6161, 0.8181, 678, 26) for metric in ("auroc", "fpr95")],
    columns=["model", "score", "metric", "value", "low", "high", "n_own", "n_others"],
)
CHAPTERS = {
    "calibration": {
        "calibration": ERRORS,
        "reliability": BINS,
        "temperatures": TEMPERATURES,
        "temperature_gains": GAINS,
    },
    "selective": {"selective": KEPT, "selective_area": AREAS},
    "out_of_distribution": {"out_of_distribution": OTHER},
}


@pytest.fixture(scope="module")
def page(make):
    return draw_page(make, CHAPTERS, headline="what {name} found <b>")


@pytest.mark.parametrize("name", list(CHAPTERS))
def test_every_number_is_a_cell(page, name):
    own = section_of(page, name)
    shown = numbers_in(own)
    assert shown <= cells_of(CHAPTERS[name])
    assert len(shown) >= 5
    assert f"what {name} found &lt;b&gt;" in own


def test_the_diagram_stands_where_the_bins_do(page):
    own = section_of(page, "calibration")
    assert 'd="M20.0 85.0L40.0 70.0L60.0 55.0"' in own
    assert "40 images, sure to 20.0%: 15.0% right [10.0, 20.0]" in own
    assert "1.75" in own
    assert "1.86" in own
    assert ">−0.037</data>" in own
    assert ">+0.012</data>" in own


def test_the_curve_says_what_was_rejected(page):
    assert "rejected 10: 53.3% [45.0%, 90.0%]" in section_of(page, "selective")
