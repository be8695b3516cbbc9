"""visavis puts image encoders face to face: supervised ResNets, CLIP ResNets and CLIP ViTs, on your own images.

>>> import visavis
>>> visavis.list_models("*mini*.emoji")
['resnet-mini.emoji', 'RN-mini.emoji', 'ViT-mini-8.emoji', 'vit-mini-patch8.emoji']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visavis.engine.encoder import Encoder
    from visavis.engine.load import load
    from visavis.errors import UsageError, VisavisError
    from visavis.inspection.anatomy.anatomy import Anatomy, inspect
    from visavis.study.compare import compare
    from visavis.study.study import Study
    from visavis.zoo.catalogue import list_models

    __version__: str

__all__ = [
    "Anatomy",
    "Encoder",
    "Study",
    "UsageError",
    "VisavisError",
    "compare",
    "inspect",
    "list_models",
    "load",
]

# Where each public name lives; it is imported when it is first asked for, so that `import visavis` stays quick.
_HOMES = {
    "Anatomy": "visavis.inspection.anatomy.anatomy",
    "Encoder": "visavis.engine.encoder",
    "Study": "visavis.study.study",
    "UsageError": "visavis.errors",
    "VisavisError": "visavis.errors",
    "compare": "visavis.study.compare",
    "inspect": "visavis.inspection.anatomy.anatomy",
    "list_models": "visavis.zoo.catalogue",
    "load": "visavis.engine.load",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # a tenth of the time of `visavis list`

        return version("visavis")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'visavis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, "__version__"])
