"""`visavis embed`, with networks of a few thousand weights."""

from __future__ import annotations

import csv
import io
import json
import re
import resource
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import visavis
from visavis.data.read import read_dataset


def vectors(path: Path) -> np.ndarray:
    return np.array(pq.read_table(path)["embedding"].to_pylist(), np.float32)


def test_the_command_as_a_process(visavis, models, messy, unusable, tmp_path):
    out = tmp_path / "deep er" / "f.parquet"
    called = visavis("embed", models.clip_vit, messy, "--out", out)
    assert called.code == 3, called.err  # done, but for some images
    n_skipped = len(unusable) - 1  # beside.png is an image, and needs no label here
    said = re.fullmatch(
        rf"{re.escape(str(out))}: 49 images embedded; {n_skipped} skipped, see (.+) \(.+/s\)\n", called.out
    )
    assert said, called.out
    assert re.search(rf"^embedding: {49 + n_skipped}/{49 + n_skipped}  [\d.]+ images/s$", called.err, re.MULTILINE)
    table = pq.read_table(out)
    read = {sample.name: sample for sample in read_dataset(messy).samples}
    for row in table.select(["id", "name", "label"]).to_pylist():
        if row["name"] != "beside.png":
            assert (row["id"], row["label"]) == (read[row["name"]].id, read[row["name"]].label)
    with Path(said[1]).open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    assert {name for name, _ in rows} == set(unusable) - {"beside.png"}
    for name, reason in rows:
        assert unusable[name] in reason


def test_vectors_and_metadata_are_the_model_s(command, models, photos, tmp_path):
    encoder = visavis.load(models.clip_vit)
    assert command("embed", models.clip_vit, photos, "--out", tmp_path / "f.parquet").code == 0
    samples = read_dataset(photos).samples
    np.testing.assert_allclose(
        vectors(tmp_path / "f.parquet"), encoder.encode_images([s.path for s in samples]), atol=1e-5, rtol=1e-4
    )
    about = json.loads(pq.read_schema(tmp_path / "f.parquet").metadata[b"visavis"])
    assert about["model"] == models.clip_vit
    assert about["fingerprint"] == encoder.fingerprint
    assert about["preprocessing"]["image_size"] == 32
    assert about["source"] == {"kind": "folder", "path": str(photos)}
    assert (about["view"], about["images"], about["skipped"], about["embed_dim"]) == ("clean", 48, 0, 8)
    assert about["engine"].endswith("float32")


def test_every_source_gives_the_same_vectors(command, models, photos, tmp_path):
    paths = sorted(photos.rglob("*.png"))
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        for number, path in enumerate(paths):
            info = tarfile.TarInfo(f"{number:04}.png")
            info.size = path.stat().st_size
            archive.addfile(info, io.BytesIO(path.read_bytes()))
    pq.write_table(pa.table({"image": [path.read_bytes() for path in paths]}), tmp_path / "images.parquet")
    with (tmp_path / "paths.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path",), *((path,) for path in paths)])
    sources = {"folder": photos, "tar": tmp_path / "s.tar", "parquet": tmp_path / "images.parquet",
               "csv": tmp_path / "paths.csv", "list": "-"}  # fmt: skip
    stdin = b"\0".join(str(path).encode() for path in paths)
    for name, source in sources.items():
        called = command("embed", models.resnet, source, "--out", tmp_path / f"{name}.out.parquet", stdin=stdin)
        assert called.code == 0, called.err
        np.testing.assert_array_equal(
            vectors(tmp_path / f"{name}.out.parquet"), vectors(tmp_path / "folder.out.parquet"), name
        )


def test_float16_and_a_view(command, models, photos, tmp_path):
    for name, options in {"a": (), "b": ("--float16",), "c": ("--view", "grayscale")}.items():
        assert command("embed", models.resnet, photos, "--out", tmp_path / f"{name}.parquet", *options).code == 0
    plain, half, grey = (vectors(tmp_path / f"{name}.parquet") for name in "abc")
    np.testing.assert_array_equal(half, plain.astype(np.float16).astype(np.float32))
    assert np.abs(grey - plain).max() > 1e-3


def test_fast_decoding_is_known_by_its_output(command, models, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    (tmp_path / "d").mkdir()
    for number in range(3):
        Image.fromarray(np.roll(pixels, number, 0)).resize((800, 640)).save(tmp_path / "d" / f"{number}.jpg")
    for decode in ("exact", "fast"):
        arguments = [models.clip_vit, tmp_path / "d", "--decode", decode, "--out", tmp_path / f"{decode}.parquet"]
        assert command("embed", *arguments).code == 0
        expected = visavis.load(models.clip_vit, decode=decode).encode_images(sorted((tmp_path / "d").iterdir()))
        np.testing.assert_allclose(vectors(tmp_path / f"{decode}.parquet"), expected, atol=1e-5, rtol=1e-4)
        about = json.loads(pq.read_schema(tmp_path / f"{decode}.parquet").metadata[b"visavis"])
        assert about["decode"] == decode
    assert np.abs(vectors(tmp_path / "fast.parquet") - vectors(tmp_path / "exact.parquet")).max() > 1e-4
    again = [models.clip_vit, tmp_path / "d", "--decode", "exact", "--out", tmp_path / "fast.parquet"]
    assert "of other data or settings already" in command("embed", *again).failed(2)
    fast = [models.clip_vit, tmp_path / "fast.parquet", "--image", tmp_path / "d" / "1.jpg", "--top", 1]
    assert "--decode fast" in command("search", *fast).failed(2)
    assert re.search(r"1 +1\.000 +1\.jpg", command("search", *fast, "--decode", "fast").out)


def test_an_engine_is_asked_for_by_name_and_says_how_near_it_is(command, models, photos, tmp_path):
    out = tmp_path / "f.parquet"
    asked = [models.clip_vit, photos, "--out", out]
    called = command("embed", *asked, "--engine", "openvino-int8")
    assert called.code == 0, called.err
    assert re.search(r"Computed by openvino-\S+-int8-\S+: cosine \d\.\d+ on average", " ".join(called.err.split()))
    about = json.loads(pq.read_schema(out).metadata[b"visavis"])
    assert about["wanted_engine"] == "openvino-int8"
    assert "-int8-" in about["engine"]
    again = command("embed", *asked, "--engine", "openvino-int8")
    assert "of them before" in again.out
    assert "Computed by" not in again.err
    for other in ([], ["--engine", "torch"]):
        assert "of other data or settings already" in command("embed", *asked, *other).failed(2)
    assert "Did you mean openvino" in command("embed", *asked, "--engine", "openvno").failed(2)


def test_wrong_calls(command, models, photos, tmp_path):
    out = tmp_path / "f.parquet"
    (tmp_path / "t.parquet").write_bytes(b"")
    pq.write_table(pa.table({"file": ["x"]}), tmp_path / "u.parquet")
    for arguments, said in {
        (models.vit, photos, "--out", tmp_path / "f.csv"): "'f.csv' ends otherwise",
        (models.vit, tmp_path / "none", "--out", out): "There is no data path",
        (models.vit, photos, "--out", out, "--view", "greyscale"): "Did you mean grayscale?",
        (models.vit, tmp_path / "t.parquet", "--out", out): "cannot be read as Parquet",
        (models.vit, tmp_path / "u.parquet", "--out", out): "no column path or image",
        ("RN-mini.emojj", photos, "--out", out): "Did you mean RN-mini.emoji",
        (models.vit, tmp_path / "none.tar", "--out", out): "no tar file",
    }.items():
        assert said in command("embed", *arguments).failed(2)
    assert "standard input is empty" in command("embed", models.vit, "-", "--out", out, stdin=b"").failed(2)
    assert not out.exists()
    message = command("embed", models.vit, photos, "--out", "/proc/none/f.parquet").failed(1)
    assert "Cannot write '/proc/none/f.parquet'" in message


def test_nothing_readable_and_a_full_disk(command, visavis, models, photos, tmp_path):
    message = command("embed", models.vit, "-", "--out", tmp_path / "f.parquet", stdin=b"no.png\nnone.png\n").failed(1)
    assert "Not one of the 2 images" in message
    assert "'no.png' is no such file" in message
    full = visavis(
        "embed",
        models.vit,
        photos,
        "--out",
        tmp_path / "g.parquet",
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
    )
    assert "Free some space" in full.failed(1)
    assert not (tmp_path / "g.parquet").exists()


@pytest.mark.parametrize("text", [b"", b"\0\0\0"])
def test_a_tar_without_an_image(command, models, tmp_path, text):
    (tmp_path / "e.tar").write_bytes(text)
    message = command("embed", models.vit, tmp_path / "e.tar", "--out", tmp_path / "f.parquet").failed(2)
    assert "lists no images" in message


def test_an_interrupt_is_said_and_the_next_run_goes_on(models, tmp_path):
    out = tmp_path / "f.parquet"
    command = [Path(sys.executable).parent / "visavis", "embed", models.clip_resnet, "emoji-new", "--out", out]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("f.parquet.parts/0*.parquet")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == ("visavis: Stopped. What was encoded is kept; the same command goes on from there.")
    assert not out.exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"1104 images embedded, \d+ of them before", again.stdout)
    assert pq.read_metadata(out).num_rows == 1104
