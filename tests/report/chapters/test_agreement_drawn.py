"""Agreement and ensembles on the page: every number is a cell, the matrix is symmetric, names are text."""

from __future__ import annotations

from itertools import combinations

import pandas as pd
import pytest
from made_section import cells_of, draw_page, numbers_in, section_of

from visavis.report.chapters.agreement import shade

MODELS = ["resnet-mini.emoji", "RN-mini.emoji", "<b>ViT</b>"]
PAIRS = pd.DataFrame(
    [
        ("clean", "naming", a, b, 678, 300 + place, 100 + place, 50 + place, 228 - 3 * place, kappa, kappa - 0.07,
         kappa + 0.06)
        for place, ((a, b), kappa) in enumerate(zip(combinations(MODELS, 2), (0.452, 0.613, -0.034), strict=True))
    ],
    columns=["view", "measure", "model_a", "model_b", "n", "both", "only_a", "only_b", "neither", "kappa", "low",
             "high"],
)  # fmt: skip
ALONE = pd.DataFrame(
    [
        ("clean", "naming", model, 36 + place, 0.053 + place / 100, 0.04, 0.08, 678)
        for place, model in enumerate(MODELS)
    ],
    columns=["view", "measure", "model", "alone", "value", "low", "high", "n"],
)
TOGETHER = pd.DataFrame(
    [("clean", "naming", number, 221 - 10 * number, 3, 678) for number in range(4)],
    columns=["view", "measure", "n_right", "images", "n_models", "n"],
)
SETS = {" + ".join(MODELS[:2]): MODELS[:2], " + ".join(MODELS): MODELS}
ENSEMBLES = pd.DataFrame(
    [
        ("naming", members, len(names), method, 0.5771, 0.5382, 0.6143, 678, MODELS[0], 0.0221, 0.0071, 0.0372,
         0.003, 0.045, method == "weighted", 7.38, 1.84)
        for members, names in SETS.items() for method in ("average", "weighted", "per_class", "oracle")
    ],
    columns=["measure", "members", "n_members", "method", "value", "low", "high", "n", "single", "difference",
             "difference_low", "difference_high", "p_value", "p_adjusted", "better", "ms", "single_ms"],
)  # fmt: skip
WEIGHTS = pd.DataFrame(
    [("naming", members, name, 1, 0.5) for members, names in SETS.items() for name in names],
    columns=["measure", "members", "model", "half", "weight"],
)
CHAPTERS = {
    "agreement": {"agreement": PAIRS, "right_alone": ALONE, "right_together": TOGETHER},
    "ensemble": {"ensemble": ENSEMBLES, "ensemble_weights": WEIGHTS},
}


@pytest.fixture(scope="module")
def page(make):
    return draw_page(make, CHAPTERS, models=MODELS)


@pytest.mark.parametrize("name", list(CHAPTERS))
def test_every_number_is_a_cell(page, name):
    own = section_of(page, name)
    shown = numbers_in(own)
    assert shown <= cells_of(CHAPTERS[name])
    assert len(shown) > 6
    assert "<b>ViT" not in own
    assert "&lt;b&gt;ViT" in own


def test_the_matrix_shows_each_pair_twice_and_shades_it(page):
    own = section_of(page, "agreement")
    matrix = own[own.index('class="consistency"') : own.index("</table>")]
    assert matrix.count('<data value="0.452">0.45</data>') == 2
    assert matrix.count('class="k2"') == matrix.count('class="k3"') == matrix.count('class="k0"') == 2
    assert [shade(kappa) for kappa in (float("nan"), -0.3, 0.2, 0.59, 0.61, 1.0)] == [0, 0, 1, 2, 3, 4]


def test_two_models_need_no_matrix(make):
    own = PAIRS.head(1)
    chapters = {"agreement": {"agreement": own, "right_alone": ALONE.head(2), "right_together": TOGETHER.head(3)}}
    text = section_of(draw_page(make, chapters, models=MODELS), "agreement")
    assert 'class="consistency"' not in text
    assert text.count('<data value="0.452">') == 1


def test_what_is_shown_to_be_better_is_marked(page):
    own = section_of(page, "ensemble")
    assert own.count(">better</span>") == 2  # the weighted average of each set
    assert "2.2" in own
    assert "oracle" in own
