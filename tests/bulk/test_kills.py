"""A job killed at fifty random moments ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

KILLS = 50
NURSERY = """
import os, signal, sys, time
import visavis.bulk.job, visavis.data.find_listing
for line in sys.stdin:
    data, out, seconds = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if not child:
        sys.argv[1:], sys.stdout = [data, out], open(os.devnull, "w")
        exec({program!r})
        os._exit(0)
    if seconds != "never":
        time.sleep(float(seconds))
        os.kill(child, signal.SIGKILL)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def run_and_kill(crowd: Path, program: str) -> Iterator[Callable[..., int]]:
    """Runs the job as a child of a process that has imported everything, kills it after so many seconds, and gives its
    exit code.
    """
    command = [sys.executable, "-c", NURSERY.format(program=program)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as nursery:
        assert nursery.stdin
        assert nursery.stdout

        def run(out: Path, seconds: float | str = "never") -> int:
            nursery.stdin.write(f"{crowd}\t{out}\t{seconds}\n")
            return int(nursery.stdout.readline())

        yield run
        nursery.stdin.close()


@pytest.mark.timeout(900)
def test_fifty_kills_lose_double_and_halve_nothing(run_and_kill: Callable[..., int], tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    assert run_and_kill(whole) == 0
    begun = time.monotonic()
    assert run_and_kill(tmp_path / "again.parquet") == 0
    longest = time.monotonic() - begun  # then follows how busy the machine is, so that some runs end
    chance, killed, names = random.Random(0), 0, [tmp_path / "0.parquet"]
    while killed < KILLS or len(names) == 1:
        killed += run_and_kill(names[-1], chance.uniform(0, longest)) == -signal.SIGKILL
        for piece in tmp_path.glob("*.parts/0*.parquet"):  # whole at any moment that it is there
            assert pq.read_metadata(piece).num_rows > 0
        longest *= 0.8 if names[-1].exists() else 1.05
        if names[-1].exists():
            names.append(tmp_path / f"{len(names)}.parquet")
    for out in names:  # the last one is unfinished; others may have been killed between the output and the very end
        assert run_and_kill(out) == 0
        assert out.read_bytes() == whole.read_bytes()
        assert out.with_suffix(".skipped.csv").read_bytes() == whole.with_suffix(".skipped.csv").read_bytes()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".") or path.suffix == ".parts"]


def test_what_was_done_before_a_kill_is_not_done_again(crowd: Path, start: Start, tmp_path: Path) -> None:
    out = tmp_path / "f.parquet"
    process = start(crowd, out, 0.1)
    parts = tmp_path / "f.parquet.parts"
    while len(list(parts.glob("0*.parquet"))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    kept = {path.name: path.stat().st_mtime_ns for path in parts.glob("0*.parquet")}
    assert not out.exists()
    done = 256 * len(kept)
    assert f"1080 images embedded, {done} of them before" in start(crowd, out).communicate()[0]


def test_two_processes_do_not_write_one_file(crowd: Path, start: Start, tmp_path: Path) -> None:
    first = start(crowd, tmp_path / "f.parquet", 60.0)
    while not (tmp_path / "f.parquet.parts" / "engine").exists():  # written once the folder is locked
        assert first.poll() is None
        time.sleep(0.02)
    assert "Another process is writing" in start(crowd, tmp_path / "f.parquet").communicate()[1]
    first.kill()
    first.communicate()
    assert (
        "1080 images embedded" in start(crowd, tmp_path / "f.parquet").communicate()[0]
    )  # a lock ends with its process
