"""Time and memory of opening ViT-L/14, against reading its file and copying it once; and the time of a listing.

    make bench-opening

Every measurement is a fresh process, the kinds take turns, and the file is in the system's cache for all of them. The
clock starts after the imports, which are the same for every model; a listing's covers the whole process. Mapped weights
are read when they are used, so an opening that touches nothing would win by doing nothing: "all read" looks at every
page of every weight before it stops the clock, and that is the figure to hold against the target. A file in half
precision is float32 once it is open: twice the size of what was read, whose pages count too. The weights are random.
Linux alone counts memory in the unit that is expected here.
"""

from __future__ import annotations

import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ARCHITECTURE = "ViT-L-14"
ROUNDS = 5
MOST_TIME, MOST_MEMORY, MOST_LISTING_S = 1.2, 1.1, 0.3  # targets: of read and copied once, of the weights, seconds
PAGE = 1024  # numbers of 4 bytes in a page of memory

Figures = dict[str, float]


def main() -> None:
    """Measures in turn, and prints medians with the least and the most of each."""
    with tempfile.TemporaryDirectory(prefix="visavis-opening-") as folder:
        files = {kind: Path(folder) / f"{kind}.safetensors" for kind in ("visavis", "half")}
        files["open_clip"] = Path(folder) / "open_clip"
        weights = run("make", *files.values())["bytes"]
        size = f"{weights / 2**20:.0f} MiB of float32 weights"
        print(f"{ARCHITECTURE}, {size}; {ROUNDS} fresh processes of each kind, by turns", flush=True)
        rounds = [
            {"read": run("read", files["visavis"]), "list": run("list")}
            | {kind: run("open", path) for kind, path in files.items()}
            for _ in range(ROUNDS)
        ]
    read = [figures["read"]["seconds"] for figures in rounds]
    print(f"read and copied once          {spread(read)} s")
    for kind in files:
        opened, whole = ([figures[kind][clock] for figures in rounds] for clock in ("opened", "all_read"))
        ratio = [one / other for one, other in zip(whole, read, strict=True)]
        memory = [figures[kind]["peak_bytes"] / weights for figures in rounds]
        print(f"{kind:<10} opened            {spread(opened)} s")
        print(f"{kind:<10} opened, all read  {spread(whole)} s = {spread(ratio)} x reading (at most {MOST_TIME})")
        print(f"{kind:<10} peak memory       {spread(memory)} x the weights (at most {MOST_MEMORY})")
    for clock, meaning in (("seconds", ""), ("cpu_seconds", " of the processor")):
        listed = [figures["list"][clock] for figures in rounds]
        print(f"visavis list                  {spread(listed)} s{meaning} (at most {MOST_LISTING_S})")


def spread(values: list[float]) -> str:
    """The median, and within what all of them lay."""
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def run(task: str, *paths: Path) -> Figures:
    """One task in a process of its own."""
    command = [sys.executable, __file__, task, *map(str, paths)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def make_files(visavis: Path, half: Path, open_clip: Path) -> Figures:
    """The same weights in visavis's own file, in the same with 16 bits a number, and as open_clip publishes them."""
    import torch

    from visavis.zoo.checkpoint import save_checkpoint
    from visavis.zoo.convert import convert
    from visavis.zoo.finding import fresh_checkpoint

    checkpoint = fresh_checkpoint(ARCHITECTURE, seed=0)
    save_checkpoint(visavis, checkpoint)
    save_checkpoint(half, checkpoint, torch.float16)
    convert(checkpoint, "open_clip", open_clip)
    return {"bytes": sum(tensor.nbytes for tensor in checkpoint.state.values())}


def read_file(path: Path) -> Figures:
    """What no reader can do without: every byte read, and copied once."""
    start = time.perf_counter()
    content = path.read_bytes()
    copy = bytearray(content)
    taken = time.perf_counter() - start
    assert len(copy) == path.stat().st_size
    return {"seconds": taken}


def open_encoder(path: Path) -> Figures:
    """From the file's name to an encoder, and on until every weight was looked at."""
    import visavis

    load = visavis.load  # imports torch and all that an encoder needs
    load("ViT-mini-8.emoji").encode_texts(["a text, so that all is imported"])
    before = peak_bytes()
    start = time.perf_counter()
    encoder = load(path)
    opened = time.perf_counter() - start
    seen = sum(float(weight.flatten()[::PAGE].sum()) for weight in encoder.model.parameters())
    all_read = time.perf_counter() - start
    assert math.isfinite(seen)
    return {"opened": opened, "all_read": all_read, "peak_bytes": peak_bytes() - before}


def list_models() -> Figures:
    """The whole command, as a user starts it."""
    start = time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("visavis"), "list"], check=True, stdout=subprocess.DEVNULL)
    taken = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"seconds": taken, "cpu_seconds": used.ru_utime + used.ru_stime}


def peak_bytes() -> int:
    """The most memory that this process has held, files' mapped pages included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    tasks = {"make": make_files, "read": read_file, "open": open_encoder, "list": list_models}
    if len(sys.argv) > 1:
        print(json.dumps(tasks[sys.argv[1]](*map(Path, sys.argv[2:]))))
    else:
        main()
