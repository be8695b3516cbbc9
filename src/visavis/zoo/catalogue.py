"""Which models there are, without loading torch: what visavis brings, what others published, and architectures."""

from __future__ import annotations

import fnmatch
import json
import math
from collections.abc import Sequence
from importlib import resources
from types import MappingProxyType

from visavis.zoo.published import QUICKGELU, Published, find_published, list_published, read_published

# What visavis brings, with the MACs of one image, which are counted on the network and so with torch.
EMBEDDED = MappingProxyType(
    {
        "resnet-mini.emoji": 47_123_328,
        "vit-mini-patch8.emoji": 57_212_032,
        "RN-mini.emoji": 50_867_712,
        "ViT-mini-8.emoji": 57_033_728,
    }
)
COLUMNS = ("name", "source", "parameters", "MACs", "image", "activation", "trained on", "origin", "licence")


def list_models(pattern: str = "*") -> list[str]:
    """Names of architectures and of weights that match a wildcard pattern, upper and lower case alike.

    A name with a tag behind the dot has weights; one without is an architecture. What others call weights is understood
    too: "ViT-B/32", "ViT-B-32::openai", "hf-hub:timm/resnet50.a1_in1k".
    """
    weights = (*EMBEDDED, *read_published())
    architectures = {name.partition(".")[0] for name in EMBEDDED}
    architectures |= {row.architecture.removesuffix(QUICKGELU) for row in read_published().values()}
    names = sorted((*architectures, *weights), key=str.casefold)
    meant = {row.name for row in (*list_published(pattern), find_published(pattern)) if row}
    return [name for name in names if name in meant or fnmatch.fnmatchcase(name.casefold(), pattern.casefold())]


def describe_models(names: Sequence[str]) -> list[dict[str, str]]:
    """What people choose by, a row a name: parameters, MACs, image size, activation, training data, licence.

    A column of an architecture's row is empty: all but the name belong to weights.
    """
    rows = []
    for name in names:
        published = read_published().get(name)
        facts = _published_facts(published) if published else _embedded_facts(name) if name in EMBEDDED else {}
        rows.append({column: {"name": name, **facts}.get(column, "") for column in COLUMNS})
    return rows


def _published_facts(row: Published) -> dict[str, str]:
    return {
        "source": row.source,
        "parameters": f"{row.params / 1e6:.1f}M",
        "MACs": f"{row.macs / 1e9:.2f}G",
        "image": str(row.image_size),
        "activation": row.activation,
        "trained on": f"{row.training_data} ({row.samples or 'number not told'})",
        "origin": row.origin,
        "licence": row.license,
    }


def _embedded_facts(name: str) -> dict[str, str]:
    """From the header of the weights themselves, read without torch."""
    with (resources.files("visavis.zoo") / "weights" / f"{name}.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    written = json.loads(header.pop("__metadata__")["visavis"])
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    params = sum(math.prod(tensor["shape"]) for key, tensor in header.items() if not key.endswith(buffers))
    return {
        "source": "visavis",
        "parameters": f"{params / 1e6:.1f}M",
        "MACs": f"{EMBEDDED[name] / 1e9:.2f}G",
        "image": str(written["preprocess"]["image_size"]),
        "activation": written["config"].get("text", written["config"]).get("activation", "relu"),
        "trained on": written["about"]["trained_on"],
        "origin": "drawings under free licences",
        "licence": written["about"]["license"].partition(" ")[0],
    }
