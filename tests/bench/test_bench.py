"""The bench's arithmetic and its errors; how fast anything is, is no test."""

from __future__ import annotations

import json

import pytest

from visavis.bench import interleave
from visavis.bench.bench import run_bench
from visavis.bench.interleave import measure
from visavis.bench.rivals import check_libraries
from visavis.errors import UsageError


def test_everybody_runs_in_turn_and_the_first_round_does_not_count(monkeypatch):
    clock, order = [0.0], []
    monkeypatch.setattr(interleave.time, "perf_counter", lambda: clock[0])
    seconds = {"peer": iter([9, 2, 4, 3]), "ours": iter([9, 1, 1, 1.5])}

    def run(name: str):
        def once() -> None:
            order.append(name)
            clock[0] += next(seconds[name])

        return once

    peer, ours = measure({"peer": run("peer"), "ours": run("ours")}, {"peer": 6, "ours": 12}, "peer", 3)
    assert order == ["peer", "ours"] * 4
    assert (peer.per_second, peer.slowest, peer.fastest, peer.ratio) == (2.0, 1.5, 3.0, None)
    assert (ours.per_second, ours.ratio) == (12.0, 6.0)


def test_libraries_are_checked_first():
    with pytest.raises(UsageError, match=r"Nothing is known of 'tensorflow'"):
        check_libraries(("tensorflow",))
    with pytest.raises(UsageError, match="pip install open_clip_torch"):
        run_bench(["ViT-mini-8"], ["open_clip"])


@pytest.mark.parametrize("numbers", [{"batch_size": 3}, {"rounds": 0}])
def test_impossible_numbers(numbers):
    with pytest.raises(UsageError, match="at least"):
        run_bench(["ViT-mini-8"], [], **numbers)


def test_by_the_command(visavis, tmp_path):
    out = tmp_path / "bench.json"
    called = visavis("bench", "RN-mini.emoji", "--rounds", 1, "--batch-size", 4, "--out", out)
    assert called.code == 0, called.err
    assert "RN-mini images" in called.out
    found = json.loads(out.read_text())
    images, texts = found["work"]
    assert {timing["name"] for timing in images["timings"]} >= {"visavis torch", "visavis onnx", "visavis onnx-int8"}
    assert [timing["name"] for timing in texts["timings"]] == ["visavis"]
    assert all(timing["per_second"] > 0 for timing in images["timings"] + texts["timings"])
    assert images["gflops_per_item"] == pytest.approx(2 * 50.9e-3, rel=0.01)  # the MACs of the README
    assert found["machine"]["peak_gflops"] > 0


def test_an_unknown_model(visavis):
    assert "Did you mean" in visavis("bench", "ViT-B-33").failed(2)
