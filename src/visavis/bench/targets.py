"""How fast visavis means to be, against the fastest peer, and how near its results must stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from visavis.bench.contest import Kind, Result


@dataclass(frozen=True, kw_only=True)
class Target:
    """One promise.

    Attributes:
        work: Start of a contest's work; "images" counts for "images, batch 32".
        models: Whose.
        kinds: Which numbers may be multiplied.
        ratio: Times the speed of the peer, at least.
        by: "difference" at most `limit`, or "cosine" at least `limit`.
        limit: As measured against what the contest expects.
        peer: Against whom; None for the fastest.
    """

    work: str
    models: tuple[str, ...]
    kinds: tuple[Kind, ...]
    ratio: float
    by: Literal["difference", "cosine"]
    limit: float
    peer: str | None = None

    def exact(self, result: Result) -> bool:
        """Whether a result is near enough; where nothing was compared, it is not."""
        if self.by == "difference":
            return result.difference is not None and result.difference <= self.limit
        return result.cosine is not None and result.cosine >= self.limit


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A promise, who came nearest to it, and whether it is kept."""

    target: Target
    best: str
    ratio: float
    met: bool


_VIT, _RESNETS = ("ViT-B-32",), ("RN50", "resnet50")
_FLOAT: tuple[Kind, ...] = ("float32",)
_INT8: tuple[Kind, ...] = ("int8",)
_ANY: tuple[Kind, ...] = ("float32", "bf16", "int8")


def targets(multiplies_int8: bool) -> tuple[Target, ...]:
    """Those for this processor: it has instructions for products of bytes (VNNI), or AVX2 alone."""
    vit, resnets = (4.0, 6.0) if multiplies_int8 else (2.0, 3.5)
    found = [
        Target(work="images", models=_VIT, kinds=_FLOAT, ratio=1.05, by="difference", limit=1e-4),
        Target(work="images", models=_RESNETS, kinds=_FLOAT, ratio=2.0, by="difference", limit=1e-4),
        Target(work="images", models=_VIT, kinds=_INT8, ratio=vit, by="cosine", limit=0.999),
        Target(work="images", models=_RESNETS, kinds=_INT8, ratio=resnets, by="cosine", limit=0.995),
        Target(work="one image", models=(*_VIT, "resnet50"), kinds=_FLOAT, ratio=1.6, by="difference", limit=1e-4),
        Target(work="texts", models=_VIT, kinds=_FLOAT, ratio=20.0, by="difference", limit=1e-5, peer="open_clip"),
        Target(work="texts", models=_VIT, kinds=_FLOAT, ratio=3.0, by="difference", limit=1e-5, peer="transformers"),
        Target(work="classifier", models=_VIT, kinds=_FLOAT, ratio=25.0, by="difference", limit=1e-5),
        Target(work="captions", models=_VIT, kinds=_FLOAT, ratio=10.0, by="difference", limit=0.0),
        Target(work="12-megapixel", models=_VIT, kinds=_ANY, ratio=2.5, by="cosine", limit=0.999),
        Target(work="12-megapixel", models=("resnet50",), kinds=_ANY, ratio=4.5, by="cosine", limit=0.999),
        Target(work="500 x 375", models=_VIT, kinds=_INT8, ratio=2.0, by="cosine", limit=0.999),
    ]
    if multiplies_int8:
        for model, limit in (("ViT-B-32", 0.999), ("resnet50", 0.995)):
            found.append(Target(work="one image", models=(model,), kinds=_INT8, ratio=4.0, by="cosine", limit=limit))
    return tuple(found)


def judge(work: str, model: str, results: Sequence[Result], among: Sequence[Target]) -> list[Judged]:
    """Each target of a contest, by the fastest result that is near enough; without one, by the fastest of its kinds."""
    judged = []
    for target in among:
        peers = [result for result in results if result.kind == "peer" and target.peer in (None, result.name)]
        rivals = [result for result in results if result.kind in target.kinds]
        if not work.startswith(target.work) or model not in target.models or not rivals or not peers:
            continue
        near = [result for result in rivals if target.exact(result)]
        best = max(near or rivals, key=lambda result: result.timing.per_second)
        ratio = best.timing.per_second / max(peer.timing.per_second for peer in peers)
        judged.append(Judged(target=target, best=best.name, ratio=ratio, met=bool(near) and ratio >= target.ratio))
    return judged
