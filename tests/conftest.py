"""What an end-to-end test needs: the command as a process, tiny networks in files, folders of pictures, a browser."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from nursery import Nursery

COMMAND = Path(sys.executable).parent / "visavis"
CLASSES = (  # names that attack tables, pages and shells; a folder's name cannot hold a slash
    "plain",
    "two  words",
    "\"double\" & 'single'",
    "<script>alert(1)<script>",
    "🦊 fox",
    "two\nlines",
)
HEAD_CLASSES = (*CLASSES, "one more")
FILE_NAMES = ("a b.png", "<script>alert(2)<script>.png", '🦊\'s "den".png', "two\nlines.png", "--out.png")
BOTH_VIEWS = ("--view", "clean", "--view", "grayscale")
COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40), (40, 200, 200), (200, 40, 200))


def huge_png(good: bytes) -> bytes:
    """A PNG of 30,000 x 30,000 pixels in under a hundred bytes: its header says so, its data end at once."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def animated_gif(good: bytes) -> bytes:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green")]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


# A file's place, what makes it of a good one's bytes, and a word of the reason for which it is skipped.
UNUSABLE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "plain/zero.png": (lambda good: b"", "empty"),
    "plain/cut 🦊.png": (lambda good: good[: len(good) // 2], "truncated"),
    "plain/huge.png": (huge_png, "too large: the limit is 89 million pixels"),
    "two  words/animated.gif": (animated_gif, "animated"),
    "two  words/text <b>.jpg": (lambda good: b"these are words", "not an image: text"),
    "🦊 fox/web\npage.png": (lambda good: b"<html></html>", "not an image: a web page"),
    "🦊 fox/noise.webp": (lambda good: bytes(range(256)), "not an image"),
    "beside.png": (lambda good: good, "without a label"),
}


class Called(NamedTuple):
    """What a process left behind."""

    code: int
    out: str
    err: str

    def failed(self, code: int) -> str:
        """The one line of stderr that says why, once nothing else was found there. Progress may stand before it."""
        assert self.code == code, self.err
        assert "Traceback" not in self.err, self.err
        *before, last = self.err.splitlines()
        assert last.startswith("visavis: "), self.err
        assert last.endswith((".", "?")), last
        assert not [line for line in before if line.startswith("visavis: ")]
        return last


class Models(NamedTuple):
    """Checkpoint files of the four corners, with fresh weights; the ViT's head knows none of `CLASSES`."""

    resnet: str
    vit: str
    clip_resnet: str
    clip_vit: str


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAVIS_CACHE", str(cache))


@pytest.fixture(scope="session")
def visavis(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Called]]:
    """Runs the command as a process of its own, in an empty folder: the installed one where its surroundings are
    changed, else a child of the nursery.
    """
    usual = {**os.environ, "VISAVIS_CACHE": str(cache), "COLUMNS": "200"}
    nursery = Nursery(usual)

    def run(*arguments: object, environment: dict[str, str] | None = None, before: Callable | None = None) -> Called:
        words, folder = [str(argument) for argument in arguments], tmp_path_factory.mktemp("cwd")
        if environment is None and before is None:
            return Called(*nursery.run(words, folder))
        done = subprocess.run(
            [COMMAND, *words],
            env={**usual, **(environment or {})},
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            timeout=240,
            preexec_fn=before,  # limits are set there, and no thread of ours holds a lock it needs
            check=False,
        )
        return Called(done.returncode, done.stdout, done.stderr)

    yield run
    nursery.close()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    from visavis.models.clip import CLIPConfig
    from visavis.models.clip_resnet import CLIPResNetConfig
    from visavis.models.clip_vit import CLIPViTConfig
    from visavis.models.resnet import ResNetConfig
    from visavis.models.text import TextConfig
    from visavis.models.vit import ViTConfig
    from visavis.zoo.architectures import build_model
    from visavis.zoo.checkpoint import Checkpoint, save_checkpoint
    from visavis.zoo.preprocess import Preprocess

    text = TextConfig(context_length=16, vocab_size=600, width=16, layers=1, heads=2, embed_dim=8)
    unknown = tuple(f"thing {number}" for number in range(3))
    made = {
        "resnet <b>&'\" 🦊.safetensors": (
            ResNetConfig(
                block="bottleneck", layers=(1, 1, 1, 1), width=4, image_size=32, num_classes=len(HEAD_CLASSES)
            ),
            HEAD_CLASSES,
        ),
        "vit.safetensors": (
            ViTConfig(image_size=32, patch_size=8, width=16, layers=1, heads=2, num_classes=3),
            unknown,
        ),
        "clip-resnet.safetensors": (
            CLIPConfig(visual=CLIPResNetConfig(layers=(1, 1, 1, 1), width=4, image_size=32, embed_dim=8), text=text),
            None,
        ),
        "clip-vit.safetensors": (
            CLIPConfig(
                visual=CLIPViTConfig(image_size=32, patch_size=8, width=16, layers=1, heads=2, embed_dim=8), text=text
            ),
            None,
        ),
    }
    folder = tmp_path_factory.mktemp("models")
    for seed, (name, (config, class_names)) in enumerate(made.items()):
        checkpoint = Checkpoint(
            config=config,
            preprocess=Preprocess(image_size=32, resize=32),
            state=build_model(config, seed=seed).state_dict(),
            class_names=class_names,
        )
        save_checkpoint(folder / name, checkpoint)
    return Models(*(str(folder / name) for name in made))


@pytest.fixture(scope="session")
def draw() -> Callable[..., None]:
    return draw_class


def draw_class(folder: Path, colour: tuple[int, int, int], count: int, seed: int = 0) -> None:
    """Pictures of one colour under noise so strong that it is mistaken at times, as PNG files in a folder."""
    random = np.random.default_rng([seed, *colour])
    folder.mkdir(parents=True)
    for number in range(count):
        noise = random.integers(-90, 90, (24, 30, 3)) + random.integers(-80, 80, 3)
        pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes of eight pictures, all readable; file names are plain."""
    folder = tmp_path_factory.mktemp("some photos") / "my photos"
    for name, colour in zip(CLASSES, COLOURS, strict=True):
        draw_class(folder / name, colour, count=8)
    return folder


@pytest.fixture(scope="session")
def class_names() -> tuple[str, ...]:
    return CLASSES


@pytest.fixture(scope="session")
def unusable() -> dict[str, str]:
    """Of each file in `messy` that cannot be used, a part of the reason."""
    return {place: reason for place, (_, reason) in UNUSABLE.items()}


@pytest.fixture(scope="session")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures with hostile file names, among files that cannot be used: `UNUSABLE`."""
    folder = tmp_path_factory.mktemp("messy photos") / "it's <i>mine<i>"
    for name, colour in zip(CLASSES, COLOURS, strict=True):
        draw_class(folder / name, colour, count=8)
    for number, name in enumerate(FILE_NAMES):
        (folder / "plain" / f"{number}.png").rename(folder / "plain" / name)
    good = (folder / "plain" / FILE_NAMES[0]).read_bytes()
    for place, (content, _) in UNUSABLE.items():
        (folder / place).write_bytes(content(good))
    return folder


@pytest.fixture(scope="session")
def study_folder(visavis: Callable[..., Called], models: Models, messy: Path, tmp_path_factory) -> Path:
    """A study of all four models under both views, made by the command; what it printed lies beside as out and err."""
    folder = tmp_path_factory.mktemp("study") / "out"
    called = visavis("compare", *models, "--data", messy, "--out", folder, *BOTH_VIEWS)
    assert called.code == 0, called.err
    (folder.parent / "out.txt").write_text(called.out, "utf-8")
    (folder.parent / "err.txt").write_text(called.err, "utf-8")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium; where there is none the test is skipped, or fails if VISAVIS_REQUIRE_BROWSER is 1."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        message = "no chromium, chromium-browser or google-chrome on the PATH"
        if os.environ.get("VISAVIS_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    flags = [
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, chromium_sandbox=False, args=flags)
        yield chromium
        chromium.close()
