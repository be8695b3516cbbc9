"""Progress: bars in a terminal, elsewhere one plain line a stage."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from visavis import progress
from visavis.progress import show_progress


def lines_of(calls: list[tuple[float, str, int, int]], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is printed without a terminal when each call comes at a second."""
    stream = io.StringIO()
    with show_progress(Console(file=stream, width=40, emoji=False)) as show:
        for second, stage, done, total in calls:
            monkeypatch.setattr(progress.time, "monotonic", lambda second=second: second)
            show(stage, done, total)
    return stream.getvalue().splitlines()


def test_a_short_stage_is_one_line(monkeypatch):
    calls = [(0.0, "reading", 1, 3), (1.0, "reading", 2, 3), (2.0, "reading", 3, 3), (3.0, "timing", 3, 3)]
    assert lines_of(calls, monkeypatch) == ["reading: 3/3", "timing: 3/3"]


def test_a_long_stage_says_so_every_half_minute(monkeypatch):
    calls = [(float(second), "reading", second, 100) for second in range(0, 101, 10)]
    assert lines_of(calls, monkeypatch) == ["reading: 40/100", "reading: 80/100", "reading: 100/100"]


def test_odd_and_long_names_stay_on_one_line_as_they_are(monkeypatch):
    name = "a/[red]very/:cat:/long" * 5
    assert lines_of([(0.0, f"{name}\nx: test images", 2, 2)], monkeypatch) == [f"{name} x: test images: 2/2"]


def test_a_terminal_shows_bars():
    stream = io.StringIO()
    with show_progress(Console(file=stream, width=80, force_terminal=True)) as show:
        show("[red]reading", 0, 2)
        show("[red]reading", 2, 2)
    assert "\x1b[" in stream.getvalue()
    assert "[red]reading" in stream.getvalue()
    assert "2/2" in stream.getvalue()
