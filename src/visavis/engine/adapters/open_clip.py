"""`open_clip/NAME::TAG`: any pair of towers of open_clip, SigLIP and ConvNeXt among them.

A name is open_clip's own: "ViT-B-32::laion2b_s34b_b79k", "hf-hub:OWNER/NAME", "local-dir:FOLDER".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from visavis.engine.adapters.library import (
    architecture_of,
    family_of,
    import_library,
    in_our_words,
    offered,
    preprocess_of,
    published_facts,
    seeded,
    settled,
    try_out,
)
from visavis.engine.adapters.projection import projection_of
from visavis.engine.parts import Parts, TextTower
from visavis.errors import UsageError, did_you_mean
from visavis.zoo.preprocess import Preprocess
from visavis.zoo.sidecars import open_clip_preprocess

SOURCES = ("hf-hub:", "local-dir:")


def open_parts(name: str, weights: str | None, seed: int) -> Parts:
    """A pair of towers of open_clip.

    Args:
        name: open_clip's name of the network, and of its weights behind "::".
        weights: "auto" for those of its tag, from the hub's cache or fetched by open_clip; None for fresh ones.
        seed: Of fresh weights.

    Raises:
        UsageError: open_clip is missing or has no such network or weights, or they demand other preprocessing.
        VisavisError: The weights or the tokenizer cannot be had.
    """
    open_clip = import_library("open_clip", "open_clip_torch")
    full = f"open_clip/{name}"
    architecture, _, tag = (name, "", "") if name.startswith(SOURCES) else name.partition("::")
    quick = False
    if not name.startswith(SOURCES):
        architecture = architecture.replace("/", "-")  # OpenAI's spelling
        _check_name(open_clip, architecture, tag, weights)
        # The activation belongs to the weights: "ViT-B-32::openai" is QuickGELU, though the name alone is GELU.
        quick = bool(tag and open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu"))
    with _quiet_root(), in_our_words(full, repo=name.partition("hf-hub:")[2]), seeded(seed):
        config = open_clip.get_model_config(architecture)
        model = open_clip.create_model(
            architecture,
            pretrained=tag or None,
            load_weights=weights is not None,
            require_pretrained=weights is not None,
            force_quick_gelu=quick,
            pretrained_text=False,  # else a fresh network fetches its text tower's base
        )
        tokenizer = open_clip.get_tokenizer(architecture)
    settled(model)
    preprocess = preprocess_of(full, lambda: _preprocess(open_clip.get_model_preprocess_cfg(model)))
    embed_dim = try_out(full, model.encode_image, preprocess.image_size)
    written = json.dumps(config, sort_keys=True)
    library = f"open_clip {open_clip.__version__}"
    facts = {"library": library, "weights": tag or name, **published_facts(name)} if weights else {"seed": seed}
    return Parts(
        model=model,
        image_tower=model.visual,
        encode_image=model.encode_image,
        preprocess=preprocess,
        family=family_of("clip", architecture_of(getattr(model.visual, "trunk", model.visual))),
        settings=f"{library} {written}{' quick_gelu' if quick else ''}",
        embed_dim=embed_dim,
        projection=projection_of(model.visual, preprocess.image_size),
        text=_text_tower(model, tokenizer),
        about=facts,
    )


def _check_name(open_clip: Any, architecture: str, tag: str, weights: str | None) -> None:
    """Raises UsageError with the nearest names where open_clip has no such network, or no weights for it."""
    version = f"open_clip {open_clip.__version__}"
    if architecture not in open_clip.list_models():
        hint = did_you_mean(architecture, open_clip.list_models())
        raise UsageError(f"{version} has no model {architecture!r}. {hint} open_clip.list_models() has all names.")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if weights is None:
        if tag:
            raise UsageError(f"Fresh weights have no tag: leave out {'::' + tag!r} beside weights=None.")
    elif not tags:
        raise UsageError(f"{version} has no weights for {architecture!r}. weights=None draws fresh ones.")
    elif not open_clip.get_pretrained_cfg(architecture, tag):
        problem = f"has no weights {tag!r} for {architecture!r}" if tag else f"needs a tag behind {architecture!r}"
        names = [f"{architecture}::{known}" for known in tags]
        raise UsageError(f"{version} {problem}. {offered(f'{architecture}::{tag}' if tag else '', names)}")


@contextmanager
def _quiet_root() -> Iterator[None]:
    """Without what open_clip tells Python's root logger, which would be set up by that for the rest of the process.

    It tells of failures, which are raised too, and of fresh weights, which were asked for.
    """
    handler = logging.NullHandler()

    def silent(record: logging.LogRecord) -> bool:
        return False

    logging.root.addHandler(handler)
    logging.root.addFilter(silent)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
        logging.root.removeFilter(silent)


def _preprocess(config: dict[str, Any]) -> Preprocess:
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise ValueError(f"images of {width} x {height} pixels are not square")
    return open_clip_preprocess({"preprocess_cfg": config}, int(height))


def _text_tower(model: Any, tokenizer: Any) -> TextTower:
    """The network's own tokenizer, all columns of it: SigLIP reads its vector from the last one, padding or not.

    SigLIP adds a learned bias to every logit. It is left out, for it changes neither ranks nor a softmax over classes.
    """

    def tokenize(texts: Sequence[str]) -> np.ndarray:
        return np.asarray(tokenizer(list(texts)), dtype=np.int64)

    return TextTower(tokenize=tokenize, encode=model.encode_text, logit_scale=float(model.logit_scale.exp()))
