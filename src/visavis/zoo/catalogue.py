"""Which weights there are: the embedded ones, and the names of architectures without weights."""

from __future__ import annotations

import fnmatch
import os
from importlib import resources
from pathlib import Path

from visavis.errors import UsageError, did_you_mean
from visavis.zoo.architectures import ARCHITECTURES, build_model, find_config
from visavis.zoo.checkpoint import Checkpoint, read_checkpoint
from visavis.zoo.preprocess import Preprocess

EMBEDDED = ("resnet-mini.emoji", "vit-mini-patch8.emoji", "RN-mini.emoji", "ViT-mini-8.emoji")


def list_models(pattern: str = "*") -> list[str]:
    """Names of architectures and of weights that match a wildcard pattern, upper and lower case alike.

    A name with a tag behind the dot has weights; one without is an architecture.
    """
    names = sorted((*ARCHITECTURES, *EMBEDDED), key=str.casefold)
    return [name for name in names if fnmatch.fnmatch(name.casefold(), pattern.casefold())]


def find_checkpoint(name: str | Path, weights: str | None = "auto", seed: int = 0) -> Checkpoint:
    """Weights and architecture by name or by file.

    Args:
        name: An embedded model's name, an architecture's name, or a path to a file that `visavis train` wrote.
        weights: "auto" finds the name's weights; None draws fresh ones.
        seed: Of fresh weights.

    Raises:
        UsageError: The name is unknown, or is an architecture and no weights were asked to be drawn.
        VisavisError: The file is damaged.
    """
    if weights is None:
        config = find_config(str(name))
        preprocess = Preprocess(image_size=config.image_size, resize=config.image_size)
        model = build_model(config, seed=seed)
        return Checkpoint(config=config, preprocess=preprocess, state=model.state_dict(), about={"seed": seed})
    if weights != "auto":
        raise UsageError(f"weights must be 'auto' or None, not {weights!r}. To load a file, give its path as the name.")
    path = Path(name)
    if os.path.isfile(path):  # Path.is_file raises where a name is too long to be one
        return read_checkpoint(path)
    if str(name) in EMBEDDED:
        with resources.as_file(resources.files("visavis.zoo") / "weights" / f"{name}.safetensors") as file:
            return read_checkpoint(file)
    if path.suffix in (".safetensors", ".pt", ".pth", ".bin") or len(path.parts) > 1:
        hint = did_you_mean(str(name), (*EMBEDDED, *ARCHITECTURES))
        raise UsageError(f"There is no checkpoint file {str(name)!r}. {hint} `visavis list` shows all names.")
    if str(name) in ARCHITECTURES:
        raise UsageError(
            f"{str(name)!r} names an architecture, not weights. Use weights that visavis has ({', '.join(EMBEDDED)}), "
            "a file that `visavis train` wrote, or weights=None for fresh ones."
        )
    hint = did_you_mean(str(name), (*EMBEDDED, *ARCHITECTURES))
    raise UsageError(f"Unknown model {str(name)!r}. {hint} `visavis list` shows all.")
