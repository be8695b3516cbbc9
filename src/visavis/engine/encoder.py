"""The one interface above the networks: images and texts in, vectors out."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from visavis.data.in_order import in_batches, in_order
from visavis.engine.cache import default_cache
from visavis.engine.engines.choose import choose_engine, open_engine
from visavis.engine.engines.engine import Engine, check_engine
from visavis.engine.engines.network import Network, check_pixels, weight_versions
from visavis.engine.parts import Parts, TextTower
from visavis.engine.pictures import Decode, ImageLike, as_picture, list_images
from visavis.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

_MARGIN = 2  # a JPEG halved to no less than twice the wanted size is, once resized, hardly another picture
DEFAULT_TEMPLATES = ("a photo of a {}.",)  # Radford et al. 2021, section 3.1.4


class Encoder:
    """A network with its weights, preprocessing, tokenizer and classes.

    Attributes:
        name: As asked for.
        family: What trained it, "supervised" (labels), "clip" (language) or "other", and how its image tower is built,
            "resnet", "vit" or "other": "clip-vit".
        model: The torch module, in evaluation mode.
        image_size: Side of the square input in pixels.
        embed_dim: Length of an image's vector: a CLIP's embedding, or the pooled features that a supervised head reads.
        feature_dim: Length of what a CLIP's projection reads; `embed_dim` where there is none.
        class_names: What a supervised head tells apart; None for a CLIP, and where the weights do not say.
        decode: As for `load`; other decoding is another fingerprint, as the vectors are other ones.
        about: What the checkpoint says of its origin: recipe, data, licence.
        wanted_engine: The one that was asked for, or "auto".
        engines_used: Why each engine was taken that was opened so far, by its identity, the earliest first.

    Weights may be changed at any time: the next call opens another engine and finds another fingerprint. What PyTorch
    does not count, writing through `.data` or NumPy, is not noticed.
    """

    def __init__(self, name: str, parts: Parts, engine: str = "auto", decode: Decode = "exact") -> None:
        check_engine(engine)
        if decode not in ("exact", "fast"):
            raise UsageError(f"decode must be 'exact' or 'fast', not {decode!r}.")
        self.name = name
        self.decode = decode
        self.model = parts.model
        self.image_tower = parts.image_tower
        self.family = parts.family
        self.preprocessing = parts.preprocess
        self.image_size = parts.preprocess.image_size
        self.embed_dim = parts.embed_dim
        self.head = parts.head
        self.class_names = parts.class_names
        self.about = parts.about
        self._settings = parts.settings
        self.feature_dim = parts.projection.feature_dim if parts.projection else parts.embed_dim
        self._encode_image = parts.encode_image
        self._projection = parts.projection
        self._text = parts.text
        self.engines_used: dict[str, str] = {}
        self.wanted_engine = engine
        self._engine: Engine | None = None
        self._hash: str | None = None
        self._versions = weight_versions(self.model)

    def __getstate__(self) -> dict[str, Any]:
        """All but the engine, which belongs to a process: another one opens its own."""
        return {**self.__dict__, "_engine": None}

    @property
    def has_text(self) -> bool:
        """Whether there is a text tower."""
        return self._text is not None

    @property
    def logit_scale(self) -> float | None:
        """The inverse temperature that a CLIP learned, as a factor; None without a text tower."""
        return self._text.logit_scale if self._text else None

    @property
    def fingerprint(self) -> str:
        """A hash of weights, architecture, preprocessing and decoding: equal only where the vectors are."""
        if self.decode == "exact":
            return self._network_fingerprint()
        return hashlib.sha256(f"{self._network_fingerprint()} decode={self.decode}".encode()).hexdigest()

    def _network_fingerprint(self) -> str:
        self._notice_changes()
        if self._hash is None:
            self._hash = self._hash_network()
        return self._hash

    def _notice_changes(self) -> None:
        """Other weights are another network: what was made of the former ones is dropped."""
        versions = weight_versions(self.model)
        if versions != self._versions:
            self._versions, self._engine, self._hash = versions, None, None

    def _hash_network(self) -> str:
        digest = hashlib.sha256(json.dumps([self._settings, asdict(self.preprocessing)]).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.numpy()).data)
        return digest.hexdigest()

    @property
    def enough_pixels(self) -> int | None:
        """The `at_least` of `decode_image`: what both sides of a JPEG decoded smaller must keep. None: full size."""
        return None if self.decode == "exact" else _MARGIN * self.preprocessing.resize

    def preprocess(self, image: ImageLike) -> Tensor:
        """A picture as the network wants it: float32 [3, image_size, image_size]. Raises UnreadableImage."""
        return torch.from_numpy(self.preprocessing.normalise(self._pixels(image)))

    def _pixels(self, image: ImageLike) -> np.ndarray:
        """uint8 [image_size, image_size, 3]."""
        return self.preprocessing.pixels(as_picture(image, self.enough_pixels))

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Preprocessed images float32 [batch, 3, image_size, image_size] -> float32 [batch, embed_dim], by PyTorch.

        Raises:
            UsageError: A pixel is NaN or infinite.
        """
        check_pixels(pixels)
        return self._encode_pixels(pixels)

    @torch.inference_mode()
    def _encode_pixels(self, pixels: Tensor) -> Tensor:
        return self._encode_image(pixels.contiguous(memory_format=torch.channels_last))

    def trace_pixels(self, pixels: Tensor) -> Tensor:
        """`encode_pixels` by PyTorch and within autograd's graph, for gradients with respect to what layers put out."""
        return self._encode_image(pixels.contiguous(memory_format=torch.channels_last))

    def image_copy(self) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        """The image tower in modules of its own, which share these weights, and what `trace_pixels` does with them.

        Modules of the copy can be changed, and its parameters replaced, without changing this network.
        """
        shared = {id(tensor): tensor for tensor in (*self.model.parameters(), *self.model.buffers())}
        tower, encode = copy.deepcopy((self.image_tower, self._encode_image), shared)
        return tower, encode

    def encode_images(self, images: Iterable[ImageLike], batch_size: int = 32, normalize: bool = False) -> np.ndarray:
        """Images as vectors, in order.

        Args:
            images: Paths, encoded bytes, Pillow images, or uint8 arrays [height, width, 3].
            batch_size: Images encoded at once.
            normalize: Whether to scale each vector to length 1.

        Returns:
            float32 [images, embed_dim].

        Raises:
            UnreadableImage: One of them cannot be decoded.
            UsageError: Something else than an image was given, or none at all.
        """
        listed = list_images(images)
        batches = in_batches(in_order(self._pixels, listed), batch_size)  # decoded while the network computes
        engine = self.open_engine(len(listed), lambda most: self._stack(listed[:: -(-len(listed) // most)]))
        parts = [engine.encode(self._normalised(batch)).numpy() for batch in batches]
        return _unit(np.concatenate(parts)) if normalize else np.concatenate(parts)

    @torch.inference_mode()
    def project(self, features: np.ndarray) -> np.ndarray:
        """What a CLIP's projection makes of its features: float32 [images, feature_dim] -> [images, embed_dim].

        Features that nothing projects are the vectors themselves and are given back.
        """
        if self._projection is None:
            return features
        return self._projection.apply(torch.from_numpy(features)).numpy()

    @property
    def network(self) -> Network:
        """Its image tower, as engines and exports need it."""
        return Network(
            name=self.name,
            model=self.image_tower,
            encode=self._encode_pixels,
            preprocess=self.preprocessing,
            settings=self._settings,
            fingerprint=self._network_fingerprint,
            about=self.about,
        )

    @property
    def feature_network(self) -> Network:
        """Its image tower up to where a CLIP's projection begins, which is all of it where there is none."""
        if self._projection is None:
            return self.network
        return replace(
            self.network,
            encode=self._features_of,
            settings=f"{self._settings}, before the projection",
            fingerprint=lambda: hashlib.sha256(f"{self._network_fingerprint()} features".encode()).hexdigest(),
            ends_before_projection=True,
        )

    @torch.inference_mode()
    def _features_of(self, pixels: Tensor) -> Tensor:
        assert self._projection is not None, "asked only where features are projected"
        return self._projection.features(pixels.contiguous(memory_format=torch.channels_last))

    def open_engine(self, n_images: int, examples: Callable[[int], Tensor], begun_with: str | None = None) -> Engine:
        """What computes the vectors of so many images; arguments and errors are those of `open_feature_engine`."""
        engine = self.open_feature_engine(n_images, examples, begun_with)
        projection = self._projection
        if projection is None:
            return engine
        apply = torch.inference_mode()(projection.apply)
        return replace(engine, encode=lambda pixels: apply(engine.encode(pixels)))

    def open_feature_engine(
        self, n_images: int, examples: Callable[[int], Tensor], begun_with: str | None = None
    ) -> Engine:
        """What computes the features of so many images; once another than PyTorch was opened, it stays.

        Args:
            n_images: How many are to be encoded.
            examples: Gives at most so many of them, preprocessed; called only where something is measured or
                calibrated.
            begun_with: The engine that did the first part of this work, which "auto" then takes for the rest.

        Raises:
            UsageError: int8 has too few images to calibrate with.
            VisavisError: The network cannot be exported to the engine that was asked for.
        """
        self._notice_changes()
        if begun_with and self.wanted_engine == "auto":
            self._engine = open_engine(begun_with, self.feature_network, default_cache(), examples)
        elif self._engine is None or (self.wanted_engine == "auto" and self._engine.name == "torch"):
            if self.wanted_engine == "auto":
                self._engine = choose_engine(self.feature_network, n_images, default_cache(), examples)
            else:
                self._engine = open_engine(self.wanted_engine, self.feature_network, default_cache(), examples)
        self.engines_used.setdefault(self._engine.identity, self._engine.said)
        return self._engine

    def _stack(self, images: Iterable[ImageLike]) -> Tensor:
        """Preprocessed, float32 [images, 3, image_size, image_size]."""
        return self._normalised(list(in_order(self._pixels, images)))

    def _normalised(self, pixels: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(self.preprocessing.normalise(np.stack(pixels)))

    def tokenize(self, texts: Sequence[str]) -> np.ndarray:
        """Texts as tokens: int64 [texts, context_length]. Raises UsageError for a model without a text tower."""
        return self._text_tower().tokenize(texts)

    @torch.inference_mode()
    def encode_tokens(self, tokens: Tensor) -> Tensor:
        """Tokens int64 [batch, context_length] -> float32 [batch, embed_dim], module by module."""
        return self._text_tower().encode(tokens)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str], batch_size: int = 256, normalize: bool = False) -> np.ndarray:
        """Texts as vectors float32 [texts, embed_dim], in order; warns with `TextsCut` of those that are too long.

        Raises:
            UsageError: There is no text tower, or no list of texts.
        """
        if isinstance(texts, str) or not len(texts):
            raise UsageError(f"Texts must be a list of at least one text, not {texts!r}.")
        tower = self._text_tower()
        tokens = torch.from_numpy(tower.tokenize(texts))  # [texts, context_length]
        tower.warn_of_cut(texts, tokens)
        batches = in_batches(tokens, batch_size)
        if tower.encode_many is None:
            vectors = torch.cat([tower.encode(torch.stack(batch)) for batch in batches]).numpy()
        else:
            vectors = tower.encode_many(tokens).numpy()
        return _unit(vectors) if normalize else vectors

    def _text_tower(self) -> TextTower:
        if self._text is None:
            reason = ": it was trained on labels" if self.family.startswith("supervised") else ""
            raise UsageError(f"{self.name!r} has no text tower{reason}. Use one of the CLIP models.")
        return self._text

    def zero_shot_classifier(self, classnames: Sequence[str], templates: Sequence[str] | None = None) -> np.ndarray:
        """One unit vector a class, the mean over its prompts' unit vectors: float32 [classes, embed_dim].

        Args:
            classnames: Names as people write them.
            templates: Prompts with `{}` where the name goes; "a photo of a {}." when None.

        Source: Radford et al. 2021, section 3.1.4, prompt ensembling in embedding space.
        """
        if isinstance(classnames, str) or not len(classnames):
            raise UsageError(f"Class names must be a list of at least one text, not {classnames!r}.")
        if isinstance(templates, str):
            raise UsageError(f"Prompt templates must be a list: [{templates!r}].")
        templates = tuple(templates or DEFAULT_TEMPLATES)
        for template in templates:
            if "{}" not in template:
                raise UsageError(f"The prompt template {template!r} has no {{}} where the class name goes.")
        prompts = [template.replace("{}", name) for name in classnames for template in templates]
        vectors = self.encode_texts(prompts, normalize=True)
        return _unit(vectors.reshape(len(classnames), len(templates), -1).mean(axis=1))

    def classify(
        self, images: Iterable[ImageLike], classnames: Sequence[str], templates: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Zero-shot classification: a table with columns image, label, probability, the likeliest first."""
        import pandas as pd

        images = list_images(images)
        classifier = self.zero_shot_classifier(classnames, templates)  # [classes, embed_dim]
        logits = (self.logit_scale or 1.0) * self.encode_images(images, normalize=True) @ classifier.T
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = shifted / shifted.sum(axis=1, keepdims=True)  # [images, classes]
        rows: list[dict[str, Any]] = [
            {
                "image": str(image) if isinstance(image, str | Path) else index,
                "label": classnames[column],
                "probability": float(probabilities[index, column]),
            }
            for index, image in enumerate(images)
            for column in np.argsort(-probabilities[index], kind="stable")
        ]
        return pd.DataFrame(rows)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
