from __future__ import annotations

import csv
import json
import resource
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from visavis.bulk import job as module
from visavis.bulk.embedding_file import KEY
from visavis.bulk.job import Work, run_job, survey
from visavis.data.find_listing import find_listing
from visavis.data.in_order import in_order
from visavis.data.listing import Entry, Listing
from visavis.errors import UsageError, VisavisError

ABOUT = {"model": "mean", "fingerprint": "f" * 64, "embed_dim": 3, "view": "clean", "source": {}}


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 4)
    monkeypatch.setattr(module, "BATCH", 2)


class Counting:
    """A work that counts the images it encodes."""

    def __init__(self, fail_after: int | None = None, factor: float = 1.0) -> None:
        self.n_encoded, self.fail_after, self.factor = 0, fail_after, factor
        self.engine, self.begun_with = "numpy", None

    def encode(self, stack: np.ndarray) -> np.ndarray:
        if self.fail_after is not None and self.n_encoded >= self.fail_after:
            raise KeyboardInterrupt
        self.n_encoded += len(stack)
        return stack.reshape(len(stack), -1, 3).mean(axis=1, dtype=np.float32) * np.float32(self.factor)

    def open(self, total: int, begun_with: str | None) -> tuple[str, str, module.Encode]:
        self.begun_with = begun_with
        return self.engine, self.engine, self.encode

    def work(self, dtype: str = "float32", **about: object) -> Work:
        return Work(about={**ABOUT, **about}, embed_dim=3, dtype=dtype, pixels=np.asarray, open=self.open)


def run(data: object, out: Path, counting: Counting | None = None, **about: object) -> module.Summary:
    listing = find_listing(str(data))
    return run_job(listing, survey(listing), (counting or Counting()).work(**about), out)  # type: ignore[arg-type]


def names(out: Path) -> list[str]:
    return pq.read_table(out)["name"].to_pylist()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eleven pictures of one size in two classes, the third one broken."""
    for number in range(11):
        path = tmp_path / "photos" / "ab"[number > 5] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 6), (number, 20 * number, 7)).save(path)
    (tmp_path / "photos/a/02.png").write_bytes(b"<html>")
    return tmp_path / "photos"


def test_rows_stand_in_order_and_what_is_broken_beside(folder, tmp_path, colours):
    out = tmp_path / "f.parquet"
    summary = run(folder, out)
    good = [number for number in range(11) if number != 2]
    assert names(out) == [f"{'ab'[n > 5]}/{n:02}.png" for n in good]
    assert colours(out) == [(n, 20 * n, 7) for n in good]
    assert pq.read_table(out)["label"].to_pylist() == ["a"] * 5 + ["b"] * 5
    assert (summary.n_images, summary.n_skipped, summary.n_before, summary.n_done) == (10, 1, 0, 11)
    with (tmp_path / "f.skipped.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["name", "reason"], ["a/02.png", "not an image: a web page or other markup"]]
    about = json.loads(pq.read_schema(out).metadata[KEY])
    assert (about["model"], about["engine"], about["images"], about["skipped"]) == ("mean", "numpy", 10, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.parquet", "f.skipped.csv", "photos"]


def test_ids_are_those_of_a_study(folder, tmp_path):
    from visavis.data.read import read_dataset

    run(folder, tmp_path / "f.parquet")
    assert pq.read_table(tmp_path / "f.parquet")["id"].to_pylist() == [s.id for s in read_dataset(folder).samples]


def test_an_interrupt_keeps_whole_pieces(folder, tmp_path):
    out = tmp_path / "f.parquet"
    with pytest.raises(KeyboardInterrupt):
        run(folder, out, Counting(fail_after=5))
    assert not out.exists()
    again = Counting()
    summary = run(folder, out, again)
    assert (summary.n_before, again.n_encoded) == (4, 7)  # the first piece of four, one of them broken, is kept
    whole = tmp_path / "whole.parquet"
    run(folder, whole)
    assert out.read_bytes() == whole.read_bytes()


def test_the_engine_that_began_goes_on_and_another_one_s_pieces_are_not_mixed(folder, tmp_path):
    out = tmp_path / "f.parquet"
    with pytest.raises(KeyboardInterrupt):
        run(folder, out, Counting(fail_after=5))
    stubborn = Counting()
    stubborn.engine = "another"
    assert run(folder, out, stubborn).n_before == 0
    assert (stubborn.begun_with, stubborn.n_encoded) == ("numpy", 10)
    assert run(folder, tmp_path / "new.parquet", fresh := Counting()).n_before == 0
    assert fresh.begun_with is None


def test_a_second_time_does_nothing(folder, tmp_path):
    run(folder, tmp_path / "f.parquet")
    again = Counting()
    summary = run(folder, tmp_path / "f.parquet", again)
    assert (again.n_encoded, summary.n_images, summary.n_before) == (0, 10, 11)


@pytest.mark.parametrize("change", ["model", "view", "dtype", "an image", "one image more", "a foreign file"])
def test_another_output_is_left_as_it_is(folder, tmp_path, change):
    out = tmp_path / "f.parquet"
    run(folder, out)
    if change == "an image":
        (folder / "b/10.png").write_bytes((folder / "b/09.png").read_bytes() + b" ")
    elif change == "one image more":
        Image.new("RGB", (6, 6)).save(folder / "b" / "99.png")
    elif change == "a foreign file":
        out.write_bytes(b"mine")
    before = out.read_bytes()
    settings: dict[str, object] = {
        "model": {"fingerprint": "0"},
        "view": {"view": "dark"},
        "dtype": {"dtype": "float16"},
    }
    with pytest.raises(UsageError, match=r"is left as it is. Remove it or choose another --out"):
        run(folder, out, **settings.get(change, {}))  # type: ignore[arg-type]
    assert out.read_bytes() == before


def test_a_moved_folder_is_the_same_job(folder, tmp_path):
    run(folder, tmp_path / "f.parquet")
    moved = folder.rename(tmp_path / "moved")
    assert run(moved, tmp_path / "f.parquet").n_before == 11


def test_a_change_between_two_runs_costs_its_piece_alone(folder, tmp_path):
    out = tmp_path / "f.parquet"
    with pytest.raises(KeyboardInterrupt):
        run(folder, out, Counting(fail_after=9))  # two pieces are kept
    Image.new("RGB", (6, 6), (200, 0, 0)).save(folder / "b" / "06.png")
    again = Counting()
    run(folder, out, again)
    assert again.n_encoded == 4 + 3
    assert [row[0] for row in pq.read_table(out)["embedding"].to_pylist()][5] == 200


def test_data_that_change_while_they_are_read(folder, tmp_path):
    real = find_listing(str(folder))
    looks = 0

    def entries(start: int):
        nonlocal looks
        looks += 1
        for entry in real.entries(start):
            late = looks > 1 and isinstance(entry, Entry) and entry.place == "b/07.png"
            yield replace(entry, stamp="changed") if late else entry

    listing = Listing(name="x", kind="folder", source="x", entries=entries)
    with pytest.raises(VisavisError, match="changed while they were read"):
        run_job(listing, survey(listing), Counting().work(), tmp_path / "f.parquet")
    assert not (tmp_path / "f.parquet").exists()
    assert len(list((tmp_path / "f.parquet.parts").glob("0*.parquet"))) == 1


def test_nothing_that_could_be_embedded(tmp_path):
    (tmp_path / "d").mkdir()
    for name in "abcd":
        (tmp_path / "d" / f"{name}.png").write_bytes(b"")
    with pytest.raises(VisavisError, match=r"Not one of the 4 images .*'a.png' is empty: 0 bytes.*f.skipped.csv"):
        run(tmp_path / "d", tmp_path / "f.parquet")
    assert len((tmp_path / "f.skipped.csv").read_text().splitlines()) == 5
    assert not (tmp_path / "f.parquet").exists()
    assert not (tmp_path / "f.parquet.parts").exists()


@pytest.mark.parametrize("size", [10, 700, 1500])
def test_a_full_disk_loses_nothing(folder, tmp_path, size):
    out = tmp_path / "f.parquet"
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
        with pytest.raises(VisavisError, match=r"Cannot write .*f.parquet.*the same command goes on from there"):
            run(folder, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not out.exists()
    assert run(folder, out).n_images == 10


def test_a_damaged_piece_is_made_again(folder, tmp_path):
    out = tmp_path / "f.parquet"
    with pytest.raises(KeyboardInterrupt):
        run(folder, out, Counting(fail_after=7))
    piece = min((tmp_path / "f.parquet.parts").glob("0*.parquet"))
    content = bytearray(piece.read_bytes())
    place = content.index(np.float32(20).tobytes())  # green of the second picture
    content[place] ^= 1
    piece.write_bytes(bytes(content))
    with pytest.raises(VisavisError, match=r"was damaged and is removed. Run the same command again"):
        run(folder, out)
    assert run(folder, out).n_before == 7
    run(folder, tmp_path / "whole.parquet")
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_a_strange_file_among_the_pieces_stays(folder, tmp_path):
    (tmp_path / "f.parquet.parts").mkdir()
    (tmp_path / "f.parquet.parts" / "thesis.docx").write_text("mine")
    run(folder, tmp_path / "f.parquet")
    assert [path.name for path in (tmp_path / "f.parquet.parts").iterdir()] == ["thesis.docx"]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_vectors_that_are_no_numbers_are_skipped(folder, tmp_path, dtype):
    out = tmp_path / "f.parquet"
    summary = run(folder, out, Counting(factor=400.0), dtype=dtype)  # 20 * 9 * 400 is beyond float16
    n_left = {"float16": 8, "float32": 10}[dtype]
    assert (summary.n_images, summary.n_skipped) == (n_left, 11 - n_left)
    kind = pq.read_schema(out).field("embedding").type
    assert str(kind) == f"fixed_size_list<element: {'halffloat' if dtype == 'float16' else 'float'} not null>[3]"
    if dtype == "float16":
        assert "not finite in float16" in (tmp_path / "f.skipped.csv").read_text()


def test_row_groups_join_pieces(folder, tmp_path, monkeypatch):
    from visavis.bulk import embedding_file

    run(folder, tmp_path / "one.parquet")
    assert pq.read_metadata(tmp_path / "one.parquet").num_row_groups == 1
    monkeypatch.setattr(embedding_file, "ROW_GROUP_BYTES", 4 * 3 * 4)
    run(folder, tmp_path / "many.parquet")
    assert pq.read_metadata(tmp_path / "many.parquet").num_row_groups == 2
    assert pq.read_table(tmp_path / "many.parquet").equals(pq.read_table(tmp_path / "one.parquet"))


def test_results_keep_their_order_and_few_are_under_way():
    started: list[int] = []
    stream = in_order(lambda n: started.append(n) or n * n, range(1000), ahead=8)
    for number, result in enumerate(stream):
        assert result == number**2
        assert len(started) <= number + 8


def test_memory_does_not_grow_with_the_data(tmp_path, monkeypatch):
    """Five times the images, the same memory: each is 77 kB once decoded."""
    monkeypatch.setattr(module, "PIECE", 32)
    side = 160

    def listing(count: int) -> Listing:
        data = (tmp_path / "one.png").read_bytes()

        def entries(start: int):
            for number in range(start, count):
                yield Entry(place=f"{number}.png", read=lambda: data, stamp="1")

        return Listing(name="x", kind="folder", source="x", entries=entries)

    Image.new("RGB", (side, side), (1, 2, 3)).save(tmp_path / "one.png")
    peaks = []
    for count in (500, 2500):
        source = listing(count)
        tracemalloc.start()
        run_job(source, survey(source), Counting().work(), tmp_path / f"{count}.parquet")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
    assert pq.read_metadata(tmp_path / "2500.parquet").num_rows == 2500
