"""Damages small networks of every library at random and opens each: only visavis's own errors may come out.

    python tests/fuzz/fuzz_networks.py [COUNT] [--seed SEED]        COUNT inputs, 2,000 unless told
    python tests/fuzz/fuzz_networks.py --only NUMBER [--seed SEED]  one input again, its error shown

fuzz_formats.py is about bytes. Here the files are sound mostly, and what they say of their network is not: a setting in
the JSON beside the weights, or in our own header, is missing or absurd. What opens must also encode a picture.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import math
import random
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_formats import damage
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from visavis.engine.load import load
from visavis.errors import VisavisError
from visavis.models.clip import CLIPConfig
from visavis.models.clip_resnet import CLIPResNetConfig
from visavis.models.clip_vit import CLIPViTConfig
from visavis.models.resnet import ResNetConfig
from visavis.models.text import TextConfig
from visavis.models.vit import ViTConfig
from visavis.zoo.architectures import Config, build_model
from visavis.zoo.checkpoint import Checkpoint
from visavis.zoo.convert import Target, convert, misfit
from visavis.zoo.preprocess import Preprocess

MEMORY = 2 << 30  # bytes above what the process has after its imports
SECONDS = 60.0  # for one input
TEXT = TextConfig(context_length=8, vocab_size=600, width=64, layers=1, heads=1, embed_dim=8, activation="quickgelu")
VIT = CLIPViTConfig(image_size=32, patch_size=8, width=64, layers=1, heads=1, embed_dim=8, activation="quickgelu")
NETWORKS: tuple[Config, ...] = (
    CLIPConfig(visual=VIT, text=TEXT),
    CLIPConfig(visual=CLIPResNetConfig(layers=(1, 1, 1, 1), width=4, image_size=32, embed_dim=8), text=TEXT),
    ResNetConfig(block="bottleneck", layers=(1, 1, 1, 1), width=8, image_size=32, num_classes=3),
    ResNetConfig(block="basic", layers=(1, 1, 1, 1), image_size=32, num_classes=3),
    ViTConfig(image_size=32, patch_size=8, width=16, layers=1, heads=2, num_classes=3),
)
TARGETS: tuple[Target, ...] = ("openai", "open_clip", "hf", "timm", "torchvision", "visavis")
SUFFIXES = {"openai": ".pt", "torchvision": ".pth", "visavis": ".safetensors"}
ABSURD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 1 << 31, 1 << 63, 10**30, 1e308, 1e-308, math.nan, math.inf),
    *("", "x" * 1000, "../../x", "gelu", "\x1b[2J", [], [1], [1e9] * 4, [[[]]], {}, {"a": 1}),
)


def make_networks(folder: Path) -> list[Path]:
    """One file or folder of each network for each library that has it."""
    made = []
    for number, config in enumerate(NETWORKS):
        names = None if isinstance(config, CLIPConfig) else ("a", "b", "c")
        weights = Checkpoint(
            config=config,
            preprocess=Preprocess(image_size=32, resize=32),
            state=build_model(config, seed=number).state_dict(),
            class_names=names,
        )
        for target in TARGETS:
            if misfit(weights, target) is None:
                made.append(convert(weights, target, folder / f"{number}{target}{SUFFIXES.get(target, '')}").path)
    return made


def make_input(folder: Path, networks: list[Path], seed: int, number: int) -> Path:
    """Copies a network into an empty folder and damages one file of it."""
    chance = random.Random(f"{seed} {number}")
    source = chance.choice(networks)
    path = folder / source.name
    if source.is_dir():
        shutil.copytree(source, path)
        described = sorted(path.glob("*.json"))
        victim = chance.choice(described if chance.random() < 0.85 else sorted(path.glob("*.safetensors")))
    else:
        victim = Path(shutil.copy(source, path))
    if victim.suffix == ".json" and chance.random() < 0.9:
        victim.write_text(absurdly(victim.read_text(), chance))
    elif source.name.endswith("visavis.safetensors") and chance.random() < 0.8:
        with safe_open(victim, "pt") as opened:
            said = opened.metadata()["visavis"]
        save_file(load_file(source), victim, {"visavis": absurdly(said, chance)})
    else:
        victim.write_bytes(damage(victim.read_bytes(), [b"{}", b"[]", b'"a": 1e9'], chance))
    return path


def absurdly(text: str, chance: random.Random) -> str:
    """JSON with one setting or two missing or replaced."""
    table = json.loads(text)
    for _ in range(chance.choice((1, 1, 2))):
        holder, key = chance.choice(list(_places(table)))
        if isinstance(holder, dict) and chance.random() < 0.2:
            del holder[key]
        else:
            holder[key] = chance.choice(ABSURD)
    return json.dumps(table)


def _places(tree: Any) -> Any:
    """Each holder of a value with the value's key, at every depth."""
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def open_input(path: Path) -> str:
    """Opens a network and encodes a picture: "encoded" or "refused". Any other exception is a fault."""
    try:
        load(path, engine="torch").encode_images([np.zeros((40, 40, 3), np.uint8)])
    except VisavisError as error:
        return "refused" if str(error).isprintable() else f"unprintable: {error!r}"
    return "encoded"


def run(numbers: range, seed: int, networks: list[Path]) -> int:
    """Opens inputs under limits and prints what failed. Returns how many did."""
    warnings.simplefilter("error")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    outcomes: Counter[str] = Counter()
    for number in numbers:
        folder = Path(tempfile.mkdtemp())
        path = make_input(folder, networks, seed, number)
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            outcome = open_input(path)
        except Exception:  # of whatever kind: that is the finding
            outcome = traceback.format_exc()
        faulthandler.cancel_dump_traceback_later()
        shutil.rmtree(folder)
        if outcome not in ("encoded", "refused"):
            print(f"input {number} failed: {outcome}", flush=True)
        outcomes[outcome if outcome in ("encoded", "refused") else "failed"] += 1
    print(f"{len(numbers)} networks, seed {seed}: {dict(outcomes)}, {outcomes['failed']} failures")
    return outcomes["failed"]


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    numbers = range(options.count) if options.only is None else range(options.only, options.only + 1)
    with tempfile.TemporaryDirectory() as folder:
        return int(run(numbers, options.seed, make_networks(Path(folder))) > 0)


if __name__ == "__main__":
    sys.exit(main())
