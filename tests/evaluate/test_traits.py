"""Traits of pictures that are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from visavis.evaluate.traits import colourfulness, traits_of


def traits(pixels, size=(64, 64)):
    return traits_of(np.asarray(pixels, np.uint8), size)


def noise(seed=0):
    return np.repeat(np.random.default_rng(seed).integers(0, 256, (64, 64, 1)), 3, axis=2)


PLAIN = np.full((64, 64, 3), 102)
SPLIT = np.concatenate([np.zeros((64, 32, 3)), np.full((64, 32, 3), 255)], axis=1)  # one straight edge


def test_a_plain_picture_has_only_its_brightness():
    found = traits(PLAIN)
    assert found["brightness"] == pytest.approx(0.4, abs=1e-6)
    assert found["sharpness"] == pytest.approx(-8, abs=0.1)  # the logarithm's floor
    for name in ("contrast", "edges", "fineness", "texture", "colourfulness", "elongation"):
        assert found[name] == pytest.approx(0, abs=1e-4), name


def test_an_edge_is_an_outline_and_noise_a_texture():
    assert traits(SPLIT)["texture"] < 0.02
    assert traits(noise())["texture"] > 0.6
    assert traits(SPLIT)["edges"] == pytest.approx(2 / 64)  # the two columns beside it
    assert traits(SPLIT)["contrast"] == pytest.approx(0.5, abs=1e-6)


def test_blur_takes_sharpness_and_fine_structure():
    sharp = Image.fromarray(noise().astype(np.uint8))
    blurred = np.asarray(sharp.filter(ImageFilter.GaussianBlur(3)))
    assert traits(blurred)["sharpness"] < traits(noise())["sharpness"] - 1
    assert traits(blurred)["fineness"] < 0.1
    assert traits(noise())["fineness"] > 0.8


def test_colourfulness_is_hasler_and_suesstrunks():
    """Half red, half blue: red-green is 1 and 0, yellow-blue 0.5 and -1, so means 0.5 and -0.25."""
    halves = np.zeros((2, 2, 3), np.float32)
    halves[0, :, 0] = halves[1, :, 2] = 1
    expected = np.hypot(0.5, 0.75) + 0.3 * np.hypot(0.5, -0.25)
    assert colourfulness(halves) == pytest.approx(expected, abs=1e-6)


def test_size_is_that_of_the_picture_as_it_came():
    found = traits(PLAIN, size=(4000, 1000))
    assert (found["size"], found["elongation"]) == (2000, 2)
    assert traits(PLAIN, size=(1000, 4000))["elongation"] == 2
