"""safetensors: a header of JSON, then raw numbers. The library checks every offset, and no tensor is copied."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from safetensors import SafetensorError, safe_open

from visavis.zoo.formats.contents import Contents, Tree, UnreadableError


def read_safetensors_file(path: Path) -> Contents:
    """Reads the entries of a safetensors file; no tensor is copied.

    Raises:
        UnreadableError: The file is cut short or its header does not describe it.
    """
    try:
        # The handle lives in the leaves, and the mapping in the tensors, for as long as someone needs them.
        file = safe_open(path, framework="pt")
        metadata = file.metadata() or {}
        tree: Tree = {name: partial(file.get_tensor, name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (SafetensorError, UnicodeError) as error:
        raise UnreadableError(f"is not a whole safetensors file ({error})") from error
    return Contents(container="safetensors", tree=tree, metadata=metadata)
