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
            bars.update(tasks[stage], completed=done, total=total)

        yield show


def _plain_lines(console: Console) -> ShowProgress:
    last_line: dict[str, float] = {}

    def show(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - last_line.setdefault(stage, now) > PLAIN_SECONDS:
            last_line[stage] = now
            console.print(f"{' '.join(stage.split())}: {done}/{total}", markup=False, soft_wrap=True)

    return show


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
