"""The data's flaws on the page: every number is a cell, pictures are those the study kept, names are text."""

from __future__ import annotations

import pandas as pd
import pytest
from made_section import cells_of, draw_page, numbers_in, section_of

MODEL = "resnet-mini.emoji"


def tables_of(samples: list[str]) -> dict[str, pd.DataFrame]:
    pairs = [
        (samples[0], samples[1], "train", "test", "leak", 0.9712, 2),
        (samples[2], "gone", "test", "test", "copy", 0.8123, 4),
    ]
    labels = [(samples[3], "fox", "</p><script>x</script>", 0.8765, 0.0123), ("gone", "fox", "kite", 0.7, 0.1)]
    effects = [
        (name, MODEL, value, value - 0.0377, value + 0.0355, n)
        for name, value, n in (("nothing", 0.5546, 678), ("all", 0.5604, 671))
    ]
    return {
        "quality": pd.DataFrame([("leak", 1, 2034), ("outliers", 1, 2034)], columns=["finding", "count", "of"]),
        "duplicates": pd.DataFrame(
            pairs, columns=["sample_a", "sample_b", "part_a", "part_b", "relation", "similarity", "bits"]
        ),
        "label_errors": pd.DataFrame(
            labels, columns=["sample", "label", "predicted", "confidence", "label_confidence"]
        ),
        "outliers": pd.DataFrame([(samples[4], "test", 0.0123)], columns=["sample", "part", "similarity"]),
        "quality_effect": pd.DataFrame(effects, columns=["left_out", "model", "value", "low", "high", "n"]),
        "quality_lead": pd.DataFrame(),
    }


@pytest.fixture(scope="module")
def drawn(make):
    tables = tables_of(list(make(n_classes=30).thumbnails["sample"]))
    page = draw_page(make, {"quality": tables}, headline="Of the test images, 3 <b>")
    return section_of(page, "quality"), tables


def test_every_number_is_a_cell(drawn):
    section, tables = drawn
    assert {0.5546, 0.5604, 0.8765, 2034.0} <= numbers_in(section) <= cells_of(tables)


def test_pictures_are_those_the_study_kept(drawn):
    section, _ = drawn
    assert section.count('class="twins"') == 1  # of the other pair one picture is gone
    assert section.count('class="doubted"') == 1
    assert section.count('class="specimen"') == 2 + 1 + 1
    assert section.count('src="data:image/webp') == 4


def test_names_are_text(drawn):
    section, _ = drawn
    assert "<script" not in section
    assert "&lt;script&gt;x" in section
    assert "Of the test images, 3 &lt;b&gt;" in section
