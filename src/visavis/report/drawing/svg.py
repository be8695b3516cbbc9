"""What all drawings share: their templates."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from visavis.report import words
from visavis.report.drawing.text import count_text, macs_text, shape_text


@cache
def environment() -> Environment:
    """Templates that escape whatever comes from outside."""
    made = Environment(
        loader=PackageLoader("visavis.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(visible=words.visible, shape=shape_text, count=count_text, macs=macs_text)
    return made
