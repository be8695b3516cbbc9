"""Tables for a terminal: what the doctor found, and where two encoders part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from visavis.report.layers import number, short_name
from visavis.report.words import MINUS, NOTHING, confidence, is_missing, visible

if TYPE_CHECKING:
    import pandas as pd

    from visavis.inspection.difference.layer_diff import LayerDiff
    from visavis.inspection.doctor.diagnosis import Diagnosis

VERDICT_STYLES = {"good": "green", "warning": "yellow", "bad": "bold red", "unknown": "cyan"}


def facts_table(diagnosis: Diagnosis) -> Table:
    """What a file is, line by line."""
    table = Table(title=visible(diagnosis.name), show_header=False, box=None, title_justify="left", title_style="bold")
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in diagnosis.facts.items():
        table.add_row(name, Text(visible(value)))
    return table


def findings_table(diagnosis: Diagnosis) -> Table:
    """The findings, each with its verdict and its remedy."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("trap", "verdict", "found, and what to do"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "found, and what to do")
    for finding in diagnosis.findings:
        remedy = f"\n→ {finding.remedy}" if finding.remedy else ""
        verdict = Text(finding.verdict, style=VERDICT_STYLES[finding.verdict])
        table.add_row(finding.trap, verdict, Text(finding.found + remedy))
    return table


def layers_table(diff: LayerDiff) -> Table:
    """The layers with how far they are apart; the first of each tower that differs stands out."""
    table = Table(title=Text(f"{visible(diff.a)} against {visible(diff.b)}"), box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("layer", "shape", "largest difference", "relative", "cosine"):
        table.add_column(heading, justify="left" if heading in ("layer", "shape") else "right", overflow="fold")
    for tower in dict.fromkeys(row.tower for row in diff.rows):
        first = diff.first(tower)
        table.add_row(Text(f"{tower} tower", style="bold"))
        for row in (row for row in diff.rows if row.tower == tower):
            table.add_row(
                Text(visible(short_name(row))),
                " x ".join(map(str, row.shape)),
                number(row.max_abs),
                number(row.relative),
                NOTHING if is_missing(row.cosine) else f"{row.cosine:.6f}",
                style="bold red" if row is first else "dim" if not row.stage else "",
            )
        table.add_section()
    return table


def found_table(hits: pd.DataFrame) -> Table:
    """What a search found: rank, score, name, label."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("rank", "cosine", "image", "label"):
        table.add_column(heading, justify="right" if heading in ("rank", "cosine") else "left", overflow="fold")
    for row in hits.to_dict("records"):
        score = f"{row['score']:.3f}".replace("-", MINUS)
        table.add_row(str(row["rank"]), score, Text(visible(row["name"])), Text(visible(row["label"])))
    return table


def answers_table(answers: pd.DataFrame) -> Table:
    """What images are called: image, answer, and the likeliest labels with their probabilities."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("image", "answer", "likeliest labels"):
        table.add_column(heading, overflow="fold")
    numbers = (answers["rank"] == 1).cumsum()  # an image may be named twice
    for _, rows in answers.groupby(numbers, sort=False):
        likely = ", ".join(f"{visible(r['label'])} {confidence(r['probability'])}" for r in rows.to_dict("records"))
        first = rows.iloc[0]
        table.add_row(Text(visible(first["image"])), Text(visible(first["answer"]), style="bold"), Text(likely))
    return table


def cache_table(kept: pd.DataFrame) -> Table:
    """What a cache holds: kind, model, entries, size in MB, when it was last used."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("kind", "model", "entries", "MB", "last used"):
        table.add_column(heading, justify="right" if heading in ("entries", "MB") else "left", overflow="fold")
    for row in kept.to_dict("records"):
        size = f"{row['bytes'] / 1e6:,.1f}"
        used = f"{row['used']:%Y-%m-%d %H:%M}"
        table.add_row(row["kind"], Text(visible(row["model"] or NOTHING)), f"{row['entries']:,}", size, used)
    return table
