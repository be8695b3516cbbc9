"""Occlusion: Zeiler and Fergus 2014, section 4.2, for any network at all.

The one idea: cover a part of the image with grey, look how far the score falls, and move on. It costs one run of the
network for each place of the cover, and believes nothing but the network's own answers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


@torch.no_grad()
def occlusion(run: Callable[[Tensor], Tensor], pixels: Tensor, *, window: int, stride: int) -> Tensor:
    """How far the score falls where the image is covered, [batch, side, side]; below 0 where it rises.

    A pixel that several places of the window cover has the mean of their falls.

    Args:
        run: Images to scores [batch].
        pixels: Preprocessed images [batch, 3, side, side], whose grey is 0.
        window: Side of the square cover in pixels.
        stride: Pixels between its places; the last in a row is moved back to fit into the image.
    """
    side = pixels.shape[-1]
    starts = [*range(0, side - window, stride), side - window]
    whole = run(pixels)  # [batch]
    falls, covers = pixels.new_zeros(len(pixels), side, side), pixels.new_zeros(side, side)
    for top in starts:
        for left in starts:
            place = (..., slice(top, top + window), slice(left, left + window))
            covered = pixels.clone()
            covered[place] = 0
            falls[place] += (whole - run(covered))[:, None, None]
            covers[place] += 1
    return falls / covers
