"""A study without some of its test images: the same plan and answers, as if those images had never been there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from visavis.errors import UsageError
from visavis.study.chapters.chapter import Embed, Material

if TYPE_CHECKING:
    from visavis.data.dataset import Sample
    from visavis.data.views import View
    from visavis.engine.encoder import Encoder


def leave_out(material: Material, samples: Collection[str]) -> Material:
    """The material without these test images; its results and pairs are still those of all.

    Nothing is encoded again: vectors of what is left are rows of those of the whole test part.

    Args:
        material: Of the whole study.
        samples: Ids of test images.

    Raises:
        UsageError: Fewer than two test images would be left.
    """
    plan, out = material.plan, set(samples)
    whole = plan.part("test")
    kept = np.array([sample.id not in out for sample in whole])
    if kept.sum() < 2:
        raise UsageError(
            f"Leaving out {len(out):,} of {len(whole):,} test images leaves {kept.sum()} to test on, and at least 2 "
            "are needed. Name fewer kinds in --exclude; the report without it shows what was found."
        )
    left = tuple(sample for sample, keep in zip(whole, kept, strict=True) if keep)
    dataset = replace(plan.dataset, samples=tuple(sample for sample in plan.dataset.samples if sample.id not in out))

    def of_left(embed: Embed, encoder: Encoder, asked: Sequence[Sample], view: View) -> np.ndarray:
        if tuple(asked) == left:
            return embed(encoder, whole, view)[kept]
        return embed(encoder, asked, view)

    return replace(
        material,
        plan=replace(plan, dataset=dataset),
        predictions=material.predictions[~material.predictions["sample"].isin(out)].reset_index(drop=True),
        probabilities={key: scores[kept] for key, scores in material.probabilities.items()},
        embed=partial(of_left, material.embed),
        features=partial(of_left, material.features),
    )
