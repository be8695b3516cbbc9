"""Two encoders on the same image and text, layer by layer: where they first part, by how much, and probably why.

The one idea: features that differ tell nothing; the first layer whose outputs differ, with all before it equal, tells
nearly all. Only places that are known to be the same are compared; all others are named as unmatched.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.engine.pictures import ImageLike
from visavis.errors import UsageError
from visavis.inspection.difference.causes import Parting, explain
from visavis.inspection.difference.layer_diff import LayerDiff, LayerRow, Tower
from visavis.inspection.difference.probes import (
    Correspondence,
    Place,
    by_execution,
    corresponding,
    listen,
    with_weights,
    without_batch,
)

THRESHOLD = 1e-4  # of a layer's largest output; float32 in another order of sums differs by some 1e-6 a layer
DEFAULT_TEXT = "a photo of a dog, seen from above"
NEGLIGIBLE = 1e-30  # an output that small is no scale


def compare_layers(
    a: Encoder, b: Encoder, image: ImageLike | None = None, text: str | None = None, threshold: float = THRESHOLD
) -> LayerDiff:
    """Runs two encoders on the same image and text and compares what their layers put out.

    Args:
        a: One encoder, of any library.
        b: Another of the same family.
        image: What both see; a picture of blots and lines of uneven sides when None.
        text: What both read, if both can.
        threshold: Above which a layer counts as different, as a share of its largest output.

    Raises:
        UsageError: They are of different families, or no layer of one corresponds with one of the other.
    """
    if a.family != b.family:
        raise UsageError(
            f"{a.name!r} is a {a.family} and {b.name!r} a {b.family}: no layer of one does what one of the other "
            "does, so there is none where they part. Give two of one family; `visavis compare` measures different ones."
        )
    found = corresponding(a, b)
    pair = _Pair(a=a, b=b, found=found, threshold=threshold)
    towers = [_compare_images(pair, _picture() if image is None else image)]
    if a.has_text and b.has_text:
        towers.append(_compare_texts(pair, DEFAULT_TEXT if text is None else text))
    elif text is not None:
        lacking = ", ".join(repr(encoder.name) for encoder in (a, b) if not encoder.has_text)
        raise UsageError(f"A text was given, but {lacking} has no text tower. Leave --text out.")
    if not any(tower.matched for tower in towers):
        raise UsageError(
            f"No layer of {a.name!r} has one of {b.name!r} beside it: both are of the family {a.family}, but their "
            "sizes or parts differ. Give two networks of the same sizes."
        )
    return LayerDiff(
        a=a.name,
        b=b.name,
        threshold=threshold,
        way=found.way if found else "execution",
        rows=tuple(row for tower in towers for row in tower.rows),
        causes={tower.rows[0].tower: tower.cause for tower in towers if tower.cause},
        unmatched_a=tuple(dict.fromkeys(name for tower in towers for name in tower.unmatched_a)),
        unmatched_b=tuple(dict.fromkeys(name for tower in towers for name in tower.unmatched_b)),
    )


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Two encoders and where they correspond; None where only the order of execution can tell."""

    a: Encoder
    b: Encoder
    found: Correspondence | None
    threshold: float


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """One tower's rows, and what could not be compared. `matched` counts the rows from within the networks."""

    rows: list[LayerRow]
    cause: str
    matched: int
    unmatched_a: list[str]
    unmatched_b: list[str]


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """One tower of both encoders, ready to run.

    Attributes:
        tower: "image" or "text".
        run_a: Runs the first; returns its features [1, embed_dim].
        run_b: Runs the second.
        kept: Position whose row stands for the whole where one network keeps no other: the class token or the end.
        length: Tokens that count, of a causal text tower; None for images.
    """

    tower: Tower
    run_a: Callable[[], Tensor]
    run_b: Callable[[], Tensor]
    kept: int
    length: int | None = None


def _compare_images(pair: _Pair, image: ImageLike) -> _Compared:
    a, b = pair.a, pair.b
    pixels = a.preprocess(image)[None], b.preprocess(image)[None]
    runs = _Runs(
        tower="image", run_a=lambda: a.encode_pixels(pixels[0]), run_b=lambda: b.encode_pixels(pixels[1]), kept=0
    )
    given = _row("image", "pixels", without_batch(pixels[0]), without_batch(pixels[1]))
    compared = _compare(pair, runs, given)
    if given.relative <= pair.threshold or pixels[0].shape != pixels[1].shape:
        return compared
    # Other pixels part all layers: what the networks do with equal ones is worth a sentence.
    same = _Runs(tower="image", run_a=runs.run_a, run_b=lambda: b.encode_pixels(pixels[0]), kept=0)
    alone = _compare(pair, same, _row("image", "pixels", without_batch(pixels[0]), without_batch(pixels[0])))
    parted = next((row for row in alone.rows if row.relative > pair.threshold), None)
    more = (
        f"On equal pixels they part too, at {parted.layer}. {alone.cause}" if parted else "On equal pixels they agree."
    )
    return dataclasses.replace(compared, cause=f"{compared.cause} {more}")


def _compare_texts(pair: _Pair, text: str) -> _Compared:
    tokens = [encoder.tokenize([text])[0] for encoder in (pair.a, pair.b)]
    ends = [int(row.argmax()) for row in tokens]  # the end token has the highest number
    cut = [row[: end + 1] for row, end in zip(tokens, ends, strict=True)]  # what follows is padding
    runs = _Runs(
        tower="text",
        run_a=lambda: pair.a.encode_tokens(torch.from_numpy(tokens[0][None])),
        run_b=lambda: pair.b.encode_tokens(torch.from_numpy(tokens[1][None])),
        kept=ends[0],
        length=min(ends) + 1,
    )
    return _compare(pair, runs, _row("text", "tokens", *cut))


def _compare(pair: _Pair, runs: _Runs, given: LayerRow) -> _Compared:
    """A tower from its input to its unit vector, with the inside of the first block that differs."""
    places, heard, features = _listen(pair, runs)
    rows, unmatched = [given], []
    before = heard.pop("", None)
    for place in places:
        if place.block and before:
            entered, before = _alike(runs, *before), None
            if entered[0].shape == entered[1].shape:
                rows.append(_row(runs.tower, f"before {place.name}", *entered))
        outputs = _alike(runs, *heard[place.name])
        if outputs[0].shape == outputs[1].shape:
            rows.append(_row(runs.tower, place.name, *outputs))
        else:
            unmatched.append(place)
    matched = len(rows) - 1
    if features[0].shape == features[1].shape:
        rows.append(_row(runs.tower, "features", *features))
        rows.append(_row(runs.tower, "features of length 1", *map(_unit, features)))
    rows = _with_inside(pair, runs, rows)
    only_a, only_b = _without_partner(pair, runs.tower, places)
    only_a, only_b = [*(place.a for place in unmatched), *only_a], [*(place.b for place in unmatched), *only_b]
    cause = _cause(pair, runs.tower, rows, places, (*only_a, *only_b))
    return _Compared(rows=rows, cause=cause, matched=matched, unmatched_a=only_a, unmatched_b=only_b)


def _cause(pair: _Pair, tower: Tower, rows: list[LayerRow], places: list[Place], lonely: tuple[str, ...]) -> str:
    """Why the first row that differs probably does; empty where none does."""
    parted = next((number for number, row in enumerate(rows) if row.relative > pair.threshold), None)
    if parted is None:
        return ""
    parting = Parting(
        a=pair.a,
        b=pair.b,
        tower=tower,
        layer=rows[parted].layer,
        agreed=tuple(row.layer for row in rows[:parted]),
        places={place.name: place for place in (pair.found.places if pair.found else places)},
        lonely=lonely,
    )
    return explain(parting)


Both = tuple[np.ndarray, np.ndarray]


def _listen(pair: _Pair, runs: _Runs) -> tuple[list[Place], dict[str, Both], Both]:
    """Places that both networks passed, in order; their outputs by name, under "" what enters the first block."""
    features: list[np.ndarray] = []

    def run(which: Callable[[], Tensor]) -> Callable[[], None]:
        return lambda: features.append(without_batch(which()))

    if pair.found is None:
        heard_a, _ = listen(pair.a.model, with_weights(pair.a.model), run(runs.run_a))
        heard_b, _ = listen(pair.b.model, with_weights(pair.b.model), run(runs.run_b))
        places = by_execution(heard_a, heard_b)
        entered_a = entered_b = None
    else:
        large = pair.found.large()
        first = next((place for place in large if place.block and _is_of(place.name, runs.tower)), None)
        heard_a, entered_a = listen(pair.a.model, [p.a for p in large], run(runs.run_a), first.a if first else "")
        heard_b, entered_b = listen(pair.b.model, [p.b for p in large], run(runs.run_b), first.b if first else "")
        passed = {place.a: place for place in large if place.a in heard_a and place.b in heard_b}
        places = [passed[name] for name in heard_a if name in passed]
    outputs = {place.name: (heard_a[place.a].output, heard_b[place.b].output) for place in places}
    if entered_a is not None and entered_b is not None:
        outputs[""] = (entered_a, entered_b)
    return places, outputs, (features[0], features[1])


def _is_of(name: str, tower: Tower) -> bool:
    return name.startswith("text.") == (tower == "text")


def _with_inside(pair: _Pair, runs: _Runs, rows: list[LayerRow]) -> list[LayerRow]:
    """With the rows of what is inside the first block that differs, put before it; a second run, to spare memory."""
    parted = next((number for number, row in enumerate(rows) if row.relative > pair.threshold), None)
    if parted is None or pair.found is None:
        return rows
    inside = [place for place in pair.found.places if place.name.startswith(f"{rows[parted].layer}.")]
    heard_a, _ = listen(pair.a.model, [place.a for place in inside], runs.run_a)
    heard_b, _ = listen(pair.b.model, [place.b for place in inside], runs.run_b)
    passed = {place.a: place for place in inside if place.a in heard_a and place.b in heard_b}
    details = []
    for name in (name for name in heard_a if name in passed):
        outputs = _alike(runs, heard_a[name].output, heard_b[passed[name].b].output)
        if outputs[0].shape == outputs[1].shape:
            row = _row(runs.tower, passed[name].name, *outputs)
            details.append(dataclasses.replace(row, stage=False))
    return [*rows[:parted], *details, *rows[parted:]]


def _without_partner(pair: _Pair, tower: Tower, places: list[Place]) -> tuple[list[str], list[str]]:
    """What one network alone has: by our names, or else modules with weights that the order of execution left over."""
    if pair.found is not None:
        return (
            [name for name in pair.found.only_a if _is_of(name, tower)],
            [name for name in pair.found.only_b if _is_of(name, tower)],
        )
    a, b = {place.a for place in places}, {place.b for place in places}
    return (
        [name for name in with_weights(pair.a.model) if name not in a],
        [name for name in with_weights(pair.b.model) if name not in b],
    )


def _alike(runs: _Runs, a: np.ndarray, b: np.ndarray) -> Both:
    """Both outputs cut to what they share: tokens before the end, or the one row that a network keeps."""
    if runs.length is not None:
        a, b = (values[: runs.length] if values.ndim == 2 else values for values in (a, b))
    if a.ndim == 2 and b.ndim == 1 and a.shape[1:] == b.shape:
        a = a[min(runs.kept, len(a) - 1)]
    elif b.ndim == 2 and a.ndim == 1 and b.shape[1:] == a.shape:
        b = b[min(runs.kept, len(b) - 1)]
    return a, b


def _row(tower: Tower, layer: str, a: np.ndarray, b: np.ndarray) -> LayerRow:
    if a.shape != b.shape:
        return LayerRow(
            tower=tower, layer=layer, stage=True, shape=a.shape, max_abs=math.inf, relative=math.inf, cosine=math.nan
        )
    a, b = a.astype(np.float64), b.astype(np.float64)
    largest = float(np.abs(a - b).max(initial=0))
    scale = float(max(np.abs(a).max(initial=0), np.abs(b).max(initial=0), NEGLIGIBLE))
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    finite = math.isfinite(largest)
    return LayerRow(
        tower=tower,
        layer=layer,
        stage=True,
        shape=a.shape,
        max_abs=largest if finite else math.inf,
        relative=largest / scale if finite else math.inf,
        cosine=float(np.vdot(a, b)) / lengths if finite and lengths else math.nan,
    )


def _unit(values: np.ndarray) -> np.ndarray:
    return values / max(float(np.linalg.norm(values)), NEGLIGIBLE)


def _picture() -> np.ndarray:
    """A picture on which sizes, crops and filters show: soft blots under sharp lines, uint8 [223, 301, 3]."""
    rows, columns = np.mgrid[0:223, 0:301]
    blots = [128 + 90 * np.sin(columns / (17 + 8 * channel) + channel) * np.cos(rows / 23) for channel in range(3)]
    image = np.stack(blots, axis=-1)
    image[(rows + 2 * columns) % 29 < 2] = (250, 20, 60)
    return image.astype(np.uint8)
