from __future__ import annotations

import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from visavis.data.checking import UNUSABLE
from visavis.data.dataset import Skipped
from visavis.data.find_listing import find_listing
from visavis.data.listing import Entry, Listing
from visavis.data.parquet_images import ROWS, WINDOW
from visavis.data.read import read_dataset
from visavis.errors import UsageError


def picture(number: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (number % 256, number // 256, 0)).save(stream, "PNG")
    return stream.getvalue()


def put(root: Path, *places: str) -> Path:
    for number, place in enumerate(places):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(picture(number))
    return root


def entries(listing: Listing) -> list[Entry]:
    return [entry for entry in listing.entries(0) if isinstance(entry, Entry)]


def known(listing: Listing) -> list[tuple[str, str | None, bytes]]:
    return [(entry.place, entry.label, entry.read()) for entry in entries(listing)]


@pytest.mark.parametrize(
    "places",
    [
        ("b/2.png", "b/1.png", "a/9.png", "a.b/1.png", "a-b/1.png", "a/x/1.png", "a/.hidden.png", ".git/x.png"),
        ("train/cat/1.png", "train/dog/2.png", "test/cat/3.png"),
        ("2.png", "10.png"),
    ],
)
def test_a_folder_lists_what_read_dataset_reads(tmp_path, places):
    put(tmp_path, *places)
    read = read_dataset(tmp_path).samples
    assert known(find_listing(str(tmp_path))) == [(s.name, s.label, s.read_bytes()) for s in read]


def test_an_image_beside_the_classes_has_no_label_and_stays(tmp_path):
    put(tmp_path, "cat/1.png", "beside.png")
    found = entries(find_listing(str(tmp_path)))
    assert [(one.place, one.label) for one in found] == [("beside.png", None), ("cat/1.png", "cat")]


def test_listing_starts_anywhere(tmp_path):
    put(tmp_path, *(f"{number}/{number}.png" for number in range(5)))
    (tmp_path / "paths.csv").write_text("path\n" + "".join(f"{n}/{n}.png\n" for n in range(5)))
    for source in (tmp_path, tmp_path / "paths.csv", "emoji-new"):
        listing = find_listing(str(source))
        assert [one.place for one in listing.entries(3)] == [one.place for one in listing.entries(0)][3:]
        assert not list(listing.entries(10**6))


def test_stamps_tell_a_change(tmp_path):
    put(tmp_path, "a.png", "b.png")
    before = [one.stamp for one in entries(find_listing(str(tmp_path)))]
    (tmp_path / "a.png").write_bytes(picture() + b"more")
    after = [one.stamp for one in entries(find_listing(str(tmp_path)))]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_a_table_of_paths_needs_no_label(tmp_path):
    put(tmp_path, "a.png", "b.png")
    (tmp_path / "t.csv").write_text("path,label\na.png,cat\n,dog\nb.png,\na.png,x,y\n")
    pq.write_table(pa.table({"path": ["b.png", None]}), tmp_path / "t.parquet")
    found = list(find_listing(str(tmp_path / "t.csv")).entries(0))
    assert [(one.place, one.label) for one in found if isinstance(one, Entry)] == [("a.png", "cat"), ("b.png", None)]
    assert [one for one in found if isinstance(one, Skipped)] == [
        Skipped(name="row 2", reason="no path"),
        Skipped(name="line 5", reason="more values than columns: quote texts that contain ','"),
    ]
    [entry, skipped] = find_listing(str(tmp_path / "t.parquet")).entries(0)
    assert (entry.place, entry.read(), skipped.reason) == ("b.png", picture(1), "no path")


def test_a_table_without_the_column(tmp_path):
    pq.write_table(pa.table({"file": ["b.png"], "label": ["x"]}), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("paths,label\na,b\n")
    with pytest.raises(UsageError, match=r"no column path or image; its columns are 'file', 'label'"):
        find_listing(str(tmp_path / "t.parquet"))
    with pytest.raises(UsageError, match=r"If 'paths' is meant, rename it"):
        find_listing(str(tmp_path / "t.csv"))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="cannot be read as Parquet"):
        find_listing(str(tmp_path / "bad.parquet"))


@pytest.mark.parametrize("form", ["hugging face", "bytes"])
def test_images_in_parquet(tmp_path, form):
    put(tmp_path, "beside.png")
    images = [picture(n) for n in range(7)]
    values: list = images
    if form == "hugging face":
        values = [{"bytes": data, "path": f"{number}.png"} for number, data in enumerate(images)]
        values[3] = {"bytes": None, "path": "beside.png"}
        images[3] = picture(0)
    pq.write_table(pa.table({"image": values, "label": list("abcdefg")}), tmp_path / "t.parquet", row_group_size=3)
    listing = find_listing(str(tmp_path / "t.parquet"))
    found = entries(listing)
    assert [one.read() for one in found] == images
    assert [one.label for one in found] == list("abcdefg")
    assert found[0].place == ("0.png" if form == "hugging face" else "row 1")
    assert [one.read() for one in listing.entries(4)] == images[4:]
    assert found[0].read() == images[0]  # back again


def test_a_null_image_in_parquet_is_a_reason(tmp_path):
    pq.write_table(pa.table({"image": pa.array([picture(), None, b""])}), tmp_path / "t.parquet")
    found = entries(find_listing(str(tmp_path / "t.parquet")))
    with pytest.raises(UNUSABLE, match="no image"):
        found[1].read()
    assert found[2].read() == b""


def test_a_damaged_page_of_images_is_a_reason(tmp_path):
    path = tmp_path / "t.parquet"
    images = [picture(n) * 20 for n in range(3000)]
    pq.write_table(pa.table({"image": images}), path, row_group_size=1000, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[5000:5200] = bytes(200)
    path.write_bytes(bytes(content))
    found = entries(find_listing(str(path)))
    with pytest.raises(OSError, match="the table is damaged there"):
        found[999].read()
    assert found[2999].read() == images[2999]


def test_many_images_in_parquet_are_not_held(tmp_path):
    size = 50_000
    random = np.random.default_rng(0)
    images = [random.bytes(size) for _ in range(3 * ROWS * WINDOW)]  # 150 MB in one row group
    pq.write_table(pa.table({"image": images}), tmp_path / "t.parquet", compression="none", use_dictionary=False)
    tracemalloc.start()
    for entry, image in zip(entries(find_listing(str(tmp_path / "t.parquet"))), images, strict=True):
        assert entry.read() == image
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * ROWS * WINDOW * size


@pytest.mark.parametrize("separator", ["\n", "\0", "\r\n"])
def test_a_list_of_paths(tmp_path, monkeypatch, separator):
    put(tmp_path, "a b.png", "c.png")
    monkeypatch.chdir(tmp_path)
    text = separator.join(["c.png", "", "a b.png", "none.png", ""])
    listing = find_listing("-", io.BytesIO(text.encode()))
    assert [one.place for one in listing.entries(0)] == ["c.png", "a b.png", "none.png"]
    first = listing.entries(0)
    next(first)
    assert next(listing.entries(1)).read() == picture(0)  # two readers do not disturb each other
    assert [one.place for one in first] == ["a b.png", "none.png"]
    with pytest.raises(FileNotFoundError):
        next(listing.entries(2)).read()


def test_names_that_are_no_unicode(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"caf\xe9.png")
    Path(name).write_bytes(picture(3))
    [entry] = find_listing("-", io.BytesIO(b"caf\xe9.png\n")).entries(0)
    assert (entry.place, entry.read()) == (name, picture(3))


def test_sources_that_are_none(tmp_path):
    (tmp_path / "words.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    for source, said in {
        str(tmp_path / "wrods.txt"): "Did you mean words.txt?",
        str(tmp_path / "words.txt"): "neither a folder, a table nor an archive",
        str(tmp_path / "empty"): "holds no files",
        str(tmp_path / "none.tar"): "no tar file",
        "emoji-nwe": "emoji-new",
        "": "The data path is empty",
    }.items():
        with pytest.raises(UsageError) as refused:
            find_listing(source)
        assert said in str(refused.value), source
    for nothing in (b"", b"\n \n", b"\0\0"):
        with pytest.raises(UsageError, match="list of images on standard input is empty"):
            find_listing("-", io.BytesIO(nothing))
