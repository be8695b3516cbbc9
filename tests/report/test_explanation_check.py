from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from made_explanations import NAN, a_trust, trusts
from rich.console import Console
from test_explanation import Parsed

from visavis.errors import UsageError
from visavis.report.explanation_check import interval, render_check, summary, trust_table, write_check


def test_a_method_passes_if_all_its_tests_do() -> None:
    assert [a_trust(passes=passes).passes for passes in (True, False, None)] == [True, False, None]
    both = a_trust(passes=False)
    trials = (a_trust(passes=None).trials[0], *both.trials[1:])
    assert replace(both, trials=trials).passes is False  # a failure counts, whatever could not be measured


def test_one_sentence_a_model() -> None:
    first, second = summary(trusts())
    assert first == (
        "ViT-mini-8.emoji: gradient-weighted attention passes all tests; occlusion fails randomisation and insertion."
    )
    assert second.endswith(": occlusion passes all tests; Grad-CAM could not be tested in full.")
    (none,) = summary([a_trust(passes=False)])
    assert none.startswith("ViT-mini-8.emoji: no method passes all tests; ")


def test_values_are_shown_with_their_intervals() -> None:
    trial = a_trust(passes=False).trials[3]
    assert interval(trial) == "−0.10 [−0.15, −0.05]"
    assert interval(replace(trial, value=NAN)) == "not measured"


def test_the_terminals_table() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=False)
    console.print(trust_table(trusts()))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    own = next(number for number, line in enumerate(lines) if "✗ occlusion" in line)
    assert lines[own].split()[2:] == ["✓", "0.82", "✗", "0.90", "✓", "−0.20", "✗", "−0.10"]
    assert lines[own + 1].strip().startswith("[0.78, 0.86]")
    assert any("– not measured" in line for line in lines)
    assert sum(line.strip() == "ViT-mini-8.emoji" for line in lines) == 1  # above its methods
    assert any(line.strip().startswith("✓ gradient-weighted attention") for line in lines)
    said = " ".join(" ".join(lines).split())
    assert all(" ".join(sentence.split()) in said for sentence in summary(trusts()))
    narrow = Console(file=io.StringIO(), width=80, force_terminal=False)
    narrow.print(trust_table(trusts()))
    heading = next(line for line in narrow.file.getvalue().splitlines() if "localisation" in line)  # type: ignore[attr-defined]
    assert heading.split() == ["localisation", "randomisation", "deletion", "insertion"]
    assert "−0.15]" in narrow.file.getvalue()  # type: ignore[attr-defined]  # nothing is cut on a common terminal


def test_the_page_holds_every_trial_and_escapes_names() -> None:
    page = Parsed(render_check(trusts()))
    text = " ".join(page.text.split())
    assert "script" not in [tag for tag, _ in page.tags]
    assert "<script>alert(1)</script>" in text
    assert "seen <b>" in text
    for trust in trusts():
        for trial in trust.trials:
            assert interval(trial) in text
            assert f"n = {trial.n}" in text
    for attributes in (attributes for _, attributes in page.tags):
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    labels = [attributes["aria-label"] for tag, attributes in page.tags if tag == "svg"]
    assert len(labels) == 3 * len(trusts())
    lines = [attributes["points"] for tag, attributes in page.tags if tag == "polyline"]
    assert lines[1].split()[0] == "0.0,0.0"  # deletion starts at a probability of 1, at the top
    assert lines[1].split()[-1] == "160.0,90.0"


def test_randomisation_is_drawn_from_the_own_map_on() -> None:
    trust = replace(a_trust(), randomised=(1.0, 0.5, 0.0, -0.5, -1.0))
    points = [attributes for tag, attributes in Parsed(render_check([trust])).tags if tag == "polyline"][-1]["points"]
    assert points == "0.0,0.0 32.0,0.0 64.0,22.5 96.0,45.0 128.0,67.5 160.0,90.0"


def test_a_model_of_which_nothing_was_recognised_has_no_examples() -> None:
    page = render_check([replace(a_trust(passes=None), examples=())])
    assert "composed images</h3>" not in page
    assert "3 of 2000 known: fewer than 10" in page


def test_it_is_written_as_html_alone(tmp_path: Path) -> None:
    path = write_check(trusts(), tmp_path / "check.html")
    assert path.read_text("utf-8") == render_check(trusts())
    with pytest.raises(UsageError, match=r"'check\.png' does not end so"):
        write_check(trusts(), tmp_path / "check.png")
