"""A hub on loopback, and a machine on which nobody has fetched anything."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub_server import LoopbackHub, loopback_hub
from huggingface_hub import constants

from visavis.errors import VisavisError
from visavis.zoo import hub_errors
from visavis.zoo.cached import RemoteFile
from visavis.zoo.hub import fetch

REPO, NAME = "owner/some-model.tag", "model.safetensors"
CONTENT = hashlib.shake_256(b"weights").digest(300_000)  # several of the pieces in which a body arrives
VARIABLES = (
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "XDG_CACHE_HOME",
    "TORCH_HOME",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_ENDPOINT",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, and no settings of the machine's user."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)  # else it asks its own hub who may have called it
    return tmp_path


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds between tries, which are not waited."""
    waited: list[float] = []
    monkeypatch.setattr(hub_errors, "time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackHub]:
    with loopback_hub() as hub:
        yield hub


@pytest.fixture
def hub(server: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """The hub as it should be, with one repository."""
    server.begin({REPO: {NAME: CONTENT}})
    monkeypatch.setenv("HF_ENDPOINT", server.address())
    return server


@pytest.fixture
def content() -> bytes:
    """Of the one file of the hub."""
    return CONTENT


@pytest.fixture
def file() -> RemoteFile:
    """The one file of the hub, as the catalogue would state it."""
    return RemoteFile(name="some-model.tag", repo=REPO, filenames=(NAME, "pytorch_model.bin"))


@pytest.fixture
def refusal(file: RemoteFile) -> Callable[..., str]:
    """Fetches what cannot be had, by default the one file, and returns the one paragraph that says why."""

    def told(wanted: RemoteFile = file) -> str:
        with pytest.raises(VisavisError) as caught:
            fetch(wanted)
        message = str(caught.value)
        assert "\n" not in message
        assert message.endswith("."), message
        return message

    return told


@pytest.fixture
def python(home: Path) -> Callable[..., contextlib.AbstractContextManager[subprocess.Popen]]:
    """Starts a program in a process of its own, with no settings of the machine's user; it ends with the block."""

    @contextlib.contextmanager
    def start(program: str, **variables: str) -> Iterator[subprocess.Popen]:
        inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        environment = {**inherited, "HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **variables}
        with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=-1, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    return start
