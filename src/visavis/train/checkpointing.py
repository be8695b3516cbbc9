"""The state of an unfinished run: tensors in safetensors, the rest as JSON in its metadata; nothing is pickled."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from visavis.errors import VisavisError
from visavis.zoo.checkpoint import write_safetensors


def save_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, about: dict[str, object]) -> None:
    """Writes model, optimizer and `about` (step, recipe hash) so that a kill at any moment leaves a whole file."""
    tensors: dict[str, Tensor] = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors.update({f"optimizer.{index}.{name}": value for name, value in state.items()})
    write_safetensors(path, tensors, {"state": json.dumps(about)})


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, object]:
    """Restores what `save_state` wrote, in place, and returns `about`. Raises VisavisError for a damaged file."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
        _restore(tensors, model, optimizer)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:  # RuntimeError: of another network
        raise VisavisError(
            f"The training state {str(path)!r} cannot be read ({error}). Delete it to start this run anew."
        ) from error
    return about


def _restore(tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    prefix = "model."
    model.load_state_dict({name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)})
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, field = name.split(".")
            state.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
