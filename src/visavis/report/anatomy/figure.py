"""A network as one figure: its towers and, beside them, the blocks that the image tower repeats, opened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markupsafe import Markup

from visavis.report.anatomy.columns import drawn_layers
from visavis.report.anatomy.reach import image_tower
from visavis.report.drawing.block import block_svg
from visavis.report.drawing.network import network_svg
from visavis.report.drawing.svg import drawing_style, templates

if TYPE_CHECKING:
    from visavis.inspection.anatomy.anatomy import Anatomy

GAP = 36  # between drawings, in pixels
_SIZE = re.compile(r'width="([\d.]+)" height="([\d.]+)"')  # of a drawing, in its first tag


def figure_svg(anatomy: Anatomy) -> str:
    """All that `network_svg` and `block_svg` draw of a network, side by side in one SVG that stands alone."""
    tower = image_tower(anatomy)
    drawn = drawn_layers(tower) if tower else []
    drawings = [network_svg(anatomy, "network")]
    drawings += [block_svg(one.layer, one.alike, f"block-{number}") for number, one in enumerate(drawn)]
    placed, x, height = [], 0.0, 0.0
    for drawing in drawings:
        size = _SIZE.search(drawing)
        assert size is not None, "a drawing says how large it is"
        placed.append(Markup(drawing.replace("<svg ", f'<svg x="{x:g}" ', 1)))  # escapes for itself
        x, height = x + float(size[1]) + GAP, max(height, float(size[2]))
    template = templates().get_template("anatomy_figure.html")
    return template.render(
        name=anatomy.name, drawings=placed, width=round(x - GAP, 1), height=height, style=drawing_style()
    )
