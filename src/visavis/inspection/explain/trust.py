"""Explanations are tested, not trusted: which method's maps can be believed on which model.

Four tests, each with its limit; a method passes one only if the whole interval does.

- localisation: of two things in a composed image the map finds the one that was asked for: more than half of what
  it marks in both things' corners lies in the right one;
- randomisation: with randomised weights the map is another, whose rank correlation with the network's own is below
  one half;
- deletion: taking away what the map marks takes the answer away sooner than an order that knows nothing;
- insertion: putting it in brings the answer back sooner.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from visavis.engine.encoder import Encoder
from visavis.inspection.explain.composition import in_asked_corner, points_at
from visavis.inspection.explain.curves import PARTS, area, blurred, exchange, order_of, random_map
from visavis.inspection.explain.maps import Mapper, mappers_of, spread_over
from visavis.inspection.explain.material import Maps, Material, as_pixels, gather_material, maps_by
from visavis.inspection.explain.randomisation import forgetting
from visavis.inspection.explain.records import Method, Saliency, TestName, Trial, Trust

LIMITS: dict[TestName, float] = {"localisation": 0.5, "randomisation": 0.5, "deletion": 0.0, "insertion": 0.0}
ABOVE: tuple[TestName, ...] = ("localisation", "insertion")  # where a high value is a good one
FEWEST = 10  # images, below which nothing is said
DRAWS = 2000  # of the bootstrap
EXAMPLES = 3
CURVES: tuple[TestName, ...] = ("deletion", "insertion")


def measure_trust(
    encoder: Encoder,
    images: int = 100,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> tuple[Trust, ...]:
    """All four tests of every method that fits a model.

    Args:
        encoder: The model.
        images: Composed images for localisation; half as many pictures for deletion and insertion, a quarter for the
            randomisation.
        seed: Of pairs, places, random orders and the bootstrap.
        progress: Called with a stage's name, how much is done and how much there is.

    Raises:
        UsageError: The model can call nothing by a name.
    """
    mappers, stage = mappers_of(encoder), f"testing {encoder.name}"
    progress(stage, 0, 1 + len(mappers))
    material = gather_material(encoder, images, seed)
    chance = _curves(encoder, material, _random_maps(material))
    results = []
    for done, (method, mapper) in enumerate(mappers.items(), start=1):
        progress(stage, done, 1 + len(mappers))
        results.append(_test(encoder, material, chance, method, mapper))
    progress(stage, 1 + len(mappers), 1 + len(mappers))
    return tuple(results)


def make_trial(test: TestName, values: np.ndarray, seed: int, said: str = "") -> Trial:
    """The mean over images [images] with its bootstrap interval, and whether all of it lies on the good side."""
    limit = LIMITS[test]
    if len(values) < FEWEST:
        few = f"{said}: fewer than {FEWEST}" if said else f"fewer than {FEWEST} images"
        nothing = float("nan")
        return Trial(
            test=test, value=nothing, low=nothing, high=nothing, n=len(values), limit=limit, passes=None, said=few
        )
    draws = np.random.default_rng(seed).choice(values, (DRAWS, len(values))).mean(axis=1)
    low, high = (float(bound) for bound in np.quantile(draws, [0.025, 0.975]))
    passes = low > limit if test in ABOVE else high < limit
    return Trial(
        test=test, value=float(values.mean()), low=low, high=high, n=len(values), limit=limit, passes=passes, said=said
    )


def _test(encoder: Encoder, material: Material, chance: np.ndarray, method: Method, mapper: Mapper) -> Trust:
    maps, seed = maps_by(mapper, encoder, material.candidates), material.seed
    located, examples = _localisation(encoder, material, method, maps)
    half = len(material.pictures) // 2
    forgotten = forgetting(
        encoder.image_tower,
        own=maps,
        lost=maps_by(mapper, encoder, material.candidates.shuffled(seed)),
        pictures=material.pictures[:half],
        asked=material.taken_for[:half],
        seed=seed,
    )  # [images, 1 + STEPS]
    spread = spread_over(maps(material.pictures, material.taken_for), encoder.image_size)
    curves = _curves(encoder, material, spread.numpy())  # [pictures, 2, PARTS + 1]
    own, by_chance = area(curves), area(chance)  # [pictures, 2]
    trials = [located, make_trial("randomisation", forgotten[:, -1], seed)]
    for column, test in enumerate(CURVES):
        said = f"area {own[:, column].mean():.2f}, of random orders {by_chance[:, column].mean():.2f}"
        trials.append(make_trial(test, own[:, column] - by_chance[:, column], seed, said))
    means = zip(CURVES, curves.mean(axis=0).tolist(), chance.mean(axis=0).tolist(), strict=True)
    return Trust(
        model=encoder.name,
        method=method,
        trials=tuple(trials),
        randomised=tuple(forgotten.mean(axis=0).tolist()),
        shares=tuple(np.linspace(0, 1, PARTS + 1).tolist()),
        curves={
            name: values for test, ours, any_ in means for name, values in ((test, ours), (f"random {test}", any_))
        },
        examples=examples,
    )


def _localisation(
    encoder: Encoder, material: Material, method: Method, maps: Maps
) -> tuple[Trial, tuple[Saliency, ...]]:
    """The trial, and some of the composed images with their maps."""
    known, side = f"{len(material.composed)} of {material.drawn} things recognised alone", encoder.image_size
    if not material.composed:
        return make_trial("localisation", np.array([]), material.seed, known), ()
    both = np.stack([composition.both for composition in material.composed])
    corners = [composition.corner for composition in material.composed]
    spread = spread_over(maps(both, material.asked), side).numpy()  # [composed, side, side]
    shares = np.array([in_asked_corner(*pair) for pair in zip(spread, corners, strict=True)])
    pointed = np.mean([points_at(*pair) for pair in zip(spread, corners, strict=True)])
    said = f"{known}; highest pixel in the right quarter: {pointed:.0%}, by chance 25%"
    scores = material.candidates.score(
        encoder.encode_pixels(as_pixels(encoder, both[:EXAMPLES])), torch.from_numpy(material.asked[:EXAMPLES])
    )
    examples = [
        Saliency(
            model=encoder.name,
            method=method,
            target=material.candidates.called(int(material.asked[number])),
            score=float(scores[number]),
            unit=material.candidates.unit,
            map=spread[number],
            picture=both[number],
            notes=(f"It is at the {('top', 'bottom')[row]} {('left', 'right')[column]}.",),
        )
        for number, (row, column) in enumerate(corners[:EXAMPLES])
    ]
    return make_trial("localisation", shares, material.seed, said), tuple(examples)


def _random_maps(material: Material) -> np.ndarray:
    """Maps that know nothing of the pictures: [pictures, side, side]."""
    generator = np.random.default_rng(material.seed)
    return np.stack([random_map(len(picture), generator) for picture in material.pictures])


def _curves(encoder: Encoder, material: Material, maps: np.ndarray) -> np.ndarray:
    """Deletion and insertion of each picture in the order of its map [side, side]: [pictures, 2, PARTS + 1]."""
    generator, rows = np.random.default_rng(material.seed), []
    for picture, number, values in zip(material.pictures, material.taken_for.tolist(), maps, strict=True):
        image, blot = as_pixels(encoder, np.stack([picture, blurred(picture)]))

        def answer(images: Tensor, number: int = number) -> Tensor:
            return material.candidates.probability(encoder.encode_pixels(images), number)

        order = order_of(values, generator)
        rows.append([exchange(answer, image, blot, order), exchange(answer, blot, image, order)])
    return np.array(rows)
