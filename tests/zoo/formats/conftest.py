"""Small files of every format, and traps: objects whose unpickling would leave a trace."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch


class Trap:
    """Something whose unpickling calls a function."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """The file that a sprung trap leaves behind."""
    return tmp_path / "trace"


@pytest.fixture(params=["system", "open", "eval", "exec"])
def trap(request: pytest.FixtureRequest, trace: Path) -> Trap:
    """One of the ways in which a pickle runs code."""
    code = f"open({str(trace)!r}, 'w')"
    traps = {
        "system": Trap(os.system, f"touch {trace}"),
        "open": Trap(open, str(trace), "w"),
        "eval": Trap(eval, code),
        "exec": Trap(exec, f"{code}.close()"),
    }
    return traps[request.param]


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Writes a network as TorchScript."""

    def write(network: torch.nn.Module, example: torch.Tensor | None = None) -> Path:
        path = tmp_path / "script.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch 2.13 has tired of TorchScript; files remain
            made = torch.jit.script(network) if example is None else torch.jit.trace(network, example)
            torch.jit.save(made, path)
        return path

    return write


@pytest.fixture
def rewrite() -> Callable[..., None]:
    """Writes an archive anew with right checksums: members replaced by the end of their name, or added."""

    def change(path: Path, packing: int = zipfile.ZIP_STORED, **members: bytes) -> None:
        with zipfile.ZipFile(path) as archive:
            held = {info.filename: archive.read(info) for info in archive.infolist()}
        folder = next(iter(held)).split("/")[0]
        held |= {f"{folder}/{name}": content for name, content in members.items()}
        with zipfile.ZipFile(path, "w", packing) as archive:
            for name, content in held.items():
                archive.writestr(name, content)

    return change


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    """Two tensors, as a state dict."""
    generator = torch.Generator().manual_seed(0)
    return {"weight": torch.randn(3, 4, generator=generator), "bias": torch.randn(3, generator=generator)}
