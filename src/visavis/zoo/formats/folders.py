"""Folders of a file of weights and a file that describes them, as Hugging Face, open_clip and timm publish.

Links inside a folder may lead to files of that folder, or to the blobs of the same repository in a Hugging Face cache,
but nowhere else: a folder from elsewhere shall not make a reader open what the user did not give.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from visavis.errors import UsageError
from visavis.zoo.formats.contents import UnreadableError

MAX_JSON_BYTES = 16 << 20

# Names of weights and of their description, best first. open_clip's come before Hugging Face's, since repositories for
# both hold timm's image tower alone, or a converted copy, under the latter. safetensors come before pickles.
STANDARD = (
    ("open_clip_model.safetensors", "open_clip_config.json"),
    ("model.safetensors", "config.json"),
    ("model.safetensors.index.json", "config.json"),
    ("open_clip_pytorch_model.bin", "open_clip_config.json"),
    ("pytorch_model.bin", "config.json"),
    ("pytorch_model.bin.index.json", "config.json"),
)
_SHARD = re.compile(r".+-\d{5}-of-(\d{5})\.(safetensors|bin)")


def find_weights(folder: Path) -> Path:
    """The file in a folder that holds its weights, or lists their parts.

    Raises:
        UsageError: There is none under a usual name.
    """
    names = {entry.name for entry in folder.iterdir()}
    for weights, _ in STANDARD:
        if weights in names:
            return folder / weights
    held = ", ".join(sorted(names)[:8]) or "nothing"
    raise UsageError(
        f"The folder {str(folder)!r} holds no weights under a usual name (found: {held}). Give the file itself, or a "
        f"folder with {', '.join(weights for weights, _ in STANDARD)}."
    )


def read_config(weights: Path) -> dict[str, Any] | None:
    """The description beside weights of a usual name; None where there is none.

    Raises:
        UnreadableError: It is no JSON, or lies outside the folder.
    """
    name = dict(STANDARD).get(weights.name)
    if name is None or not weights.with_name(name).exists():
        return None
    return read_json(contained(weights.parent, name))


def read_json(path: Path) -> dict[str, Any]:
    """A table of facts from a file of bounded size.

    Raises:
        UnreadableError: It is no JSON, or something else than a table.
    """
    with path.open("rb") as file:
        content = file.read(MAX_JSON_BYTES + 1)
    if len(content) > MAX_JSON_BYTES:
        raise UnreadableError(f"has beside it {path.name}, which is larger than {MAX_JSON_BYTES} bytes")
    try:
        table = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"has beside it {path.name}, which is no JSON ({error})") from error
    if not isinstance(table, dict):
        raise UnreadableError(f"has beside it {path.name}, which is no table of facts")
    return table


def read_index(path: Path) -> dict[Path, list[str]]:
    """The parts that an index lists, each with the names of its tensors.

    Raises:
        UnreadableError: The index is damaged, or names files outside its folder.
    """
    places = read_json(path).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(part, str) for part in places.values()):
        raise UnreadableError("lists no parts of a network")
    names: dict[str, list[str]] = {}
    for name, part in places.items():
        names.setdefault(part, []).append(name)
    return {contained(path.parent, part): listed for part, listed in names.items()}


def contained(folder: Path, name: str) -> Path:
    """The path of a file in a folder.

    Raises:
        UnreadableError: The name or a link leads out of it, or there is no such file.
    """
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise UnreadableError(f"names a file outside its folder ({name[:100]!r})")
    path = folder / name
    home = folder.resolve()
    target = path.resolve()
    allowed = [home]
    snapshots = next((parent for parent in (home, *home.parents) if parent.parent.name == "snapshots"), None)
    if snapshots is not None:
        allowed.append(snapshots.parent.parent / "blobs")  # huggingface_hub links from there
    if not any(target.is_relative_to(place) for place in allowed):
        raise UnreadableError(f"needs {name!r}, a link out of its folder to {str(target)!r}", "Give that file itself.")
    if not target.is_file():
        raise UnreadableError(f"needs {name!r} beside it, which is missing")
    return path


def refuse_shard(path: Path) -> None:
    """Raises UnreadableError where a file is one of several parts of a network."""
    match = _SHARD.fullmatch(path.name)
    if match and int(match[1]) > 1:
        raise UnreadableError(
            f"is one of {int(match[1])} parts of a network", "Give the folder that holds all of them."
        )
