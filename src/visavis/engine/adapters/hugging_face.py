"""`hf/REPOSITORY_OR_FOLDER`: what transformers saves: CLIP, SigLIP, image classifiers, plain image encoders.

No code from a repository is run, and no pickle is read: safetensors alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from visavis.engine.adapters.library import (
    Architecture,
    Training,
    family_of,
    import_library,
    in_our_words,
    noise,
    preprocess_of,
    seeded,
    settled,
    try_out,
)
from visavis.engine.parts import Head, Parts, Projection, TextTower
from visavis.errors import UsageError, VisavisError
from visavis.zoo.sidecars import hugging_face_preprocess

DISTRIBUTION = '"transformers>=4.56"'  # the first whose from_pretrained knows `dtype`
REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
PAIRS = ("clip", "siglip", "metaclip_2")  # model types with a text tower that needs no attention mask
IMAGES_OF_PAIRS = tuple(f"{kind}_vision_model" for kind in PAIRS)
VITS = (*PAIRS, *IMAGES_OF_PAIRS, "vit", "deit", "beit", "dinov2", "dinov2_with_registers", "ijepa", "vit_msn")
CLASSIFIER, PROJECTED = "ForImageClassification", "VisionModelWithProjection"  # in names of classes
READINGS = ("image_embeds", "pooler_output", "last_hidden_state")  # of an output, the first that is there
NOT_SHAPES = ("id2label", "label2id", "transformers_version", "_name_or_path", "dtype", "architectures")  # of a config


@dataclass(frozen=True, kw_only=True)
class ImageTower:
    """The part of a network that images pass through.

    Attributes:
        module: For counting.
        encode: Images [batch, 3, side, side] to vectors [batch, embed_dim].
        reading: What the vectors are, in transformers' words.
        head: The classifier that reads them.
        projection: The linear map that gives them, and what it reads.
    """

    module: nn.Module
    encode: Callable[[Tensor], Tensor]
    reading: str
    head: Head | None = None
    projection: Projection | None = None


def open_parts(name: str, weights: str | None, seed: int) -> Parts:
    """A network of transformers.

    Args:
        name: A repository on the hub, or a folder that `save_pretrained` wrote.
        weights: "auto" for the saved ones, from the hub's cache or fetched by transformers; None for fresh ones.
        seed: Of fresh weights.

    Raises:
        UsageError: transformers is missing, or the folder; the network takes no images alone; its preprocessing is none
            that visavis can do.
        VisavisError: The weights or the tokenizer cannot be had.
    """
    transformers = import_library("transformers", DISTRIBUTION)
    full, folder = f"hf/{name}", Path(name)
    repo = "" if folder.is_dir() else name
    _check_source(full, folder, weights)
    with in_our_words(full, repo), seeded(seed):
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        stated, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
        model, random, unused = _open(transformers, full, config, weights)
    preprocess = preprocess_of(full, lambda: hugging_face_preprocess(stated))
    tower = _image_tower(settled(model), random, preprocess.image_size)
    text = None
    if _training(model) == "clip" and config.model_type in PAIRS:
        with in_our_words(full, repo):
            tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        text = _text_tower(model, tokenizer)
    library = f"transformers {transformers.__version__}"
    shapes = {key: value for key, value in config.to_dict().items() if key not in NOT_SHAPES}
    origin = {"library": library, "weights": name} if weights else {"seed": seed}
    return Parts(
        model=model,
        image_tower=tower.module,
        encode_image=tower.encode,
        preprocess=preprocess,
        family=family_of(_training(model), _architecture(config)),
        settings=f"{library} {type(model).__name__} {tower.reading} {json.dumps(shapes, sort_keys=True, default=str)}",
        embed_dim=try_out(full, tower.encode, preprocess.image_size),
        projection=tower.projection,
        text=text,
        head=tower.head,
        class_names=_class_names(config) if tower.head is not None and weights else None,
        about={**origin, "vector": tower.reading, **({"left_out": unused} if unused else {})},
    )


def _check_source(full: str, folder: Path, weights: str | None) -> None:
    """Raises UsageError for a folder that lacks something, before transformers looks for it on the hub."""
    if not folder.is_dir():
        if not REPOSITORY.fullmatch(str(folder)):
            raise UsageError(
                f"{full!r} names neither a repository, as in hf/openai/clip-vit-base-patch32, nor a folder."
            )
        return
    found = {path.name for path in folder.iterdir()}
    needed = {
        "config.json": "config.json" in found,
        "preprocessor_config.json": bool(found & {"preprocessor_config.json", "processor_config.json"}),
        "weights as safetensors": weights is None or any(name.endswith(".safetensors") for name in found),
    }
    lacking = [what for what, there in needed.items() if not there]
    if lacking:
        raise UsageError(
            f"The folder {str(folder)!r} lacks {' and '.join(lacking)}. Write it with save_pretrained of the model and "
            "of its processor. Weights in other formats are opened by their path alone, without hf/ before it."
        )


def _open(
    transformers: Any, full: str, config: Any, weights: str | None
) -> tuple[nn.Module, frozenset[str], list[str]]:
    """The network, which of its parameters the file does not hold, and what of the file it has no place for."""
    name = full.removeprefix("hf/")
    kind = _kind(transformers, full, config)
    if weights is None:
        return getattr(kind, "from_config", kind)(config), frozenset(), []
    with _quiet(transformers.utils.logging):
        model, report = kind.from_pretrained(
            name,
            config=config,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    random = frozenset(report["missing_keys"])
    needed = sorted(key for key in random if "pooler." not in key)
    if needed:
        raise VisavisError(
            f"The weights of {full!r} lack {len(needed)} tensors of {type(model).__name__} ({', '.join(needed[:3])}), "
            "which would be random. They are another network's than config.json says."
        )
    return model, random, sorted(report["unexpected_keys"])


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Without transformers' table of missing and unused tensors: what it holds is judged here."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _kind(transformers: Any, full: str, config: Any) -> Any:
    """The class that opens a configuration. Raises UsageError where it can take no image alone."""
    saved = (config.architectures or [""])[0]
    if config.model_type == "timm_wrapper":
        name = full.removeprefix("hf/")
        source = "local-dir" if Path(name).is_dir() else "hf-hub"
        raise UsageError(f"{full!r} is a network of timm. Name it timm/{source}:{name}.")
    if CLASSIFIER in saved or saved.endswith(PROJECTED):
        if not hasattr(transformers, saved):
            raise UsageError(f"{full!r} needs a class {saved}, which transformers {transformers.__version__} lacks.")
        return getattr(transformers, saved)
    found = transformers.MODEL_MAPPING.get(type(config), None)
    takes = getattr(found[0] if isinstance(found, tuple) else found, "main_input_name", "")
    if config.model_type not in PAIRS and (takes != "pixel_values" or hasattr(config, "text_config")):
        raise UsageError(
            f"{full!r} ({config.model_type}) has no image tower that visavis can use. It opens {', '.join(PAIRS)}, "
            "and every network for image classification or of images alone."
        )
    return transformers.AutoModel


def _image_tower(model: Any, random: frozenset[str], image_size: int) -> ImageTower:
    classifier = _classifier(model)
    if classifier is not None:
        bias = torch.zeros(len(classifier.weight)) if classifier.bias is None else classifier.bias
        return ImageTower(
            module=model,
            encode=partial(_what_reaches, classifier, model),
            reading="what the classifier reads",
            head=(classifier.weight.numpy(), bias.numpy()),
        )
    if hasattr(model, "get_image_features"):
        pair = _ImagesOfPair(model)
        return ImageTower(module=pair, encode=pair, reading="image embedding", projection=_projection(model))
    network = model.base_model if CLASSIFIER in type(model).__name__ else model
    with torch.inference_mode():
        output = network(noise(image_size))
    pools = not any("pooler." in key for key in random)
    known = [key for key in READINGS if output.get(key) is not None and (pools or key != "pooler_output")]
    reading = known[0] if known else ""
    words = f"mean of {reading}" if reading == "last_hidden_state" else reading
    projection = _projection(model) if reading == "image_embeds" else None
    return ImageTower(module=model, encode=partial(_read, network, reading), reading=words, projection=projection)


def _projection(model: Any) -> Projection | None:
    """The linear map of CLIP's image towers; SigLIP has none."""
    last = getattr(model, "visual_projection", None)
    if not isinstance(last, nn.Linear):
        return None
    features = partial(_read, model.vision_model, "pooler_output")
    return Projection(features=features, apply=last, feature_dim=last.in_features)


def _classifier(model: Any) -> nn.Linear | None:
    """The layer that gives the scores, where it is one matrix."""
    last = getattr(model, "classifier", None)
    if isinstance(last, nn.Sequential) and len(last):
        last = last[-1]
    return last if isinstance(last, nn.Linear) and last.out_features == model.config.num_labels else None


def _what_reaches(layer: nn.Module, model: nn.Module, images: Tensor) -> Tensor:
    """What a layer is given when images pass: each network pools in its own way before its classifier."""
    given: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    try:
        model(images)
    finally:
        hook.remove()
    return given[0]


class _ImagesOfPair(nn.Module):
    """A pair's image tower alone, projection included."""

    def __init__(self, pair: Any) -> None:
        super().__init__()
        self.vision_model = pair.vision_model
        self.visual_projection = getattr(pair, "visual_projection", nn.Identity())  # SigLIP has none

    def forward(self, images: Tensor) -> Tensor:
        return self.visual_projection(self.vision_model(pixel_values=images).pooler_output)


def _read(network: nn.Module, reading: str, images: Tensor) -> Tensor:
    """One vector an image: what is pooled already, else the mean over places."""
    values = network(images)[
        reading
    ]  # [batch, embed_dim], [batch, embed_dim, 1, 1], [batch, places, embed_dim] or maps
    if reading != "last_hidden_state":
        return values.flatten(1)
    return values.mean(dim=1) if values.ndim == 3 else values.flatten(2).mean(dim=2)


def _text_tower(model: Any, tokenizer: Any) -> TextTower:
    """The model's own tokenizer, every text filled up to all columns: SigLIP reads its vector from the last one.

    SigLIP adds a learned bias to every logit. It is left out, for it changes neither ranks nor a softmax over classes.
    """
    length = model.config.text_config.max_position_embeddings

    def tokenize(texts: Sequence[str]) -> np.ndarray:
        found = tokenizer(list(texts), padding="max_length", truncation=True, max_length=length)
        return np.asarray(found["input_ids"], dtype=np.int64)

    def encode(tokens: Tensor) -> Tensor:
        found = model.get_text_features(input_ids=tokens)
        return found if isinstance(found, Tensor) else found.pooler_output  # before version 5: the vectors themselves

    return TextTower(tokenize=tokenize, encode=encode, logit_scale=float(model.logit_scale.exp()))


def _training(model: Any) -> Training:
    if CLASSIFIER in type(model).__name__:
        return "supervised"
    return "clip" if model.config.model_type in (*PAIRS, *IMAGES_OF_PAIRS) else "other"


def _architecture(config: Any) -> Architecture:
    if config.model_type == "resnet":
        return "resnet"
    return "vit" if config.model_type in VITS else "other"


def _class_names(config: Any) -> tuple[str, ...] | None:
    """What the classes are called, where that is more than transformers' own LABEL_0, LABEL_1, …"""
    names = tuple(str(config.id2label.get(number, "")) for number in range(config.num_labels))
    said = all(names) and not all(re.fullmatch(r"LABEL_\d+", name) for name in names)
    return names if said else None
