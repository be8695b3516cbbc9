"""Draws docs/views.png: one photograph under every view. Run: python docs/draw_views.py

The photograph is Chelsea the cat from scikit-image (Stefan van der Walt, CC0), which the extra [test] installs.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from skimage.data import chelsea

from visavis.data.presets import CORRUPTIONS, INVARIANCE, OUTLINES
from visavis.data.views import parse_view

SIDE, GAP, LINE, COLUMNS = 150, 10, 18, 6
LOCAL = ("patch_shuffle:4", "patch_shuffle:16", "low_pass:8", "high_pass:16", "occlusion:50")


def draw(path: Path) -> None:
    """A sheet of small pictures with the names of their views."""
    kinds = [kind for group in CORRUPTIONS.values() for kind in group]
    names = ["clean", *(f"{kind}:3" for kind in kinds), *LOCAL, *OUTLINES, *INVARIANCE]
    rows = -(-len(names) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (SIDE + GAP) + GAP, rows * (SIDE + GAP + LINE) + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    photograph = Image.fromarray(chelsea()[:, 60:360])
    for number, name in enumerate(names):
        left = GAP + number % COLUMNS * (SIDE + GAP)
        top = GAP + number // COLUMNS * (SIDE + GAP + LINE)
        shown = parse_view(name).apply(photograph).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        sheet.paste(shown, (left, top))
        pen.text((left, top + SIDE + 2), name, fill="black", font=font)
    sheet.quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    draw(Path(__file__).with_name("views.png"))
