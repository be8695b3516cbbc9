"""One self-contained page: a study's tables in, HTML out. No number is made here, no file but the page is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visavis.errors import VisavisError
from visavis.report import figures, findings, words
from visavis.report.chapters.draw import draw_chapters
from visavis.report.contents import contents_of
from visavis.report.frame import environment, frame
from visavis.report.pictures import disagreements
from visavis.report.protocol import facts, how_measured, model_columns
from visavis.report.references import references
from visavis.report.tables import (
    LONGEST_TABLE,
    ResultGroup,
    cost_rows,
    hardest_classes,
    headline,
    pair_groups,
    per_class,
    plotted_groups,
    result_groups,
    widest_classes,
)
from visavis.zoo.files import replacing

if TYPE_CHECKING:
    import pandas as pd

PICTURES = 24
PICTURES_AT_FIRST = 9
WIDEST_CLASSES = 40
HARDEST_CLASSES = 10
FEW_VIEWS = 4  # whose accuracies all stand in sight; of more the first view's, and the others unfold
FIRST = "recommend"  # the chapter that stands below the lead


@dataclass(frozen=True, kw_only=True)
class ReportTables:
    """What a report draws: the tables of a study, as it saves them.

    Attributes:
        results: model, view, measure, metric, value, low, high, n, draw_low, draw_high, tie_group.
        pairs: model_a, model_b, view, measure, metric, difference, low, high, n, discordant, p_value, p_adjusted,
            design_effect, margin, p_equivalence, p_equivalence_adjusted, verdict; may be empty.
        effects: view, measure, effect, description, difference, low, high, n; may be empty.
        predictions: sample, model, view, measure, draw, label, predicted, confidence, rank.
        thumbnails: sample, name, label, image (PNG, JPEG or WebP bytes); may be empty.
        protocol: The contents of study.json.
        chapters: The tables of the study's chapters by name.
    """

    results: pd.DataFrame
    pairs: pd.DataFrame
    effects: pd.DataFrame
    predictions: pd.DataFrame
    thumbnails: pd.DataFrame
    protocol: Mapping[str, Any]
    chapters: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def render(tables: ReportTables) -> str:
    """The whole page. It asks the network for nothing: style, script and pictures are inside."""
    templates = environment()
    numbers = figures.number_models(tables.protocol, tables.results, tables.predictions)
    templates.filters.update(
        colour=lambda model: numbers[str(model)] % figures.COLOURS,
        mark=lambda model: figures.mark_of(numbers[str(model)]),
        with_names=lambda text: words.with_names(text, numbers),
        number_of=lambda model: numbers[str(model)],
    )
    formats = {
        function.__name__: function for function in (words.percent, words.points, words.quantity, words.significant)
    }
    templates.globals.update(formats, difference_mark=figures.difference_mark)
    return templates.get_template("page.html").render(
        **frame(templates, "script.js", "figures.js"),
        works=references(templates, _taken(tables)),
        marks=figures.MARKS,
        models=list(numbers),
        **_contents(tables, list(numbers)),
    )


def write_report(tables: ReportTables, path: Path) -> Path:
    """Renders the page into a file, whole or not at all, and returns its path.

    Raises:
        VisavisError: The file cannot be written.
    """
    return write_page(render(tables), path)


def write_page(page: str, path: Path) -> Path:
    """Writes a page, whole or not at all, and returns its path. Raises VisavisError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(page.encode("utf-8"))
    except OSError as error:
        raise VisavisError(
            f"Cannot write the report to {str(path)!r}: {error.strerror or error}. Free some space or choose another "
            "place, then draw it again with `visavis report`."
        ) from error
    return path


def _contents(tables: ReportTables, models: list[str]) -> dict[str, Any]:
    """Everything the template shows, section by section."""
    protocol, results = tables.protocol, tables.results
    empty_cells = protocol.get("empty_cells", [])
    first = headline(results)
    groups = result_groups(results, empty_cells)
    costs = cost_rows(results)
    n_classes = protocol.get("data", {}).get("classes")
    chapters = draw_chapters(tables)
    return {
        "protocol": protocol,
        "data": protocol.get("data", {}),
        "described": {str(model["name"]): model for model in protocol.get("models", ())},
        "first": first,
        "groups": _in_sight(groups),
        "few_views": FEW_VIEWS,
        "metrics": list(dict.fromkeys(metric for group in groups for row in group.rows for metric in row.cells)),
        "many_views": results.loc[results["measure"] != "cost", "view"].nunique() > 1,
        "has_draws": bool(results["draw_low"].notna().any()),
        "costs": costs,
        "cost_metrics": list(dict.fromkeys(metric for cells in costs.values() for metric in cells)),
        "n_all_classes": n_classes,
        "chance": 1 / n_classes if n_classes else None,
        "level": f"{100 * protocol.get('bootstrap', {}).get('level', 0.95):g}%",
        "how": words.HOW,
        "contents": contents_of([chapter for chapter in chapters if chapter.name != FIRST]),
        "recommended": next((chapter for chapter in chapters if chapter.name == FIRST and not chapter.missing), None),
        **_opening(protocol),
        **_accuracy(tables, groups, first),
        **_pictures(tables, first, models),
        **_pairs_and_effects(tables, groups, first),
        **_classes(tables.predictions, first),
        **_closing(protocol, groups),
    }


def _in_sight(groups: list[ResultGroup]) -> tuple[list[ResultGroup], list[ResultGroup]]:
    """What stands in sight, and what unfolds."""
    views = list(dict.fromkeys(group.view for group in groups))
    shown = views if len(views) <= FEW_VIEWS else views[:1]
    return [group for group in groups if group.view in shown], [group for group in groups if group.view not in shown]


def _taken(tables: ReportTables) -> list[str]:
    """Measures, written chapters and architectures: what references are looked up for."""
    chapters = [name for name, entry in tables.protocol.get("chapters", {}).items() if "missing" not in entry]
    kinds = [str(model.get("architecture", "")) for model in tables.protocol.get("models", ())]
    return [*tables.results["measure"].unique(), *chapters, *kinds]


def _opening(protocol: Mapping[str, Any]) -> dict[str, Any]:
    lead, rest = findings.split_verdict(str(protocol.get("verdict", "")))
    return {"lead": lead, "rest": rest}


def _accuracy(tables: ReportTables, groups: list[ResultGroup], first: tuple[str, str]) -> dict[str, Any]:
    """The interval plots, of the first view and of the headline's measure under all views, and the scatter plots."""
    plotted = plotted_groups(groups)
    if not plotted:
        return {"axis": None, "panels": [], "view_panels": [], "scatters": []}
    leading = next(group for group in groups if (group.view, group.measure) == first)
    by_view = [group for group in groups if group.measure == leading.measure and any(row.cells for row in group.rows)]
    axis = figures.accuracy_axis([*plotted, *by_view], tables.protocol.get("data", {}).get("classes"))
    scatters = [figures.cost_scatter(tables.results, leading, metric, axis) for metric in ("macs", "images_per_s")]
    return {
        "axis": axis,
        "panels": figures.accuracy_panels(plotted, axis),
        "accuracy_title": findings.accuracy_title(leading),
        "view_panels": figures.accuracy_panels(by_view, axis) if len(by_view) > 1 else [],
        "views_title": findings.views_title(by_view),
        "scatters": [scatter for scatter in scatters if scatter],
        "cost_title": findings.cost_title(tables.results),
    }


def _pictures(tables: ReportTables, first: tuple[str, str], models: list[str]) -> dict[str, Any]:
    pictures = disagreements(tables.predictions, tables.thumbnails, first, models, PICTURES)
    return {
        "gallery_title": findings.gallery_title(tables.predictions, first),
        "picture_groups": [pictures[:PICTURES_AT_FIRST], pictures[PICTURES_AT_FIRST:]],
    }


def _pairs_and_effects(tables: ReportTables, groups: list[ResultGroup], first: tuple[str, str]) -> dict[str, Any]:
    contents: dict[str, Any] = {"pairs": pair_groups(tables.pairs, groups, first), "effects": []}
    if not tables.pairs.empty:
        contents["pair_axis"] = figures.difference_axis(tables.pairs)
    if not tables.effects.empty:
        contents["effect_axis"] = figures.difference_axis(tables.effects)
        contents["effects"] = figures.effect_panels(tables.effects, contents["effect_axis"])
        contents["effects_title"] = findings.effects_title(tables.effects, *first)
    return contents


def _classes(predictions: pd.DataFrame, first: tuple[str, str]) -> dict[str, Any]:
    counts = per_class(predictions, *first)
    return {
        "n_classes": counts["label"].nunique(),
        "single_images": bool((counts["n"] == 1).all()),
        "class_models": list(dict.fromkeys(counts["model"])),
        "widest": widest_classes(counts, WIDEST_CLASSES),
        "hardest": hardest_classes(counts, HARDEST_CLASSES),
    }


def _closing(protocol: Mapping[str, Any], groups: list[ResultGroup]) -> dict[str, Any]:
    skipped = protocol.get("data", {}).get("skipped", [])
    return {
        "skipped": skipped[:LONGEST_TABLE],
        "skipped_left_out": max(0, len(skipped) - LONGEST_TABLE),
        "n_skipped": len(skipped),
        "facts": facts(protocol),
        "how_measured": how_measured(protocol, [group.measure for group in groups]),
        "model_columns": model_columns(protocol.get("models", ())),
    }
