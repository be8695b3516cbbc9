"""Damages small valid files of every format at random and reads each: only visavis's own errors may come out.

    python tests/fuzz/fuzz_formats.py [COUNT] [--seed SEED]       COUNT inputs, 20,000 unless told
    python tests/fuzz/fuzz_formats.py --only NUMBER [--seed SEED] one input again, its file kept and its error shown

The inputs are read in a process of its own with a limit on memory and on the time of each; input NUMBER follows from
SEED and NUMBER alone. A crash, a hang, memory beyond the limit or another exception is a failure (exit code 1).
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import json
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from argparse import Namespace
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save, save_file

from visavis.errors import VisavisError
from visavis.zoo.formats.tensor_file import read_tensor_file

MEMORY = 768 << 20  # bytes above what the process has after its imports
SECONDS = 20.0  # for one input; the slowest take well below one
NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def make_files() -> dict[str, bytes]:
    """One small valid file of every kind, by name."""
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    state = OrderedDict(
        {"weight": base, "turned": base.t(), "part": base[1:4, ::2], "half": torch.randn(5).half(), "none": base[:0]}
    )
    state |= {"b16": torch.randn(3).bfloat16(), "mask": torch.tensor([True, False]), "scale": torch.tensor(2.5)}
    training = {
        "model": {
            f"module.{name}": torch.nn.Parameter(value) if name == "weight" else value for name, value in state.items()
        },
        "optimizer": {"state": {0: {"step": torch.tensor(1.0), "exp_avg": base}}, "param_groups": [{"lr": 0.1}]},
        "epoch": 3,
        "args": Namespace(lr=0.1, tags={"a", "b"}, best=np.float64(0.5)),
    }
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU())
    arrays = {"params/kernel": np.ones((4, 5), np.float32), "params/bias": np.zeros(5), "opt/state": np.arange(3)}
    arrays["params/turned"] = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    files = {
        "state.pt": _torch_bytes(state),
        "training.pt": _torch_bytes(training),
        "network.pt": _torch_bytes(network),
    }
    files["legacy.pt"] = _torch_bytes(training, legacy=True)
    files["legacy-network.pt"] = _torch_bytes(network, legacy=True)
    files["protocol-4.pt"] = _torch_bytes(training, protocol=4)
    files["script.pt"] = _script_bytes()
    files["model.safetensors"] = save({name: value.contiguous() for name, value in state.items()}, {"format": "pt"})
    for name, write in (("stored.npz", np.savez), ("deflated.npz", np.savez_compressed)):
        buffer = io.BytesIO()
        write(buffer, **arrays)
        files[name] = buffer.getvalue()
    return files


def _torch_bytes(content: object, *, legacy: bool = False, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def _script_bytes() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GELU())), buffer)
    return buffer.getvalue()


def damage(content: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """The content after one to three changes, inside a member where it is an archive, or in its own bytes."""
    if content[:2] == b"PK" and chance.random() < 0.5:
        return _damage_member(content, others, chance)
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choice(CHANGES)(changed, others, chance)
    return bytes(changed)


def _damage_member(content: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """The archive written anew, with right checksums, around a changed member or with members mixed up."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    pickles = [number for number, (name, _) in enumerate(members) if name.endswith(".pkl")]
    number = chance.choice(pickles) if pickles and chance.random() < 0.8 else chance.randrange(len(members))
    changed = bytearray(members[number][1])
    for _ in range(chance.choice((1, 1, 2, 4))):
        chance.choice(CHANGES)(changed, others, chance)
    members[number] = (members[number][0], bytes(changed))
    if chance.random() < 0.1:
        del members[chance.randrange(len(members))]
    packing = zipfile.ZIP_DEFLATED if chance.random() < 0.1 else zipfile.ZIP_STORED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def _flip(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 8)) if content else 0):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _cut(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    del content[chance.randrange(len(content) + 1) :]


def _drop(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    start = chance.randrange(len(content) + 1)
    del content[start : start + chance.choice((1, 4, 8, 100))]


def _splice(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    other = chance.choice([*others, bytes(content)])
    start = chance.randrange(len(other) + 1)
    piece = other[start : start + chance.choice((1, 8, 64, 500))]
    place = chance.randrange(len(content) + 1)
    content[place : place + chance.choice((0, len(piece)))] = piece


def _overwrite(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    """A number of a header becomes an unlikely one; headers lie at either end of most formats."""
    width, layout = chance.choice(((1, "B"), (2, "<H"), (4, "<I"), (8, "<Q")))
    reach = min(len(content), chance.choice((64, 600, len(content) + 1)))
    place = chance.randrange(reach + 1)
    place = chance.choice((place, len(content) - place))
    content[place : place + width] = struct.pack(layout, chance.choice(NUMBERS) % (1 << 8 * width))


def _renumber(content: bytearray, others: list[bytes], chance: random.Random) -> None:
    """A number written in digits becomes another."""
    digits = [place for place, byte in enumerate(content[:4000]) if 48 <= byte <= 57]
    if digits:
        place = chance.choice(digits)
        content[place : place + 1] = chance.choice((b"9", b"-1", b"99999", b"9" * 30, b"1e9", b"", b"NaN"))


CHANGES: tuple[Callable[[bytearray, list[bytes], random.Random], None], ...] = (
    _flip,
    _flip,
    _cut,
    _drop,
    _splice,
    _overwrite,
    _overwrite,
    _renumber,
)


def make_input(folder: Path, files: dict[str, bytes], seed: int, number: int) -> Path:
    """Writes damaged input `number` into a folder that holds nothing else, and says what to read."""
    chance = random.Random(f"{seed} {number}")
    others = list(files.values())
    if number % 12 == 11:
        return _make_folder(folder, files["model.safetensors"], others, chance)
    name = list(files)[number % len(files)]
    (folder / name).write_bytes(damage(files[name], others, chance))
    return folder / name


def _make_folder(folder: Path, whole: bytes, others: list[bytes], chance: random.Random) -> Path:
    """A network in two parts with an index and a description, one of the four damaged."""
    parts = {"a.safetensors": ["weight", "bias"], "b.safetensors": ["scale"]}
    for part, names in parts.items():
        save_file({name: torch.ones(3) for name in names}, folder / part)
    places = {name: part for part, names in parts.items() for name in names}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (folder / "config.json").write_text(json.dumps({"architectures": ["X"], "size": 3}))
    victim = chance.choice(sorted(folder.iterdir()))
    victim.write_bytes(damage(victim.read_bytes(), others, chance))
    return folder


def read_input(path: Path) -> str:
    """Reads a file to its last number: "read" or "refused". Any other exception is the reader's fault."""
    try:
        found = read_tensor_file(path)
        for tensor in found.tensors.values():
            tensor.to(torch.float64, copy=True)
    except VisavisError as error:
        return "refused" if str(error).isprintable() else f"unprintable: {error!r}"
    return "read"


def work(count: int, seed: int, first: int) -> None:
    """Reads inputs from number `first` on under limits, one line on stdout for each."""
    warnings.simplefilter("error")
    files = make_files()
    torch.set_num_threads(1)
    read_input(make_input(Path(tempfile.mkdtemp()), files, seed, 0))  # loads what is loaded when first needed
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for number in range(first, count):
        folder = Path(tempfile.mkdtemp())
        path = make_input(folder, files, seed, number)
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        began = time.monotonic()
        try:
            outcome = read_input(path)
        except Exception as error:  # of whatever kind: that is the finding
            outcome = "".join(traceback.format_exception_only(error)).strip().replace("\n", " ")
        faulthandler.cancel_dump_traceback_later()
        shutil.rmtree(folder)
        print(json.dumps([number, outcome, time.monotonic() - began]), flush=True)


def watch(count: int, seed: int) -> int:
    """Runs workers until all inputs are read; shows progress and failures. Returns how many failed."""
    outcomes: Counter[str] = Counter()
    slowest, first, failures = (0.0, 0), 0, 0
    while first < count:
        command = [sys.executable, __file__, str(count), "--seed", str(seed), "--worker-from", str(first)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as worker:
            assert worker.stdout is not None
            for line in worker.stdout:
                number, outcome, seconds = json.loads(line)
                first = number + 1
                slowest = max(slowest, (seconds, number))
                if outcome not in ("read", "refused"):
                    failures += 1
                    print(f"input {number} failed: {outcome}", flush=True)
                outcomes[outcome if outcome in ("read", "refused") else "failed"] += 1
                if first % 1000 == 0:
                    print(f"{first}/{count}: {dict(outcomes)}", flush=True)
        if worker.returncode:
            failures += 1
            print(f"input {first} failed: the reader ended with {worker.returncode}", flush=True)
            first += 1
    print(
        f"{count} inputs, seed {seed}: {dict(outcomes)}, {failures} failures; slowest {slowest[0]:.2f} s ({slowest[1]})"
    )
    return failures


def show(seed: int, number: int) -> None:
    """Reads one input in this process and keeps its file."""
    path = make_input(Path(tempfile.mkdtemp()), make_files(), seed, number)
    print(path)
    print(read_tensor_file(path))


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--worker-from", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        show(options.seed, options.only)
        return 0
    if options.worker_from is not None:
        work(options.count, options.seed, options.worker_from)
        return 0
    return int(watch(options.count, options.seed) > 0)


if __name__ == "__main__":
    sys.exit(main())
