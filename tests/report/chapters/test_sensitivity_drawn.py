"""Other choices on the page: a row a choice, every number a cell, names as text."""

from __future__ import annotations

import pandas as pd
from made_section import cells_of, draw_section, numbers_in

MODELS = ["resnet-mini.emoji", "<b>ViT</b>"]
TABLE = pd.DataFrame(
    [
        ("as chosen", MODELS[0], 0.5546, MODELS[1], 0.0664, 0.0339, 0.0988, 678, 1, 1),
        ("prompts: <i>{}</i>", MODELS[1], 0.5012, MODELS[0], 0.0123, -0.0211, 0.0455, 678, 0, 0),
    ],
    columns=["choice", "best", "value", "second", "difference", "low", "high", "n", "separable", "same_best"],
)


def test_choices_are_rows_and_text(make):
    section = draw_section(make, "sensitivity", {"sensitivity": TABLE}, models=MODELS)
    assert {0.5546, 0.0664, 0.0123} <= numbers_in(section) <= cells_of({"sensitivity": TABLE})
    own, changed = section.split("<tbody>")[1].split("</tr>")[:2]
    assert own.rstrip().endswith("<td>–</td>")
    assert changed.rstrip().endswith("<td>no</td>")
    assert "&lt;i&gt;{}" in changed
    assert "<b>ViT" not in section
