"""What the peers' tests share; requirements.txt beside this file says how to run them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

TABLE = pytest.StashKey[dict[tuple[str, str, str], float]]()
Tell = Callable[[str, str, str, float], None]


def openai_clip(module: str) -> ModuleType:
    """A module of OpenAI's `clip` package, loaded from its file.

    The package's own `__init__` needs `pkg_resources`, which setuptools no longer brings.
    """
    package = importlib.util.find_spec("clip")
    assert package is not None, "OpenAI's CLIP is missing: pip install -r tests/peers/requirements.txt"
    assert package.origin is not None
    name = f"openai_clip_{module}"
    spec = importlib.util.spec_from_file_location(name, Path(package.origin).with_name(f"{module}.py"))
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="session")
def openai_tokenizer_module() -> ModuleType:
    """OpenAI's `clip.simple_tokenizer`."""
    return openai_clip("simple_tokenizer")


@pytest.fixture(scope="session")
def openai_model_module() -> ModuleType:
    """OpenAI's `clip.model`."""
    return openai_clip("model")


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Tell:
    """Remembers a row of the table that ends the run: model, format, peer, and the difference of their outputs."""
    table = pytestconfig.stash.setdefault(TABLE, {})

    def remember(model: str, form: str, peer: str, gap: float) -> None:
        table[model, form, peer] = max(gap, table.get((model, form, peer), 0.0))

    return remember


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table: the largest difference of any output as a fraction of that output's scale."""
    table = config.stash.get(TABLE, {})
    if table:
        terminalreporter.section("outputs after loading, against the live peers")
        terminalreporter.write_line(f"{'model':<26} {'format':<30} {'peer':<14} max difference")
    for (model, form, peer), gap in sorted(table.items(), key=lambda row: [part.casefold() for part in row[0]]):
        terminalreporter.write_line(f"{model:<26} {form:<30} {peer:<14} {gap:.1e}")
