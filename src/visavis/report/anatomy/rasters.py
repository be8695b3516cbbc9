"""Arrays as pictures within a page: PNG in `data:` addresses, scaled up by the browser."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from PIL import Image

# From low to high, each lighter than the one before, so that it reads without colour and on both grounds.
RAMP = ("#1b2140", "#2a4f7c", "#3f8f95", "#8dc08a", "#f3e9a6")
HEAT = ("#7a1f5c", "#d9482b", "#f7a52b", "#fff3b0")  # laid over a picture, the more opaque the higher


def png_uri(pixels: np.ndarray) -> str:
    """A `data:` address of pixels, uint8 [height, width, 3 or 4]."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def colours(values: np.ndarray, ramp: tuple[str, ...] = RAMP) -> np.ndarray:
    """Values from 0 to 1, any shape, as colours, uint8 [..., 3]; what is no number is grey."""
    stops = np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in ramp], dtype=float)
    known = np.nan_to_num(np.clip(values, 0, 1))
    at = np.linspace(0, 1, len(stops))
    shown = np.stack([np.interp(known, at, stops[:, channel]) for channel in range(3)], axis=-1)
    shown[~np.isfinite(values)] = 128
    return np.rint(shown).astype(np.uint8)


def ramp_css() -> str:
    """The same colours for a scale beside a picture."""
    return f"linear-gradient(to right, {', '.join(RAMP)})"


def heat_map(values: np.ndarray) -> str:
    """A matrix of values from 0 to 1, one pixel each."""
    return png_uri(colours(values))


def sheet(tiles: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """Tiles [n, height, width, channels] in rows, with transparent gaps: uint8 [.., .., 4]."""
    n, height, width, channels = tiles.shape
    rows = math.ceil(n / columns)
    canvas = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for number, tile in enumerate(tiles):
        y, x = (number // columns) * (height + gap), (number % columns) * (width + gap)
        canvas[y : y + height, x : x + width, :channels] = tile
        if channels == 3:
            canvas[y : y + height, x : x + width, 3] = 255
    return canvas


def position_sheet(similarity: np.ndarray) -> np.ndarray:
    """Cosines [patches, patches] as a grid of maps: at each patch, its similarity to all, from -1 to 1."""
    patches = len(similarity)
    side = math.isqrt(patches)
    columns = side if side * side == patches else patches
    tiles = colours((similarity.reshape(patches, patches // columns, columns) + 1) / 2)
    return sheet(tiles, columns)


def attention_sheet(maps: np.ndarray, columns: int) -> np.ndarray:
    """Maps [layers, maps, rows, columns] as a see-through sheet, each scaled by its own highest weight."""
    highest = maps.max(axis=(2, 3), keepdims=True)
    shares = np.clip(maps / np.where(highest > 0, highest, 1), 0, 1)
    alpha = np.rint(255 * 0.85 * shares)[..., None].astype(np.uint8)
    tiles = np.concatenate([colours(shares, HEAT), alpha], axis=-1)
    return sheet(tiles.reshape(-1, *tiles.shape[2:]), columns)


def columns_for(n: int) -> int:
    """Columns that make n tiles about a square, and a full one where that is near."""
    root = max(1, math.isqrt(n))
    near = range(root, 2 * root + 1)
    return next((columns for columns in near if n % columns == 0), root + 1)
