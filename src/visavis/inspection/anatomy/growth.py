"""What an image costs as it grows: convolutions and weights follow its places, attention's products their square.

The one idea: for images that the strides divide, the cost of all networks here is a polynomial of degree two in the
number of patches, or of places of the last map. Three counts of small images determine it, exactly, for every size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from torch import nn

from visavis.inspection.anatomy.counting import Counting, count_on_meta, count_outline
from visavis.models.clip import CLIP, CLIPConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config, outline_model
from visavis.zoo.resizing import with_image_size

RESNET_STRIDE = 32  # of the last map of a ResNet
SIZES = tuple(round(64 * 2 ** (half / 2)) for half in range(11))  # pixels, 64 to 2048, two to each doubling


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The image tower's cost at one image size.

    Attributes:
        image_size: Side of the square image in pixels.
        tokens_or_places: Of a Transformer's sequence, or of a ResNet's last map.
        macs: Multiply-accumulates of one image.
        attention_macs: Attention's two products alone, which have no weights.
    """

    image_size: int
    tokens_or_places: int
    macs: int
    attention_macs: int


def growth_of(config: Config) -> tuple[Growth, ...]:
    """The cost of a catalogue architecture from 64 to 2048 pixels, at multiples of its patch or stride."""
    tower = config.visual if isinstance(config, CLIPConfig) else config
    unit = tower.patch_size if isinstance(tower, ViTConfig | CLIPViTConfig) else RESNET_STRIDE
    class_token = isinstance(tower, ViTConfig | CLIPViTConfig)
    counts = [_count(config, unit * side) for side in (1, 2, 3)]
    macs = _Parabola([counting.known for counting in counts])
    products = _Parabola([counting.attention for counting in counts])
    grown = []
    for size in _multiples(unit, config.image_size):
        places = (size // unit) ** 2
        tokens = places + class_token
        grown.append(
            Growth(image_size=size, tokens_or_places=tokens, macs=macs.at(places), attention_macs=products.at(places))
        )
    return tuple(grown)


def growth_of_module(tower: nn.Module, image_size: int, channels: int, places: int) -> tuple[Growth, ...]:
    """The cost of any module at those sizes that it takes; empty where it takes one size alone.

    Args:
        tower: A module whose forward takes images.
        image_size: Its own size in pixels.
        channels: Of an image.
        places: Tokens or places at that size; at others, as many as the image's area has for it.
    """
    grown = []
    for size in _multiples(RESNET_STRIDE, image_size):
        try:
            counting = count_on_meta(tower, size, channels)
        except Exception:  # a foreign module can raise anything where it takes no images of this size
            continue
        if not counting.unknown:
            area = (size / image_size) ** 2
            grown.append(
                Growth(
                    image_size=size,
                    tokens_or_places=round(places * area),
                    macs=counting.known,
                    attention_macs=counting.attention,
                )
            )
    return tuple(grown) if len(grown) > 1 else ()


def _count(config: Config, image_size: int) -> Counting:
    if isinstance(config, CLIPConfig):  # with the shortest text tower, which takes no part
        config = replace(config, text=replace(config.text, layers=1))
    model = outline_model(with_image_size(config, image_size))
    return count_outline((model.visual if isinstance(model, CLIP) else model).eval(), image_size)


def _multiples(unit: int, own: int) -> Iterable[int]:
    """Sizes that the unit divides, the network's own among them."""
    return sorted({own, *(max(1, round(size / unit)) * unit for size in SIZES)})


class _Parabola:
    """The polynomial of degree two through its values at 1, 4 and 9 places, the squares of sides 1, 2 and 3."""

    def __init__(self, values: Sequence[int]) -> None:
        self.values = values

    def at(self, places: int) -> int:
        """Its value, by Lagrange's formula."""
        known = (1, 4, 9)
        total = Fraction(0)
        for here, value in zip(known, self.values, strict=True):
            term = Fraction(value)
            for other in known:
                if other != here:
                    term *= Fraction(places - other, here - other)
            total += term
        return int(total)
