"""How far two encoders are apart, layer by layer: an SVG, and a small page around it. No number is made here.

Depth runs downwards, so that a layer's name can stand beside its mark on a phone; the difference runs to the right on a
logarithmic scale. Widths are percentages, and text keeps its size.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment
from markupsafe import Markup, escape

from visavis.errors import UsageError, VisavisError
from visavis.report import words
from visavis.report.frame import environment, frame
from visavis.zoo.files import replacing

if TYPE_CHECKING:
    from visavis.inspection.difference.layer_diff import LayerDiff, LayerRow

SMALLEST, LARGEST = 1e-9, 10.0  # decades beyond these tell nothing more
ROW, HEADING, SCALE = 22, 34, 30  # pixels of height
LEFT, RIGHT = 4.0, 93.0  # percent of the field's width: where the lowest and the highest value lie
MOST_TICKS = 5
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SHORTER = ((r"\b(visual|text)\.", ""), (r"\btransformer\.resblocks\.(\d+)", r"block \1"), (r"(block \d+)\.", r"\1 "))


@dataclass(frozen=True, kw_only=True)
class Stripe:
    """One layer: where its row is, in pixels, and how far its difference reaches, in percent of the field's width."""

    label: str
    row: LayerRow
    y: float
    x: float
    differs: bool
    is_first: bool


@dataclass(frozen=True, kw_only=True)
class Section:
    """One tower's layers under their heading."""

    title: str
    y: float
    bottom: float
    stripes: tuple[Stripe, ...]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """All that the SVG draws; ticks are (place in percent, text)."""

    height: float
    ticks: tuple[tuple[float, str], ...]
    threshold: tuple[float, str]
    sections: tuple[Section, ...]


def draw(diff: LayerDiff) -> Chart:
    """Places for every layer of a comparison."""
    values = [row.relative for row in diff.rows if 0 < row.relative < math.inf]
    low = math.floor(math.log10(max(min([*values, diff.threshold]), SMALLEST)))
    high = math.ceil(math.log10(min(max([*values, diff.threshold * 10]), LARGEST)))

    def place(value: float) -> float:
        power = math.log10(min(max(value, 10.0**low), 10.0**high))
        return round(LEFT + (RIGHT - LEFT) * (power - low) / (high - low), 2)

    step = max(1, math.ceil((high - low) / MOST_TICKS))
    ticks = tuple((place(10.0**power), _power(power)) for power in range(low, high + 1, step))
    sections, y = [], float(SCALE)
    for tower in dict.fromkeys(row.tower for row in diff.rows):
        rows = [row for row in diff.rows if row.tower == tower]
        first, top = diff.first(tower), y
        stripes = []
        y += HEADING
        for row in rows:
            x = 0.0 if row.relative == 0 else place(row.relative)
            differs = row.relative > diff.threshold
            label = short_name(row)
            stripes.append(Stripe(label=label, row=row, y=y, x=x, differs=differs, is_first=row is first))
            y += ROW
        sections.append(Section(title=f"{tower.capitalize()} tower", y=top, bottom=y, stripes=tuple(stripes)))
    threshold = (place(diff.threshold), _power(math.log10(diff.threshold)))
    return Chart(height=y + SCALE, ticks=ticks, threshold=threshold, sections=tuple(sections))


def render_svg(diff: LayerDiff) -> str:
    """The plot as an SVG of its own, for light and dark grounds."""
    return _templates().get_template("layers_plot.html").render(chart=draw(diff), diff=diff, alone=True)


def render_page(diff: LayerDiff) -> str:
    """One self-contained page: the finding, the plot, every number. It asks the network for nothing."""
    templates = _templates()
    page = templates.get_template("layers.html")
    return page.render(**frame(templates), chart=draw(diff), diff=diff, alone=False)


def write_layers(diff: LayerDiff, path: Path) -> Path:
    """Writes the page (.html) or the plot alone (.svg), whole or not at all.

    Raises:
        UsageError: The name ends otherwise.
        VisavisError: The file cannot be written.
    """
    check_suffix(path)
    content = render_svg(diff) if path.suffix == ".svg" else render_page(diff)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(content, "utf-8")
    except OSError as error:
        raise VisavisError(
            f"Cannot write {str(path)!r}: {error.strerror or error}. Free some space or choose another place."
        ) from error
    return path


def check_suffix(path: Path) -> None:
    """Raises UsageError where the name ends neither in .html nor in .svg."""
    if path.suffix not in (".html", ".svg"):
        raise UsageError(f"The plot is written as .html or .svg, and {path.name!r} ends in neither. Name it so.")


def short_name(row: LayerRow) -> str:
    """A layer's name without what all names of its tower begin with."""
    label = row.layer
    for pattern, shorter in _SHORTER:
        label = re.sub(pattern, shorter, label)
    return label if row.stage else f"· {label}"


def _templates() -> Environment:
    templates = environment()
    templates.filters.update(breakable=breakable, number=number)
    return templates


def number(value: float) -> str:
    """A difference or a share with two digits, zero and infinity in a word."""
    if words.is_missing(value):
        return words.NOTHING
    if math.isinf(value):
        return "not comparable"
    return "0" if value == 0 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e+").replace("-", words.MINUS)


def breakable(text: str) -> Markup:
    """A text whose long dotted names may end a line behind a dot."""
    escaped = str(escape(words.visible_lines(text)))
    return Markup(re.sub(r"(?<=\w)\.(?=[A-Za-z_])|(?<=[A-Za-z_])\.(?=\d)", ".<wbr>", escaped))


def _power(power: float) -> str:
    whole = round(power)
    text = "10" + str(whole).translate(_SUPERSCRIPTS)
    return text if math.isclose(power, whole, abs_tol=1e-9) else f"{10**power:.2g}"
