"""JPEG files to vectors: decoding, resizing and the network together."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from PIL import Image

from visavis.bench.contest import Contest, Runner
from visavis.bench.pictures import photographs
from visavis.bench.rivals import Rival
from visavis.bench.setting import Setting
from visavis.engine.encoder import Encoder
from visavis.engine.pictures import Decode, ImageLike


def twelve_megapixels(setting: Setting) -> Contest | None:
    """A phone's photographs."""
    return _files(setting, "12-megapixel JPEG", photographs(8, 4000, 3000))


def small(setting: Setting) -> Contest | None:
    """The size of ImageNet's and of COCO's pictures."""
    return _files(setting, "500 x 375 JPEG", photographs(32, 500, 375))


def _files(setting: Setting, work: str, files: Sequence[bytes]) -> Contest | None:
    runners = [
        Runner(name=rival.library, kind="peer", run=partial(_one_after_the_other, rival, files), items=len(files))
        for rival in setting.rivals
        if rival.transform
    ]
    exact = setting.encoder("torch")
    expected = runners[0].run() if runners else _ours(exact, "exact", files)
    for engine, kind in setting.engines.items():
        encoder = setting.encoder(engine)
        for decode in ("exact", "fast") if engine in ("torch", "onnx") else ("fast",):
            run = partial(_ours, encoder, decode, files)
            runners.append(Runner(name=f"visavis {engine}, {decode}", kind=kind, run=run, items=len(files)))
    return Contest(work=work, model=setting.model, unit="files/s", runners=tuple(runners), expected=expected)


def _one_after_the_other(rival: Rival, files: Sequence[bytes]) -> np.ndarray:
    """As a library's first example does it: open, transform, stack, encode."""
    assert rival.transform is not None
    pixels = [rival.transform(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]
    return rival.images(torch.stack(pixels)).numpy()


def _ours(encoder: Encoder, decode: Decode, files: Sequence[ImageLike]) -> np.ndarray:
    encoder.decode = decode
    return encoder.encode_images(files)
