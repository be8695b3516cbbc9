from __future__ import annotations

import multiprocessing
import os
import resource
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from visavis.engine.cache import (
    Kept,
    list_kept,
    mark_used,
    model_folder,
    parse_size,
    prune,
    read_vectors,
    size_limit,
    summarise,
    write_vectors,
)  # fmt: skip
from visavis.errors import UsageError, VisavisError

ROWS = np.arange(12, dtype=np.float32).reshape(3, 4)
SIZE = 32 + 48  # bytes of such an entry


def fill(cache: Path, *names: str, model: str = "some model") -> list[Path]:
    """Entries, the first of them used longest ago."""
    files = []
    for age, name in enumerate(reversed(names)):
        file = model_folder(cache, "embeddings", "f" * 64, model) / f"{name}.float32"
        write_vectors(file, ROWS)
        then = time.time_ns() - (age + 1) * 10**9
        os.utime(file, ns=(then, then))
        files.insert(0, file)
    return files


def left(cache: Path) -> list[str]:
    return sorted(entry.path.stem for entry in list_kept(cache))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("5GB", 5 * 10**9),
        ("20 gb", 20 * 10**9),
        ("1.5M", 1_500_000),
        ("2KiB", 2048),
        ("1TiB", 2**40),
        ("0", 0),
        ("7", 7),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-5GB", "5 PB", "GB", "nan", "1e9", "5GB extra"])
def test_sizes_that_are_none(text):
    with pytest.raises(UsageError, match="A size is a number with a unit"):
        parse_size(text)


def test_the_limit_is_in_the_environment(monkeypatch):
    monkeypatch.delenv("VISAVIS_CACHE_SIZE", raising=False)
    assert size_limit() == 20 * 10**9
    monkeypatch.setenv("VISAVIS_CACHE_SIZE", "3MB")
    assert size_limit() == 3_000_000


def test_the_least_recently_used_go_first(tmp_path):
    first, second, third = fill(tmp_path, "first", "second", "third")
    assert read_vectors(first, (3, 4)) is not None  # used just now
    assert [entry.path for entry in prune(tmp_path, 2 * SIZE)] == [second]
    mark_used(third)
    assert prune(tmp_path, 2 * SIZE) == []
    assert [entry.path for entry in prune(tmp_path, SIZE)] == [first]
    assert [entry.path for entry in prune(tmp_path, 0)] == [third]


def test_use_does_not_change_the_time_of_change(tmp_path):
    [file] = fill(tmp_path, "one")
    before = file.stat().st_mtime_ns
    read_vectors(file, (3, 4))
    assert file.stat().st_mtime_ns == before
    assert file.stat().st_atime_ns > before


def test_writing_respects_the_limit_and_keeps_what_it_wrote(tmp_path, monkeypatch):
    fill(tmp_path, "a", "b", "c")
    monkeypatch.setenv("VISAVIS_CACHE_SIZE", str(2 * SIZE))
    fill(tmp_path, "d")
    assert left(tmp_path) == ["c", "d"]
    monkeypatch.setenv("VISAVIS_CACHE_SIZE", "0")
    fill(tmp_path, "e")
    assert left(tmp_path) == ["e"]


def test_what_it_holds_by_model(tmp_path):
    fill(tmp_path, "a", "b")
    write_vectors(model_folder(tmp_path, "embeddings", "0" * 64, "other/model 🦊") / "c.float32", ROWS)
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "x.onnx").write_bytes(b"12345")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "mine.txt").write_text("not of the cache")
    table = summarise(list_kept(tmp_path))
    assert table[["kind", "model", "entries", "bytes"]].to_numpy().tolist() == [
        ["embeddings", "other/model 🦊", 1, SIZE],
        ["embeddings", "some model", 2, 2 * SIZE],
        ["onnx", "", 1, 5],
    ]
    assert abs((datetime.now() - table["used"].max()).total_seconds()) < 60
    prune(tmp_path, 0)
    assert (tmp_path / "strange" / "mine.txt").exists()
    assert summarise([]).empty


def test_unfinished_files_go_once_they_are_old(tmp_path):
    [file] = fill(tmp_path, "a")
    young, old = file.with_name(".x.1.tmp"), file.with_name(".y.2.tmp")
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - 2 * 24 * 3600))
    assert left(tmp_path) == ["a"]
    assert (young.exists(), old.exists()) == (True, False)


def test_pieces_that_somebody_is_at_work_on_stay(tmp_path):
    [file] = fill(tmp_path, "a")
    young, old = file.with_name("y.parquet.parts"), file.with_name("o.parquet.parts")
    for folder in (young, old):
        folder.mkdir()
        (folder / "00000000-0123456789abcdef.parquet").write_bytes(b"piece")
    os.utime(old, (0, time.time() - 2 * 24 * 3600))
    assert len(prune(tmp_path, 0)) == 2
    assert not file.exists()
    assert [path.name for path in young.iterdir()] == ["00000000-0123456789abcdef.parquet"]
    assert not list(old.iterdir())


def test_no_cache_yet_and_a_damaged_name(tmp_path):
    assert list_kept(tmp_path / "none") == []
    [file] = fill(tmp_path, "a")
    (file.parent / "model.json").write_text("{")
    assert [entry.model for entry in list_kept(tmp_path)] == [""]


def test_an_entry_that_another_process_removed(tmp_path, monkeypatch):
    files = fill(tmp_path, "a", "b")
    entries = list_kept(tmp_path)
    files[0].unlink()
    monkeypatch.setattr("visavis.engine.cache.list_kept", lambda cache: entries)
    assert isinstance(entries[0], Kept)
    assert [entry.path for entry in prune(tmp_path, 0)] == [files[1]]
    assert read_vectors(files[0], (3, 4)) is None
    mark_used(files[0])


def test_a_full_disk(tmp_path):
    fill(tmp_path, "a")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, usual[1]))
        with pytest.raises(VisavisError, match="Free some space, or set VISAVIS_CACHE"):
            fill(tmp_path, "b")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert left(tmp_path) == ["a"]


def hammer(cache: Path, seed: int) -> None:
    """Writes, reads and prunes what others write, read and prune."""
    random = np.random.default_rng(seed)
    for _ in range(60):
        number = int(random.integers(0, 8))
        file = model_folder(cache, "embeddings", "f" * 64, "m") / f"{number}.float32"
        found = read_vectors(file, (3, 4))
        if found is None:
            write_vectors(file, ROWS + number)
        else:
            np.testing.assert_array_equal(found, ROWS + number)


def test_several_processes_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("VISAVIS_CACHE_SIZE", str(4 * SIZE))
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=hammer, args=(tmp_path, seed)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert 1 <= len(list_kept(tmp_path)) <= 5
