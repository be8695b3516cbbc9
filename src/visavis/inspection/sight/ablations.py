"""A network with one part taken away: skip connection, block, head, positions, class token.

The one idea: each function copies the image tower's modules, which costs nothing as the weights are shared, changes the
copy, and gives back what encodes with it. The network itself stays as it is.

Sources: Veit et al. 2016, Residual Networks Behave Like Ensembles of Relatively Shallow Networks, section 4, for
blocks; Michel et al. 2019, Are Sixteen Heads Really Better than One?, section 2.3, for heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from visavis.engine.encoder import Encoder
from visavis.errors import VisavisError
from visavis.inspection.anatomy.parts import is_weighted
from visavis.inspection.anatomy.tree import INPUT, Layer
from visavis.inspection.explain.attention import RecordedAttention
from visavis.inspection.sight.positions import find_positions
from visavis.inspection.sight.taps import Tap, split_tokens

Encode = Callable[[Tensor], Tensor]  # images [batch, 3, side, side] to vectors [batch, embed_dim]
ADDS = ("add", "add_")  # what torch makes of x + y and x += y


def without_skip(encoder: Encoder, block: Layer) -> Encode:
    """Without the skip connections of one block: each sum in it gives what its layers computed alone."""
    tower, encode = encoder.image_copy()
    module = tower.get_submodule(block.name)
    sums = _Sums(block)
    for inner in module.modules():
        _run_within(inner, sums.counted if inner is module else sums.paused)
    return encode


def without_blocks(encoder: Encoder, blocks: Sequence[str]) -> Encode:
    """Without some blocks, by their paths: each passes on what it reads."""
    tower, encode = encoder.image_copy()
    for path in blocks:
        tower.get_submodule(path).register_forward_hook(lambda _, given, made: _replaced(made, given[0]))
    return encode


def without_head(encoder: Encoder, layer: str, head: int) -> Encode:
    """Without one head of an attention layer, counted from 0: it gives zeros."""
    tower, encode = encoder.image_copy()
    _run_within(tower.get_submodule(layer), partial(_WithoutHead, head))
    return encode


def shuffled_positions(encoder: Encoder, seed: int) -> Encode:
    """With the position embeddings of patches in a random order, which is the same as the patches in another one."""
    tower, encode = encoder.image_copy()
    found = find_positions(tower)
    assert found is not None, "the caller has asked for positions"
    name, parameter = found
    table = parameter.detach().squeeze(0)  # [places, width]
    prefix, _ = split_tokens(len(table))
    order = torch.randperm(len(table) - prefix, generator=torch.Generator().manual_seed(seed))
    shuffled = torch.cat([table[:prefix], table[prefix:][order]])
    owner, _, own = name.rpartition(".")
    tower.get_submodule(owner).register_parameter(own, nn.Parameter(shuffled.view_as(parameter), requires_grad=False))
    return encode


def without_class_token(encoder: Encoder, last: Tap) -> Encode:
    """With the mean of the patches in the class token's place behind the last block, `last`."""
    tower, encode = encoder.image_copy()

    def average(module: nn.Module, given: object, made: Any) -> Any:
        tokens = (made if isinstance(made, Tensor) else made[0]).movedim(last.batch_axis, 0)  # [batch, tokens, width]
        prefix, _ = split_tokens(tokens.shape[1])
        mean = tokens[:, prefix:].mean(dim=1, keepdim=True)
        return _replaced(made, torch.cat([mean, tokens[:, 1:]], dim=1).movedim(0, last.batch_axis))

    tower.get_submodule(last.module).register_forward_hook(average)
    return encode


def skips_of(block: Layer) -> list[int | None]:
    """Of each sum in a block, in order, which of its two operands is the skip connection; None where neither is.

    It is the operand that the other was computed from; where neither was, as with a projection shortcut, the one with
    fewer weights on its way.
    """
    above: dict[str, set[str]] = {INPUT: set()}
    weights: dict[str, int] = {INPUT: 0}
    found: list[int | None] = []
    for child in block.children:
        sources = [source for source in child.sources if source in above]
        above[child.name] = set(sources).union(*(above[source] for source in sources))
        own = sum(is_weighted(layer) for layer in child.walk())
        weights[child.name] = own + max((weights[source] for source in sources), default=0)
        if child.kind == "add" and not child.is_module:
            found.append(_skip(sources, above, weights) if len(sources) == 2 else None)
    return found


def _skip(sources: Sequence[str], above: dict[str, set[str]], weights: dict[str, int]) -> int | None:
    one, other = sources
    if one in above[other] or other in above[one]:
        return 0 if one in above[other] else 1
    return None if weights[one] == weights[other] else int(weights[other] < weights[one])


def _run_within(module: nn.Module, context: Callable[[], AbstractContextManager]) -> None:
    """From now on a module runs inside a context."""
    forward = module.forward

    def run(*args: Any, **kwargs: Any) -> Any:
        with context():
            return forward(*args, **kwargs)

    module.forward = run


def _replaced(made: Any, tensor: Tensor) -> Any:
    """What a block made, with another first tensor: older blocks of transformers give tuples."""
    return tensor if isinstance(made, Tensor) else (tensor, *made[1:])


class _WithoutHead(RecordedAttention):
    """While it lasts, attention's weights of one head are 0."""

    def __init__(self, head: int) -> None:
        super().__init__()
        self.head = head

    @torch.no_grad()
    def keep(self, weights: Tensor) -> None:
        weights[:, self.head] = 0


class _Sums:
    """Sums of a block, without their skips; those of the modules within it stay as they are."""

    def __init__(self, block: Layer) -> None:
        self.block = block.name
        self.skips = skips_of(block)
        self.active = False

    @contextmanager
    def counted(self) -> Iterator[None]:
        """While the block runs. Raises VisavisError where it sums another number of times than when it was traced."""
        self.active = True
        mode = _WithoutSkips(self)
        with mode:
            yield
        self.active = False
        if mode.count != len(self.skips):
            raise VisavisError(f"{self.block} makes {mode.count} sums, not the {len(self.skips)} that are known of it.")

    @contextmanager
    def paused(self) -> Iterator[None]:
        before, self.active = self.active, False
        yield
        self.active = before


class _WithoutSkips(TorchFunctionMode):
    def __init__(self, sums: _Sums) -> None:
        super().__init__()
        self.sums = sums
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.sums.active or getattr(func, "__name__", "") not in ADDS:
            return func(*args, **(kwargs or {}))
        skip = self.sums.skips[self.count] if self.count < len(self.sums.skips) else None
        self.count += 1
        if skip is None:
            return func(*args, **(kwargs or {}))
        kept = args[1 - skip]
        return kept if func.__name__ == "add" or kept is args[0] else args[0].copy_(kept)
