"""What every page shares: templates that escape, words as filters, the style, and a script allowed by its hash."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from visavis.report import words

FILTERS = (
    words.visible, words.visible_lines, words.measure_name, words.metric_name, words.cost_name, words.effect_name,
    words.exact, words.percent, words.points, words.confidence, words.count, words.quantity, words.significant,
    words.p_value, words.date, words.plural,
)  # fmt: skip


def environment() -> Environment:
    """Templates of this package: what they show is escaped, and a name that they lack is an error."""
    made = Environment(
        loader=PackageLoader("visavis.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update({function.__name__: function for function in FILTERS})
    made.filters["missing"] = words.is_missing
    made.tests["missing"] = words.is_missing
    return made


def frame(templates: Environment, *scripts: str, styles: tuple[str, ...] = ("style.css",)) -> dict[str, Any]:
    """What base.html asks for: the style and, of several script files as one, the text and its hash.

    Args:
        templates: Of `environment`.
        scripts: Names of files among the templates.
        styles: The same; none holds a word from outside.
    """
    script = "\n".join(text_of(templates, name) for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    style = "\n".join(text_of(templates, name) for name in styles)
    return {"style": Markup(style), "script": Markup(script), "script_hash": digest}


def text_of(templates: Environment, name: str) -> str:
    """A file among the templates as it is."""
    assert templates.loader is not None, "the templates have a loader"
    return templates.loader.get_source(templates, name)[0]
