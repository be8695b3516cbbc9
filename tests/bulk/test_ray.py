"""The same job on a cluster of three nodes in this machine, one of which is killed: the same bytes as from one process.

Each cluster is a program of its own: Ray leaves threads and sockets behind, and what it warns of is not ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PROGRAM = """
import json, os, sys, threading, time
from dataclasses import replace
from pathlib import Path
import numpy as np
import ray
from ray.cluster_utils import Cluster
from visavis.bulk.job import Work, run_job, survey
from visavis.bulk.ray_data import make_on_ray
from visavis.data.find_listing import find_listing
from visavis.errors import VisavisError

data, out, log, killed = sys.argv[1], *map(Path, sys.argv[2:])
os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"

def encode(stack):
    with log.open("a") as file:
        file.write(ray.get_runtime_context().get_node_id() + "\\n")
    while killed.exists() and not killed.read_text():  # the second job waits, amidst a piece, until a node was killed
        time.sleep(0.01)
    return stack.reshape(len(stack), -1, 3).mean(axis=1, dtype=np.float32)

def opened(total, begun_with):
    at_the_driver = ray.get_runtime_context().worker.mode == ray.SCRIPT_MODE
    return "numpy", "numpy" if at_the_driver or not strange else "another", encode

work = Work(
    about={"model": "mean", "fingerprint": "f" * 64, "embed_dim": 3, "view": "clean", "source": {}},
    embed_dim=3, dtype="float32", pixels=lambda image: np.asarray(image), open=opened,
)
small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
others = {node.node_id: node for node in (cluster.add_node(**small), cluster.add_node(**small))}
cluster.wait_for_nodes()
ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
said = {}
strange = False
listing = find_listing(data)
found = survey(listing)

def stop_at_the_second(stage, done, total):
    if done >= 512:
        raise KeyboardInterrupt

try:
    run_job(listing, found, work, out, stop_at_the_second, make_on_ray)
except KeyboardInterrupt:
    kept = [int(path.name[:8]) for path in out.with_name(out.name + ".parts").glob("0*.parquet")]
    said["before"] = sum(min(256, 1100 - 256 * number) for number in kept)

log.write_text("")
killed.write_text("")
def kill_one_that_works():
    while not killed.read_text():
        busy = [node for node in log.read_text().split() if node in others]
        if busy:
            cluster.remove_node(others[busy[0]], allow_graceful=False)
            killed.write_text(busy[0])
        time.sleep(0.01)

threading.Thread(target=kill_one_that_works, daemon=True).start()
said["words"] = run_job(listing, found, work, out, make=make_on_ray).words
said["batches"] = len(log.read_text().split())
said["alive"] = sum(node["Alive"] for node in ray.nodes())

strange = True
try:
    run_job(listing, found, work, out.with_name("strange.parquet"), make=make_on_ray)
except VisavisError as error:
    said["error"] = str(error)
killed.write_text(json.dumps(said))
ray.shutdown()
cluster.shutdown()
"""


@pytest.fixture
def one_process(crowd, start, tmp_path) -> Path:
    whole = tmp_path / "whole.parquet"
    assert "1080 images embedded" in start(crowd, whole).communicate()[0]
    return whole


@pytest.mark.timeout(900)
def test_a_node_is_killed_and_the_output_is_that_of_one_process(crowd, one_process, tmp_path):
    out = tmp_path / "ray.parquet"
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), crowd, out, tmp_path / "log", tmp_path / "killed"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads((tmp_path / "killed").read_text())  # Ray writes lines of its own to standard output
    assert 0 < said["before"] < 512
    assert said["alive"] == 2
    assert said["words"].startswith(f"{out}: 1080 images embedded, {said['before']} of them before; 20 skipped")
    assert said["batches"] > (1100 - said["before"] + 63) // 64  # what was lost was made once more
    assert out.read_bytes() == one_process.read_bytes()
    assert out.with_suffix(".skipped.csv").read_bytes() == one_process.with_suffix(".skipped.csv").read_bytes()
    assert "computes with 'another', and the one that was asked with 'numpy'" in said["error"]
    assert said["error"].endswith("Install the same versions on both.")


def test_the_command_makes_the_same_file(visavis, models, photos, tmp_path):
    """Images within a Parquet table, which cannot be handed from process to process as they are."""
    paths = sorted(photos.rglob("*.png")) * 6
    pq.write_table(pa.table({"image": [path.read_bytes() for path in paths]}), tmp_path / "i.parquet")
    for name, options in {"one": (), "ray": ("--ray",)}.items():
        called = visavis(
            "embed", models.clip_vit, tmp_path / "i.parquet", "--out", tmp_path / name / "f.parquet", *options
        )
        assert called.code == 0, called.err
        assert "288 images embedded" in called.out
    assert (tmp_path / "one/f.parquet").read_bytes() == (tmp_path / "ray/f.parquet").read_bytes()
    assert any(line.startswith("embedding: 288/288") for line in called.err.splitlines())


def test_without_ray_the_pip_line(command, models, photos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    message = command("embed", models.vit, photos, "--ray", "--out", tmp_path / "f.parquet").failed(2)
    assert "pip install 'ray[data]'" in message
