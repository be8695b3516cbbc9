from __future__ import annotations

import io
import os
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from visavis.data.dataset import sample_id
from visavis.data.folder import read_folder
from visavis.errors import UsageError


def put(root: Path, *places: str) -> Path:
    """A small picture at each place."""
    for number, place in enumerate(places):
        file = root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        encoded = io.BytesIO()
        Image.new("RGB", (4, 4), (number, 0, 0)).save(encoded, "PNG")
        file.write_bytes(encoded.getvalue())
    return root


def labels(root: Path) -> dict[str, str | None]:
    return {sample.name: sample.label for sample in read_folder(root).samples}


def parts(root: Path) -> dict[str, str]:
    return {sample.name: sample.part for sample in read_folder(root).samples}


def test_the_first_folder_is_the_class_however_deep_the_file(tmp_path):
    put(tmp_path, "cat/a.png", "cat/2024/may/b.PNG", "dog/a.jpeg")  # the content decides, not the suffix
    assert labels(tmp_path) == {"cat/a.png": "cat", "cat/2024/may/b.PNG": "cat", "dog/a.jpeg": "dog"}
    dataset = read_folder(tmp_path)
    assert dataset.name == tmp_path.name
    assert dataset.classes == ("cat", "dog")
    assert {sample.part for sample in dataset.samples} == {""}
    assert all(s.id == sample_id(s.path.read_bytes(), s.name) for s in dataset.samples)


def test_the_order_is_that_of_the_names(tmp_path, monkeypatch):
    put(tmp_path, "b/2.png", "b/1.png", "a/9.png", "a.b/1.png", "a/x/1.png")
    names = [sample.name for sample in read_folder(tmp_path).samples]
    assert names == ["a.b/1.png", "a/9.png", "a/x/1.png", "b/1.png", "b/2.png"]
    real = os.scandir

    class Backwards:
        def __init__(self, path):
            self.entries = sorted(real(path), key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(os, "scandir", Backwards)
    assert [sample.name for sample in read_folder(tmp_path).samples] == names


def test_the_same_files_elsewhere_are_the_same_data(tmp_path):
    places = ("cat/a.png", "dog/b.png")
    here, there = put(tmp_path / "here", *places), put(tmp_path / "there", *places)
    assert read_folder(here).fingerprint == read_folder(there).fingerprint
    put(there, "dog/c.png")
    assert read_folder(here).fingerprint != read_folder(there).fingerprint


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (["train/cat/a.png", "test/cat/b.png"], ["train", "test"]),
        (["Training/cat/a.png", "VAL/cat/b.png"], ["train", "test"]),  # a validation part tests where none else does
        (["train/cat/a.png", "valid/cat/b.png", "test/cat/c.png"], ["train", "train", "test"]),
        (["train/cat/a.png"], ["train"]),
        (["train/cat/a.png", "test/cat/b.png", "extra/c.png"], ["", "", ""]),  # a third folder: they are classes
    ],
)
def test_folders_named_after_parts(tmp_path, places, expected):
    put(tmp_path, *places)
    assert parts(tmp_path) == dict(zip(places, expected, strict=True))
    if expected[0]:
        assert set(labels(tmp_path).values()) == {"cat"}


def test_parts_without_class_folders_have_no_labels(tmp_path):
    put(tmp_path, "train/a.png", "test/b.png")
    assert labels(tmp_path) == {"train/a.png": None, "test/b.png": None}
    assert parts(tmp_path) == {"train/a.png": "train", "test/b.png": "test"}


def test_images_in_the_root_have_no_label(tmp_path):
    assert labels(put(tmp_path, "a.png", "b.png")) == {"a.png": None, "b.png": None}


@pytest.mark.parametrize("stray", ["logo.png", "train/logo.png"])
def test_images_beside_class_folders_are_skipped(tmp_path, stray):
    put(tmp_path, stray, "train/cat/a.png", "test/dog/b.png")
    dataset = read_folder(tmp_path)
    assert [sample.name for sample in dataset.samples] == ["test/dog/b.png", "train/cat/a.png"]
    [skipped] = dataset.skipped
    assert (skipped.name, skipped.reason) == (stray, "beside the class folders, so without a label")


def test_hidden_and_foreign_files_are_passed_over(tmp_path):
    put(tmp_path, "cat/a.png", "cat/._a.png", ".git/x.png", "cat/.cache/y.png", "__MACOSX/._a.png")
    for name in ("cat/.DS_Store", "cat/Thumbs.db", "cat/notes.txt", "labels.csv"):
        (tmp_path / name).write_text("nothing to see")
    dataset = read_folder(tmp_path)
    assert [sample.name for sample in dataset.samples] == ["cat/a.png"]
    assert not dataset.skipped


def test_unreadable_files_are_listed_and_the_rest_is_kept(tmp_path):
    put(tmp_path, "cat/a.png", "cat/b.png")
    (tmp_path / "cat/a.png").write_bytes(b"")
    (tmp_path / "cat/phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    dataset = read_folder(tmp_path)
    assert [sample.name for sample in dataset.samples] == ["cat/b.png"]
    assert [(skipped.name, skipped.reason) for skipped in dataset.skipped] == [
        ("cat/a.png", "empty: 0 bytes"),
        ("cat/phone.heic", "not an image: a HEIC photograph, to be converted to JPEG first"),
    ]


def test_nasty_names(tmp_path):
    names = [
        "with space",
        "quo\"te's",
        "<script>alert(1)",
        "new\nline",
        "\U0001f600",
        "back\\slash",
        "%s {0} $HOME",
        "-rf",
    ]
    put(tmp_path, *(f"{name}/{name}.png" for name in names))
    found = labels(tmp_path)
    assert found == {f"{name}/{name}.png": name for name in names}


def test_a_name_that_is_no_utf_8(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    put(tmp_path, "tea/a.png")
    with open(folder + b"/\xff.png", "wb") as file:
        file.write((tmp_path / "tea/a.png").read_bytes())
    dataset = read_folder(tmp_path)
    assert {s.name: s.label for s in dataset.samples} == {r"caf\xe9/\xff.png": r"caf\xe9", "tea/a.png": "tea"}
    for sample in dataset.samples:
        sample.name.encode()
        assert sample.read_bytes()


def test_labels_are_composed_but_files_are_found(tmp_path):
    decomposed = unicodedata.normalize("NFD", "café")
    put(tmp_path, f"{decomposed}/a.png")
    [sample] = read_folder(tmp_path).samples
    assert sample.label == unicodedata.normalize("NFC", "café") != decomposed
    assert sample.read_bytes()


def test_links_are_followed_but_not_round_in_circles(tmp_path):
    put(tmp_path / "elsewhere", "a.png")
    put(tmp_path / "data", "dog/b.png")
    (tmp_path / "data/cat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/dog/all").symlink_to(tmp_path / "data")
    (tmp_path / "data/self").symlink_to(tmp_path / "data/self")
    assert labels(tmp_path / "data") == {"cat/a.png": "cat", "dog/b.png": "dog"}


def test_a_folder_that_cannot_be_opened(tmp_path, monkeypatch):
    put(tmp_path, "cat/a.png", "secret/b.png")
    real = os.scandir

    def refuse(path):
        if Path(path).name in refused:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    refused = {"secret"}
    with monkeypatch.context() as refusing:  # the tests may run as root, whom nothing is denied
        refusing.setattr(os, "scandir", refuse)
        dataset = read_folder(tmp_path)
        refused = {tmp_path.name}
        with pytest.raises(UsageError, match="cannot be opened: Permission denied"):
            read_folder(tmp_path)
    assert [sample.name for sample in dataset.samples] == ["cat/a.png"]
    assert [(s.name, s.reason) for s in dataset.skipped] == [("secret", "folder cannot be opened: Permission denied")]


def test_an_empty_folder_says_what_is_wanted(tmp_path):
    (tmp_path / "cat").mkdir()
    with pytest.raises(UsageError, match=r"holds no files\. Give a folder with one folder of images for each class"):
        read_folder(tmp_path)


def test_a_folder_without_images_says_what_was_found(tmp_path):
    for name in ("a.txt", "b.TXT", "labels.csv", "README"):
        (tmp_path / name).write_text("x")
    with pytest.raises(UsageError) as caught:
        read_folder(tmp_path)
    assert "Found 4 other files: 2 with .txt, 1 with no suffix, 1 with .csv." in str(caught.value)
    assert f"To read the table, give its own path: '{tmp_path / 'labels.csv'}'" in str(caught.value)
