"""Small tables of predictions, written as strings of ranks."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def predictions_of(
    ranks: Mapping[str, str],
    *,
    measure: str = "knn",
    view: str = "clean",
    labels: Sequence[str] | None = None,
    draw: int = 0,
) -> pd.DataFrame:
    """One character an image: 1 is right, 2 to 9 the true class's rank of a wrong answer, a dot was not asked.

    {"A": "12."}: A is right on the first image, wrong on the second, was not asked about the third.
    """
    rows = []
    for model, answers in ranks.items():
        names = labels or [("cat", "dog")[place % 2] for place in range(len(answers))]
        for place, (rank, label) in enumerate(zip(answers, names, strict=True)):
            if rank == ".":
                continue
            predicted = label if rank == "1" else next(name for name in ("cat", "dog") if name != label)
            row = {"sample": f"image {place:05}", "model": model, "view": view, "measure": measure, "draw": draw}
            rows.append({**row, "label": label, "predicted": predicted, "confidence": 0.5, "rank": int(rank)})
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def table() -> Callable[..., pd.DataFrame]:
    return predictions_of


@pytest.fixture(scope="session")
def benchmark() -> Callable[[str], ModuleType]:
    """A script of the folder benchmarks as a module."""

    def read(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look there
        spec.loader.exec_module(module)
        return module

    return read
