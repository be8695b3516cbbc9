"""Networks as drawings: SVG made from `Layer` records alone, never from a stored picture."""

from visavis.report.drawing.block import block_svg
from visavis.report.drawing.network import network_svg
from visavis.report.drawing.svg import drawing_style

__all__ = ["block_svg", "drawing_style", "network_svg"]
