"""Explanations are tested, not trusted: which method's maps can be believed on which model.

Four tests, each with its limit; a method passes one only if the whole interval does.

- localisation: of two things in a composed image the map finds the one that was asked for: more than half of what
  it marks in both things' corners lies in the right one;
- randomisation: with randomised weights the map is another, whose rank correlation with the network's own is below
  one half;
- deletion: taking away what the map marks takes the answer away sooner than an order that knows nothing;
- insertion: putting it in brings the answer back sooner.

Pictures are drawings of the embedded emoji set.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from visavis.data.emoji import TEMPLATES, read_emoji
from visavis.engine.encoder import Encoder
from visavis.inspection.explain.candidates import Candidates, candidates_of
from visavis.inspection.explain.composition import Composition, compose, in_asked_corner, points_at
from visavis.inspection.explain.curves import PARTS, area, blurred, deletion, insertion, order_of, random_map
from visavis.inspection.explain.explain import explain
from visavis.inspection.explain.maps import methods_of, relevance_maps, spread_over
from visavis.inspection.explain.randomisation import STEPS, randomised, rank_correlation, shuffled
from visavis.inspection.explain.records import Method, Saliency, TestName, Trial, Trust
from visavis.inspection.explain.target import Target

LIMITS: dict[TestName, float] = {"localisation": 0.5, "randomisation": 0.5, "deletion": 0.0, "insertion": 0.0}
ABOVE: tuple[TestName, ...] = ("localisation", "insertion")  # where a high value is a good one
FEWEST = 10  # images, below which nothing is said
MOST_DRAWN = 20  # pairs drawn for each that is kept
STYLE = "noto"
EXAMPLES = 3
CURVES = ("deletion", "insertion", "random deletion", "random insertion")


def measure_trust(
    encoder: Encoder,
    methods: Sequence[Method] | None = None,
    images: int = 100,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> tuple[Trust, ...]:
    """All four tests of several methods on one model.

    Args:
        encoder: The model.
        methods: Those that fit its family when None.
        images: Composed images for localisation; half as many pictures for deletion and insertion, a quarter for the
            randomisation.
        seed: Of pairs, places, random orders and the bootstrap.
        progress: Called with a stage's name, how much is done and how much there is.

    Raises:
        UsageError: A method does not fit, or the model can call nothing by a name.
    """
    methods = tuple(methods or methods_of(encoder))
    subject = _prepare(encoder, images, seed)
    total, results = 3 * len(methods), []
    for number, method in enumerate(methods):

        def step(done: int, number: int = number) -> None:
            progress(f"testing {encoder.name}", 3 * number + done, total)

        located, examples = _localisation(subject, method)
        step(1)
        correlations = _randomisation(subject, method)
        step(2)
        curves = _curves(subject, method)
        step(3)
        less = np.array([area(one) - area(other) for one, other in zip(curves[0], curves[2], strict=True)])
        more = np.array([area(one) - area(other) for one, other in zip(curves[1], curves[3], strict=True)])
        trials = (
            located,
            _trial("randomisation", correlations[:, -1], seed),
            _trial("deletion", less, seed, f"area {_mean_area(curves[0])}, of random orders {_mean_area(curves[2])}"),
            _trial("insertion", more, seed, f"area {_mean_area(curves[1])}, of random orders {_mean_area(curves[3])}"),
        )
        means = [tuple(curve.mean(axis=0).tolist()) for curve in curves]
        results.append(
            Trust(
                model=encoder.name,
                method=method,
                trials=trials,
                randomised=tuple(correlations.mean(axis=0).tolist()),
                shares=tuple(np.linspace(0, 1, PARTS + 1).tolist()),
                curves=dict(zip(CURVES, means, strict=True)),
                examples=examples,
            )
        )
    return tuple(results)


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What all methods are tested on: the same images, asked for the same things.

    Attributes:
        composed: Composed images, each with the candidate that is asked for.
        drawn: How many were composed to find these.
        pictures: Single drawings uint8 [side, side, 3], each with the candidate that the model takes it for.
        images: As asked for.
        seed: As asked for.
    """

    encoder: Encoder
    candidates: Candidates
    composed: tuple[tuple[Composition, int], ...]
    drawn: int
    pictures: tuple[tuple[np.ndarray, int], ...]
    images: int
    seed: int

    def pixels(self, picture: np.ndarray) -> Tensor:
        """A picture as the network wants it, [1, 3, side, side]."""
        return torch.from_numpy(self.encoder.preprocessing.normalise(picture[None]))

    def map(self, picture: np.ndarray, target: Target, method: Method) -> np.ndarray:
        """A method's map on its own grid, [rows, columns]."""
        return relevance_maps(self.encoder, self.pixels(picture), target.score, method)[0].numpy()


def _prepare(encoder: Encoder, images: int, seed: int) -> _Subject:
    names, drawings = _drawings()
    candidates = candidates_of(encoder, names, TEMPLATES)
    side, composed, drawn = encoder.image_size, [], 0
    for composition in compose(drawings, side, seed):
        number = _recognised(encoder, candidates, composition)
        drawn += 1
        if number is not None:
            composed.append((composition, number))
        if len(composed) == images or drawn == MOST_DRAWN * images:
            break
    chosen = np.random.default_rng(seed).choice(len(drawings), images // 2, replace=False)
    pictures = [np.asarray(drawings[number].resize((side, side), Image.Resampling.BICUBIC)) for number in chosen]
    called = [_called(encoder, candidates, picture) for picture in pictures]
    return _Subject(
        encoder=encoder,
        candidates=candidates,
        composed=tuple(composed),
        drawn=drawn,
        pictures=tuple(zip(pictures, called, strict=True)),
        images=images,
        seed=seed,
    )


@functools.cache
def _drawings() -> tuple[tuple[str, ...], tuple[Image.Image, ...]]:
    """Names and pictures of one vendor's drawings of things, in the order of the set."""
    samples = [one for one in read_emoji("emoji").samples if one.part == "train" and one.name.startswith(f"{STYLE}/")]
    pictures = [Image.open(io.BytesIO(sample.read_bytes())).convert("RGB") for sample in samples]
    return tuple(str(sample.label) for sample in samples), tuple(pictures)


def _called(encoder: Encoder, candidates: Candidates, picture: np.ndarray) -> int:
    pixels = torch.from_numpy(encoder.preprocessing.normalise(picture[None]))
    return int(candidates.scores(encoder.encode_pixels(pixels)).argmax())


def _recognised(encoder: Encoder, candidates: Candidates, composition: Composition) -> int | None:
    """The candidate that is asked for: what the model calls the thing alone in its place, if that is right.

    A map cannot find what the model does not know. Where its classes are of other things, any answer counts that it
    does not give to the other thing too.
    """
    called = _called(encoder, candidates, composition.asked_alone)
    if candidates.named:
        return called if called == composition.asked else None
    return called if called != _called(encoder, candidates, composition.other_alone) else None


def _localisation(subject: _Subject, method: Method) -> tuple[Trial, tuple[Saliency, ...]]:
    side = subject.encoder.image_size
    shares, points = [], []
    examples: list[Saliency] = []
    for composition, number in subject.composed:
        target = subject.candidates.target(number)
        if len(examples) < EXAMPLES:
            shown = explain(subject.encoder, composition.both, target, method)
            examples.append(replace(shown, notes=(_place(composition),)))
        spread = spread_over(torch.from_numpy(subject.map(composition.both, target, method)[None]), side)[0].numpy()
        shares.append(in_asked_corner(spread, composition.corner))
        points.append(points_at(spread, composition.corner))
    known = f"{len(shares)} of {subject.drawn} things recognised alone"
    pointed = f"; highest pixel in the right quarter: {np.mean(points):.0%}, by chance 25%" if points else ""
    return _trial("localisation", np.array(shares), subject.seed, known + pointed), tuple(examples)


def _place(composition: Composition) -> str:
    row, column = composition.corner
    return f"It is at the {('top', 'bottom')[row]} {('left', 'right')[column]}."


def _randomisation(subject: _Subject, method: Method) -> np.ndarray:
    """Rank correlations with the network's own maps, [images, 1 + STEPS]: first the target alone, then from the top."""
    network, rows = subject.encoder.image_tower, []
    generator = torch.Generator().manual_seed(subject.seed)
    for picture, number in subject.pictures[: max(1, subject.images // 4)]:
        target = subject.candidates.target(number)
        own = subject.map(picture, target, method)
        forgotten = replace(target, vector=shuffled(target.vector, generator))
        row = []
        for step in range(STEPS + 1):
            with randomised(network, step / STEPS, subject.seed):
                row.append(rank_correlation(own.ravel(), subject.map(picture, forgotten, method).ravel()))
        rows.append(row)
    return np.array(rows)


def _curves(subject: _Subject, method: Method) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Deletion, insertion, and both with random orders: [images, PARTS + 1] each."""
    rows, side = [], subject.encoder.image_size
    for number_of_picture, (picture, number) in enumerate(subject.pictures):
        generator = np.random.default_rng([subject.seed, number_of_picture])  # the same orders for all methods

        def answer(images: Tensor, number: int = number) -> Tensor:
            return subject.candidates.probability(subject.encoder.encode_pixels(images), number)

        image, blot = subject.pixels(picture)[0], subject.pixels(blurred(picture))[0]
        any_order = order_of(random_map(side, generator), generator)
        grid = subject.map(picture, subject.candidates.target(number), method)
        spread = spread_over(torch.from_numpy(grid[None]), side)[0].numpy()
        order = order_of(spread, generator)
        rows.append(
            [
                deletion(answer, image, blot, order),
                insertion(answer, image, blot, order),
                deletion(answer, image, blot, any_order),
                insertion(answer, image, blot, any_order),
            ]
        )
    together = np.array(rows)  # [images, 4, PARTS + 1]
    return together[:, 0], together[:, 1], together[:, 2], together[:, 3]


def _mean_area(curves: np.ndarray) -> str:
    return f"{np.mean([area(curve) for curve in curves]):.2f}"


def _trial(test: TestName, values: np.ndarray, seed: int, said: str = "") -> Trial:
    """The mean over images with its bootstrap interval, and whether all of it lies on the good side."""
    limit = LIMITS[test]
    if len(values) < FEWEST:
        few = f"{said}: fewer than {FEWEST}" if said else f"fewer than {FEWEST} images"
        nothing = float("nan")
        return Trial(
            test=test, value=nothing, low=nothing, high=nothing, n=len(values), limit=limit, passes=None, said=few
        )
    draws = np.random.default_rng(seed).choice(values, (2000, len(values))).mean(axis=1)
    low, high = (float(bound) for bound in np.quantile(draws, [0.025, 0.975]))
    passes = low > limit if test in ABOVE else high < limit
    return Trial(
        test=test, value=float(values.mean()), low=low, high=high, n=len(values), limit=limit, passes=passes, said=said
    )
