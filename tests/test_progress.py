"""Progress: bars in a terminal, elsewhere one plain line a stage."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from visavis import progress
from visavis.progress import show_progress, show_rate


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


def test_a_rate_is_said_with_the_time_left(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("visavis.progress.time.monotonic", lambda: now[0])
    console = Console(file=io.StringIO(), width=200)
    with show_rate(console) as show:
        show("embedding", 50, 10_050)  # 50 were there before
        for second in range(1, 101):
            now[0] += 1
            show("embedding", 50 + 100 * second, 10_050)
    lines = console.file.getvalue().splitlines()
    assert lines == [
        "embedding: 3150/10050  100 images/s, 69 s left",
        "embedding: 6250/10050  100 images/s, 38 s left",
        "embedding: 9350/10050  100 images/s, 7 s left",
        "embedding: 10050/10050  100 images/s",
    ]


def test_an_unknown_total_and_a_stage_done_at_once():
    console = Console(file=io.StringIO(), width=200)
    with show_rate(console) as show:
        show("listing", 256, 0)
        show("embedding", 7, 7)
    assert console.file.getvalue() == "embedding: 7/7\n"


def test_a_rate_in_a_terminal():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with show_rate(console) as show:
        show("listing", 3, 0)
        show("embedding", 0, 10)
        show("embedding", 5, 10)
    assert "embedding" in console.file.getvalue()
    assert "images/s" in console.file.getvalue()
