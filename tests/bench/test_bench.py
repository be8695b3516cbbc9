"""The bench's arithmetic, its verdicts and its errors; how fast anything is, is no test."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from visavis.bench import interleave
from visavis.bench.bench import WORK, run_bench
from visavis.bench.contest import Contest, Result, Runner, compare, run_contest
from visavis.bench.interleave import Timing, measure
from visavis.bench.pictures import photographs
from visavis.bench.rivals import check_libraries
from visavis.bench.targets import Target, judge, targets
from visavis.bench.work_captions import some_captions
from visavis.data.decoding import decode_image
from visavis.errors import UsageError


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(interleave.time, "perf_counter", lambda: now[0])
    return now


def test_everybody_runs_in_turn_and_the_first_round_does_not_count(clock):
    order = []
    seconds = {"peer": iter([9, 2, 4, 3]), "ours": iter([9, 1, 1, 1.5])}

    def run(name: str):
        def once() -> None:
            order.append(name)
            clock[0] += next(seconds[name])

        return once

    found = measure({"peer": run("peer"), "ours": run("ours")}, {"peer": 6, "ours": 12}, 3)
    assert order == ["peer", "ours"] * 4
    assert found["peer"] == Timing(per_second=2.0, slowest=1.5, fastest=3.0)
    assert found["ours"].per_second == 12.0


def test_ratios_are_against_the_fastest_peer(clock):
    expected = np.array([[1.0, 2.0], [3.0, 4.0]])
    near_by = np.array([[1.0, 2.0], [3.0, 4.5]])

    def taking(seconds: float, given: np.ndarray):
        def run() -> np.ndarray:
            clock[0] += seconds
            return given

        return run

    runners = (
        Runner(name="slow", kind="peer", run=taking(4, expected[::2]), items=1, compared=slice(None)),
        Runner(name="quick", kind="peer", run=taking(2, expected), items=2),
        Runner(name="runtime", kind="runtime", run=taking(1, expected), items=2),
        Runner(name="ours", kind="float32", run=taking(0.5, expected[::-1]), items=2, compared=slice(None, None, -1)),
        Runner(name="near", kind="int8", run=taking(0.25, near_by), items=2),
    )
    contest = Contest(work="w", model="m", unit="u", runners=runners, expected=expected, gflops=10.0)
    slow, quick, runtime, ours, near = run_contest(contest, 2, 80.0, lambda *_: None)
    assert (slow.ratio, quick.ratio, runtime.ratio, ours.ratio, near.ratio) == (None, None, 2.0, 4.0, 8.0)
    assert (slow.difference, quick.difference, ours.difference) == (None, 0.0, 0.0)  # slow gave another number of rows
    assert near.difference == 0.125
    assert near.cosine == pytest.approx((9 + 18) / (5 * np.hypot(3, 4.5)))
    assert ours.peak_share == 4 * 10 / 80


def test_nothing_to_compare_with():
    assert compare(np.ones((2, 3)), None) == (None, None)


def result(name: str, kind: str, ratio: float | None, difference: float, cosine: float) -> Result:
    timing = Timing(per_second=ratio or 1.0, slowest=1.0, fastest=1.0)
    return Result(
        name=name, kind=kind, timing=timing, ratio=ratio, difference=difference, cosine=cosine, peak_share=None
    )


def test_a_target_is_met_by_what_is_quick_and_near():
    results = [
        result("peer", "peer", None, 0.0, 1.0),
        result("exact", "float32", 1.5, 1e-6, 1.0),
        result("sloppy", "float32", 9.0, 1e-2, 0.99),
        result("int8", "int8", 5.0, 1e-2, 0.9995),
    ]

    def target(ratio: float, kinds: tuple, by: str, limit: float) -> Target:
        return Target(work="images", models=("m",), kinds=kinds, ratio=ratio, by=by, limit=limit)

    cases = [
        (target(1.4, ("float32",), "difference", 1e-4), "exact", True),
        (target(2.0, ("float32",), "difference", 1e-4), "exact", False),  # the quick one is not near enough
        (target(2.0, ("float32",), "difference", 1e-9), "sloppy", False),  # nobody is
        (target(4.0, ("float32", "int8"), "cosine", 0.999), "int8", True),
    ]
    for asked, best, met in cases:
        (judged,) = judge("images, batch 8", "m", results, [asked])
        assert (judged.best, judged.met) == (best, met)
    slow = result("slow", "peer", 0.5, 0.0, 1.0)
    over_slow = Target(
        work="images", models=("m",), kinds=("float32",), ratio=2.9, by="difference", limit=1e-4, peer="slow"
    )
    assert [(judged.ratio, judged.met) for judged in judge("images", "m", [*results, slow], [over_slow])] == [
        (3.0, True)
    ]
    assert judge("images", "m", results, [over_slow]) == []  # that peer was not asked for
    assert judge("one image", "m", results, [cases[0][0]]) == []
    assert judge("images, batch 8", "other", results, [cases[0][0]]) == []


def test_less_is_asked_of_processors_without_products_of_bytes():
    narrow = {
        vnni: [target.ratio for target in targets(vnni) if target.work == "images" and target.kinds == ("int8",)]
        for vnni in (True, False)
    }
    assert narrow == {True: [4.0, 6.0], False: [2.0, 3.5]}


def test_libraries_are_checked_first():
    with pytest.raises(UsageError, match=r"Nothing is known of 'tensorflow'"):
        check_libraries(("tensorflow",))
    with pytest.raises(UsageError, match="pip install open_clip_torch"):
        run_bench(["ViT-mini-8"], ["open_clip"])


@pytest.mark.parametrize("numbers", [{"batch_size": 3}, {"rounds": 0}])
def test_impossible_numbers(numbers):
    with pytest.raises(UsageError, match="at least"):
        run_bench(["ViT-mini-8"], [], **numbers)


def test_the_material():
    (photograph,) = photographs(1, 640, 480)
    assert decode_image(photograph).size == (640, 480)
    assert photograph == photographs(1, 640, 480)[0]
    captions = some_captions()
    assert len(set(captions)) == len(captions) == 6000
    assert 0 < sum(not caption.isascii() for caption in captions) < len(captions) / 4


def test_by_the_command(visavis, tmp_path):
    work = ",".join(name for name in WORK if name not in ("photographs", "classifier"))
    called = visavis(
        "bench", "RN-mini.emoji", "--rounds", 1, "--batch-size", 4, "--work", work, "--out", tmp_path / "out"
    )
    assert called.code == 0, called.err
    assert "RN-mini: images, batch 4, images/s" in called.out
    found = json.loads((tmp_path / "out" / "bench.json").read_text())
    images, _, texts, captions, jpegs = found["measured"]
    by_name = {result["name"]: result for result in images["results"]}
    assert set(by_name) >= {"visavis torch", "visavis onnx", "visavis onnx-int8"}
    assert by_name["visavis onnx"]["difference"] < 1e-4
    assert by_name["visavis onnx-int8"]["cosine"] > 0.9
    share, speed = (by_name["visavis torch"][key] for key in ("peak_share", "timing"))
    gflops = share * found["machine"]["peak_gflops"] / speed["per_second"]
    assert gflops == pytest.approx(2 * 50.9e-3, rel=0.01)  # the MACs of the README
    assert texts["results"][0]["difference"] < 1e-5
    assert [result["name"] for result in captions["results"]] == ["visavis"]
    assert {result["name"] for result in jpegs["results"]} >= {"visavis torch, exact", "visavis onnx, fast"}
    plot = ElementTree.parse(tmp_path / "out" / "bench.svg").getroot()
    assert len(plot.findall(".//{*}line")) == sum(len(each["results"]) for each in found["measured"])


def test_misspelt(visavis):
    assert "Did you mean" in visavis("bench", "ViT-B-33").failed(2)
    assert "Did you mean photographs" in visavis("bench", "--work", "photograph").failed(2)
