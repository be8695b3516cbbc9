"""Captions to tokens."""

from __future__ import annotations

from itertools import product

import numpy as np

from visavis.bench.contest import Contest, Runner
from visavis.bench.setting import Setting
from visavis.data.read import read_dataset
from visavis.zoo.opening import imagenet_names
from visavis.zoo.tokenizer import Tokenizer

_PATTERNS = (
    "a photo of a {}",
    "Two people are looking at the {} on a sunny day, with a dog beside them.",
    "{} isolated on white background, stock photo",
    "My new {}! #love",
    "The {} in front of St. Mary's church (1912)",
    "A man holding a {} & smiling at the camera while his friends are waiting for the bus",
    "“{}” – the artist’s last work",
)
_COUNT = 6000


def captions(setting: Setting) -> Contest | None:
    """As they are found beside images: short and long ones, with names, digits, signs, and some beyond ASCII."""
    if not setting.parts.text:
        return None
    texts = some_captions()
    ours = Tokenizer()
    runners = []
    if any(rival.library == "open_clip" for rival in setting.rivals):
        import open_clip

        theirs = open_clip.SimpleTokenizer()
        runners.append(Runner(name="open_clip", kind="peer", run=lambda: theirs(texts).numpy(), items=len(texts)))
    expected: np.ndarray | None = runners[0].run() if runners else None
    runners.append(Runner(name="visavis", kind="float32", run=lambda: ours(texts), items=len(texts)))
    return Contest(
        work="captions tokenized", model=setting.model, unit="captions/s", runners=tuple(runners), expected=expected
    )


def some_captions() -> list[str]:
    """Names of ImageNet's classes and of emoji, each in every pattern."""
    names = sorted({*imagenet_names(), *(str(sample.label) for sample in read_dataset("emoji-all").samples)})
    every = [pattern.format(name) for name, pattern in product(names, _PATTERNS)]
    return every[:: max(1, len(every) // _COUNT)][:_COUNT]
