"""The ranking on the page: every number is a cell, likelier ranks are darker, names are text."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from made_section import draw_section, numbers_in

from visavis.report.chapters.ranking import shade

MODELS = ["resnet-mini.emoji", "<b>ViT</b>"]
RANKS = pd.DataFrame(
    [
        ("clean", measure, model, rank + 1, share, 678)
        for measure, best in (("naming", 0.8415), ("knn", 0.5125))
        for model, shares in zip(MODELS, ((best, 1 - best), (1 - best, best)), strict=True)
        for rank, share in enumerate(shares)
    ],
    columns=["view", "measure", "model", "rank", "probability", "n"],
)
ORDERS = pd.DataFrame(
    [("clean", measure, " > ".join(MODELS), True, share) for measure, share in (("naming", 0.8415), ("knn", 0.5125))],
    columns=["view", "measure", "order", "observed", "probability"],
)


@pytest.fixture(scope="module")
def section(make):
    return draw_section(make, "ranking", {"ranking": RANKS, "ranking_orders": ORDERS}, models=MODELS)


def test_every_number_is_a_cell(section):
    assert numbers_in(section) == set(np.concatenate([RANKS["probability"], RANKS["n"]]).astype(float))
    assert "<b>ViT" not in section
    assert "&lt;b&gt;ViT" in section


def test_likelier_ranks_are_darker(section):
    assert [shade(share) for share in (0.0, 0.05, 0.3, 0.5, 0.76, 1.0)] == [0, 1, 2, 3, 4, 4]
    assert re.search(r'k4"><data value="0.8415">84.2', section)
    assert section.count('<details class="more">') == 1
