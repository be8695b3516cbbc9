"""Traps in what stands beside the weights: activation, preprocessing, image size, context length, end token."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from visavis.errors import VisavisError
from visavis.inspection.doctor.diagnosis import Finding
from visavis.inspection.doctor.evidence import Evidence, fitting_architectures
from visavis.inspection.doctor.traps_contents import listed
from visavis.models.clip import CLIPConfig
from visavis.models.resnet import ResNetConfig
from visavis.zoo.architectures import QUICKGELU, Config
from visavis.zoo.layouts.settings import read_settings
from visavis.zoo.preprocess import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocess
from visavis.zoo.published import read_published
from visavis.zoo.tokenizer import CLIP_VOCAB_SIZE

CONTEXT_LENGTH = 77  # of every published CLIP of these families
LEGACY_END_TOKEN = 2  # in Hugging Face's files of before 2023, where the highest number counts
HALF = (0.5, 0.5, 0.5)
NAMED_SETS = {"CLIP's": (CLIP_MEAN, CLIP_STD), "ImageNet's": (IMAGENET_MEAN, IMAGENET_STD), "0.5": (HALF, HALF)}


def activation(evidence: Evidence) -> Finding | None:
    """QuickGELU or GELU, which no tensor shows."""
    skeleton, row, trap = evidence.skeleton, evidence.expected, "activation"
    if skeleton is None or isinstance(skeleton, ResNetConfig):
        return None
    stated = _activations(evidence.config or evidence.named) if evidence.config or evidence.named else set()
    if row and stated and stated != {row.activation}:
        return Finding(
            trap=trap,
            verdict="bad",
            found=f"The file or what lies beside it says {' and '.join(sorted(stated))}; {row.name} was trained with "
            f"{row.activation}.",
            remedy=f"Write FILE::{row.name} without the wrong JSON beside it; with it every feature is off.",
        )
    if len(stated) > 1:
        return Finding(
            trap=trap,
            verdict="warning",
            found="The towers differ: images have "
            f"{' and '.join(sorted(_activations(evidence.settled, 'visual')))}, texts "
            f"{' and '.join(sorted(_activations(evidence.settled, 'text')))}.",
            remedy="No published CLIP does that. Look at both hidden_act in config.json.",
        )
    if stated or row:
        source = f"{row.name} was trained with it" if row else "the file or what lies beside it says so"
        return Finding(trap=trap, verdict="good", found=f"{row.activation if row else stated.pop()}: {source}.")
    return Finding(
        trap=trap,
        verdict="unknown",
        found=f"QuickGELU or GELU? No tensor shows it and nothing beside the file says it. {_who_uses_what(evidence)}",
        remedy=f"Write FILE::NAME with one of {listed(fitting_architectures(skeleton, None)) or 'the published'}. "
        "On images with captions the right one scores far better.",
    )


def _activations(config: Config | None, tower: str = "") -> set[str]:
    """Of the towers that have one; a ResNet's is no choice."""
    towers: tuple[Any, ...] = (config.visual, config.text) if isinstance(config, CLIPConfig) else (config,)
    if tower:
        towers = (getattr(config, tower),)
    return {part.activation for part in towers if hasattr(part, "activation")}


def _who_uses_what(evidence: Evidence) -> str:
    """The published weights of these shapes, by their activation."""
    assert evidence.skeleton is not None, "asked only where the shapes are known"
    plain = {name.removesuffix(QUICKGELU) for name in fitting_architectures(evidence.skeleton, None)}
    users: dict[str, list[str]] = {}
    for row in read_published().values():
        if row.architecture.removesuffix(QUICKGELU) in plain:
            users.setdefault(row.activation, []).append(row.name.partition(".")[2])
    return " ".join(f"Published with {kind}: {listed(tags)}." for kind, tags in users.items())


def normalisation(evidence: Evidence) -> Finding:
    """Mean and deviation, and the scale they are for."""
    trap, stated, row = "normalisation", evidence.stated, evidence.expected
    scale = _wrong_scale(evidence)
    if scale:
        return scale
    if stated is None:
        return _without_statement(trap, evidence, "mean {0.mean} and deviation {0.std}")
    known = next((name for name, both in NAMED_SETS.items() if _is_close((stated.mean, stated.std), both)), None)
    if row and not _is_close((stated.mean, stated.std), (row.preprocess.mean, row.preprocess.std)):
        return _contradiction(trap, evidence, ("mean", "std"))
    if row or known:
        which = f"{row.name}'s own" if row else f"{known}, known from published networks"
        return Finding(trap=trap, verdict="good", found=f"Mean {stated.mean}, deviation {stated.std}: {which}.")
    return Finding(
        trap=trap,
        verdict="warning",
        found=f"Mean {stated.mean} and deviation {stated.std} are of no published network of these families.",
        remedy="Right if these weights were trained so; else correct the JSON beside them.",
    )


def _wrong_scale(evidence: Evidence) -> Finding | None:
    """Numbers that are for pixels from 0 to 255, or for no rescaling at all."""
    stated, processor = evidence.stated, evidence.processor
    factor = processor.get("rescale_factor", 1 / 255)
    rescaled = processor.get("do_rescale", True) and isinstance(factor, int | float) and math.isclose(factor, 1 / 255)
    large = stated is not None and max(stated.mean + stated.std) > 2
    if not large and (rescaled or not processor):
        return None
    what = f"mean {stated.mean} and deviation {stated.std}" if large and stated else f"a rescale_factor of {factor!r}"
    return Finding(
        trap="normalisation",
        verdict="bad",
        found=f"Beside the weights stands {what}, which is for pixels on another scale than 0 to 1.",
        remedy="Divide mean and deviation by 255, set rescale_factor to 1/255: visavis scales pixels to 0 to 1 first.",
    )


def channel_order(evidence: Evidence) -> Finding:
    """Red, green, blue, or the reverse, which only the order of unequal means can show."""
    stated, trap = evidence.stated, "channel order"
    for mean, std in NAMED_SETS.values():
        if stated and mean != HALF and _is_close((stated.mean, stated.std), (mean[::-1], std[::-1])):
            return Finding(
                trap=trap,
                verdict="bad",
                found="Mean and deviation are a known set in the order blue, green, red.",
                remedy="visavis gives red first. Reverse them in the JSON; if the weights want blue first, reverse the "
                "channels of the first convolution too.",
            )
    if evidence.is_published:
        return Finding(trap=trap, verdict="good", found="Red, green, blue, as every published network here.")
    return Finding(
        trap=trap,
        verdict="unknown",
        found="No tensor shows whether red or blue comes first. Published networks of these families want red first.",
        remedy="Weights that were trained with OpenCV's pictures may want blue first: ask whoever trained them.",
    )


def interpolation(evidence: Evidence) -> Finding:
    """How pictures are brought to size: filter, length of the shorter side, cut or squashed."""
    trap, stated, row = "interpolation and crop", evidence.stated, evidence.expected
    if stated is None:
        return _without_statement(trap, evidence, "{0.interpolation}, resized to {0.resize}, {0.resize_mode}")
    fields = ("interpolation", "resize", "resize_mode")
    if row and any(getattr(stated, name) != getattr(row.preprocess, name) for name in fields):
        return _contradiction(trap, evidence, fields)
    found = (
        f"{stated.interpolation}; {_side(stated)} brought to {stated.resize} pixels, of which the middle "
        f"{stated.image_size} are used."
    )
    if isinstance(evidence.skeleton, CLIPConfig) and stated.interpolation == "bilinear" and not row:
        return Finding(
            trap=trap,
            verdict="warning",
            found=found,
            remedy="Published CLIPs want bicubic. Transforms often fall back to bilinear where nobody says otherwise.",
        )
    return Finding(trap=trap, verdict="good", found=found)


def _side(stated: Preprocess) -> str:
    return "the shorter side is" if stated.resize_mode == "shortest" else "both sides are"


def image_size(evidence: Evidence) -> Finding | None:
    """The grid of position embeddings against the sizes that are stated."""
    skeleton, trap, row = evidence.skeleton, "image size", evidence.expected
    if skeleton is None:
        return None
    stated = {"the JSON beside it": _stated_size(evidence), "its preprocessing": None, row.name if row else "": None}
    if evidence.stated:
        stated["its preprocessing"] = evidence.stated.image_size
    if row:
        stated[row.name] = row.image_size
    known = {source: size for source, size in stated.items() if size}
    if isinstance(skeleton, ResNetConfig):
        sizes = "".join(f" Stated by {source}: {size}." for source, size in known.items())
        return Finding(trap=trap, verdict="good", found=f"A plain ResNet has no positions and takes any size.{sizes}")
    own = skeleton.image_size
    wrong = {source: size for source, size in known.items() if size != own}
    if wrong:
        return Finding(
            trap=trap,
            verdict="bad",
            found=f"The position embedding is for images of {own} pixels, but "
            + ", ".join(f"{source} says {size}" for source, size in wrong.items())
            + ".",
            remedy=f"Correct what is stated to {own}; for another size ask with image_size=, and visavis resizes the "
            "positions.",
        )
    return Finding(
        trap=trap,
        verdict="good",
        found=f"The position embedding is for images of {own} pixels. For other sizes visavis resizes it (bicubic, "
        "antialiased, the class token kept).",
    )


def _stated_size(evidence: Evidence) -> int | None:
    if evidence.layout is None or evidence.file.config is None:
        return None
    try:
        return read_settings(evidence.layout, evidence.file.config).image_size
    except VisavisError:  # told by the finding on the network
        return None


def context_length(evidence: Evidence) -> Finding | None:
    """How many tokens a text may have, as the tensor and the JSON say."""
    if not isinstance(evidence.skeleton, CLIPConfig):
        return None
    trap, own = "context length", evidence.skeleton.text.context_length
    stated = {
        name: value
        for name in ("context_length", "max_position_embeddings")
        if isinstance(value := _text_settings(evidence.file.config or {}).get(name), int)
    }
    wrong = {name: value for name, value in stated.items() if value != own}
    if wrong:
        said = ", ".join(f"{name} {value}" for name, value in wrong.items())
        return Finding(
            trap=trap,
            verdict="bad",
            found=f"There are positions for {own} tokens, but the JSON beside them says {said}.",
            remedy=f"Correct it to {own}. visavis goes by the tensor.",
        )
    if own != CONTEXT_LENGTH and not evidence.own:
        return Finding(
            trap=trap,
            verdict="warning",
            found=f"Texts may have {own} tokens; published CLIPs have {CONTEXT_LENGTH}.",
            remedy=f"Give a tokenizer context_length={own}; visavis does.",
        )
    told = "as the file says of itself" if evidence.own else "as in every published CLIP"
    return Finding(trap=trap, verdict="good", found=f"{own} tokens, {told}.")


def end_token(evidence: Evidence) -> Finding | None:
    """Where a text's feature is read: at the token with the highest number, which must be the end token."""
    if not isinstance(evidence.skeleton, CLIPConfig):
        return None
    trap, tokens = "end token", evidence.skeleton.text.vocab_size
    end = tokens - 1
    stated = _text_settings(evidence.file.config or {}).get("eos_token_id", end)
    if stated == LEGACY_END_TOKEN and stated != end:
        return Finding(
            trap=trap,
            verdict="warning",
            found=f"config.json says eos_token_id 2, as Hugging Face's files before 2023 do; the end token is {end}: "
            "transformers and visavis read the feature at the highest number all the same.",
            remedy=f"Write {end} there: whoever takes the 2 at its word reads every text at the wrong place.",
        )
    if stated != end:
        return Finding(
            trap=trap,
            verdict="bad",
            found=f"config.json says eos_token_id {stated!r}, but the end token of {tokens} tokens is {end}.",
            remedy=f"Write {end} there, if the weights were trained with CLIP's tokenizer.",
        )
    if tokens != CLIP_VOCAB_SIZE and not evidence.own:
        return Finding(
            trap=trap,
            verdict="warning",
            found=f"There are {tokens} tokens, of which {end} ends a text; CLIP's tokenizer has {CLIP_VOCAB_SIZE}.",
            remedy="Texts must be cut by visavis's tokenizer with as many tokens, or by the one of the training.",
        )
    return Finding(trap=trap, verdict="good", found=f"{end}, the highest number, where the text's feature is read.")


def _text_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """What open_clip's or Hugging Face's JSON says of the text tower."""
    inner = config.get("model_cfg")
    found = inner if isinstance(inner, dict) else config
    parts = [found.get(name) for name in ("text_cfg", "text_config", "text_config_dict")]  # the last one wins
    return {key: value for part in parts if isinstance(part, dict) for key, value in part.items()}


def _without_statement(trap: str, evidence: Evidence, form: str) -> Finding:
    """Where nothing beside the file states its preprocessing."""
    row = evidence.expected
    if evidence.stated_trouble:
        return Finding(
            trap=trap,
            verdict="bad",
            found=f"What is stated beside the weights cannot be used ({evidence.stated_trouble}).",
            remedy="Correct that JSON file, or write FILE::NAME with the published checkpoint.",
        )
    if row:
        return Finding(
            trap=trap,
            verdict="good",
            found=f"The file does not say; {row.name} wants {form.format(row.preprocess)}, which visavis uses.",
        )
    usual = _usual(evidence)
    return Finding(
        trap=trap,
        verdict="unknown",
        found=f"Nothing beside the file says.{usual}",
        remedy="Put the JSON that was published with the weights beside them (preprocessor_config.json, "
        "open_clip_config.json, config.json), or write FILE::NAME with the published checkpoint.",
    )


def _usual(evidence: Evidence) -> str:
    """What most published networks of the family want."""
    if isinstance(evidence.skeleton, CLIPConfig):
        return " Most CLIPs want CLIP's own mean and deviation, bicubic, no border cut."
    if evidence.skeleton is None:
        return ""
    return " Supervised networks differ: ImageNet's mean and deviation or 0.5, bilinear or bicubic, border cut or not."


def _contradiction(trap: str, evidence: Evidence, fields: tuple[str, ...]) -> Finding:
    stated, row = evidence.stated, evidence.expected
    assert stated is not None, "a contradiction has two sides"
    assert row is not None, "a contradiction has two sides"
    said = ", ".join(
        f"{name} {getattr(stated, name)}, not {getattr(row.preprocess, name)}"
        for name in fields
        if getattr(stated, name) != getattr(row.preprocess, name)
    )
    return Finding(
        trap=trap,
        verdict="bad",
        found=f"The JSON beside the weights says {said} as {row.name} wants.",
        remedy="Correct it to what the weights were published with.",
    )


def _is_close(one: tuple[tuple[float, ...], ...], other: tuple[tuple[float, ...], ...]) -> bool:
    """Equal to the three digits that are often written down."""
    flat = zip((value for part in one for value in part), (value for part in other for value in part), strict=True)
    return all(math.isclose(left, right, abs_tol=1e-3) for left, right in flat)


TRAPS: tuple[Callable[[Evidence], Finding | None], ...] = (
    activation, normalisation, channel_order, interpolation, image_size, context_length, end_token,
)  # fmt: skip
