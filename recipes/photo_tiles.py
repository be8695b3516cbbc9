"""Cuts the sample photographs of scikit-image and scikit-learn into tiles: which picture does a tile come from?

    python recipes/photo_tiles.py out/photo-tiles
    visavis compare resnet-mini.emoji RN-mini.emoji ViT-mini-8.emoji --data out/photo-tiles --out out/photos

One folder a photograph. Training tiles come from its left half and test tiles from its right one, on a grid, so that no
two tiles share a pixel.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

TILE = 64  # pixels
MOST_TILES = 24  # of one half of one photograph


def photographs() -> dict[str, np.ndarray]:
    """Photographs that the two libraries ship, by what they show: uint8 [height, width] or [height, width, 3]."""
    return {
        "an astronaut": data.astronaut(),
        "a brick wall": data.brick(),
        "a cameraman": data.camera(),
        "a cat": data.cat(),
        "a Chinese temple": load_sample_image("china.jpg"),
        "a cup of coffee": data.coffee(),
        "old coins": data.coins(),
        "a dahlia flower": load_sample_image("flower.jpg"),
        "galaxies": data.hubble_deep_field(),
        "grass": data.grass(),
        "gravel": data.gravel(),
        "stained tissue": data.immunohistochemistry(),
        "the moon": data.moon(),
        "a motorcycle": data.stereo_motorcycle()[0],
        "a retina": data.retina(),
        "a rocket": data.rocket(),
    }


def cut(photo: np.ndarray, rng: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """Tiles of a grid, at most MOST_TILES of each half, drawn at random."""
    height, width = photo.shape[:2]
    halves = {"train": (0, width // 2), "test": (width // 2, width)}
    parts = {}
    for part, (left, right) in halves.items():
        corners = [(y, x) for y in range(0, height - TILE + 1, TILE) for x in range(left, right - TILE + 1, TILE)]
        chosen = rng.permutation(len(corners))[:MOST_TILES]
        parts[part] = [photo[y : y + TILE, x : x + TILE] for y, x in (corners[index] for index in sorted(chosen))]
    return parts


def main(out: Path) -> None:
    """Writes out/train/NAME/*.png and out/test/NAME/*.png."""
    rng = np.random.default_rng(0)
    for name, photo in photographs().items():
        for part, tiles in cut(photo, rng).items():
            folder = out / part / name
            folder.mkdir(parents=True, exist_ok=True)
            for index, tile in enumerate(tiles):
                Image.fromarray(tile).save(folder / f"{index:02d}.png")
    print(f"tiles written to {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
