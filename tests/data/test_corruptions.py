"""ImageNet-C's corruptions: worked examples, oracles, scale. tests/peers compares them with the published code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from skimage import color
from skimage.filters import gaussian

from visavis.data.changes import blur, digital, weather
from visavis.data.changes.reference_scale import at_reference_scale
from visavis.data.presets import CORRUPTIONS
from visavis.data.views import parse_view

KINDS = [kind for group in CORRUPTIONS.values() for kind in group]
STEADY = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "contrast", "pixelate", "jpeg_compression",
)  # fmt: skip


def smooth(height: int = 224, width: int = 224, seed: int = 0) -> np.ndarray:
    """A coloured picture with blobs, 0 to 1 [height, width, 3]."""
    waves = gaussian(np.random.default_rng(seed).normal(size=(height, width, 3)), 9, channel_axis=2)
    return (waves - waves.min()) / np.ptp(waves)


def picture(height: int = 224, width: int = 224, seed: int = 0) -> Image.Image:
    return Image.fromarray((smooth(height, width, seed) * 255).astype(np.uint8))


def distance(name: str, image: Image.Image) -> float:
    return float(np.abs(np.asarray(parse_view(name).apply(image), float) - np.asarray(image)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_every_severity_changes_the_picture(kind):
    fine = np.random.default_rng(0).normal(0, 25, (224, 224, 3))  # blurs and compression need detail to lose
    image = Image.fromarray((np.asarray(picture()) * 0.6 + 50 + fine).clip(0, 255).astype(np.uint8))
    far = [distance(f"{kind}:{severity}", image) for severity in range(1, 6)]
    assert far[0] > 0.5
    assert len(set(far)) == 5
    if kind in STEADY:  # elsewhere severities differ in kind and in luck as well
        assert far == sorted(far)


@pytest.mark.parametrize("kind", KINDS)
def test_chance_is_the_pictures_own(kind):
    view, image = parse_view(f"{kind}:2"), picture(60, 90)
    assert view.apply(image).tobytes() == view.apply(image.copy()).tobytes()
    darker = image.point(lambda value: value // 2)
    if kind in ("gaussian_noise", "motion_blur"):  # the same noise on another picture would be a pattern to learn
        one, two = (
            np.asarray(view.apply(each), float) - np.asarray(at_reference_scale(each)) for each in (image, darker)
        )
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.9


@settings(deadline=None, max_examples=10)
@given(kind=st.sampled_from(KINDS), severity=st.integers(1, 5), height=st.integers(1, 300), width=st.integers(1, 300))
def test_any_picture_comes_to_the_reference_scale(kind, severity, height, width):
    corrupted = parse_view(f"{kind}:{severity}").apply(Image.new("RGB", (width, height), "teal"))
    assert corrupted.mode == "RGB"
    assert min(corrupted.size) == 224
    longest = min(max(height, width) / min(height, width), 8)
    assert max(corrupted.size) == pytest.approx(224 * longest, abs=1)


def test_a_picture_of_that_scale_is_left_alone():
    image = picture(224, 300)
    assert at_reference_scale(image).tobytes() == image.tobytes()


@pytest.mark.parametrize("deviation", [0.08, 0.38])
def test_gaussian_noise_has_its_deviation(deviation):
    grey = Image.new("RGB", (224, 224), (127, 127, 127))
    severity = {0.08: 1, 0.38: 5}[deviation]
    noisy = np.asarray(parse_view(f"gaussian_noise:{severity}").apply(grey)) / 255
    inside = (noisy > 0) & (noisy < 1)
    # the share within one deviation of the middle; 68.3% of a normal law
    assert (np.abs(noisy - 0.5) < deviation).mean() == pytest.approx(0.683, abs=0.01)
    assert inside.mean() == pytest.approx({1: 1.0, 5: 0.812}[severity], abs=0.01)  # 2 * Phi(-0.5 / 0.38) are cut


def test_shot_noise_scatters_as_the_light():
    noisy = np.asarray(parse_view("shot_noise:1").apply(Image.new("RGB", (224, 224), (51, 51, 51)))) / 255
    assert noisy.mean() == pytest.approx(0.2, abs=0.004)
    assert noisy.var() == pytest.approx(0.2 / 60, rel=0.05)  # a mean of 12 photons of 60


def test_impulse_noise_hits_its_share():
    noisy = np.asarray(parse_view("impulse_noise:5").apply(Image.new("RGB", (224, 224), (90, 90, 90))))
    assert (noisy == 0).mean() == pytest.approx(0.135, abs=0.005)
    assert (noisy == 255).mean() == pytest.approx(0.135, abs=0.005)


def test_defocus_is_a_convolution_that_mirrors_the_border():
    pixels, kernel = smooth(), blur._disc(4, 0.5)
    expected = np.stack([ndimage.convolve(channel, kernel, mode="mirror") for channel in np.moveaxis(pixels, 2, 0)], 2)
    np.testing.assert_allclose(blur.defocus_blur(pixels, 2), expected, atol=1e-12)
    assert kernel.sum() == pytest.approx(1)
    assert np.count_nonzero(blur._disc(3, 0.1) > 1e-9) == 29  # lattice points within radius 3


@settings(deadline=None, max_examples=20)
@given(factor=st.floats(1, 4), height=st.integers(8, 40), width=st.integers(8, 40))
def test_enlarging_is_scipys_linear_zoom(factor, height, width):
    pixels = np.random.default_rng(0).random((height, width, 2))
    down, right = (math.ceil(side / factor) for side in (height, width))
    top, left = (height - down) // 2, (width - right) // 2
    zoomed = ndimage.zoom(pixels[top : top + down, left : left + right], (factor, factor, 1), order=1)
    trim = [(zoomed.shape[axis] - side) // 2 for axis, side in enumerate((height, width))]
    expected = zoomed[trim[0] :, trim[1] :][:height, :width]
    np.testing.assert_allclose(blur.enlarged_middle(pixels, factor), expected, atol=1e-9)


def test_a_level_smear_is_half_a_gaussian():
    line = np.zeros((3, 40))
    line[:, 20] = 1
    smeared = blur.smear(line, 5, 2.0, 0.0)
    weights = np.exp(-(np.arange(11) ** 2) / 8)
    np.testing.assert_allclose(smeared[1, 20:9:-1], weights / weights.sum())
    assert smeared[1, 21:].max() == 0


def test_glass_keeps_the_colours_that_are_there():
    pixels = np.zeros((224, 224, 3))
    pixels[:, 112:] = 1
    shuffled = blur.glass_blur(pixels, 5, np.random.default_rng(0))
    np.testing.assert_allclose(shuffled[:, :90], 0, atol=1e-9)  # no pixel comes from farther than two times four
    np.testing.assert_allclose(shuffled[:, 140:], 1, atol=1e-9)


def test_brightness_is_the_value_of_hsv():
    pixels = smooth()
    pixels[0, 0] = 0
    hsv = color.rgb2hsv(pixels)
    hsv[..., 2] = (hsv[..., 2] + 0.3).clip(0, 1)
    np.testing.assert_allclose(weather.brightness(pixels, 3), color.hsv2rgb(hsv), atol=1e-9)


def test_contrast_keeps_the_mean():
    pixels = smooth()
    faded = digital.contrast(pixels, 5)
    np.testing.assert_allclose(faded.mean(axis=(0, 1)), pixels.mean(axis=(0, 1)))
    np.testing.assert_allclose(faded.std(axis=(0, 1)), 0.05 * pixels.std(axis=(0, 1)))


def test_plasma_by_hand():
    class Nothing(np.random.Generator):
        def uniform(self, low, high, size):
            return np.full(size, high if low == -100 else 0.0)

    cloud = weather.plasma(4, 2.0, Nothing(np.random.PCG64(0)))
    # Step 4: the centre gets 0 + 100 * 100, then both diamonds (10,000 + 10,000) / 4 + 10,000 = 15,000. Step 2 draws
    # nothing: squares are the mean of 0, 10,000 and two times 15,000.
    expected = np.array([[0, 15000], [15000, 10000]]) / 15000
    np.testing.assert_allclose(cloud[::2, ::2], expected)
    np.testing.assert_allclose(cloud[1::2, 1::2], 10000 / 15000)


def test_frost_looks_like_the_photographs_in_number():
    panes = [weather.frosted_pane(224, 224, np.random.default_rng(seed)) @ weather.LUMA for seed in range(40)]
    means, deviations = np.array([pane.mean() for pane in panes]), np.array([pane.std() for pane in panes])
    low, high = weather.PANE_MEANS
    assert low - 0.02 < means.min() < means.max() < high + 0.02
    assert means.max() - means.min() > 0.8 * (high - low)
    low, high = weather.PANE_DEVIATIONS
    assert low * 0.8 < deviations.min() < deviations.max() < high * 1.1
    slopes = [_slope(pane) for pane in panes]
    assert np.mean(slopes) == pytest.approx(-weather.PANE_FALLS, abs=0.25)


def _slope(pane: np.ndarray) -> float:
    """How the power falls with the frequency between 3 and 100 cycles, both as logarithms."""
    window = np.outer(np.hanning(224), np.hanning(224))
    power = np.abs(np.fft.fft2((pane - pane.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(224)[:, None], np.fft.fftfreq(224)[None]) * 224
    starts = np.arange(3, 100, 4)
    means = [power[(radius >= start) & (radius < start + 4)].mean() for start in starts]
    return float(np.polyfit(np.log(starts + 2), np.log(means), 1)[0])
