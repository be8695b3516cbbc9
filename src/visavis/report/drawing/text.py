"""How wide a text will be, before any browser has seen it; shapes and counts in words.

The one idea: a drawing's text must fit on every machine, so widths are those of Helvetica (Adobe's metrics), raised to
those of the widest fonts that may stand in for it. What does not fit is cut with an ellipsis, never squeezed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from visavis.report import words

WIDEST = 1.16  # DejaVu Sans against Helvetica, over the texts that occur here
BOLD = 1.08
_EMS = (  # widths in thousandths of the size
    (222, "ijl'|"),
    (278, "It.,:;/\\!f[] ·"),
    (333, 'r()-`"'),
    (389, "*ᵀ"),
    (500, "ckszvxyJ"),
    (556, "0123456789abdeghnopquLêé_?#$–"),
    (584, "+=<>~−^"),
    (611, "TFZ"),
    (667, "ABEKPSVXY&√"),
    (722, "CDHNRUw×"),
    (778, "GOQ"),
    (833, "Mm"),
    (889, "%"),
    (944, "W"),
    (1015, "@…"),
)
_WIDTHS = {character: ems / 1000 for ems, characters in _EMS for character in characters}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """An upper estimate of a text's width in pixels, at a font size in pixels."""
    ems = sum(_WIDTHS.get(character, _other(character)) for character in text)
    return ems * size * WIDEST * (BOLD if bold else 1.0)


def fit(text: str, size: float, room: float, bold: bool = False) -> str:
    """The text, or as much of its beginning as fits into `room` pixels, with an ellipsis."""
    if text_width(text, size, bold) <= room:
        return text
    for end in range(len(text) - 1, 0, -1):
        short = text[:end].rstrip(" ,.") + "…"
        if text_width(short, size, bold) <= room:
            return short
    return "…"


def shape_text(shape: Sequence[int] | None) -> str:
    """[256, 56, 56] as "256×56×56"; empty where nothing ran."""
    if shape is None:
        return ""
    return "×".join(map(str, shape)) if shape else "1"


def settings_text(settings: str) -> str:
    """A layer's settings, with signs of multiplication where they stand for a letter: "3x3" as "3×3"."""
    return re.sub(r"(?<=\d)x(?=\d)|(?<= )x(?= )", "×", words.visible(settings)) if settings else ""


def count_text(number: int | None) -> str:
    """A count in three digits: "23.5 M"; a dash where it is unknown."""
    return words.NOTHING if number is None else words.quantity(number)


def macs_text(number: int | None) -> str:
    """Multiply-accumulates for one input: "4.09\N{NO-BREAK SPACE}GMACs", "512\N{NO-BREAK SPACE}MACs"."""
    if number is None:
        return "MACs unknown"
    text = words.quantity(number)
    return f"{text}MACs" if text[-1].isalpha() else f"{text}\N{NO-BREAK SPACE}MACs"


def _other(character: str) -> float:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn"):
        return 0.0
    return 1.3 if unicodedata.east_asian_width(character) in ("W", "F") else 0.9
