"""`timm/NAME`: any network of timm, with the vectors that its classifier reads.

A name is timm's own: "resnet50.a1_in1k", "resnet50" for its default tag, "hf-hub:OWNER/NAME", "local-dir:FOLDER".
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from visavis.engine.adapters.library import (
    Training,
    architecture_of,
    family_of,
    import_library,
    in_our_words,
    noise,
    offered,
    preprocess_of,
    published_facts,
    seeded,
    settled,
    try_out,
)
from visavis.engine.parts import Head, Parts
from visavis.errors import UsageError, did_you_mean
from visavis.zoo.opening import imagenet_names
from visavis.zoo.sidecars import timm_preprocess

SOURCES = ("hf-hub:", "hf_hub:", "local-dir:")
LANGUAGE = ("_clip", "clip_", "siglip")  # in timm's names of image towers that were trained with texts
FINE_TUNED = "ft_"  # in a tag: on labels, afterwards


def open_parts(name: str, weights: str | None, seed: int) -> Parts:
    """A network of timm.

    Args:
        name: timm's name of it.
        weights: "auto" for those of its tag, from the hub's cache or fetched by timm; None for fresh ones.
        seed: Of fresh weights.

    Raises:
        UsageError: timm is missing or has no such network or weights, or they demand other preprocessing.
        VisavisError: The weights cannot be had.
    """
    timm = import_library("timm", "timm")
    if not name.startswith(SOURCES):
        _check_name(timm, name, weights)
    full = f"timm/{name}"
    with in_our_words(full, repo=name.partition("hub:")[2] or f"timm/{name}"), seeded(seed):
        model = settled(timm.create_model(name, pretrained=weights is not None))
        config = timm.data.resolve_model_data_config(model)
    preprocess = preprocess_of(full, lambda: timm_preprocess(config))
    encode = partial(_encode, model)
    embed_dim = try_out(full, encode, preprocess.image_size)
    known = model.pretrained_cfg
    architecture, tag = known.get("architecture") or name.partition(".")[0], known.get("tag") or ""
    training = _training(f"{architecture}.{tag}", tag, model.num_classes)
    about = {"library": f"timm {timm.__version__}", "weights": tag or name} if weights else {"seed": seed}
    if weights:
        stated = {"license": known["license"]} if known.get("license") else {}
        about |= {**stated, **published_facts(f"{architecture}.{tag}")}
    return Parts(
        model=model,
        image_tower=model,
        encode_image=encode,
        preprocess=preprocess,
        family=family_of(training, "resnet" if architecture.startswith("resnet") else architecture_of(model)),
        settings=f"timm {timm.__version__} {architecture}",
        embed_dim=embed_dim,
        head=_head(model, preprocess.image_size) if training == "supervised" else None,
        class_names=_class_names(model, tag) if weights and training == "supervised" else None,
        about=about,
    )


def _encode(model: Any, images: Tensor) -> Tensor:
    """What the classifier reads, [batch, embed_dim]."""
    return model.forward_head(model.forward_features(images), pre_logits=True)


def _check_name(timm: Any, name: str, weights: str | None) -> None:
    """Raises UsageError with the nearest names where timm has no such network, or no weights for it."""
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        hint = did_you_mean(name, [*timm.list_models(), *timm.list_models(pretrained=True)])
        raise UsageError(f"timm {timm.__version__} has no model {name!r}. {hint} timm.list_models() has all names.")
    if weights is None:
        return
    known = [other for other in timm.list_models(pretrained=True) if other.partition(".")[0] == architecture]
    if not known:
        raise UsageError(f"timm {timm.__version__} has no weights for {name!r}. weights=None draws fresh ones.")
    if tag and name not in known:
        raise UsageError(f"timm {timm.__version__} has no weights {name!r}. {offered(name, known)}")


def _training(name: str, tag: str, num_classes: int) -> Training:
    if any(mark in name for mark in LANGUAGE) and FINE_TUNED not in tag:
        return "clip"
    return "supervised" if num_classes else "other"


@torch.inference_mode()
def _head(model: Any, image_size: int) -> Head | None:
    """The classifier, where it is one matrix that reads the vectors; DeiT's distilled networks have two, for one."""
    classifier = model.get_classifier()
    if not isinstance(classifier, nn.Linear):
        return None
    features = model.forward_features(noise(image_size))
    vectors, scores = model.forward_head(features, pre_logits=True), model.forward_head(features)
    ours = classifier(vectors)
    if ours.shape != scores.shape or not torch.allclose(ours, scores, rtol=1e-4, atol=1e-4 * float(scores.abs().max())):
        return None
    bias = np.zeros(len(classifier.weight), np.float32) if classifier.bias is None else classifier.bias.numpy()
    return classifier.weight.numpy(), bias


def _class_names(model: Any, tag: str) -> tuple[str, ...] | None:
    """Those that the weights bring, or ImageNet's where the tag says that its classes were the last ones learned."""
    stated = model.pretrained_cfg.get("label_names") or ()
    if isinstance(stated, dict):  # by index, as JSON spells it
        stated = [stated[str(index)] for index in range(model.num_classes) if str(index) in stated]
    if len(stated) == model.num_classes:
        return tuple(stated)
    return imagenet_names() if model.num_classes == 1000 and "in1k" in tag else None
