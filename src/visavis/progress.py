"""Progress on stderr: bars in a terminal, one plain line a stage elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from visavis.train.recipe import TrainConfig

# Called with the name of a stage, how much of it is done, and how much it has in all.
ShowProgress = Callable[[str, int, int], None]

PLAIN_SECONDS = 30.0  # between lines of a long stage where there is no terminal


@contextlib.contextmanager
def show_progress(console: Console) -> Iterator[ShowProgress]:
    """Yields a function that shows how far each named stage is."""
    if not console.is_terminal:
        yield _plain_lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage.replace("[", r"\["), total=total)
            bars.update(tasks[stage], completed=done, total=total, visible=done < total)
            if done >= total:  # a line stays in place of the bar: a study has more stages than a terminal has lines
                console.print(_line(stage, done, total), markup=False, highlight=False, soft_wrap=True)

        yield show


@contextlib.contextmanager
def show_rate(console: Console) -> Iterator[ShowProgress]:
    """Like `show_progress`, for stages long enough to ask: how fast, and how much longer? A total of 0 is unknown."""
    if not console.is_terminal:
        yield _plain_rates(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, tuple[TaskID, _Rate]] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None, rate=""), _Rate(done)
            task, rate = tasks[stage]
            bars.update(task, completed=done, rate=rate.words(done, total))

        yield show


def _plain_rates(console: Console) -> ShowProgress:
    rates: dict[str, _Rate] = {}
    last: dict[str, float] = {}

    def show(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage not in rates:
            rates[stage], last[stage] = _Rate(done), now
        if (total and done >= total) or now - last[stage] > PLAIN_SECONDS:
            last[stage] = now
            of_all = f"/{total}" if total else ""
            console.print(f"{stage}: {done}{of_all}  {rates[stage].words(done, total)}".rstrip(), soft_wrap=True)

    return show


class _Rate:
    """How fast a stage goes since it was first shown, and how long it still needs."""

    def __init__(self, done: int) -> None:
        self._first, self._start = done, time.monotonic()

    def words(self, done: int, total: int) -> str:
        seconds = time.monotonic() - self._start
        if done <= self._first or seconds <= 0:
            return ""
        rate = (done - self._first) / seconds
        left = f", {duration((total - done) / rate)} left" if total > done else ""
        return f"{rate:.3g} images/s{left}" if rate < 100 else f"{rate:.0f} images/s{left}"


def duration(seconds: float) -> str:
    """Rounded to what matters: 8 s, 2 min, 3.5 h.

    >>> duration(8), duration(150), duration(12_600)
    ('8 s', '2 min', '3.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _plain_lines(console: Console) -> ShowProgress:
    last_line: dict[str, float] = {}

    def show(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - last_line.setdefault(stage, now) > PLAIN_SECONDS:
            last_line[stage] = now
            console.print(_line(stage, done, total), markup=False, soft_wrap=True)

    return show


def _line(stage: str, done: int, total: int) -> str:
    return f"{' '.join(stage.split())}: {done}/{total}"


def show_training(config: TrainConfig, out: Path, threads: int | None, console: Console) -> Path:
    """Trains with progress shown: loss, images a second, time left. Returns the path of the weights."""
    import torch

    from visavis.data.read import read_dataset
    from visavis.train.loop import Progress as TrainProgress
    from visavis.train.loop import train

    if threads is not None:
        torch.set_num_threads(threads)
    with show_progress(console) as show:

        def on_progress(now: TrainProgress) -> None:
            speed = f"{now.images_per_s:.0f} images/s  {now.seconds_left / 60:.1f} min left"
            console.print(f"step {now.step}/{now.steps}  loss {now.loss:.3f}  {speed}")

        dataset = read_dataset(config.data)
        return train(
            config,
            dataset,
            out,
            on_load=lambda done, total: show("decoding", done, total),
            on_progress=on_progress,
        )
