"""Numbers and names as they read."""

from __future__ import annotations

import html
import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.report import words
from visavis.report.findings import split_verdict
from visavis.report.protocol import facts, how_measured


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (words.percent(0.53197), "53.2"),
        (words.percent(1.0), "100.0"),
        (words.percent(math.nan), "–"),
        (words.points(0.0319), "+3.2"),
        (words.points(-0.0319), "−3.2"),
        (words.points(-0.0004), "0.0"),
        (words.confidence(0.934), "93%"),
        (words.confidence(0.004), "< 1%"),
        (words.confidence(0.999), "> 99%"),
        (words.confidence(1.0), "100%"),
        (words.count(12345.0), "12,345"),
        (words.quantity(4_312_000), "4.31\N{NO-BREAK SPACE}M"),
        (words.quantity(999_600), "1.00\N{NO-BREAK SPACE}M"),
        (words.quantity(12_300_000_000), "12.3\N{NO-BREAK SPACE}G"),
        (words.quantity(12), "12.0"),
        (words.significant(1234.5), "1,234"),
        (words.significant(16.449), "16.4"),
        (words.significant(0.01234), "0.0123"),
        (words.significant(0), "0"),
        (words.p_value(0.0004), "< 0.001"),
        (words.p_value(0.0344), "0.034"),
        (words.p_value(1.0), "1"),
        (words.date("2026-11-23T17:30:00+00:00"), "23 November 2026"),
        (words.date("no <date>"), "no <date>"),
        (words.plural(1, "image"), "1 image"),
        (words.plural(1200, "class"), "1,200 classes"),
        (words.listed(["a", "b"]), "a and b"),
        (words.listed(["a", "b", "c", "d", "e"]), "a, b, c and 2 more"),
        (words.setting({"a": {"k": 5}, "b": {"k": 7}}), "a: k: 5; b: k: 7"),
        (words.setting(["x", 1]), "x, 1"),
        (words.measure_name("knn"), "Nearest neighbours"),
        (words.measure_name("few_shot"), "Few shot"),
        (words.cost_name("watts"), "Watts"),
    ],
)
def test_reads_as(shown: str, expected: str) -> None:
    assert shown == expected


@given(st.text(st.characters(codec=None), max_size=400))
def test_visible_text_is_one_printable_line(text: str) -> None:
    shown = words.visible(text)
    shown.encode("utf-8")
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert len(shown) <= words.LONGEST_TEXT + 1


def test_visible_control_characters() -> None:
    assert words.visible("a\nb\tc\x1b") == "a↵b\\tc\\x1b"
    assert words.visible(None) == "–"


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=8), max_size=4))
def test_names_in_sentences_are_escaped_whatever_they_are(text: str, names: list[str]) -> None:
    marked = words.with_names(text, names)
    bare = str(marked).replace('<bdi class="name">', "").replace("<bdi>", "").replace("</bdi>", "")
    assert not set(bare) & set('<>"')
    assert html.unescape(bare) == words.visible_lines(text)


def test_names_in_sentences_stay_whole() -> None:
    assert words.with_names("Use a-b, not a <b>", ["a", "a-b"]) == (
        'Use <bdi class="name">a-b</bdi>, not <bdi class="name">a</bdi> &lt;b&gt;'
    )
    assert words.with_names("(adjusted p < 0.001), p = 1", []) == "(adjusted p\xa0&lt;\xa00.001), p\xa0=\xa01"
    long = "x" * 40
    assert words.with_names(long, [long]) == f"<bdi>{long}</bdi>"


def test_verdict_splits_after_its_first_sentence() -> None:
    assert split_verdict("Use a.b: 53.2% right. It is fast. Yes.") == ("Use a.b: 53.2% right.", ["It is fast. Yes."])
    assert split_verdict("Use a. It is fast.\n\nMore. Yes.") == ("Use a.", ["It is fast.", "More. Yes."])
    assert split_verdict("Only one\nline") == ("Only one\nline", [])


def test_settings_that_all_models_share_are_said_once() -> None:
    protocol = {
        "measures": {"knn": {"chosen": {"A": {"k": 5}, "B": {"k": 5}}}, "zero_shot": {"templates": ["{}", "a {}"]}}
    }
    knn, zero_shot = how_measured(protocol, ["knn"])
    assert knn.settings == (("chosen", "k: 5 for each of 2 models"),)
    assert zero_shot.settings == (("templates", "“{}”, “a {}”"),)


def test_protocol_says_what_it_knows() -> None:
    known = dict(facts({"data": {"name": "d", "n_test": 1}, "bootstrap": {"draws": 2000, "level": 0.9}, "seed": 0}))
    assert known["Data"] == "d, 1 image tested"
    assert known["Intervals"].startswith("90%, by bootstrap over images (2,000 resamples)")
    assert known["Seed"] == "0"
    assert "Machine" not in known
