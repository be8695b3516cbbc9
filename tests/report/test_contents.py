"""The list of contents: every section once, in groups; a chapter that no group names is not lost."""

from __future__ import annotations

from visavis.report.chapters.draw import CHAPTERS, DrawnChapter
from visavis.report.contents import ALWAYS, GROUPS, OTHERS, contents_of


def chapter(name: str) -> DrawnChapter:
    return DrawnChapter(name=name, title=name.title(), headline="", missing="", tables=(), contents={})


def test_without_chapters_the_fixed_sections_stand_in_their_order():
    groups = contents_of([])
    assert [section.name for _, sections in groups for section in sections] == list(ALWAYS)
    assert all(sections for _, sections in groups)


def test_every_chapter_stands_once_below_its_group():
    names = [name for name in CHAPTERS if name != "recommend"]
    groups = dict(contents_of([chapter(name) for name in names]))
    found = [section.name for sections in groups.values() for section in sections]
    assert sorted(found) == sorted([*ALWAYS, *names])
    assert [section.name for section in groups["How sure it is"]] == [n for n in GROUPS["How sure it is"] if n in names]


def test_a_chapter_that_no_group_names_stands_among_the_others():
    groups = dict(contents_of([chapter("something_new")]))
    assert [section.name for section in groups[OTHERS]] == ["something_new"]
    assert groups[OTHERS][0].template == "chapter.html"
