"""The code that ImageNet-C was made with, and its successor without ImageMagick, run beside libraries of today.

Both packages stopped in 2020. What they import and is gone, or was renamed, is given to them under its old name; their
own lines are untouched. `imagenet_c` is Hendrycks and Dietterich's; its motion blur calls ImageMagick, so for that and
for snow `imagecorruptions` (Michaelis et al. 2019) stands in, which does ImageMagick's sums in NumPy.
"""

from __future__ import annotations

import sys
import warnings
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import skimage.color
import skimage.filters
import skimage.util

WITHOUT_IMAGEMAGICK = ("motion_blur", "snow")


class Replayed(np.random.Generator):
    """The global random numbers of old NumPy from a seed, behind the methods of a Generator."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(seed))
        old = np.random.RandomState(seed)
        self.normal, self.uniform, self.poisson, self.integers = old.normal, old.uniform, old.poisson, old.randint


def published(monkeypatch: Any) -> SimpleNamespace:
    """All corruptions by name, as functions of a Pillow picture and a severity, drawing from NumPy's global numbers."""
    wand, image, api = (ModuleType(name) for name in ("wand.color", "wand.image", "wand.api"))
    image.Image = object  # type: ignore[attr-defined]
    api.library = SimpleNamespace(MagickMotionBlurImage=SimpleNamespace())  # type: ignore[attr-defined]
    resources = ModuleType("pkg_resources")
    resources.resource_filename = _file_of  # type: ignore[attr-defined]
    for name, module in (
        ("wand", ModuleType("wand")), ("wand.color", wand), ("wand.image", image), ("wand.api", api),
        ("pkg_resources", resources),
    ):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(np, "float_", np.float64, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that SciPy and NumPy are about to drop
        import imagecorruptions.corruptions as successor
        import imagenet_c.corruptions as original

    for module in (original, successor):
        monkeypatch.setattr(module, "gaussian", _gaussian)
    # the original trims its flakes before they fall
    monkeypatch.setattr(successor, "clipped_zoom", original.clipped_zoom)
    functions = {name: getattr(original, name) for name in (one.__name__ for one in _common(original))}
    functions |= {name: getattr(successor, name) for name in WITHOUT_IMAGEMAGICK}
    return SimpleNamespace(original=original, **functions)


def impulses_from(generator: np.random.Generator) -> SimpleNamespace:
    """What the original calls sk, whose salt and pepper are drawn from the generator."""
    noise = partial(skimage.util.random_noise, rng=generator)
    return SimpleNamespace(util=SimpleNamespace(random_noise=noise), color=skimage.color)


def _common(module: ModuleType) -> tuple[Any, ...]:
    names = (
        "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
        "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
    )  # fmt: skip
    return tuple(getattr(module, name) for name in names)


def _gaussian(image: np.ndarray, sigma: Any, multichannel: bool = False, **settings: Any) -> np.ndarray:
    return skimage.filters.gaussian(image, sigma, channel_axis=-1 if multichannel else None, **settings)


def _file_of(package: str, name: str) -> str:
    return str(Path(str(sys.modules[package].__file__)).parent / name)
