"""The page on which networks stand side by side, opened."""

from visavis.report.anatomy.figure import figure_svg
from visavis.report.anatomy.page import render_page, write_page
from visavis.report.anatomy.record import to_json

__all__ = ["figure_svg", "render_page", "to_json", "write_page"]
