"""What a chapter is: further evidence about the models of a study, taken from what the study already holds.

A chapter is a function from `Material` to a `Chapter`. It computes tables; the report's chapter of the same name draws
them. The measures of `study/measures.py` decide about single images; a chapter tells what follows from many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from visavis.data.dataset import Sample
    from visavis.data.views import View
    from visavis.engine.encoder import Encoder
    from visavis.progress import ShowProgress
    from visavis.study.plan import Plan

Embed = Callable[["Encoder", Sequence["Sample"], "View"], "np.ndarray"]


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """What a chapter found.

    Attributes:
        tables: Tidy tables by name; each becomes NAME.csv in the study's folder.
        headline: One sentence with the finding, the title of its figure; no more than the tables show.
        says: Sentences for the verdict; empty where there is nothing a user would act on.
        pictures: Ids of samples whose pictures the report needs.
    """

    tables: Mapping[str, pd.DataFrame]
    headline: str
    says: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a chapter may look at.

    Attributes:
        plan: Models and data.
        predictions: One row a decision; see `Study`.
        results: Accuracies with intervals, and costs.
        pairs: Paired differences.
        probabilities: For each (measure, model) under the first view, float32 [test images, classes].
        embed: Vectors of samples under a view, float32 [samples, embed_dim]; asked twice, encoded once.
        features: The same before a CLIP's projection, float32 [samples, feature_dim], which probes are trained on.
        progress: Called with stage, done and total.
        earlier: The chapters before this one, by name.
    """

    plan: Plan
    predictions: pd.DataFrame
    results: pd.DataFrame
    pairs: pd.DataFrame
    probabilities: Mapping[tuple[str, str], np.ndarray]
    embed: Embed
    features: Embed
    progress: ShowProgress
    earlier: Mapping[str, Chapter]

    @property
    def view(self) -> View:
        """The view that chapters look through."""
        return self.plan.views[0]


WriteChapter = Callable[[Material], Chapter]  # raises NotMeasurable, whose message tells why there is no such chapter
