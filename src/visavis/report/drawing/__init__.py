"""Networks as drawings: SVG made from `Layer` records alone, never from a stored picture."""

from visavis.report.drawing.block import block_svg
from visavis.report.drawing.network import network_svg

__all__ = ["block_svg", "network_svg"]
