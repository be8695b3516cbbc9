"""Traps in the numbers: not a number, constant, never trained, wrong statistics, rounded, copied."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from visavis.inspection.doctor.diagnosis import Finding, Verdict
from visavis.inspection.doctor.evidence import SAMPLED, Evidence, Numbers
from visavis.inspection.doctor.traps_contents import listed
from visavis.models.clip import INITIAL_LOGIT_SCALE, MAX_LOGIT_SCALE, CLIPConfig
from visavis.zoo.layouts.names import COUNTER

UNTRAINED = 0.8  # of a tower's matrices with the deviation of an initialisation; by chance alone it is about a tenth
_SMALLEST_MATRIX = 256  # numbers; fewer tell nothing about their deviation
_MOST_SCALE = 6.0  # a logarithm above it multiplies similarities by 400 and more: no network was trained so


def not_numbers(evidence: Evidence) -> Finding:
    """Infinite weights, and those that are not numbers."""
    broken = {name: numbers.infinite for name, numbers in evidence.numbers.items() if numbers.infinite}
    if not broken:
        return Finding(trap="NaN and infinity", verdict="good", found="Every weight is a finite number.")
    where = listed([f"{name} ({count} of {math.prod(evidence.numbers[name].shape)})" for name, count in broken.items()])
    return Finding(
        trap="NaN and infinity",
        verdict="bad",
        found=f"{sum(broken.values())} weights are infinite or not numbers, in {where}.",
        remedy="Every feature becomes NaN. Fetch the file again; of your own, take an earlier checkpoint.",
    )


def constants(evidence: Evidence) -> Finding:
    """Matrices of one value, and norms that silence their layer."""
    flat = [name for name, numbers in evidence.numbers.items() if _is_flat(numbers) and _is_matrix(numbers.shape)]
    if flat:
        return Finding(
            trap="constant weights",
            verdict="bad",
            found=f"All numbers are the same in {listed(flat)}.",
            remedy="A layer without its weights: it was never filled, or the file lost it. Fetch or save it again.",
        )
    silent = [
        name
        for name, numbers in evidence.numbers.items()
        if name.endswith("weight") and not _is_matrix(numbers.shape) and numbers.low == numbers.high == 0
    ]
    if silent:
        return Finding(
            trap="constant weights",
            verdict="warning",
            found=f"Norms that multiply by zero: {listed(silent)}. Their blocks do nothing.",
            remedy="So a residual block starts; after training it means that the block was never used.",
        )
    return Finding(trap="constant weights", verdict="good", found="No weight matrix is constant.")


def batch_norm(evidence: Evidence) -> Finding | None:
    """Variances that no data can have, and statistics that were never collected."""
    variances = {name: numbers for name, numbers in evidence.numbers.items() if name.endswith("running_var")}
    trap = "batch norm"
    if not variances:
        return None
    negative = [name for name, numbers in variances.items() if numbers.low < 0]
    if negative:
        return Finding(
            trap=trap,
            verdict="bad",
            found=f"A running variance is below zero in {listed(negative)}.",
            remedy="No data have such a variance, and its root is not a number. Fetch the file again.",
        )
    if all(numbers.low == numbers.high == 1 for numbers in variances.values()) and _never_counted(evidence):
        return Finding(
            trap=trap,
            verdict="bad",
            found="All running variances are 1 and no batch was counted: the statistics were never collected.",
            remedy="Run the network in training mode over batches of its data before saving, or fetch the file again.",
        )
    dead = [name for name, numbers in variances.items() if numbers.low == 0]
    if dead:
        return Finding(
            trap=trap,
            verdict="warning",
            found=f"Channels without any variance in {listed(dead)}: what they say is multiplied by about 300.",
            remedy="In a published network these are dead channels, which stay silent; else look at the training.",
        )
    return Finding(trap=trap, verdict="good", found=f"{len(variances)} norms have statistics of their own.")


def _never_counted(evidence: Evidence) -> bool:
    counters = [tensor for name, tensor in evidence.file.tensors.items() if name.endswith(COUNTER)]
    return all(int(counter) == 0 for counter in counters if counter.numel() == 1)


def precision(evidence: Evidence) -> Finding:
    """What was rounded before, and that nothing is rounded here."""
    kinds: dict[str, int] = {}
    for tensor in evidence.file.tensors.values():
        if tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            kinds[kind] = kinds.get(kind, 0) + tensor.numel()
    shares = ", ".join(f"{count:,} numbers in {kind}" for kind, count in kinds.items())
    rounded = [kind for kind in kinds if kind not in ("float32", "float64")]
    if not rounded:
        return Finding(trap="precision", verdict="good", found=f"{shares}; computed in float32.")
    row = evidence.expected
    as_published = evidence.own or (row is not None and row.source == "openai" and rounded == ["float16"])
    vectors = "1e-2" if "bfloat16" in rounded else "1e-3"
    return Finding(
        trap="precision",
        verdict="good" if as_published else "warning",
        found=f"{shares}. Widened to float32 nothing is lost; vectors that are computed in {rounded[0]} itself or from "
        f"weights before they were rounded, differ by about {vectors} of their length.",
        remedy=""
        if as_published
        else "Compare vectors only with those of the same file; use the float32 file if there is one.",
    )


def logit_scale(evidence: Evidence) -> Finding | None:
    """A temperature out of the range that CLIP's training allows."""
    scales = [numbers for name, numbers in evidence.numbers.items() if name.endswith("logit_scale")]
    if not scales or not isinstance(evidence.skeleton, CLIPConfig):
        return None
    value = scales[0].high
    verdict: Verdict = "good"
    found, remedy = f"Similarities are multiplied by exp({value:.4f}) = {math.exp(min(value, 700)):.4g}.", ""
    if not 0 <= value < _MOST_SCALE:
        verdict = "bad"
        remedy = "It should be a logarithm between 0 and ln 100 = 4.6052. Probabilities are wrong; features are not."
        if value > _MOST_SCALE:
            found = f"The logit scale is {value:.4f}, which seems to be the factor itself, not its logarithm."
            remedy = (
                f"Store its logarithm, {math.log(value):.4f}. Probabilities are wrong until then; features are not."
            )
    elif value > MAX_LOGIT_SCALE + 1e-2:
        verdict = "warning"
        remedy = "CLIP clips it at ln 100 = 4.6052 while it trains. Probabilities will be sharper than CLIP's."
    elif math.isclose(value, INITIAL_LOGIT_SCALE, abs_tol=2e-3):
        verdict = "warning"
        found += " That is its value before training."
        remedy = "A training keeps it so only if it was frozen. Look at the finding on training."
    return Finding(trap="logit scale", verdict=verdict, found=found, remedy=remedy)


def towers(evidence: Evidence) -> Finding | None:
    """Matrices that are copies of each other, and towers that could have been exchanged."""
    copies = [f"{one} = {other}" for one, other in _copies(evidence)]
    if copies:
        return Finding(
            trap="copies",
            verdict="warning",
            found=f"Layers with exactly the same weights: {listed(copies)}.",
            remedy="Published networks here share no weights. A tower or block may have been copied over another.",
        )
    if not isinstance(evidence.skeleton, CLIPConfig):
        return Finding(trap="copies", verdict="good", found="No two layers have the same weights.")
    visual, text = evidence.skeleton.visual, evidence.skeleton.text
    if hasattr(visual, "patch_size") and (visual.width, visual.layers) == (text.width, text.layers):
        return Finding(
            trap="copies",
            verdict="unknown",
            found="No two layers have the same weights. Both towers have blocks of the same shapes, so an exchange "
            "of the two would leave no trace.",
            remedy="Compare with the file it was made of: visavis diff.",
        )
    found = "No two layers have the same weights, and the towers' shapes differ: they cannot have been exchanged."
    return Finding(trap="copies", verdict="good", found=found)


def _copies(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Pairs of equal matrices."""
    seen: dict[object, str] = {}
    for name, numbers in evidence.numbers.items():
        if not _is_matrix(numbers.shape) or _is_flat(numbers) or numbers.infinite:
            continue
        other = seen.setdefault(numbers, name)  # equal tensors have equal sums
        if other != name and torch.equal(evidence.file.tensors[name], evidence.file.tensors[other]):
            yield other, name


def training(evidence: Evidence) -> Finding:
    """Whether the weights, or one tower's, still look as they were drawn."""
    if evidence.skeleton is None:
        return Finding(
            trap="training", verdict="unknown", found="Without a known network there is no start to compare with."
        )
    shares = _shares_at_start(evidence)
    fresh = [tower for tower, share in shares.items() if share >= UNTRAINED]
    if fresh:
        which = "The weights" if len(fresh) == len(shares) else f"The {fresh[0]} tower's weights"
        return Finding(
            trap="training",
            verdict="bad",
            found=f"{which} look untrained: of their matrices {max(shares.values()):.0%} have exactly the deviation of "
            "freshly drawn ones.",
            remedy="Features of drawn weights mean nothing. Save after the weights were loaded or trained.",
        )
    norms = [numbers for name, numbers in evidence.numbers.items() if _is_norm(name, evidence.numbers)]
    if norms and all(numbers.low == numbers.high == 1 for numbers in norms):
        return Finding(
            trap="training",
            verdict="warning",
            found="Every norm still multiplies by exactly 1, as before training; the matrices differ from a start.",
            remedy="Look whether norms were frozen, or lost when the file was written.",
        )
    found = "The deviations of its matrices are not those of freshly drawn ones." if shares else "Too small to tell."
    return Finding(trap="training", verdict="good" if shares else "unknown", found=found)


def _shares_at_start(evidence: Evidence) -> dict[str, float]:
    """Of each tower's matrices, the share whose deviation is an initialisation's."""
    clip = isinstance(evidence.skeleton, CLIPConfig)
    hits: dict[str, list[bool]] = {}
    for name, tensor in evidence.ours():
        if tensor.ndim < 2 or tensor.numel() < _SMALLEST_MATRIX or "positional" in name:
            continue
        tower = ("text" if name.startswith("text.") else "image") if clip else "whole"
        hits.setdefault(tower, []).append(_is_at_start(tensor, _depth(evidence, name)))
    return {tower: sum(found) / len(found) for tower, found in hits.items()}


def _depth(evidence: Evidence, name: str) -> int:
    """Blocks of the Transformer that a tensor is in, by which CLIP divides some deviations."""
    config = evidence.skeleton
    tower = config if not isinstance(config, CLIPConfig) else config.text if name.startswith("text.") else config.visual
    layers = getattr(tower, "layers", 1)
    return layers if isinstance(layers, int) else sum(layers)


def _is_at_start(tensor: Tensor, depth: int) -> bool:
    """Whether the deviation is one that the field's initialisations give this shape, within the noise of drawing it.

    Sources: He et al. 2015; Glorot and Bengio 2010; torch's default for linear layers and convolutions; 0.01 and 0.02,
    which CLIP, BERT and timm use; CLIP's own (openai/CLIP, clip/model.py, initialize_parameters).
    """
    some = tensor.detach().flatten()[:SAMPLED].float()
    std = float(some.std(correction=0))
    fan_out = tensor.shape[0] * math.prod(tensor.shape[2:])
    fan_in = tensor[0].numel()
    square_thirds = tensor.ndim == 2 and fan_out == 3 * fan_in  # queries, keys and values, drawn apart
    inverse_squares = (
        (fan_out / 2, fan_in / 2, 3 * fan_in, fan_in, fan_out, 2 * fan_in, (fan_in + fan_out) / 2)
        + (2 * depth * fan_in, 2 * depth * fan_out, 2 * depth * fan_in / 4)
        + ((fan_in,) if square_thirds else ())
        + (1 / 0.01**2, 1 / 0.02**2)
    )
    noise = max(0.01, 4 / math.sqrt(2 * some.numel()))
    return any(abs(std * math.sqrt(inverse) - 1) < noise for inverse in inverse_squares)


def _is_norm(name: str, numbers: Mapping[str, Numbers]) -> bool:
    return name.endswith("weight") and len(numbers[name].shape) == 1


def _is_matrix(shape: tuple[int, ...]) -> bool:
    return sum(side > 1 for side in shape) > 1


def _is_flat(numbers: Numbers) -> bool:
    return numbers.low == numbers.high and math.prod(numbers.shape) > 1


TRAPS: tuple[Callable[[Evidence], Finding | None], ...] = (
    not_numbers, constants, batch_norm, precision, logit_scale, towers, training,
)  # fmt: skip
