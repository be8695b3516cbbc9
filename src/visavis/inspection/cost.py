"""What an encoder costs: parameters, multiply-accumulates, memory, time."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from visavis.inspection.anatomy.counting import count_on_meta


def count_params(module: nn.Module) -> int:
    """All parameters, trainable or not; buffers such as running means do not count."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(tower: nn.Module, image_size: int) -> int | None:
    """Multiply-accumulates of one image; 1 MAC is 2 FLOPs.

    Counted: convolutions, linear layers, and attention's two matrix products; not norms, activations and pooling.

    Args:
        tower: A module whose forward takes images.
        image_size: Side of the square input in pixels.

    Returns:
        None where the module runs something for which there is no rule.
    """
    return count_on_meta(tower, image_size).macs


def images_per_second(encode: Callable[[], object], n_images: int) -> float:
    """Throughput of one call of `encode`, which encodes `n_images` images."""
    start = time.perf_counter()
    encode()
    return n_images / (time.perf_counter() - start)


def peak_memory_mib(module: nn.Module, encode: Callable[[], object]) -> float:
    """Weights and buffers, and the most bytes of tensors alive at once while `encode` runs, in MiB.

    Counted from the tensors themselves as they come and go, so that it is the same on every run; what a library takes
    for its own work beside them is not seen.
    """
    with _LiveTensors((*module.parameters(), *module.buffers())) as live:
        encode()
    return live.most / 2**20


class _LiveTensors(TorchDispatchMode):
    """Follows the storages that are held from the start and those that operations make, until they are freed."""

    def __init__(self, held: Iterable[Tensor]) -> None:
        super().__init__()
        storages = [tensor.untyped_storage() for tensor in held]
        sizes = {storage._cdata: storage.nbytes() for storage in storages}
        self._seen = set(sizes)  # an operation may return a view of weights, which takes no more memory
        self._now = self.most = sum(sizes.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._follow(tensor.untyped_storage())
        self.most = max(self.most, self._now)
        return made

    def _follow(self, storage: torch.UntypedStorage) -> None:
        identity, size = storage._cdata, storage.nbytes()
        if identity not in self._seen:
            self._seen.add(identity)
            self._now += size
            weakref.finalize(storage, self._freed, identity, size)

    def _freed(self, identity: int, size: int) -> None:
        self._seen.discard(identity)
        self._now -= size
