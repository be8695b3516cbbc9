"""Where to listen to an image tower: behind its stem and behind each of its blocks.

The one idea: one short list of places, found in the record of the network taken apart (`parts_of`), serves every
measurement, so that fields, distances and similarities stand on the same axis of depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from visavis.engine.encoder import Encoder
from visavis.inspection.anatomy.parts import depths_of, is_weighted, parts_of
from visavis.inspection.anatomy.tree import Layer, Part
from visavis.inspection.difference.probes import first_tensor


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A place in an image tower.

    Attributes:
        layer: Whose output it is, as in `Layer.name`.
        depth: As in `Part.depth`.
        module: Path of the module that is listened to.
        before: Whether what that module reads is meant, not what it gives.
        batch_axis: Of the tensor; older Transformers have the tokens first.
    """

    layer: str
    depth: float
    module: str
    before: bool = False
    batch_axis: int = 0


def find_taps(encoder: Encoder, root: Layer) -> tuple[Tap, ...]:
    """The places of a network that can be heard, in order of depth.

    Args:
        encoder: The network; one image of noise is encoded to hear which places give tensors.
        root: Its image tower taken apart.
    """
    wanted = _wanted(root, parts_of(root)) or _children(encoder.image_tower)
    shapes: dict[int, tuple[int, ...]] = {}
    side = encoder.image_size
    noise = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with listen(encoder.image_tower, wanted, lambda at, heard: shapes.__setitem__(at, tuple(heard.shape))):
        encoder.encode_pixels(noise)
    return tuple(
        Tap(**{**vars(tap), "batch_axis": shapes[at].index(1)})
        for at, tap in enumerate(wanted)
        if at in shapes and len(shapes[at]) > 2 and 1 in shapes[at][:2]
    )


@contextmanager
def listen(tower: nn.Module, taps: Sequence[Tap], hear: Callable[[int, Tensor], None]) -> Iterator[None]:
    """While the context lasts, calls `hear` with a tap's number and its tensor, the batch first, when it is passed.

    The tensor is the network's own: a later layer may overwrite it, so what is wanted of it must be computed at once.
    """
    handles = []

    def tell(at: int, values: Any) -> None:
        tensor = first_tensor(values)
        if tensor is not None:
            hear(at, tensor.movedim(taps[at].batch_axis, 0))

    for at, tap in enumerate(taps):
        module = tower.get_submodule(tap.module)
        if tap.before:
            handles.append(module.register_forward_pre_hook(lambda _, given, at=at: tell(at, given)))
        else:
            handles.append(module.register_forward_hook(lambda _, given, made, at=at: tell(at, made)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def running(tower: nn.Module) -> Iterator[list[str]]:
    """While the context lasts, the paths of the modules that are running, the innermost last."""
    stack: list[str] = []
    handles = []

    def leave(*_: object) -> None:
        stack.pop()

    for path, module in tower.named_modules():
        handles.append(module.register_forward_pre_hook(lambda _, given, path=path: stack.append(path)))
        handles.append(module.register_forward_hook(leave, always_call=True))
    try:
        yield stack
    finally:
        for handle in handles:
            handle.remove()


def as_grid(tensor: Tensor) -> Tensor | None:
    """A layer's output by place, [batch, rows, columns, channels], without class token and registers.

    Maps are [batch, channels, rows, columns] or have their channels last; maps are square, which tells them apart.
    Sequences [batch, tokens, width] hold a square of patches last, in reading order. None for anything else.
    """
    if tensor.ndim == 4:
        return tensor.permute(0, 2, 3, 1) if tensor.shape[2] == tensor.shape[3] else tensor
    if tensor.ndim != 3:
        return None
    prefix, side = split_tokens(tensor.shape[1])
    return tensor[:, prefix:].unflatten(1, (side, side))


def split_tokens(tokens: int) -> tuple[int, int]:
    """How many tokens are no patches, and the side of the square that the others form: 197 are 1 and 14 x 14."""
    side = math.isqrt(tokens)
    return tokens - side * side, side


def blocks_in(root: Layer, part: Part) -> list[Layer]:
    """The repeated blocks of a stage that are modules and run once, in order."""
    if part.block is None:
        return []
    kind = root.find(part.block).kind
    return [block for name in part.layers for block in _outermost(root.find(name), kind)]


def _outermost(layer: Layer, kind: str) -> Iterator[Layer]:
    if layer.kind == kind and layer.is_module and layer.runs == 1:
        yield layer
    else:
        for child in layer.children:
            yield from _outermost(child, kind)


def _wanted(root: Layer, parts: Sequence[Part]) -> list[Tap]:
    """Behind the stem, which is what the first block reads, and behind each block; else behind each weighted layer."""
    depths = depths_of(root)
    taps: list[Tap] = []
    for number, part in enumerate(parts):
        if part.role != "stage":
            continue
        blocks = blocks_in(root, part) or [
            layer
            for name in part.layers
            for layer in root.find(name).walk()
            if is_weighted(layer) and layer.is_module and layer.runs == 1
        ]
        if not taps and number and blocks:
            stem = parts[number - 1].layers[-1]
            taps.append(Tap(layer=stem, depth=depths[stem], module=blocks[0].name, before=True))
        taps += [Tap(layer=block.name, depth=depths[block.name], module=block.name) for block in blocks]
    return taps


def _children(tower: nn.Module) -> list[Tap]:
    """Behind each large module of a network that could not be taken apart; how deep it lies is known by rank alone."""
    names = [name for name, _ in tower.named_children()]
    return [Tap(layer=name, depth=(at + 1) / len(names), module=name) for at, name in enumerate(names)]
