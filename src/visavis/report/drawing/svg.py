"""What all drawings share: their templates, and colours for light and dark grounds and for paper.

The one idea: every colour is written out, tints already mixed with their ground, so that a drawing looks the same in a
browser, in a vector editor and in a paper, few of which know CSS variables or mix colours.
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment
from markupsafe import Markup

from visavis.report.drawing.text import count_text, macs_text, shape_text
from visavis.report.frame import environment

# What is drawn on which ground: for each look the line's colour; text, soft text, rules and the ground itself.
LIGHT = {
    "weights": "#0b62a8", "norm": "#7a6200", "activation": "#b8480a", "attention": "#97397f", "pooling": "#00735a",
    "plain": "#6b675f", "ink": "#1d1c1a", "soft": "#5f5b54", "rule": "#b9b4a8", "ground": "#fdfcf9",
}  # fmt: skip
DARK = {
    "weights": "#6cb2f0", "norm": "#d8bd4a", "activation": "#ff9a5c", "attention": "#e795cf", "pooling": "#45c9a0",
    "plain": "#a8a399", "ink": "#e9e6df", "soft": "#a8a399", "rule": "#5a5b5e", "ground": "#17181a",
}  # fmt: skip
PAPER = {**LIGHT, "ink": "#000000", "soft": "#444444", "rule": "#999999", "ground": "#ffffff"}
LOOKS = ("weights", "norm", "activation", "attention", "pooling", "plain")
ROLES = {"input": "plain", "stem": "norm", "stage": "weights", "pooling": "pooling", "head": "activation"}


def mixed(colour: str, ground: str, share: float) -> str:
    """`share` of a colour on a ground, all as #rrggbb.

    >>> mixed("#ff0000", "#ffffff", 0.2)
    '#ffcccc'
    """
    pairs = [(int(colour[at : at + 2], 16), int(ground[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(share * own + (1 - share) * below):02x}" for own, below in pairs)


@cache
def drawing_style() -> Markup:
    """The style sheet of every drawing: once in a file, once on a page of many drawings."""
    return Markup(
        templates()
        .get_template("anatomy_drawing_style.html")
        .render(
            looks=LOOKS,
            roles=ROLES,
            mixed=mixed,
            grounds={"": LIGHT, "(prefers-color-scheme: dark)": DARK, "print": PAPER},
        )
    )


@cache
def templates() -> Environment:
    """Templates of the drawings."""
    made = environment()
    made.filters.update(shape=shape_text, count=count_text, macs=macs_text)
    return made
