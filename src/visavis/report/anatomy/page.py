"""The networks, opened: one self-contained page, and its numbers as JSON beside it. It asks the network for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from markupsafe import Markup

from visavis.errors import VisavisError
from visavis.report import figures, words
from visavis.report.anatomy.columns import REGIONS, Column, columns_of, drawn_layers
from visavis.report.anatomy.findings import growth_title, lead, view_title
from visavis.report.anatomy.kinds import explain
from visavis.report.anatomy.rasters import ramp_css
from visavis.report.anatomy.reach import growth_chart, reach_chart
from visavis.report.anatomy.record import kinds_of, to_json
from visavis.report.anatomy.sights import shown_sights, shown_similarities
from visavis.report.anatomy.sums import sum_of
from visavis.report.anatomy.tally import tally_of
from visavis.report.anatomy.worth import worth_of
from visavis.report.drawing.block import block_svg
from visavis.report.drawing.graph import short_name
from visavis.report.drawing.network import Plate, network_svg
from visavis.report.drawing.svg import drawing_style
from visavis.report.drawing.text import count_text, macs_text, settings_text, shape_text
from visavis.report.frame import environment, frame
from visavis.report.layers import breakable
from visavis.report.tree import folded
from visavis.zoo.files import replacing

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy
    from visavis.inspection.sight.records import Sight, Similarity


def render_page(
    anatomies: Sequence[Anatomy], sights: Sequence[Sight] = (), similarities: Sequence[Similarity] = ()
) -> str:
    """The whole page: style, script and pictures are inside."""
    names = [anatomy.name for anatomy in anatomies]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    templates = _templates(numbers)
    columns = [columns_of(anatomy) for anatomy in anatomies]
    kinds = {kind: said for kind in kinds_of(anatomies) if (said := explain(kind))}
    return templates.get_template("anatomy.html").render(
        **frame(templates, "anatomy.js", styles=("style.css", "anatomy.css")),
        marks=figures.MARKS,
        anatomies=anatomies,
        lead=lead(anatomies),
        view_title=view_title(anatomies),
        growth_title=growth_title(anatomies),
        regions=REGIONS,
        columns=columns,
        kinds=kinds,
        kind_numbers={kind: number for number, kind in enumerate(kinds)},
        plates=_plates(columns),
        networks=[Markup(network_svg(anatomy, f"network-{number}")) for number, anatomy in enumerate(anatomies)],
        drawings=_drawings(anatomies),
        drawing_style=drawing_style(),
        reach=reach_chart(anatomies, sights),
        growth=growth_chart(anatomies),
        sights=shown_sights(sights),
        worth=worth_of(sights),
        similarities=shown_similarities(similarities),
        norms=list(dict.fromkeys(name for sight in sights for name in sight.norms)),
        ramp=ramp_css(),
        letters=ascii_lowercase,
        short_name=short_name,
        folded=folded,
        sum_of=sum_of,
        tally_of=tally_of,
        hundredths=lambda value: f"{value:.2f}".replace("-", words.MINUS),
        signed=lambda points: words.points(points / 100),
    )


def write_page(
    anatomies: Sequence[Anatomy], sights: Sequence[Sight], similarities: Sequence[Similarity], folder: Path
) -> Path:
    """Writes index.html and anatomy.json into a folder, each whole or not at all, and returns the page's path.

    Raises:
        VisavisError: A file cannot be written.
    """
    files = {
        "anatomy.json": to_json(anatomies, sights, similarities),
        "index.html": render_page(anatomies, sights, similarities),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with replacing(folder / name) as temporary:
                temporary.write_bytes(content.encode("utf-8", "replace"))
    except OSError as error:
        raise VisavisError(
            f"Cannot write the page into {str(folder)!r}: {error.strerror or error}. Free some space or choose another "
            "folder with --out."
        ) from error
    return folder / "index.html"


def _plates(columns: Iterable[Sequence[Column]]) -> dict[Plate, int]:
    """Every size of plate once, with its number: blocks are many, their sizes few."""
    pieces = (piece for own in columns for column in own for region in column.regions.values() for piece in region)
    return {plate: number for number, plate in enumerate(dict.fromkeys(piece.plate for piece in pieces))}


def _drawings(anatomies: Sequence[Anatomy]) -> list[list[dict[str, Any]]]:
    """Of each model, the insides that are drawn; `new` where no tower of that kind before it is built like that."""
    drawings: list[list[dict[str, Any]]] = []
    seen: set[object] = set()
    for number, anatomy in enumerate(anatomies):
        own = [(tower.kind, drawn) for tower in anatomy.towers for drawn in drawn_layers(tower)]
        drawings.append(
            [
                {
                    "tower": kind,
                    "layer": drawn.layer,
                    "alike": drawn.alike,
                    "new": (kind, drawn.build) not in seen,
                    "svg": Markup(block_svg(drawn.layer, drawn.alike, f"block-{number}-{at}")),  # escapes for itself
                }
                for at, (kind, drawn) in enumerate(own)
            ]
        )
        seen.update((kind, drawn.build) for kind, drawn in own)
    return drawings


def _templates(numbers: dict[str, int]) -> Environment:
    templates = environment()
    templates.filters.update(
        colour=lambda model: numbers.get(str(model), len(numbers)) % figures.COLOURS,
        mark=lambda model: figures.mark_of(numbers.get(str(model), len(numbers))),
        mark_class=lambda model: numbers.get(str(model), len(numbers)),
        breakable=breakable,
        shape=shape_text,
        settings=settings_text,
        numbers=count_text,
        macs=macs_text,
    )
    return templates
