from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from PIL import Image

from visavis.data import checking
from visavis.data.checking import Candidate, check_samples, printable
from visavis.data.dataset import sample_id


def picture(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(file, "PNG")
    return file.getvalue()


def test_order_ids_and_progress():
    candidates = [Candidate(place=f"{n}.png", data=picture(), label="x") for n in (3, 1, 2)]
    seen: list[tuple[int, int]] = []
    samples, skipped = check_samples(candidates, lambda done, total: seen.append((done, total)))
    assert [sample.name for sample in samples] == ["3.png", "1.png", "2.png"]
    assert [sample.id for sample in samples] == [sample_id(picture(), f"{n}.png") for n in (3, 1, 2)]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert not skipped


def test_a_file_becomes_a_sample_that_reads_it_again(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(picture())
    [sample], _ = check_samples([Candidate(place="a.png", path=file, captions=("red",), part="test")])
    assert (sample.path, sample.data, sample.captions, sample.part) == (file, None, ("red",), "test")
    assert sample.read_bytes() == picture()


def test_every_refusal_has_its_reason(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(picture()[:45])
    with (tmp_path / "big.png").open("wb") as file:
        file.truncate(2**30 + 1)  # takes no space on the disk
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    names = ["folder.png", "empty.png", "cut.png", "big.png", "pipe.png", "loop.png", "none.png", "nul\0.png"]
    samples, skipped = check_samples([Candidate(place=name, path=tmp_path / name) for name in names])
    assert not samples
    assert {refused.name: refused.reason for refused in skipped} == {
        "folder.png": "a folder",
        "empty.png": "empty: 0 bytes",
        "cut.png": "truncated: the file ends before the picture does",
        "big.png": "too large: 1.0 GiB, the limit is 1 GiB",
        "pipe.png": "not a plain file",
        "loop.png": "cannot be opened: Too many levels of symbolic links",
        "none.png": "no such file",
        "nul\0.png": "cannot be opened: embedded null byte",
    }


def test_a_file_without_permission_is_skipped(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(picture())

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # the tests may run as root, whom nothing is denied
    _, [skipped] = check_samples([Candidate(place="a.png", path=tmp_path / "a.png")])
    assert skipped.reason == "cannot be opened: Permission denied"


def test_an_image_listed_twice_is_one_sample_with_all_captions():
    once = Candidate(place="a.png", data=picture(), label="cat", captions=("a cat", "a pet"))
    again = Candidate(place="a.png", data=picture(), label="cat", captions=("a pet", "red"))
    [sample], skipped = check_samples([once, again])
    assert sample.captions == ("a cat", "a pet", "red")
    assert not skipped


@pytest.mark.parametrize(("label", "part"), [("dog", "train"), ("cat", "test")])
def test_an_image_listed_twice_under_two_labels_or_parts_keeps_the_first(label, part):
    once = Candidate(place="a.png", data=picture(), label="cat", part="train")
    again = Candidate(place="a.png", data=picture(), label=label, part=part)
    [sample], [skipped] = check_samples([once, again])
    assert (sample.label, sample.part) == ("cat", "train")
    assert skipped.reason == "listed before under the label 'cat' in the train part"


def test_an_interrupt_does_not_wait_for_the_queue(monkeypatch):
    decoded = []
    first_done = threading.Event()

    def slow(candidate: Candidate) -> object:
        if decoded:
            first_done.wait(5)  # the others hold their threads until the interrupt is on its way
        decoded.append(candidate.place)
        return checking.Skipped(name=candidate.place, reason="slow")

    def interrupt(done: int, total: int) -> None:
        first_done.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "_check", slow)
    with pytest.raises(KeyboardInterrupt):
        check_samples([Candidate(place=str(n)) for n in range(10_000)], interrupt)
    assert len(decoded) < 5000


def test_names_become_text_that_can_be_written():
    assert printable("caf\u00e9 \U0001f600 \n <script>") == "caf\u00e9 \U0001f600 \n <script>"
    assert printable(os.fsdecode(b"caf\xe9.jpg")) == r"caf\xe9.jpg"
