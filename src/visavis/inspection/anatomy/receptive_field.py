"""How much of the image one place of a map can see: its theoretical receptive field, its stride and its centre.

The one idea: follow the edges of what the first place sees, operation by operation. A window of k places, s apart and
with p of padding, moves the edges by p and by k - 1 - p strides, and multiplies the stride by s. Where ways meet, as
behind a skip connection, the field is what any of them sees. Pooling over all places and attention see all of them.

Source: Araujo et al. 2019, Computing Receptive Fields of Convolutional Neural Networks, Distill, sections "Solving for
receptive field size" and "Arbitrary computation graphs". Statistics that norms take over places do not count as sight,
as there. The borders of the image are no limit: a field may be larger than the image, where it holds padding.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from visavis.inspection.anatomy.operations import LOCAL, is_view, name_of

Pair = tuple[int, int]  # for height and width


@dataclass(frozen=True, kw_only=True)
class Field:
    """What the first place of a map sees of the image, and where the next places are.

    Attributes:
        low, high: Its first and last pixel; below 0 lies padding.
        stride: Pixels to the next place.
        places: How many there are along height and width.
        channels: Numbers at each place.
        axis: Of the tensor, along which these lie; None where that is not known, as where heads share them out.
        whole: Whether each place sees all that any place did, so that stride and place mean nothing any more.
    """

    low: Pair
    high: Pair
    stride: Pair
    places: Pair
    channels: int
    axis: int | None = 1
    whole: bool = False

    @property
    def side(self) -> int:
        """Of the field in pixels, along the axis on which it is longer."""
        return self.high[self._longer] - self.low[self._longer] + 1

    @property
    def step(self) -> int:
        """Pixels to the next place along that axis."""
        return self.stride[self._longer]

    @property
    def centre(self) -> float:
        """Where the middle of the first place's field lies along that axis, in pixels from the image's first."""
        return (self.low[self._longer] + self.high[self._longer]) / 2

    @property
    def _longer(self) -> int:
        height, width = (high - low for low, high in zip(self.low, self.high, strict=True))
        return 0 if height >= width else 1


def field_of_image(shape: Sequence[int]) -> Field:
    """What the image [batch, channels, height, width] sees of itself: each pixel one pixel."""
    _, channels, height, width = shape
    return Field(low=(0, 0), high=(0, 0), stride=(1, 1), places=(height, width), channels=channels)


def follow(func: Any, args: tuple, result: Tensor, fields: Sequence[Field | None]) -> Field | None:
    """The field of what an operation gives.

    Args:
        func: The dispatcher's operation.
        args: Its arguments.
        result: The first tensor that it gave.
        fields: Of those of its inputs that depend on the image, in order; None where one has no known field.

    Returns:
        None where no rule tells it.
    """
    known = [field for field in fields if field is not None]
    if len(known) < len(fields):
        return None
    name = name_of(func)
    if name in _RULES:
        return _RULES[name](args, result, known)
    if is_view(func) or name == "_unsafe_view":
        return _viewed(known[0], args[0], result)
    joined = join(known) if torch.Tag.pointwise in func.tags or name in LOCAL else None
    return joined and _sized(joined, result)


def join(fields: Sequence[Field]) -> Field | None:
    """What any of them sees; None where their places do not lie on each other."""
    if any(field.whole for field in fields):
        fields = [see_all(field) for field in fields]
    elif len({(field.stride, field.places) for field in fields}) > 1:
        return None
    low = min(field.low[0] for field in fields), min(field.low[1] for field in fields)
    high = max(field.high[0] for field in fields), max(field.high[1] for field in fields)
    axes = {field.axis for field in fields}
    return dataclasses.replace(fields[0], low=low, high=high, axis=axes.pop() if len(axes) == 1 else None)


def see_all(field: Field) -> Field:
    """From the first place's first pixel to the last place's last."""
    if field.whole:
        return field
    rows, columns = (stride * (places - 1) for stride, places in zip(field.stride, field.places, strict=True))
    return dataclasses.replace(field, high=(field.high[0] + rows, field.high[1] + columns), whole=True)


def slide(field: Field, result: Tensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Field:
    """A window that slides over the map; `result` is [batch, channels, height, width]."""
    low = tuple(low - pad * step for low, pad, step in zip(field.low, padding, field.stride, strict=True))
    reach = ((size - 1) * gap - pad for size, gap, pad in zip(kernel, dilation, padding, strict=True))
    high = tuple(high + more * step for high, more, step in zip(field.high, reach, field.stride, strict=True))
    return Field(
        low=(low[0], low[1]),
        high=(high[0], high[1]),
        stride=(field.stride[0] * stride[0], field.stride[1] * stride[1]),
        places=_pair(result.shape[-2:]),
        channels=result.shape[1],
    )


def _convolution(args: tuple, result: Tensor, fields: Sequence[Field]) -> Field | None:
    images, weight, _, stride, padding, dilation, transposed = args[:7]
    field = fields[0]
    if len(fields) > 1 or result.ndim != 4 or transposed:
        return None
    if field.whole:
        return dataclasses.replace(field, channels=result.shape[1])
    if images.shape[-2:] != field.places:
        return None
    return slide(field, result, _pair(weight.shape[2:]), _pair(stride), _pair(padding), _pair(dilation))


def _pool(args: tuple, result: Tensor, fields: Sequence[Field]) -> Field | None:
    images, kernel, stride, padding, dilation = (*args, *((), 0, 1)[len(args) - 2 :])[:5]
    if fields[0].whole or images.shape[-2:] != fields[0].places:
        return fields[0] if fields[0].whole else None
    dilation = dilation if not isinstance(dilation, bool) else 1  # average pooling has ceil_mode in its place
    return slide(fields[0], result, _pair(kernel), _pair(stride or kernel), _pair(padding), _pair(dilation))


def _adaptive_pool(args: tuple, result: Tensor, fields: Sequence[Field]) -> Field | None:
    """As many windows as are asked for; None where they are of different sizes."""
    field, (rows, columns) = fields[0], result.shape[-2:]
    if field.whole or (rows, columns) == (1, 1):
        return see_all(field)
    if field.places[0] % rows or field.places[1] % columns:
        return None
    kernel = field.places[0] // rows, field.places[1] // columns
    return slide(field, result, kernel, kernel, (0, 0), (1, 1))


def _viewed(field: Field, given: Tensor, result: Tensor) -> Field:
    """Where the channels lie now: a view keeps the distance in memory from one to the next, or parts them in heads."""
    if field.axis is None or field.axis >= given.ndim or field.whole:
        return dataclasses.replace(field, axis=None)
    step = given.stride(field.axis)
    apart = [axis for axis in range(result.ndim) if result.stride(axis) == step and result.shape[axis] > 1]
    if len(apart) != 1:
        return dataclasses.replace(field, axis=None)
    side = result.shape[apart[0]]
    parted = side < field.channels and side * step in result.stride()
    return (
        dataclasses.replace(field, axis=None) if parted else _sized(dataclasses.replace(field, axis=apart[0]), result)
    )


def _sized(field: Field, result: Tensor) -> Field:
    """With as many channels as there are now."""
    if field.axis is None or field.axis >= result.ndim:
        return field
    return dataclasses.replace(field, channels=result.shape[field.axis])


def _reduce(args: tuple, result: Tensor, fields: Sequence[Field]) -> Field | None:
    """Over the channels alone each place stays by itself; over anything else all are seen."""
    return _over(args[0], args[1] if len(args) > 1 else None, result, fields[0])


def _over(given: Tensor, dims: Any, result: Tensor, field: Field) -> Field:
    dims = range(given.ndim) if dims is None else [dims] if isinstance(dims, int) else dims
    over = [dim % given.ndim for dim in dims]
    if field.axis is None:  # then told by size
        local = math.prod(given.shape[dim] for dim in over) == field.channels
    else:
        local = over == [field.axis]
    axis = field.axis if result.ndim == given.ndim else None
    return dataclasses.replace(field if local else see_all(field), axis=axis)


def _linear(left: Tensor, result: Tensor, fields: Sequence[Field]) -> Field | None:
    """A map of the channels, the last axis, leaves each place by itself; one of anything else, as tokens, sees all."""
    field = join(fields)
    if field is None:
        return None
    last = left.ndim - 1
    local = left.shape[last] == field.channels if field.axis is None else field.axis == last
    field = field if local and len(fields) == 1 else see_all(field)
    return dataclasses.replace(field, channels=result.shape[-1], axis=result.ndim - 1)


def _attend(tokens: int, fields: Sequence[Field]) -> Field | None:
    """Each token sees all others; None where they are fewer than the places, as within windows."""
    field = join(fields)
    if field is None or field.whole:
        return field
    return see_all(field) if tokens >= math.prod(field.places) else None


def _batched(left: Tensor, right: Tensor, result: Tensor, fields: Sequence[Field]) -> Field | None:
    if len(fields) > 1:
        return _attend(right.shape[-1], fields)
    return _linear(left, result, fields)


def _cat(args: tuple, result: Tensor, fields: Sequence[Field]) -> Field | None:
    field = join(fields)
    if field is not None and field.axis is None:
        return dataclasses.replace(field, channels=result.shape[-1])
    return field and _sized(field, result)


def _rearrange(args: tuple, result: Tensor, fields: Sequence[Field]) -> Field | None:
    field = join(fields)
    return field and dataclasses.replace(field, axis=None)


def _pad(args: tuple, result: Tensor, fields: Sequence[Field]) -> Field | None:
    """Padding before the first place moves it outwards."""
    field, amounts = fields[0], args[1]
    if field.whole or len(amounts) > 4 or args[0].shape[-2:] != field.places:
        return field if field.whole else None
    left, top = amounts[0], amounts[2] if len(amounts) > 2 else 0
    moved = _moved(_moved(field, 0, -top * field.stride[0]), 1, -left * field.stride[1])
    return dataclasses.replace(moved, places=_pair(result.shape[-2:]))


def _slice(args: tuple, result: Tensor, fields: Sequence[Field]) -> Field | None:
    """A part of a map begins at a later place, and may leave out some."""
    field = fields[0]
    given, dim, start, end, step = (*args, *(0, 0, None, 1)[len(args) - 1 :])[:5]
    dim %= given.ndim
    if field.whole or (given.ndim < 4 and step == 1) or dim == field.axis:
        return _viewed(field, given, result)
    if given.ndim != 4 or field.axis not in (1, 3) or dim == 0:
        return None
    axis = dim - 2 if field.axis == 1 else dim - 1  # of the map
    first = slice(start, end, step).indices(given.shape[dim])[0]
    moved = _moved(field, axis, first * field.stride[axis])
    stride, places = list(field.stride), list(field.places)
    stride[axis], places[axis] = stride[axis] * step, result.shape[dim]
    return dataclasses.replace(moved, stride=_pair(stride), places=_pair(places))


def _moved(field: Field, axis: int, pixels: int) -> Field:
    """With its first place elsewhere on an axis of the map."""
    low, high = list(field.low), list(field.high)
    low[axis] += pixels
    high[axis] += pixels
    return dataclasses.replace(field, low=_pair(low), high=_pair(high))


def _pair(value: Any) -> Pair:
    """One number or two, for height and width."""
    listed = [value] if isinstance(value, int) else list(value)
    return listed[0], listed[-1]


_REDUCING = (
    *("mean", "sum", "amax", "amin", "max", "min", "var", "std", "var_mean", "argmax", "logsumexp", "cumsum"),
    *("_softmax", "_safe_softmax", "_log_softmax"),
)
_RULES: dict[str, Any] = {
    "convolution": _convolution,
    **dict.fromkeys(("max_pool2d_with_indices", "avg_pool2d"), _pool),
    **dict.fromkeys(("_adaptive_avg_pool2d", "adaptive_max_pool2d"), _adaptive_pool),
    **dict.fromkeys(_REDUCING, _reduce),
    "linalg_vector_norm": lambda args, result, fields: _over(
        args[0], args[2] if len(args) > 2 else None, result, fields[0]
    ),
    "mm": lambda args, result, fields: _linear(args[0], result, fields),
    "addmm": lambda args, result, fields: _linear(args[1], result, fields),
    "bmm": lambda args, result, fields: _batched(args[0], args[1], result, fields),
    "baddbmm": lambda args, result, fields: _batched(args[1], args[2], result, fields),
    **dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d"), _pad),
    "cat": _cat,
    **dict.fromkeys(("stack", "repeat"), _rearrange),
    "slice": _slice,
}
