"""Recorded decisions: the published figures again, worked examples, and files that hold none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visavis.atlas.decisions import RECORDED, read_decisions
from visavis.atlas.observers import CONSISTENCY_COLUMNS, OBSERVER_COLUMNS, compare_observers, describe_observers
from visavis.errors import UsageError
from visavis.study.bootstrap import Resampling

RESAMPLING = Resampling(draws=300)
HEAD = "subj,session,trial,rt,object_response,category,condition,imagename\n"


@pytest.fixture(scope="module")
def recorded() -> pd.DataFrame:
    return read_decisions([RECORDED])


def write(path: Path, *rows: str) -> Path:
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows), "utf-8")
    return path


def test_published_shape_bias(recorded):
    # Vishniakov, Shen and Liu 2024 (models, four digits); Geirhos et al. 2019: people lie between 0.92 and 0.99
    found = describe_observers(recorded, RESAMPLING).set_index("observer")
    assert round(found.loc["tv_resnet50", "shape_bias"], 4) == 0.2149
    assert round(found.loc["vit_clip", "shape_bias"], 4) == 0.4647
    people = found.filter(like="subject", axis=0)["shape_bias"]
    assert len(people) == 4
    assert people.between(0.915, 0.99).all()
    assert (found["n"] == 1280).all()


def test_people_agree_with_people_and_networks_with_networks(recorded):
    # Geirhos et al. 2020, figure 1: consistent within both groups, far less between a ResNet-50 and people
    found = compare_observers(recorded, RESAMPLING)
    person = [found[f"observer_{side}"].str.startswith("subject") for side in "ab"]
    among_people = found[person[0] & person[1]]
    with_resnet = found[person[0] & (found["observer_b"] == "tv_resnet50")]
    assert (len(among_people), len(with_resnet)) == (6, 4)
    assert among_people["low"].min() > with_resnet["high"].max()
    assert len(found) == 15
    assert ((found["low"] <= found["kappa"]) & (found["kappa"] <= found["high"])).all()


def test_by_hand(tmp_path):
    # a: right, right, texture, neither; b: right, texture, texture, missing. 80 images of one class do not count.
    rows = [("a", "cat"), ("a", "dog"), ("a", "car"), ("a", "na"), ("b", "cat"), ("b", "car"), ("b", "car")]
    names = [("cat", "dog"), ("dog", "car"), ("bird", "car"), ("bear", "boat")]
    images = [*names, *names]
    lines = [f"{who},1,1,,{said},{shape},0,00_{n}_{shape}1-{texture}2.png" for n, ((who, said), (shape, texture)) in
             enumerate(zip(rows, images, strict=False))]  # fmt: skip
    lines.append("a,1,1,,oven,oven,0,oven1-oven9.png")
    decisions = read_decisions([write(tmp_path / "d.csv", *lines)])
    found = describe_observers(decisions, RESAMPLING).set_index("observer")
    assert found["n"].to_dict() == {"a": 5, "b": 3}
    assert found["accuracy"].to_dict() == {"a": 3 / 5, "b": 1 / 3}
    assert found["shape_bias"].to_dict() == {"a": 2 / 3, "b": 1 / 3}
    assert found["n_shape_or_texture"].to_dict() == {"a": 3, "b": 3}
    (pair,) = compare_observers(decisions, RESAMPLING).to_dict("records")
    # on three images both saw: agree on 2 of 3; by chance 2/3 * 1/3 + 1/3 * 2/3 = 4/9; kappa = (6/9 - 4/9) / (5/9)
    assert pair["kappa"] == pytest.approx(0.4)
    assert pair["n"] == 3


def test_images_without_texture_have_no_shape_bias(tmp_path):
    lines = [f"a,1,{n},,{said},cat,0,photo-{n}.jpg" for n, said in enumerate(["cat", "dog", "cat"])]
    (row,) = describe_observers(read_decisions([write(tmp_path / "d.csv", *lines)]), RESAMPLING).to_dict("records")
    assert row["accuracy"] == pytest.approx(2 / 3)
    assert np.isnan(row["shape_bias"])
    assert row["n_shape_or_texture"] == 0


def test_always_right_has_no_consistency(tmp_path):
    lines = [f"{who},1,{n},,cat,cat,0,{n}.png" for who in "ab" for n in range(8)]
    decisions = read_decisions([write(tmp_path / "d.csv", *lines)])
    (pair,) = compare_observers(decisions, RESAMPLING).to_dict("records")
    assert np.isnan([pair["kappa"], pair["low"], pair["high"]]).all()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(["cat", "dog", "car", "na"]), min_size=4, max_size=30), st.randoms())
def test_order_of_rows_changes_nothing_and_an_observer_agrees_with_itself(answers, random):
    table = pd.DataFrame(
        {"observer": "a", "image": [f"i{n}" for n in range(len(answers))], "category": "cat", "answer": answers,
         "texture": "dog"}
    )  # fmt: skip
    both = pd.concat([table, table.assign(observer="b")], ignore_index=True)
    order = list(range(len(both)))
    random.shuffle(order)
    shuffled = both.iloc[order].reset_index(drop=True)
    one, other = (
        describe_observers(t, RESAMPLING).sort_values("observer")["accuracy"].tolist() for t in (both, shuffled)
    )
    assert one == other
    (pair,) = compare_observers(both, RESAMPLING).to_dict("records")
    right = answers.count("cat")
    assert np.isnan(pair["kappa"]) if right in (0, len(answers)) else pair["kappa"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no row"),
        (["a,1,1,,cat,cat,0,1.png", "a,1,2,,,cat,0,2.png"], r"empty 'object_response' in row 3.*write na"),
        (["a,1,1,,cat,cat,0,1.png", "a,2,1,,dog,cat,0,1.png"], "'a' answered '1.png' more than once"),
        (["a,1,1,,cat,cat,0,1.png", "b,1,1,,cat,dog,0,1.png"], "different categories: 'cat', 'dog'"),
    ],
)
def test_files_that_hold_no_decisions(tmp_path, rows, said):
    with pytest.raises(UsageError, match=said):
        read_decisions([write(tmp_path / "d.csv", *rows)])


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a,b\n1,2\n", "lacks the column 'subj'.*'a', 'b'"), (b"", "Cannot read"), (b"\xff\xfe\x00", "Cannot read")],
)
def test_files_that_are_none(tmp_path, content, said):
    path = tmp_path / "d.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        read_decisions([path])


def test_by_the_command(visavis, tmp_path):
    called = visavis("atlas", "decisions", "--out", tmp_path / "out")
    assert called.code == 0, called.err
    assert "21.5 [19.0, 24.0]" in called.out
    observers, consistency = (pd.read_csv(tmp_path / "out" / f"{name}.csv") for name in ("observers", "consistency"))
    assert tuple(observers) == OBSERVER_COLUMNS
    assert tuple(consistency) == CONSISTENCY_COLUMNS
    assert (len(observers), len(consistency)) == (6, 15)
    page = (tmp_path / "out" / "decisions.html").read_text("utf-8")
    assert "96.7" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_hostile_name_never_becomes_html(visavis, tmp_path):
    lines = [f"<img src=x onerror=alert(1)>,1,{n},,cat,cat,0,{n}.png" for n in range(3)]
    assert visavis("atlas", "decisions", write(tmp_path / "d.csv", *lines), "--out", tmp_path).code == 0
    assert "<img" not in (tmp_path / "decisions.html").read_text("utf-8")


def test_called_wrong(visavis, tmp_path):
    assert "Cannot read decisions" in visavis("atlas", "decisions", tmp_path / "no.csv", "--out", tmp_path).failed(2)
    (tmp_path / "file").write_text("")
    assert "Cannot write" in visavis("atlas", "decisions", "--out", tmp_path / "file").failed(1)
