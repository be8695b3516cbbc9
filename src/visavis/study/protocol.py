"""What must be known to repeat a study: command, models, machine, packages."""

from __future__ import annotations

import csv
import io
import os
import platform
import shlex
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import pandas as pd

from visavis.data.dataset import Sample
from visavis.engine.encoder import Encoder

PACKAGES = ("visavis", "torch", "numpy", "pandas", "scipy", "scikit-learn", "pillow", "pyarrow")


# The two halves of a family, in words. Only the first two of each fill the square of architecture and training signal.
TRAININGS = {"supervised": "labels", "clip": "language", "other": "an unstated signal"}
ARCHITECTURES = {"resnet": "ResNet", "vit": "ViT", "other": "another architecture"}


def factors_of(encoders: Sequence[Encoder]) -> dict[str, tuple[str, str]]:
    """For each model how it is built and what trained it: ("ViT", "language")."""
    return {encoder.name: (_architecture(encoder), _training(encoder)) for encoder in encoders}


def describe_model(encoder: Encoder, costs: pd.DataFrame) -> dict[str, Any]:
    """One model's entry in study.json; the counts are those of the cost table."""
    own = costs[costs["model"] == encoder.name].set_index("metric")["value"]
    return {
        "name": encoder.name,
        "family": encoder.family,
        "architecture": _architecture(encoder),
        "training": _training(encoder),
        "params": int(own["params"]),
        "macs": int(own["macs"]),
        "image_size": encoder.image_size,
        "embed_dim": encoder.embed_dim,
        "preprocessing": _preprocessing(encoder),
        "engine": ", ".join(encoder.engines_used),
        "engine_said": "; ".join(encoder.engines_used.values()),
        "fingerprint": encoder.fingerprint,
        "trained_on": str(encoder.about.get("trained_on", "not said by the checkpoint")),
        "license": str(encoder.about.get("license", "not said by the checkpoint")),
    }


def describe_machine() -> dict[str, Any]:
    """Processor, threads and system."""
    import torch

    return {"cpu": _processor(), "threads": torch.get_num_threads(), "platform": platform.platform(terse=True)}


def describe_packages() -> dict[str, str]:
    """Versions of what computes."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def n_groups(samples: Sequence[Sample]) -> int:
    """How many groups the samples are of; a lone image is one."""
    return len({sample.group for sample in samples if sample.group}) + sum(not sample.group for sample in samples)


def command_line(arguments: dict[str, Any]) -> str:
    """The command that repeats a study."""
    parts = ["visavis", "compare", *arguments["models"], "--data", arguments["data"]]
    parts += [word for view in arguments["views"] for word in ("--view", view)]
    parts += [word for template in arguments["templates"] for word in ("--template", template)]
    parts += ["--classes", _by_comma(arguments["classes"])] if arguments["classes"] else []
    parts += ["--measures", ",".join(arguments["measures"])] if arguments["measures"] else []
    parts += ["--others", arguments["others"]] if arguments["others"] is not None else []
    parts += ["--exclude", ",".join(arguments["exclude"])] if arguments["exclude"] else []
    parts += ["--test-fraction", str(arguments["test_fraction"])]
    parts += [] if arguments["resolution"] is None else ["--resolution", str(arguments["resolution"])]
    parts += [] if arguments["crop"] == "own" else ["--crop", arguments["crop"]]
    parts += [] if arguments["equal"] is None else ["--equal", arguments["equal"]]
    parts += ["--margin", str(arguments["margin"]), "--seed", str(arguments["seed"])]
    parts += [] if arguments["effort"] == "usual" else [f"--{arguments['effort']}"]
    return shlex.join(parts)


def _by_comma(names: Sequence[str]) -> str:
    """As `read_labels` reads them: in quotes where a name has a comma of its own."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def _architecture(encoder: Encoder) -> str:
    return ARCHITECTURES[encoder.family.partition("-")[2]]


def _preprocessing(encoder: Encoder) -> str:
    """What was done to images, and what of it is not the weights' own or was not said by them."""
    said = [repr(encoder.preprocessing)]
    if "positions_resized" in encoder.about:
        said.append(f"position embeddings resampled from {encoder.about['positions_resized']} places")
    if "assumed" in encoder.about:
        said.append(f"assumed: {encoder.about['assumed']}")
    return "; ".join(said)


def _training(encoder: Encoder) -> str:
    return TRAININGS[encoder.family.partition("-")[0]]


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return f"{line.partition(':')[2].strip()}, {os.cpu_count()} logical"
    except OSError:
        pass
    return platform.processor() or platform.machine()
