"""The networks, opened: one self-contained page, and its numbers as JSON beside it. It asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from visavis.errors import VisavisError
from visavis.report import figures, words
from visavis.report.anatomy.columns import REGIONS, columns_of, drawn_layers
from visavis.report.anatomy.findings import lead
from visavis.report.anatomy.kinds import explain
from visavis.report.anatomy.rasters import ramp_css
from visavis.report.anatomy.reach import growth_chart, reach_chart
from visavis.report.anatomy.record import kinds_of, to_json
from visavis.report.anatomy.sights import shown_sights, shown_similarities
from visavis.report.drawing.block import block_svg
from visavis.report.drawing.graph import short_name
from visavis.report.drawing.network import network_svg
from visavis.report.drawing.text import count_text, macs_text, settings_text, shape_text
from visavis.report.layers import breakable
from visavis.zoo.files import replacing

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy
    from visavis.inspection.sight.records import Sight, Similarity

FILTERS = (
    words.visible, words.visible_lines, words.exact, words.percent, words.points, words.count, words.quantity,
    words.significant, words.plural,
)  # fmt: skip


def render_page(
    anatomies: Sequence[Anatomy], sights: Sequence[Sight] = (), similarities: Sequence[Similarity] = ()
) -> str:
    """The whole page: style, script and pictures are inside."""
    names = [anatomy.name for anatomy in anatomies]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    environment = _environment(numbers)
    kinds = {kind: said for kind in kinds_of(anatomies) if (said := explain(kind))}
    style, own_style, script = (_text_of(environment, name) for name in ("style.css", "anatomy.css", "anatomy.js"))
    return environment.get_template("anatomy.html").render(
        style=Markup(style + own_style),  # none of them holds a word from outside
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        marks=figures.MARKS,
        anatomies=anatomies,
        lead=lead(anatomies),
        regions=REGIONS,
        columns={number: columns_of(anatomy) for number, anatomy in enumerate(anatomies)},
        kinds=kinds,
        kind_numbers={kind: number for number, kind in enumerate(kinds)},
        networks=[Markup(network_svg(anatomy, f"network-{number}")) for number, anatomy in enumerate(anatomies)],
        drawings=_drawings(anatomies),
        reach=reach_chart(anatomies, sights),
        growth=growth_chart(anatomies),
        sights=shown_sights(sights),
        similarities=shown_similarities(similarities),
        norms=list(dict.fromkeys(name for sight in sights for name in sight.norms)),
        ramp=ramp_css(),
        short_name=short_name,
        significant=words.significant,
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


def _drawings(anatomies: Sequence[Anatomy]) -> list[list[dict[str, Any]]]:
    """Of each model, the insides that are drawn."""
    drawings = []
    for number, anatomy in enumerate(anatomies):
        own = [(tower, drawn) for tower in anatomy.towers for drawn in drawn_layers(tower)]
        drawings.append(
            [
                {
                    "tower": tower.kind,
                    "layer": drawn.layer,
                    "alike": drawn.alike,
                    "svg": Markup(block_svg(drawn.layer, f"block-{number}-{at}")),  # escapes for itself
                }
                for at, (tower, drawn) in enumerate(own)
            ]
        )
    return drawings


def _environment(numbers: dict[str, int]) -> Environment:
    environment = Environment(
        loader=PackageLoader("visavis.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({function.__name__: function for function in FILTERS})
    environment.filters.update(
        missing=words.is_missing,
        colour=lambda model: numbers.get(str(model), len(numbers)) % figures.COLOURS,
        mark=lambda model: figures.mark_of(numbers.get(str(model), len(numbers))),
        mark_class=lambda model: numbers.get(str(model), len(numbers)),
        breakable=breakable,
        shape=shape_text,
        settings=settings_text,
        numbers=count_text,
        macs=macs_text,
    )
    environment.tests["missing"] = words.is_missing
    return environment


def _text_of(environment: Environment, name: str) -> str:
    assert environment.loader is not None, "the templates have a loader"
    return environment.loader.get_source(environment, name)[0]
