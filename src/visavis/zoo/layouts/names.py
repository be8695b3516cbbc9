"""Whose file it is, whether its names and shapes are those of a network, and its tensors under our names and back."""

from __future__ import annotations

import dataclasses
import difflib
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from visavis.errors import VisavisError
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config, Family, outline_model
from visavis.zoo.layouts.layout import Layout
from visavis.zoo.layouts.tables import LAYOUTS

MARKS: dict[Family, tuple[str, str]] = {  # ours, which every network of the family has
    "clip-resnet": ("visual.layer1.0.conv1.weight", "text.token_embedding.weight"),
    "clip-vit": ("visual.class_embedding", "text.token_embedding.weight"),
    "supervised-resnet": ("bn1.weight", "layer1.0.conv1.weight"),
    "supervised-vit": ("conv1.weight", "transformer.resblocks.0.ln_2.weight"),
}
COUNTER = "num_batches_tracked"  # of batch norms; absent in files of before 2018, and nothing depends on it
SHOWN = 10  # names in an error
_LONGEST = 200  # a name that is longer is no layer's, and comparing it would take long
_MOST_COMPARED = 5000


def find_layout(tensors: Mapping[str, Tensor]) -> Layout:
    """Whose names a file has; the layout returned spells them as this file does.

    Raises:
        VisavisError: Nobody's that visavis knows.
    """
    for layout in LAYOUTS.values():
        for renames in (layout.renames, *layout.spellings):
            spelled = dataclasses.replace(layout, renames=renames)
            if _family(spelled, tensors):
                return spelled
    first = ", ".join(map(reprlib.repr, list(tensors)[:5])) or "nothing"
    known = "; ".join(
        f"{layout.peers} ({layout.names(mark)[0]!r})"
        for layout in LAYOUTS.values()
        for mark in MARKS[layout.families[-1]][1:]
    )
    raise VisavisError(
        f"The {len(tensors)} tensors' names are those of no network that visavis knows. The file begins with {first}. "
        f"Known are, each with a name that shows it: {known}. Give a file of a ResNet, a ViT or a CLIP by one of them."
    )


def find_family(layout: Layout, tensors: Mapping[str, Tensor]) -> Family:
    """Which of the layout's families a file holds. Raises VisavisError where it holds none."""
    family = _family(layout, tensors)
    if family is None:
        first = layout.names(MARKS[layout.families[0]][0])[0]
        raise VisavisError(f"This is no file by {layout.peers}: there is no {first!r}. Give one, or let it be found.")
    return family


def refuse_other_networks(layout: Layout, tensors: Mapping[str, Tensor]) -> None:
    """Raises VisavisError where a tensor shows a network that resembles one of ours and is another one."""
    for name in tensors:
        for sign in layout.others:
            if re.search(sign.pattern, name[:_LONGEST]):
                raise VisavisError(
                    f"This network is by {layout.peers}, but visavis does not have it: {name!r} shows {sign.meaning}. "
                    "Loaded without it, all features would be wrong. Give weights of the plain network."
                )


class WrongTensor(NamedTuple):
    """A tensor whose shape or kind of number does not fit, both as words."""

    name: str
    wanted: str
    found: str


class DroppedTensor(NamedTuple):
    """A tensor that is not needed, and what it is."""

    name: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class NameReport:
    """How a file's tensors fit a network; all names are the file's.

    Attributes:
        missing: What the network needs and the file lacks.
        unexpected: What the file holds and the network does not know.
        wrong: Of another shape, or integers where fractions belong.
        dropped: What the network can do without.
        filled: Counters of batch norms that the file lacks; they become 0.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong: tuple[WrongTensor, ...]
    dropped: tuple[DroppedTensor, ...]
    filled: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the file holds this network and nothing else that matters."""
        return not (self.missing or self.unexpected or self.wrong)

    def sentences(self) -> str:
        """What does not fit: the first ten of each kind, each with the nearest name of the other side."""
        missing = [with_nearest(name, self.unexpected, "in the file") for name in self.missing[:SHOWN]]
        unexpected = [with_nearest(name, self.missing, "expected") for name in self.unexpected[:SHOWN]]
        wrong = [f"{name!r} must be {wanted}, but is {found}" for name, wanted, found in self.wrong[:SHOWN]]
        return " ".join(
            f"{len(all_of_them)} {what}: {'; '.join(shown)}{' ...' if len(all_of_them) > SHOWN else ''}."
            for all_of_them, what, shown in (
                (self.missing, "missing", missing),
                (self.unexpected, "unexpected", unexpected),
                (self.wrong, "of another shape", wrong),
            )
            if all_of_them
        )


def compare_names(layout: Layout, tensors: Mapping[str, Tensor], config: Config) -> NameReport:
    """Which tensors of a file are a network's, and which are not; nothing is raised."""
    return _compare(layout, tensors, outline_model(config).state_dict(), _heads(config))


def to_visavis(layout: Layout, tensors: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """A peer's tensors under our names, for `load_state_dict(strict=True)`.

    The dtype stays. What is only renamed or turned shares the memory of `tensors`; what is joined is copied.

    Raises:
        VisavisError: Tensors are missing, unexpected or of another shape; all of them are counted, the first named.
    """
    outlines = outline_model(config).state_dict()
    report = _compare(layout, tensors, outlines, _heads(config))
    if not report.fits:
        raise VisavisError(
            f"The file does not fit its network, by {layout.peers}. {report.sentences()} "
            "Give a whole file of this network, or the architecture's name where another one is meant."
        )
    state = {}
    for name, outline in outlines.items():
        found = layout.find(tensors, name)
        state[name] = torch.zeros((), dtype=torch.int64) if found is None else found.reshape(outline.shape)
    return state


def from_visavis(layout: Layout, state: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """Our tensors under a peer's names, in its shapes; the dtype stays, and nothing is copied."""
    heads = _heads(config)
    theirs: dict[str, Tensor] = {}
    for name in outline_model(config).state_dict():
        theirs |= layout.split(name, state[name], heads)
    return theirs


def _family(layout: Layout, tensors: Mapping[str, Tensor]) -> Family | None:
    for family in layout.families:
        if all(name in tensors for mark in MARKS[family] for name in layout.names(mark)):
            return family
    return None


def _compare(layout: Layout, tensors: Mapping[str, Tensor], outlines: Mapping[str, Tensor], heads: int) -> NameReport:
    wanted: dict[str, Tensor] = {}
    for name, outline in outlines.items():
        wanted |= layout.split(name, outline, heads)
    missing = [name for name in wanted if name not in tensors]
    rest = [name for name in tensors if name not in wanted]
    dropped = [drop for name in rest if (drop := _dropped(layout, name))]
    not_needed = {name for name, _ in dropped}
    return NameReport(
        missing=tuple(name for name in missing if not name.endswith(COUNTER)),
        unexpected=tuple(name for name in rest if name not in not_needed),
        wrong=tuple(
            WrongTensor(name, _words(outline), _words(tensors[name]))
            for name, outline in wanted.items()
            if name in tensors and not _fits(name, outline, tensors[name])
        ),
        dropped=tuple(dropped),
        filled=tuple(name for name in missing if name.endswith(COUNTER)),
    )


def _heads(config: Config) -> int:
    return config.heads if isinstance(config, ViTConfig) else 1  # Flax alone keeps heads apart, in supervised ViTs


def _dropped(layout: Layout, name: str) -> DroppedTensor | None:
    for sign in layout.dropped:
        if re.search(sign.pattern, name[:_LONGEST]):
            return DroppedTensor(name, sign.meaning)
    return None


def _fits(name: str, outline: Tensor, found: Tensor) -> bool:
    same = outline.shape == found.shape or (not outline.shape and found.shape == (1,))  # a logit scale is both
    return same and (found.is_floating_point() or name.endswith(COUNTER))


def _words(tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"{kind} {list(tensor.shape)}"


def with_nearest(name: str, others: Sequence[str], where: str) -> str:
    """A name as messages show it, with the one of the others that resembles it most, if any does."""
    candidates: Iterable[str] = (other for other in others[:_MOST_COMPARED] if len(other) <= _LONGEST)
    near = difflib.get_close_matches(name[:_LONGEST], candidates, n=1)
    shown = repr(name) if len(name) <= _LONGEST else reprlib.repr(name)
    return f"{shown} (nearest {where}: {near[0]!r})" if near else shown
