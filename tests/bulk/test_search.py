"""`visavis search`: the right images, and nothing from a file's name runs on the page."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import visavis
from visavis.bulk import collection
from visavis.bulk.collection import Collection, open_collection
from visavis.bulk.parts import BusyError
from visavis.engine.cache import default_cache


@pytest.fixture
def embedded(command, models, photos, tmp_path) -> Path:
    out = tmp_path / "photos.parquet"
    assert command("embed", models.clip_vit, photos, "--out", out).code == 0
    return out


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("VISAVIS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def units(opened: Collection) -> np.ndarray:
    return np.concatenate(opened.blocks)


def test_hits_are_the_nearest_of_all(command, models, embedded, tmp_path):
    out = tmp_path / "hits.json"
    assert command("search", models.clip_vit, embedded, "a plain thing", "--top", 5, "--out", out).code == 0
    found = json.loads(out.read_text("utf-8"))
    encoder = visavis.load(models.clip_vit)
    table = pq.read_table(embedded)
    vectors = np.array(table["embedding"].to_pylist(), np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = vectors @ encoder.encode_texts(["a plain thing"], normalize=True)[0].astype(np.float64)
    order = np.argsort(-scores)[:5]
    assert [row["id"] for row in found["rows"]] == [table["id"].to_pylist()[number] for number in order]
    np.testing.assert_allclose([row["score"] for row in found["rows"]], scores[order], atol=1e-6)
    assert [row["rank"] for row in found["rows"]] == [1, 2, 3, 4, 5]
    assert (found["text"], found["image"], found["images"], found["model"]) == (
        "a plain thing", None, 48, models.clip_vit,
    )  # fmt: skip


def test_an_image_finds_itself_first(command, models, photos, embedded, tmp_path):
    wanted = photos / "plain" / "3.png"
    called = command("search", models.clip_vit, embedded, "--image", wanted, "--out", tmp_path / "f.csv")
    assert called.code == 0, called.err
    hits = pd.read_csv(tmp_path / "f.csv")
    assert len(hits) == 20
    assert hits["name"][0] == "plain/3.png"
    assert hits["score"][0] == pytest.approx(1, abs=1e-5)
    assert list(hits) == ["rank", "score", "name", "label", "id"]


@pytest.mark.usefixtures("own_cache")
def test_images_that_were_not_embedded_are_embedded_once(command, models, draw, tmp_path):
    draw(tmp_path / "data" / "a", (9, 99, 199), 5)
    first = command("search", models.resnet, tmp_path / "data", "--image", tmp_path / "data/a/2.png", "--top", 2)
    assert first.code == 0, first.err
    assert "embedding: 5/5" in first.err
    assert re.search(r"1 +1\.000 +a/2\.png +a", first.out)
    second = command("search", models.resnet, tmp_path / "data", "--image", tmp_path / "data/a/2.png", "--top", 2)
    assert second.out == first.out
    assert "embedding" not in second.err
    draw(tmp_path / "data" / "b", (9, 99, 9), 1)
    third = command("search", models.resnet, tmp_path / "data", "--image", tmp_path / "data/b/0.png")
    assert re.search(r"1 +1\.000 +b/0\.png +b", third.out)


@pytest.mark.usefixtures("own_cache")
def test_a_search_waits_for_the_process_that_embeds_the_same_images(command, models, photos, monkeypatch):
    real, calls = collection.run_job, []

    def busy_at_first(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise BusyError("as from Parts.locked")
        return real(*arguments)

    monkeypatch.setattr(collection, "run_job", busy_at_first)
    assert command("search", models.clip_vit, photos, "a fox").code == 0
    assert len(calls) == 2


def test_embeddings_of_another_model_are_refused(command, models, embedded, photos):
    message = command("search", models.clip_resnet, embedded, "a fox").failed(2)
    assert "cannot be compared" in message
    assert models.clip_vit in message


def test_a_file_written_again_is_read_again(command, models, photos, embedded):
    encoder = visavis.load(models.clip_vit)
    before = units(open_collection(encoder, str(embedded)))
    table = pq.read_table(embedded)
    pq.write_table(table.slice(1), embedded)
    np.testing.assert_array_equal(units(open_collection(encoder, str(embedded))), before[1:])


@pytest.mark.parametrize("left", [0, 100, -4])
def test_vectors_of_the_cache_that_were_cut_are_made_again(models, embedded, left):
    encoder = visavis.load(models.clip_vit)
    before = units(open_collection(encoder, str(embedded)))
    np.testing.assert_allclose(np.linalg.norm(before, axis=1), 1, atol=1e-6)
    for kept in (default_cache() / "vectors").rglob("*.arrow"):
        kept.write_bytes(kept.read_bytes()[:left])
    np.testing.assert_array_equal(units(open_collection(encoder, str(embedded))), before)


@pytest.mark.parametrize("damage", ["a bit", "the end", "another file"])
def test_embeddings_of_the_cache_that_were_damaged_are_made_again(command, models, photos, damage, own_cache):
    first = command("search", models.clip_vit, photos, "a fox")
    assert first.code == 0
    [kept] = own_cache.rglob("*.parquet")
    content = bytearray(kept.read_bytes())
    content[content.index(np.array(pq.read_table(kept)["embedding"][0].as_py(), np.float32).tobytes())] ^= 1
    kept.write_bytes({"a bit": bytes(content), "the end": bytes(content[:-9]), "another file": b"x"}[damage])
    again = command("search", models.clip_vit, photos, "a fox")
    assert (again.code, again.out) == (0, first.out), again.err
    assert "embedding: 48/48" in again.err


def test_files_that_are_no_embeddings(command, models, embedded, tmp_path):
    table = pq.read_table(embedded)
    pq.write_table(table.replace_schema_metadata({}), tmp_path / "bare.parquet")
    pq.write_table(table.drop_columns(["name"]), tmp_path / "nameless.parquet")
    lists = table["embedding"].cast(pa.list_(pa.float32()))
    pq.write_table(table.set_column(3, "embedding", lists), tmp_path / "loose.parquet")
    for name, said in {
        "bare": "does not say which model",
        "nameless": "has no column name; its columns are id, label, embedding",
        "loose": "not a list of 8 numbers",
    }.items():
        assert said in command("search", models.clip_vit, tmp_path / f"{name}.parquet", "a fox").failed(2)


def test_damaged_embeddings_say_so(command, models, embedded):
    content = bytearray(embedded.read_bytes())
    place = content.index(np.array(pq.read_table(embedded)["embedding"][0].as_py(), np.float32).tobytes())
    content[place + 3] ^= 1
    embedded.write_bytes(bytes(content))
    assert "damaged" in command("search", models.clip_vit, embedded, "a fox").failed(1)


@pytest.mark.parametrize("what", ["no vector", "no number"])
def test_rows_without_a_vector_say_so(command, models, embedded, what):
    table = pq.read_table(embedded)
    rows = table["embedding"].to_pylist()
    rows[7] = None if what == "no vector" else [float("nan")] * 8
    column = pa.array(rows, pa.list_(pa.float32(), 8))
    pq.write_table(table.set_column(3, "embedding", column), embedded)
    assert "damaged" in command("search", models.clip_vit, embedded, "a fox").failed(1)


def test_labels_may_be_missing_and_ids_numbers(command, models, embedded):
    table = pq.read_table(embedded)
    numbers = pa.array(range(len(table)))
    pq.write_table(table.drop_columns(["label"]).set_column(0, "id", numbers), embedded)
    called = command("search", models.clip_vit, embedded, "a fox", "--top", 1)
    assert called.code == 0, called.err


def test_wrong_calls(command, models, embedded, tmp_path):
    for arguments, said in {
        (models.clip_vit, embedded): "Say what to look for",
        (models.clip_vit, embedded, "a", "--image", "b.png"): "either a text",
        (models.clip_vit, embedded, "a", "--top", 0): "at least 1",
        (models.clip_vit, embedded, "a", "--out", "f.txt"): "'f.txt' ends otherwise",
        (models.resnet, embedded, "a fox"): "has no text tower",
        (models.clip_vit, tmp_path / "none.parquet", "a"): "There is no data path",
        (models.clip_vit, embedded, "--image", tmp_path / "no.png"): "Cannot read the image",
    }.items():
        assert said in command("search", *arguments).failed(2)
    (tmp_path / "bad.png").write_bytes(b"x")
    assert "not an image" in command("search", models.clip_vit, embedded, "--image", tmp_path / "bad.png").failed(1)


def test_the_contact_sheet_as_a_process(visavis, models, messy, tmp_path):
    """Names that attack a page; one image is gone, one was changed since it was embedded."""
    assert visavis("embed", models.clip_vit, messy, "--out", tmp_path / "m.parquet").code == 3
    gone, changed = messy / "beside.png", messy / "plain" / "5.png"
    content = gone.read_bytes(), changed.read_bytes()
    gone.unlink()
    changed.write_bytes(content[1] + b" ")
    try:
        query = '<script>alert(3)</script> & "quotes"'
        called = visavis(
            "search", models.clip_vit, tmp_path / "m.parquet", query, "--top", 60, "--out", tmp_path / "s.html"
        )
    finally:
        gone.write_bytes(content[0])
        changed.write_bytes(content[1])
    assert called.code == 0, called.err
    page = (tmp_path / "s.html").read_text("utf-8")
    assert page.count("<figure>") == 49
    assert page.count('<img src="data:image/jpeg;base64,') == 47
    assert page.count("not there any more") == 2
    assert "<script" not in page
    assert "&lt;script&gt;alert(3)" in page
    assert "&lt;script&gt;alert(2)" in page
    assert "http" not in re.sub(r"http-equiv", "", page)


@pytest.mark.parametrize("source", ["tar", "parquet"])
def test_thumbnails_come_from_where_the_images_are(command, models, photos, tmp_path, source):
    paths = sorted(photos.rglob("*.png"))[:4]
    data = tmp_path / f"s.{source}"
    if source == "tar":
        with tarfile.open(data, "w") as archive:
            for path in paths:
                info = tarfile.TarInfo(path.name)
                info.size = path.stat().st_size
                archive.addfile(info, io.BytesIO(path.read_bytes()))
    else:
        pq.write_table(pa.table({"image": [path.read_bytes() for path in paths]}), data)
    assert command("search", models.clip_vit, data, "a fox", "--out", tmp_path / "s.html").code == 0
    assert (tmp_path / "s.html").read_text("utf-8").count('<img src="data:image/jpeg') == 4
