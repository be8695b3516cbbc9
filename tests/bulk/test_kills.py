"""A job killed at random moments, again and again, ends as if nothing had happened.

VISAVIS_KILLS=50 makes it fifty kills; the suite is content with a few.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

KILLS = int(os.environ.get("VISAVIS_KILLS", "3"))

Start = Callable[..., subprocess.Popen[str]]


@pytest.mark.timeout(60 + 10 * KILLS)
def test_kills_lose_double_and_halve_nothing(crowd: Path, start: Start, tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    begun = time.monotonic()
    quiet = start(crowd, whole, 0.05)
    assert quiet.communicate()[0].startswith(f"{whole}: 1080 images embedded; 20 skipped")
    usual = time.monotonic() - begun
    chance = random.Random(0)
    killed = finished = 0
    while killed < KILLS:
        out = tmp_path / f"killed-{finished}.parquet"
        process = start(crowd, out, 0.05)
        try:
            process.wait(timeout=chance.uniform(0.2, 1.0) * usual)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate()
        if out.exists():  # whole at any moment that it is there
            assert out.read_bytes() == whole.read_bytes()
            finished += process.returncode == 0
        for piece in tmp_path.glob("*.parts/0*.parquet"):
            assert pq.read_metadata(piece).num_rows > 0
    out = tmp_path / f"killed-{finished}.parquet"
    said = start(crowd, out).communicate()[0]
    assert "1080 images embedded" in said
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
    first = start(crowd, tmp_path / "f.parquet", 0.12)
    while not list((tmp_path).glob("f.parquet.parts/0*.parquet")):
        time.sleep(0.02)
    second = start(crowd, tmp_path / "f.parquet")
    assert "Another process is writing" in second.communicate()[1]
    assert "1080 images embedded" in first.communicate()[0]
