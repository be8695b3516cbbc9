"""ImageNet-C's corruptions against the code that made it, with the same random numbers: equal within one level of 255.

Frost, which is drawn here and photographed there, is compared in number.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from published_corruptions import Replayed, impulses_from, published

from visavis.data.changes import weather
from visavis.data.changes.kinds import CHANGES
from visavis.data.presets import CORRUPTIONS

PARITY = [kind for group in CORRUPTIONS.values() for kind in group if kind != "frost"]


@pytest.fixture
def reference():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield published(monkeypatch)


def picture(seed: int = 0) -> Image.Image:
    """224 x 224 pixels with edges, blobs and grain."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (14, 14, 3), np.uint8)
    blobs = np.asarray(Image.fromarray(coarse).resize((224, 224), Image.Resampling.BICUBIC), float)
    blobs[60:150, 80:160] = generator.integers(0, 256, 3)
    return Image.fromarray((blobs + generator.normal(0, 6, blobs.shape)).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kind", PARITY)
def test_as_published(reference, kind, severity, monkeypatch):
    image = picture(severity)
    np.random.seed(severity)
    ours = Replayed(severity)
    if kind == "impulse_noise":  # scikit-image draws it from a generator of its own
        ours = np.random.default_rng(severity)
        monkeypatch.setattr(reference.original, "sk", impulses_from(np.random.default_rng(severity)))
    elif kind == "brightness":
        monkeypatch.setattr(reference.original, "sk", impulses_from(ours))
    theirs = np.uint8(getattr(reference, kind)(image, severity)).astype(int)
    found = np.asarray(CHANGES[kind].apply(image, severity, *([ours] if CHANGES[kind].drawn else []))).astype(int)
    assert found.shape == theirs.shape
    assert np.abs(found - theirs).max() <= 1
    assert np.abs(found - np.asarray(image)).mean() > 0.1


def test_frost_is_as_bright_and_as_rough_as_the_photographs(reference):
    """The five photographs that the original picks from, in cuts of 224 x 224."""
    folder = Path(str(sys.modules["imagecorruptions"].__file__)).parent / "frost"
    generator = np.random.default_rng(0)
    photographs = [_numbers(_cut(path, generator)) for path in sorted(folder.iterdir())[:5] for _ in range(20)]
    panes = [_numbers(weather.frosted_pane(224, 224, generator)) for _ in range(100)]
    theirs, ours = np.array(photographs), np.array(panes)  # [cuts, mean and deviation of luma]
    np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), rtol=0.15)
    for share in (0.1, 0.9):
        np.testing.assert_allclose(np.quantile(ours, share, axis=0), np.quantile(theirs, share, axis=0), rtol=0.3)


def _cut(path: Path, generator: np.random.Generator) -> np.ndarray:
    with Image.open(path) as photograph:
        pixels = np.asarray(photograph.convert("RGB")) / 255
    top, left = (generator.integers(side - 224) for side in pixels.shape[:2])
    return pixels[top : top + 224, left : left + 224]


def _numbers(pixels: np.ndarray) -> tuple[float, float]:
    luma = pixels @ weather.LUMA
    return float(luma.mean()), float(luma.std())
