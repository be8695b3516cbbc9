"""A page with chapters drawn from tables that are made up, and the numbers that a section of it shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from visavis.report.page import ReportTables, render

Tables = Mapping[str, pd.DataFrame]


def draw_page(
    make: Callable[..., ReportTables],
    chapters: Mapping[str, Tables],
    *,
    models: Sequence[str] = (),
    headline: str = "what {name} found",
) -> str:
    """A page on a made-up study with the tables of each chapter; the models are those of `make` unless named."""
    study = make(n_classes=30)
    entries = {
        name: {"headline": headline.replace("{name}", name), "tables": list(tables)}
        for name, tables in chapters.items()
    }
    protocol = {**study.protocol, "chapters": entries}
    if models:
        protocol["models"] = [{"name": model} for model in models]
    flat = {name: table for tables in chapters.values() for name, table in tables.items()}
    return render(replace(study, protocol=protocol, chapters=flat))


def section_of(page: str, name: str) -> str:
    """From a section's anchor to its end."""
    start = page.index(f'id="{name}"')
    return page[start : page.index("</section>", start)]


def draw_section(make: Callable[..., ReportTables], name: str, tables: Tables, *, models: Sequence[str] = ()) -> str:
    """One chapter's section."""
    return section_of(draw_page(make, {name: tables}, models=models), name)


def numbers_in(section: str) -> set[float]:
    """What its <data> elements hold."""
    return {float(value) for value in re.findall(r'<data value="([^"]+)"', section)}


def cells_of(tables: Tables) -> set[float]:
    """All numbers of the tables."""
    return {float(value) for table in tables.values() for value in table.select_dtypes("number").to_numpy().ravel()}
