"""Where two networks can be listened to at the same places, and what is heard there.

Three ways to find corresponding places, the surest first: the same modules in both; a peer's modules under our names,
as its checkpoints' names tell (zoo/layouts); the order of execution, where kind and shape of the outputs agree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from itertools import takewhile
from typing import Any

import numpy as np
from torch import Tensor, nn

from visavis.engine.encoder import Encoder
from visavis.errors import VisavisError
from visavis.inspection.difference.layer_diff import Way
from visavis.zoo.architectures import outline_model
from visavis.zoo.layouts.names import find_layout
from visavis.zoo.layouts.skeleton import read_skeleton

BLOCK = re.compile(r"(.*\.)?(resblocks\.\d+|layer\d\.\d+)")  # of our names


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place in both networks.

    Attributes:
        name: Ours where the networks have our names, else the first network's.
        a: The module's name in the first network.
        b: Likewise in the second.
        block: Whether it is a residual block or a Transformer's block, as a whole.
    """

    name: str
    a: str
    b: str
    block: bool


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a module put out for a batch of one, without that one, and of which class it is."""

    kind: str
    output: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Correspondence:
    """Where two networks do the same.

    Attributes:
        way: How that is known.
        places: In both, without what only holds blocks together.
        only_a: What the first alone has, by our names: whole blocks, and what is in none.
        only_b: Likewise the second.
    """

    way: Way
    places: tuple[Place, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()

    def large(self) -> list[Place]:
        """Blocks as a whole, and what is in no block."""
        blocks = tuple(f"{place.name}." for place in self.places if place.block)
        return [place for place in self.places if not place.name.startswith(blocks)]


def corresponding(a: Encoder, b: Encoder) -> Correspondence | None:
    """Places that are the same by the modules' names, or None where these do not tell."""
    same = [name for name, _ in a.model.named_modules() if name]
    if type(a.model) is type(b.model) and same == [name for name, _ in b.model.named_modules() if name]:
        return _correspondence("name", {name: name for name in same}, {name: name for name in same})
    ours_a, ours_b = _our_names(a.model), _our_names(b.model)
    if not ours_a.keys() & ours_b.keys():  # an image tower alone beside a pair of towers
        ours_a, ours_b = (
            {name.removeprefix("visual."): own for name, own in ours.items()} for ours in (ours_a, ours_b)
        )
    return _correspondence("layout", ours_a, ours_b) if ours_a.keys() & ours_b.keys() else None


def _correspondence(way: Way, a: Mapping[str, str], b: Mapping[str, str]) -> Correspondence:
    shared = [name for name in a if name in b]
    blocks = _blocks_of([*a, *b])
    holders = {
        ".".join(parts[:end]) for parts in (block.split(".") for block in blocks) for end in range(1, len(parts))
    }
    within = tuple(f"{block}." for block in blocks)
    return Correspondence(
        way=way,
        places=tuple(
            Place(name=name, a=a[name], b=b[name], block=name in blocks) for name in shared if name not in holders
        ),
        only_a=tuple(name for name in a if name not in b and not name.startswith(within)),
        only_b=tuple(name for name in b if name not in a and not name.startswith(within)),
    )


def by_execution(heard_a: Mapping[str, Heard], heard_b: Mapping[str, Heard]) -> list[Place]:
    """Modules with weights of their own, matched in the order in which they ran, where kind and shape are the same."""
    names_a, names_b = list(heard_a), list(heard_b)
    keys = [[(heard[name].kind, heard[name].output.shape) for name in heard] for heard in (heard_a, heard_b)]
    matches = SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_matching_blocks()
    pairs = [(names_a[one + i], names_b[other + i]) for one, other, length in matches for i in range(length)]
    return [Place(name=one, a=one, b=other, block=False) for one, other in pairs]


def with_weights(model: nn.Module) -> list[str]:
    """Modules without children that have weights of their own."""
    return [
        name
        for name, module in model.named_modules()
        if name and not any(module.children()) and any(True for _ in module.parameters(recurse=False))
    ]


def listen(
    model: nn.Module, names: Iterable[str], run: Callable[[], object], before: str = ""
) -> tuple[dict[str, Heard], np.ndarray | None]:
    """What the named modules put out while `run` runs, in the order in which they did; the first time of each.

    Outputs are copied at once: a later activation may overwrite them in place.

    Args:
        model: The whole network.
        names: Of its modules.
        run: Sends something through it.
        before: A module of which also the input is wanted.

    Returns:
        Outputs by name, and that input.
    """
    heard: dict[str, Heard] = {}
    entered: list[np.ndarray] = []

    def note_output(name: str, module: nn.Module, _: object, output: object) -> None:
        tensor = first_tensor(output)
        if tensor is not None and name not in heard:
            heard[name] = Heard(kind=type(module).__name__, output=without_batch(tensor))

    def note_input(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        tensor = first_tensor((*given, *named.values()))
        if tensor is not None and not entered:
            entered.append(without_batch(tensor))

    wanted = set(names)
    handles = [
        module.register_forward_hook(partial(note_output, name))
        for name, module in model.named_modules()
        if name in wanted
    ]
    if before:
        handles.append(model.get_submodule(before).register_forward_pre_hook(note_input, with_kwargs=True))
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return heard, entered[0] if entered else None


def without_batch(tensor: Tensor) -> np.ndarray:
    """The output for a batch of one, in one layout: [width], [places, width]; a map's places in reading order.

    [1, width, rows, columns], [1, rows, columns, width], [1, tokens, width] and [tokens, 1, width] all become
    [places, width]; maps are square, which shows where the channels are.
    """
    values = tensor.detach().float().cpu().numpy()
    if values.ndim == 4 and len(values) == 1:
        maps = values[0] if values.shape[2] == values.shape[3] else np.moveaxis(values[0], -1, 0)
        values = maps.reshape(len(maps), -1).T  # [places, width]
    return np.array(np.squeeze(values))


def first_tensor(output: object) -> Tensor | None:
    """A module's result, or the first tensor in it where it is several."""
    if isinstance(output, Tensor):
        return output
    parts: Any = output.values() if isinstance(output, Mapping) else output
    if isinstance(parts, list | tuple) or isinstance(output, Mapping):
        return next((part for part in parts if isinstance(part, Tensor)), None)
    return None


def _our_names(model: nn.Module) -> dict[str, str]:
    """Of a network whose weights' names are known: our modules' names, and its own; blocks as a whole included."""
    tensors = model.state_dict()
    try:
        layout = find_layout(tensors)
        outline = outline_model(read_skeleton(layout, tensors))
    except VisavisError:
        return {}
    modules = {name for name, _ in model.named_modules()}
    found: dict[str, str] = {}
    for ours, module in outline.named_modules():
        # An output is the same where one weight of ours is one of theirs; queries, keys and values may be apart.
        own = [name for name, _ in module.named_parameters(recurse=False) if not name.startswith("in_proj")]
        if not own or any(module.children()):
            continue
        names = layout.names(f"{ours}.{own[0]}")
        theirs = names[0].rpartition(".")[0]
        if len(names) == 1 and theirs in modules:
            found[ours] = theirs
    return found | _parents(found)


def _parents(found: Mapping[str, str]) -> dict[str, str]:
    """Blocks as a whole: what the names of all that is in a block begin with.

    A block without a shortcut's projection may keep all it has in one part of itself; so the shortest depth counts.
    """
    within: dict[str, list[list[str]]] = {}
    for ours, theirs in found.items():
        block = BLOCK.match(ours)
        if block:
            within.setdefault(block[0], []).append(theirs.split("."))
    prefixes = {name: _common(names) for name, names in within.items()}
    depths: dict[bool, int] = {}
    for name, prefix in prefixes.items():
        text = name.startswith("text.")
        depths[text] = min(len(prefix), depths.get(text, len(prefix)))
    return {name: ".".join(prefix[: depths[name.startswith("text.")]]) for name, prefix in prefixes.items()}


def _common(names: list[list[str]]) -> list[str]:
    """The parts that all names begin with."""
    together = takewhile(lambda parts: len(set(parts)) == 1, zip(*names, strict=False))
    return [parts[0] for parts in together]


def _blocks_of(names: list[str]) -> set[str]:
    """Blocks as a whole, by our names, or else the members of the network's outermost lists."""
    ours = {name for name in names if BLOCK.fullmatch(name)}
    if ours:
        return ours
    numbered = [name for name in names if name.rpartition(".")[2].isdigit()]
    return {name for name in numbered if not any(name.startswith(f"{other}.") for other in numbered)}
