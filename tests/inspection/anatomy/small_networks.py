"""Networks of a few layers for the tests of anatomies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from visavis.inspection.anatomy.anatomy import Anatomy, inspect
from visavis.inspection.anatomy.tree import Layer


class Called(nn.Module):
    """A function with the modules that it calls, by their names."""

    def __init__(self, run: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, module in modules.items():
            setattr(self, name, module)  # the same one may have two names

    def forward(self, images: Tensor) -> Any:
        return self.run(images, **{name: getattr(self, name) for name in self._modules})


def conv(channels: int, width: int, size: int, **settings: Any) -> nn.Conv2d:
    """A convolution without a bias, so that costs are its windows'."""
    return nn.Conv2d(channels, width, size, bias=False, **settings)


def opened(run: Callable[..., Any] | nn.Module, image_size: int = 8, **modules: nn.Module) -> Anatomy:
    """A function, or a module, opened on small images, on which it must run."""
    network = run if isinstance(run, nn.Module) else Called(run, **modules)
    anatomy = inspect(network, image_size=image_size)
    assert anatomy.towers[0].root.output_shape is not None, anatomy.notes
    return anatomy


def root_of(run: Callable[..., Any] | nn.Module, image_size: int = 8, **modules: nn.Module) -> Layer:
    """The image tower's tree of a function or a module."""
    return opened(run, image_size, **modules).towers[0].root
