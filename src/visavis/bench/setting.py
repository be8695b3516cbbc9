"""What every kind of work for one model starts from: its engines, the rivals, and pictures, each made once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from visavis.bench.contest import Kind
from visavis.bench.pictures import some_pictures
from visavis.bench.rivals import EAGER, Rival, open_rival
from visavis.engine.encoder import Encoder
from visavis.engine.engines.engine import EXACT, NARROW, missing_package
from visavis.engine.engines.onnx_file import quiet
from visavis.engine.parts import parts_of
from visavis.inspection.cost import count_macs
from visavis.zoo.finding import fresh_checkpoint
from visavis.zoo.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

SUPERVISED = Preprocess(  # torchvision's for its ResNet-50
    image_size=224, resize=232, interpolation="bilinear", mean=IMAGENET_MEAN, std=IMAGENET_STD
)


class Setting:
    """A network with fresh weights, which are as quick as trained ones, ours and in other libraries.

    Attributes:
        model: The architecture's name.
        batch_size: Images in a batch.
        parts: The network, whose weights all encoders share.
        rivals: Those of the libraries asked for that have it.
        wants_onnxruntime: Whether ONNX Runtime as its users have it is measured too.
    """

    def __init__(self, model: str, against: Sequence[str], batch_size: int) -> None:
        checkpoint = fresh_checkpoint(model, seed=0)
        self.model = model
        self.batch_size = batch_size
        self.parts = parts_of(checkpoint)
        self._supervised = self.parts.family.startswith("supervised") and checkpoint.config.image_size == 224
        config, state = checkpoint.config, checkpoint.state
        opened = [open_rival(name, model, config, self.preprocess, state) for name in against if name in EAGER]
        self.rivals: list[Rival] = [rival for rival in opened if rival is not None]
        self.wants_onnxruntime = "onnxruntime" in against
        self._encoders: dict[str, Encoder] = {}

    @property
    def preprocess(self) -> Preprocess:
        """What the network demands of pictures."""
        return SUPERVISED if self._supervised else self.parts.preprocess

    @cached_property
    def pictures(self) -> list[Image.Image]:
        """As many as a batch has."""
        return some_pictures(self.batch_size)

    @cached_property
    def pixels(self) -> torch.Tensor:
        """They as the network's input, float32 [batch, 3, side, side]."""
        stack = np.stack([self.preprocess.pixels(picture) for picture in self.pictures])
        return torch.from_numpy(self.preprocess.normalise(stack))

    @cached_property
    def gflops(self) -> float | None:
        """Of one image, 2 FLOPs a MAC."""
        macs = count_macs(self.parts.image_tower, self.preprocess.image_size)
        return None if macs is None else 2 * macs / 1e9

    @property
    def engines(self) -> dict[str, Kind]:
        """Those that are installed, and their numbers."""
        installed = [name for name in (*EXACT, *NARROW) if missing_package(name) is None]
        kinds: dict[str, Kind] = {"bf16": "bf16", "int8": "int8"}
        return {name: kinds.get(name.partition("-")[2], "float32") for name in installed}

    def encoder(self, engine: str) -> Encoder:
        """Ours with an engine that is open."""
        if engine not in self._encoders:
            made = Encoder(self.model, self.parts, engine)
            made.preprocessing = self.preprocess
            made.open_engine(len(self.pixels), lambda _: self.pixels)
            self._encoders[engine] = made
        return self._encoders[engine]

    @cached_property
    def onnxruntime(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """ONNX Runtime with its defaults on what PyTorch exports."""
        import onnxruntime

        example = self.pixels[:2]
        with tempfile.TemporaryDirectory() as folder, quiet():
            file = Path(folder) / "network.onnx"
            batch = ({0: torch.export.Dim("batch", min=1, max=65536)},)
            torch.onnx.export(
                self.parts.image_tower, (example,), file, dynamo=True, dynamic_shapes=batch, verbose=False
            )
            session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda images: torch.from_numpy(session.run(None, {name: images.numpy()})[0])
