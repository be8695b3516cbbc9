"""The chapter on prompts: accuracies by counting, names mixed up, and who reads none."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_material import draw_probabilities, make_material

from visavis.evaluate.scores import NotMeasurable, unit_rows
from visavis.study.chapters.prompts import prompts

TRUTH = np.arange(200) % 4
CENTRES = unit_rows(np.random.default_rng(3).normal(size=(4, 16)).astype(np.float32))
CENTRES[1] = unit_rows(CENTRES[:1] + 0.2 * CENTRES[1:2])[0]  # the first two read nearly alike
NOISE = {"good {}": 0.1, "bad {}": 1.0}


def encode_texts(texts, normalize):
    """A prompt's noise, the same whenever it is asked, around its class."""
    rows = []
    for text in texts:
        kind = next(template for template in NOISE if text.startswith(template[:3]))
        number = int(text[-1])
        rng = np.random.default_rng(sum(map(ord, text)))
        rows.append(CENTRES[number] + NOISE[kind] * rng.normal(size=16) / 4)
    return unit_rows(np.array(rows, np.float32))


VECTORS = (CENTRES[TRUTH] + 0.2 * np.random.default_rng(0).normal(size=(200, 16))).astype(np.float32)


def material_with(templates):
    made = make_material({("zero_shot", "A"): draw_probabilities(TRUTH, 4, skill=2.0)}, TRUTH)
    encoder = SimpleNamespace(name="A", encode_texts=encode_texts)
    plan = replace(made.plan, encoders=(encoder,), templates=templates)
    return replace(made, plan=plan, embed=lambda encoder, samples, view: VECTORS)


def test_each_template_by_counting():
    table = prompts(material_with(tuple(NOISE))).tables["prompts"].set_index("template")
    names = [f"class {number:03d}" for number in range(4)]
    for template in NOISE:
        texts = encode_texts([template.replace("{}", name) for name in names], normalize=True)
        right = (unit_rows(VECTORS) @ texts.T).argmax(axis=1) == TRUTH
        row = table.loc[template]
        assert row["value"] == pytest.approx(right.mean())
        assert row["low"] <= row["value"] <= row["high"]
        assert row["difference"] == pytest.approx(right.mean() - table.loc["", "value"])
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert table.loc["good {}", "value"] > table.loc["bad {}", "value"]
    assert np.isnan(table.loc["", "difference"])


def test_names_that_read_alike_are_counted_where_mixed_up():
    written = prompts(material_with(("good {}",)))
    first = written.tables["names"].iloc[0]
    assert (first["class_a"], first["class_b"], first["n"]) == ("class 000", "class 001", 100)
    assert 0 < first["mixed_up"] < 50
    assert list(written.tables["prompts"]["template"]) == [""]
    assert written.headline == "A reads “class 000” and “class 001” most alike"


def test_the_headline_tells_how_far_a_prompt_moves_the_answer():
    written = prompts(material_with(tuple(NOISE)))
    values = written.tables["prompts"].set_index("template")["value"]
    assert written.headline.startswith("The choice of one prompt among 2 moves A by ")
    assert f" {100 * (values['good {}'] - values['bad {}']):.0f} points" in written.headline


def test_without_a_text_tower_there_is_nothing_to_prompt():
    with pytest.raises(NotMeasurable, match="answers to prompts"):
        prompts(make_material({("knn", "A"): draw_probabilities(TRUTH, 4, skill=2.0)}, TRUTH))
