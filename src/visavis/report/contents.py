"""The order of the page: sections in groups, so that a page of twenty sections has a list of contents one can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from visavis.report.chapters.draw import DrawnChapter

# Sections that every page has: their titles in the list of contents, and their templates.
ALWAYS = {
    "accuracy": ("Accuracy", "accuracy.html"),
    "pictures": ("Disagreements", "gallery.html"),
    "results": ("All results", "results.html"),
    "cost": ("Cost", "cost.html"),
    "classes": ("Classes", "classes.html"),
    "skipped": ("Skipped files", "skipped.html"),
    "protocol": ("Protocol", "protocol.html"),
    "methods": ("References", "methods.html"),
}
GROUPS = {
    "Which is right": (
        "accuracy",
        "pictures",
        "given_classes",
        "multi_label",
        "retrieval",
        "ranking",
        "few_shot",
        "prompts",
        "ensemble",
    ),
    "How sure it is": ("sensitivity", "calibration", "selective", "out_of_distribution"),
    "When images change": ("robustness", "levels", "invariance", "shift"),
    "How they differ": ("neighbours", "agreement", "why", "maps"),
    "The record": ("quality", "results", "cost", "classes", "skipped", "protocol", "methods"),
}
OTHERS = "How they differ"  # the group of chapters that no group names


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section: its anchor, its title in the contents, its template; its chapter where it is one."""

    name: str
    title: str
    template: str
    chapter: DrawnChapter | None = None


def contents_of(chapters: Sequence[DrawnChapter]) -> list[tuple[str, list[Section]]]:
    """(group, sections) in the order of the page; a group without sections is left out."""
    sections = {name: Section(name=name, title=title, template=file) for name, (title, file) in ALWAYS.items()}
    for chapter in chapters:
        sections[chapter.name] = Section(
            name=chapter.name, title=chapter.title, template="chapter.html", chapter=chapter
        )
    named = {name for names in GROUPS.values() for name in names}
    groups = []
    for group, names in GROUPS.items():
        further = [name for name in sections if name not in named] if group == OTHERS else []
        own = [sections[name] for name in (*names, *further) if name in sections]
        if own:
            groups.append((group, own))
    return groups
