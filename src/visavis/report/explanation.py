"""Maps of relevance as pictures: a PNG, and one page that asks the network for nothing.

The one idea: methods and models measure in units of their own, so what compares is each map's shape. Every map is shown
in multiples of its own mean, all on one colour scale: an even map is pale all over, a pointed one glows at its point.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import Environment
from PIL import Image, ImageDraw, ImageFont
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from visavis.errors import UsageError, VisavisError
from visavis.report import words
from visavis.report.frame import environment, frame
from visavis.zoo.files import replacing

if TYPE_CHECKING:
    from visavis.inspection.explain.records import Saliency

FOR, AGAINST = (200, 64, 10), (11, 98, 168)  # what speaks for the target and against it; apart for the colour-blind too
OPACITY = 0.85  # where the scale ends
LEAST_SCALE = 2.0  # multiples of the mean: below, an even map would be made to look pointed
METHODS = {
    "grad_cam": "Grad-CAM",
    "rollout": "attention rollout",
    "relevance": "gradient-weighted attention",
    "occlusion": "occlusion",
}
SOURCES = {
    "grad_cam": "Selvaraju et al. 2017",
    "rollout": "Abnar and Zuidema 2020; it knows no target",
    "relevance": "Chefer et al. 2021",
    "occlusion": "Zeiler and Fergus 2014",
}
MOST_COLUMNS = 4  # of the page; further maps go to the next line
SIDE, GAP, LINE, BAR = 224, 18, 18, 240  # pixels of the PNG: a map, the space around it, a line of text, the scale
INK, SOFT, PAPER = (29, 28, 26), (95, 91, 84), (253, 252, 249)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One map, ready for the page."""

    saliency: Saliency
    picture: str
    overlay: str
    words: tuple[tuple[str, float], ...]


def density(values: np.ndarray) -> np.ndarray:
    """A map in multiples of the mean of its absolute values; a map of zeros stays one."""
    values = values.astype(np.float64)  # gradients fade: in float32 the mean of a faint map is 0
    mean = float(np.abs(values).mean())
    return values / mean if mean > 0 else values


def common_scale(maps: Sequence[np.ndarray]) -> float:
    """Where the colour scale of all maps ends: above 99% of the pixels of the middle one, lest one pale all others."""
    ends = [float(np.quantile(np.abs(density(values)), 0.99)) for values in maps]
    return max(LEAST_SCALE, float(np.median(ends)))


def overlay(values: np.ndarray, scale: float) -> Image.Image:
    """A map as a veil of colour: orange speaks for the target, blue against it, the more opaque the more."""
    return _veil(density(values) / scale)


def _veil(shares: np.ndarray) -> Image.Image:
    """Colours of a map that was divided by the scale's end."""
    colours = np.where(shares[..., None] < 0, np.array(AGAINST, np.uint8), np.array(FOR, np.uint8))
    opacity = 255 * OPACITY * np.minimum(np.abs(shares), 1)
    return Image.fromarray(np.dstack([colours, opacity.round().astype(np.uint8)]))


def greyed(picture: np.ndarray) -> Image.Image:
    """A picture in pale grey, on which colours of a map are not mistaken for its own."""
    grey = np.asarray(Image.fromarray(picture).convert("L"), np.float32)
    return Image.fromarray((90 + grey * (165 / 255)).round().astype(np.uint8)).convert("RGB")


def scores_table(saliencies: Sequence[Saliency]) -> Table:
    """For a terminal: what each model says of each target, and how its map was made."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("model", "target", "score", "method"):
        table.add_column(heading, overflow="fold", min_width=24 if heading == "model" else None)
    for one in saliencies:
        names = (Text(words.visible(name)) for name in (one.model, one.target))
        table.add_row(*names, f"{one.unit} {signed(one.score)}", METHODS[one.method])
    return table


def check_suffix(path: Path) -> None:
    """Raises UsageError where the name ends neither in .png nor in .html."""
    if path.suffix not in (".png", ".html"):
        raise UsageError(f"An explanation is written as .png or .html, and {path.name!r} ends in neither. Name it so.")


def write_explanation(saliencies: Sequence[Saliency], path: Path) -> Path:
    """Writes the picture (.png) or the page (.html), whole or not at all.

    Raises:
        UsageError: The name ends otherwise.
        VisavisError: The file cannot be written.
    """
    check_suffix(path)
    if path.suffix == ".html":
        return write_bytes(render_page(saliencies).encode(), path)
    return write_bytes(_png(draw_sheet(saliencies)), path)


def write_bytes(content: bytes, path: Path) -> Path:
    """Writes a file, whole or not at all, and its folder where missing. Raises VisavisError where it cannot."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise VisavisError(
            f"Cannot write {str(path)!r}: {error.strerror or error}. Free some space or choose another place."
        ) from error
    return path


def render_page(saliencies: Sequence[Saliency]) -> str:
    """One self-contained page: each model's picture, its maps on one colour scale, its scores, its words."""
    scale = common_scale([saliency.map for saliency in saliencies])
    rows = {name: [_panel(one, scale) for one in own] for name, own in _by_model(saliencies).items()}
    columns = 1 + max(map(len, rows.values()))
    made = templates()
    return made.get_template("explanation.html").render(
        **frame(made), rows=rows, scale=scale, columns=min(columns, MOST_COLUMNS)
    )


def draw_sheet(saliencies: Sequence[Saliency]) -> Image.Image:
    """One row a model: the picture as it sees it, then its maps; below, the colour scale that all share."""
    scale = common_scale([saliency.map for saliency in saliencies])
    rows = _by_model(saliencies)
    columns = 1 + max(len(own) for own in rows.values())
    height = SIDE + 5 * LINE + GAP
    sheet = Image.new("RGB", (columns * (SIDE + GAP) + GAP, len(rows) * height + 4 * LINE + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (name, own) in enumerate(rows.items()):
        top = GAP + number * height
        _write(pen, (GAP, top), name, width=columns * (SIDE + GAP) - GAP, size=16)
        seen = Image.fromarray(own[0].picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        sheet.paste(seen, (GAP, top + LINE + 6))
        for column, one in enumerate(own, start=1):
            left, below = GAP + column * (SIDE + GAP), top + SIDE + LINE + 12
            sheet.paste(_blend(one, scale), (left, top + LINE + 6))
            _write(pen, (left, below), one.target)
            _write(pen, (left, below + LINE), f"{one.unit} {signed(one.score)}", colour=SOFT)
            _write(pen, (left, below + 2 * LINE), METHODS[one.method], colour=SOFT)
    _draw_scale(sheet, pen, scale, top=sheet.height - 4 * LINE)
    return sheet


def _by_model(saliencies: Sequence[Saliency]) -> dict[str, list[Saliency]]:
    rows: dict[str, list[Saliency]] = {}
    for saliency in saliencies:
        rows.setdefault(saliency.model, []).append(saliency)
    return rows


def _blend(saliency: Saliency, scale: float) -> Image.Image:
    size = (SIDE, SIDE)
    ground = greyed(saliency.picture).resize(size, Image.Resampling.BICUBIC).convert("RGBA")
    veil = overlay(saliency.map, scale).resize(size, Image.Resampling.BILINEAR)
    return Image.alpha_composite(ground, veil).convert("RGB")


def _draw_scale(sheet: Image.Image, pen: ImageDraw.ImageDraw, scale: float, top: int) -> None:
    bar = _veil(np.linspace(-1, 1, BAR)[None].repeat(12, axis=0))
    ground = Image.new("RGBA", bar.size, (255, 255, 255, 255))
    sheet.paste(Image.alpha_composite(ground, bar).convert("RGB"), (GAP, top))
    pen.rectangle((GAP, top, GAP + BAR, top + 12), outline=SOFT)
    for share, text in ((0.0, f"-{scale:.1f}"), (0.5, "0"), (1.0, f"{scale:.1f}")):
        width = _font(13).getlength(text)
        pen.text((GAP + share * (BAR - width), top + 15), text, fill=SOFT, font=_font(13))
    said = "times the map's mean, and beyond; orange speaks for the target, blue against it"
    _write(pen, (GAP, top + 15 + LINE), said, width=sheet.width - 2 * GAP, colour=SOFT)


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    *,
    width: float = SIDE,
    size: int = 14,
    colour: tuple[int, int, int] = INK,
) -> None:
    """One line of text, cut to a width in pixels. Pillow's font has no minus sign but a hyphen."""
    font, shown = _font(size), words.visible(text).replace(words.MINUS, "-")
    while font.getlength(shown) > width:
        shown = shown.rstrip("…")[:-1] + "…"
    pen.text(place, shown, fill=colour, font=font)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _panel(saliency: Saliency, scale: float) -> Panel:
    most = max((value for _, value in saliency.words), default=0.0) or 1.0
    return Panel(
        saliency=saliency,
        picture=data_uri(Image.fromarray(saliency.picture)),
        overlay=data_uri(overlay(saliency.map, scale)),
        words=tuple((word, round(value / most, 3)) for word, value in saliency.words),
    )


def data_uri(image: Image.Image) -> str:
    """An image as a data: URI of a PNG."""
    return f"data:image/png;base64,{base64.b64encode(_png(image)).decode('ascii')}"


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def signed(value: float) -> str:
    """A score with three digits and a real minus sign."""
    return f"{value:.3g}".replace("-", words.MINUS)


def templates() -> Environment:
    """The templates of this page and of the check's."""
    made = environment()
    made.filters.update(signed=signed, method=METHODS.__getitem__, source=SOURCES.__getitem__)
    return made
