"""Which chapters a study has, and the writing of them: a later one may read an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from visavis.evaluate.scores import NotMeasurable
from visavis.study.chapters.agreement import agreement
from visavis.study.chapters.calibration import calibration
from visavis.study.chapters.chapter import Chapter, Material, WriteChapter
from visavis.study.chapters.ensemble import ensemble
from visavis.study.chapters.few_shot import few_shot
from visavis.study.chapters.given_classes import given_classes
from visavis.study.chapters.invariance import invariance
from visavis.study.chapters.levels import levels
from visavis.study.chapters.maps import maps
from visavis.study.chapters.multi_label import multi_label
from visavis.study.chapters.neighbours import neighbours
from visavis.study.chapters.out_of_distribution import out_of_distribution
from visavis.study.chapters.prompts import prompts
from visavis.study.chapters.quality import quality
from visavis.study.chapters.ranking import ranking
from visavis.study.chapters.recommend import recommend
from visavis.study.chapters.retrieval import retrieval
from visavis.study.chapters.robustness import robustness
from visavis.study.chapters.selective import selective
from visavis.study.chapters.sensitivity import sensitivity
from visavis.study.chapters.shift import shift
from visavis.study.chapters.why import why

if TYPE_CHECKING:
    import pandas as pd

    from visavis.data.known import Known

CHAPTERS: dict[str, WriteChapter] = {
    "given_classes": given_classes,
    "neighbours": neighbours,
    "multi_label": multi_label,
    "retrieval": retrieval,
    "few_shot": few_shot,
    "prompts": prompts,
    "agreement": agreement,
    "ranking": ranking,
    "ensemble": ensemble,
    "calibration": calibration,
    "selective": selective,
    "out_of_distribution": out_of_distribution,
    "quality": quality,
    "robustness": robustness,
    "levels": levels,
    "invariance": invariance,
    "shift": shift,
    "maps": maps,
    "why": why,
    "sensitivity": sensitivity,
    "recommend": recommend,  # the last: it reads the others
}
WITHOUT_LABELS = ("retrieval", "agreement", "ranking", "robustness", "why", "recommend")
ONLY_FOR: dict[str, Known] = {"multi_label": "classes", "given_classes": "nothing", "neighbours": "nothing"}
WRITTEN: dict[Known, tuple[str, ...]] = {
    "class": tuple(name for name in CHAPTERS if name not in ONLY_FOR),
    "classes": ("multi_label", *WITHOUT_LABELS),
    "captions": WITHOUT_LABELS,
    "nothing": ("given_classes", "neighbours", "ranking", "maps"),
}
NEEDS: dict[Known, str] = {  # why there is no such chapter: what it is for alone
    "classes": "It is for images that may have several classes.",
    "nothing": "It is for images without labels.",
}
LACKS: dict[Known, str] = {  # or what the data are without
    "classes": "It compares with the one class of each image, and these may have several.",
    "captions": "It compares with the images' classes, and there are captions alone.",
    "nothing": "It needs labels or captions, and the images have neither.",
}


@dataclass(frozen=True, kw_only=True)
class Written:
    """The chapters of a study by name, and for the others the reason why there is none."""

    chapters: Mapping[str, Chapter]
    missing: Mapping[str, str]

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables of all chapters by name."""
        return {name: table for chapter in self.chapters.values() for name, table in chapter.tables.items()}

    def says(self) -> list[str]:
        """What the chapters add to the verdict."""
        return [sentence for chapter in self.chapters.values() for sentence in chapter.says]

    def pictures(self) -> list[str]:
        """Ids of the samples whose pictures the chapters show."""
        return list(dict.fromkeys(sample for chapter in self.chapters.values() for sample in chapter.pictures))

    def described(self) -> dict[str, Any]:
        """The chapters' entry in study.json."""
        entries: dict[str, Any] = {
            name: {"headline": chapter.headline, "tables": list(chapter.tables)}
            for name, chapter in self.chapters.items()
        }
        return entries | {name: {"missing": reason} for name, reason in self.missing.items()}


def write_chapters(material: Material) -> Written:
    """Every chapter that is wanted and can be written; those of `material.earlier` are there already.

    What is known of the images decides which these are (`WRITTEN`); others that were named are missing.
    """
    chapters: dict[str, Chapter] = dict(material.earlier)
    plan = material.plan
    written = WRITTEN[plan.known]
    missing = {
        name: NEEDS[ONLY_FOR[name]] if name in ONLY_FOR else LACKS[plan.known]
        for name in CHAPTERS
        if name in plan.measures and name not in written
    }
    wanted = [name for name in written if plan.wants(name) and name not in chapters]
    for number, name in enumerate(wanted, start=1):
        stage = f"chapter {number} of {len(wanted)}, {name.replace('_', ' ')}"
        material.progress(stage, 0, 1)
        try:
            chapters[name] = CHAPTERS[name](replace(material, earlier=dict(chapters)))
        except NotMeasurable as reason:
            missing[name] = str(reason)
        material.progress(stage, 1, 1)
    return Written(chapters=chapters, missing=missing)
