"""A study in its folder: what is saved comes back, and its report is drawn from that alone."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import visavis
from visavis.errors import UsageError, VisavisError
from visavis.study.study import Study, load_study

TABLES = ("results", "pairs", "effects", "predictions", "thumbnails")


@pytest.fixture(scope="module")
def study(models, photos, cache) -> Study:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VISAVIS_CACHE", str(cache))
        return visavis.compare([models.resnet, models.clip_vit], photos)


def test_what_is_saved_comes_back_to_the_bit(study, tmp_path):
    study.save(tmp_path)
    loaded = load_study(tmp_path)
    for name in TABLES:
        saved, back = getattr(study, name), getattr(loaded, name)
        if saved.empty:
            assert back.empty
            assert list(back.columns) == list(saved.columns)
        else:
            pd.testing.assert_frame_equal(saved, back, check_exact=True, check_dtype=False)
    assert loaded.protocol == study.protocol
    assert loaded.verdict == study.verdict


def test_a_redrawn_report_is_the_same_bytes(study, tmp_path):
    study.save(tmp_path)
    drawn = load_study(tmp_path).report(tmp_path / "deep" / "er" / "again.html")
    assert drawn.read_bytes() == (tmp_path / "report.html").read_bytes()


def test_a_folder_holds_the_study_and_nothing_else(study, tmp_path):
    study.save(tmp_path)
    tables = {f"{name}.csv" for name in TABLES[:3]} | {f"{name}.parquet" for name in TABLES[3:]}
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "study.json", "tables"} | tables
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {f"{name}.csv" for name in study.chapters}


def test_the_protocol_holds_what_is_needed_to_repeat(study, models, photos):
    assert study.protocol["arguments"] == {
        "models": [models.resnet, models.clip_vit], "data": str(photos), "views": ["clean"], "templates": [],
        "measures": [], "others": None, "exclude": [], "test_fraction": 0.5,
        "resolution": None, "crop": "own", "classes": [], "equal": None, "margin": 0.02, "seed": 0,
        "effort": "usual",
    }  # fmt: skip
    assert study.protocol["seed"] == 0
    assert len(study.protocol["data"]["fingerprint"]) == 64
    assert len({model["fingerprint"] for model in study.protocol["models"]}) == 2
    assert {"visavis", "torch", "numpy", "python"} <= {"visavis", *study.protocol["packages"]}
    json.dumps(study.protocol, allow_nan=False)


def files_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_error_while_saving_leaves_what_was_there(study, tmp_path, monkeypatch):
    study.save(tmp_path)
    before = files_in(tmp_path)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(VisavisError, match=r"Cannot write the study to .*: No space left on device. Free some space"):
        study.save(tmp_path)
    with pytest.raises(VisavisError):
        study.save(tmp_path / "new")
    assert files_in(tmp_path) == before


def test_texts_that_look_like_numbers_or_nothing_stay_texts(study, tmp_path):
    """A model may be a file called 007, a class may be called nan or None, or the empty cell's own spelling."""
    names = {study.results["model"].iloc[0]: "007", study.results["model"].iloc[-1]: "nan"}
    renamed = Study(
        results=study.results.replace({"model": names}),
        pairs=study.pairs.replace({"model_a": names, "model_b": names}),
        effects=study.effects,
        predictions=study.predictions.replace({"model": names}),
        thumbnails=study.thumbnails,
        chapters=study.chapters,
        protocol={**study.protocol, "models": [
            {**model, "name": names[model["name"]]} for model in study.protocol["models"]
        ]},
    )  # fmt: skip
    renamed.save(tmp_path)
    loaded = load_study(tmp_path)
    assert set(loaded.results["model"]) == {"007", "nan"}
    assert set(loaded.pairs["model_a"]) | set(loaded.pairs["model_b"]) == {"007", "nan"}
    assert loaded.report(tmp_path / "again.html").read_bytes() == (tmp_path / "report.html").read_bytes()


def test_empty_cells_of_numbers_are_missing_and_of_texts_empty(study, tmp_path):
    study.save(tmp_path)
    costs = load_study(tmp_path).results.query("measure == 'cost'")
    assert (costs["view"] == "").all()
    assert np.isnan(costs["tie_group"]).all()


def test_a_path_that_is_no_unicode_is_kept_in_the_protocol(study, tmp_path):
    odd = b"photos \xff".decode("utf-8", "surrogateescape")
    protocol = {**study.protocol, "arguments": {**study.protocol["arguments"], "data": odd}}
    Study(**{**vars(study), "protocol": protocol}).save(tmp_path)
    assert load_study(tmp_path).protocol["arguments"]["data"] == odd


def test_no_study_and_half_a_study(study, tmp_path):
    with pytest.raises(UsageError, match="holds no study"):
        load_study(tmp_path)
    study.save(tmp_path)
    (tmp_path / "pairs.csv").unlink()
    with pytest.raises(VisavisError, match="is damaged"):
        load_study(tmp_path)
    shutil.rmtree(tmp_path)
    with pytest.raises(UsageError, match="holds no study"):
        load_study(tmp_path)
