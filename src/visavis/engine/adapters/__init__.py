"""Networks of other libraries: `timm/NAME`, `open_clip/NAME::TAG`, `hf/REPOSITORY_OR_FOLDER`.

The one idea: each library is imported when one of its names is asked for, builds and loads its own network, and hands
over `Parts`; nothing above knows whose it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from visavis.errors import UsageError

if TYPE_CHECKING:
    from visavis.engine.parts import Parts

MODULES = {"timm": "timm", "open_clip": "open_clip", "hf": "hugging_face"}  # prefix of a name, file in this folder
EXAMPLES = {
    "timm": "timm/convnext_tiny.fb_in22k",
    "open_clip": "open_clip/ViT-B-32::laion2b_s34b_b79k",
    "hf": "hf/openai/clip-vit-base-patch32",
}

Adapter = Callable[[str | None, int], "Parts"]


def find_adapter(name: str | Path) -> Adapter | None:
    """What opens a name with a library's prefix: called with `load`'s weights and seed.

    Args:
        name: Of a model. A path, and a text that is one, is never a library's.

    Returns:
        The adapter, or None for a name without such a prefix.

    Raises:
        UsageError: Nothing stands behind the prefix.
    """
    if not isinstance(name, str) or os.path.exists(name):
        return None
    library, slash, own = name.partition("/")
    if not slash or library not in MODULES:
        return None
    if not own:
        raise UsageError(f"{name!r} names no model. Write one behind it, such as {EXAMPLES[library]}.")
    module = import_module(f"visavis.engine.adapters.{MODULES[library]}")
    return partial(module.open_parts, own)
