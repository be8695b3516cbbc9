"""Which chapters the report can draw, in the order in which they stand on the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from visavis.report.chapters.agreement import agreement
from visavis.report.chapters.calibration import calibration
from visavis.report.chapters.ensemble import ensemble
from visavis.report.chapters.few_shot import few_shot
from visavis.report.chapters.given_classes import given_classes
from visavis.report.chapters.invariance import invariance
from visavis.report.chapters.levels import levels
from visavis.report.chapters.maps import maps
from visavis.report.chapters.multi_label import multi_label
from visavis.report.chapters.neighbours import neighbours
from visavis.report.chapters.out_of_distribution import out_of_distribution
from visavis.report.chapters.prompts import prompts
from visavis.report.chapters.quality import quality
from visavis.report.chapters.ranking import ranking
from visavis.report.chapters.recommend import recommend
from visavis.report.chapters.retrieval import retrieval
from visavis.report.chapters.robustness import robustness
from visavis.report.chapters.selective import selective
from visavis.report.chapters.sensitivity import sensitivity
from visavis.report.chapters.shift import shift
from visavis.report.chapters.why import why

if TYPE_CHECKING:
    from visavis.report.page import ReportTables

CHAPTERS: dict[str, tuple[str, Callable[[ReportTables], dict[str, Any]]]] = {
    "given_classes": ("The given classes", given_classes),
    "neighbours": ("Neighbours and clusters", neighbours),
    "multi_label": ("Several classes", multi_label),
    "retrieval": ("Search", retrieval),
    "few_shot": ("A few labels", few_shot),
    "prompts": ("Prompts", prompts),
    "recommend": ("What to use", recommend),
    "agreement": ("Agreement", agreement),
    "ranking": ("Ranking", ranking),
    "ensemble": ("Several together", ensemble),
    "calibration": ("Calibration", calibration),
    "selective": ("Knowing when it is wrong", selective),
    "out_of_distribution": ("Other images", out_of_distribution),
    "robustness": ("Corruptions", robustness),
    "levels": ("Shape or texture", levels),
    "invariance": ("Invariance", invariance),
    "shift": ("Shift", shift),
    "quality": ("The data", quality),
    "maps": ("Maps", maps),
    "why": ("Why they differ", why),
    "sensitivity": ("Other choices", sensitivity),
}


@dataclass(frozen=True, kw_only=True)
class DrawnChapter:
    """A chapter of the page.

    Attributes:
        name: Of the chapter, of its anchor and of its template, chapters/NAME.html, which sees this as `chapter`.
        title: In the margin and in the list of sections.
        headline: What it found, in a sentence.
        missing: Why there is no such chapter, or "".
        tables: Names of the tables that it rests on.
        contents: What its template shows.
    """

    name: str
    title: str
    headline: str
    missing: str
    tables: tuple[str, ...]
    contents: dict[str, Any]


def draw_chapters(tables: ReportTables) -> list[DrawnChapter]:
    """The chapters that the study holds; those without tables tell why."""
    entries = tables.protocol.get("chapters", {})
    drawn = []
    for name, (title, contents) in CHAPTERS.items():
        entry = entries.get(name)
        if entry is None:
            continue
        missing = str(entry.get("missing", ""))
        shown = {} if missing else contents(tables)
        drawn.append(
            DrawnChapter(
                name=name,
                title=title,
                headline=str(entry.get("headline", "")),
                missing=missing,
                tables=tuple(entry.get("tables", ())),
                contents=shown,
            )
        )
    return drawn
