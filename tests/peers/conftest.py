"""What the peers' tests share; requirements.txt beside this file says how to run them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


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
