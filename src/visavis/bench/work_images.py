"""Preprocessed images to vectors: batches, and one image alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from visavis.bench.contest import Contest, Runner
from visavis.bench.setting import Setting


def batches(setting: Setting) -> Contest:
    """`batch_size` images at once."""
    return _encode(setting, f"images, batch {setting.batch_size}", setting.pixels)


def one_image(setting: Setting) -> Contest:
    """A batch of one, as an interactive program has: its rate is one over the latency."""
    return _encode(setting, "one image", setting.pixels[:1])


def _encode(setting: Setting, work: str, images: torch.Tensor) -> Contest:
    expected = setting.encoder("torch").encode_pixels(images).numpy()
    runners = [
        Runner(name=rival.library, kind="peer", run=partial(_numbers, rival.images, images), items=len(images))
        for rival in setting.rivals
    ]
    if setting.wants_onnxruntime:
        run = partial(_numbers, setting.onnxruntime, images)
        runners.append(Runner(name="onnxruntime", kind="runtime", run=run, items=len(images)))
    for engine, kind in setting.engines.items():
        encode = setting.encoder(engine).open_engine(len(images), lambda _: images).encode
        run = partial(_numbers, encode, images)
        runners.append(Runner(name=f"visavis {engine}", kind=kind, run=run, items=len(images)))
    return Contest(
        work=work,
        model=setting.model,
        unit="images/s",
        runners=tuple(runners),
        expected=_expected(runners, expected),
        gflops=setting.gflops,
    )


def _expected(runners: list[Runner], ours: np.ndarray) -> np.ndarray:
    """What the first peer gives with the same weights; without peers, what PyTorch gives here."""
    return runners[0].run() if runners[0].kind == "peer" else ours


def _numbers(encode: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor) -> np.ndarray:
    return encode(images).numpy()
