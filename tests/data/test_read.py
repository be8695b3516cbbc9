from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from visavis.data.dataset import Dataset, Sample
from visavis.data.read import read_dataset, require_classes
from visavis.errors import UsageError, VisavisError


def put(root: Path, *places: str) -> Path:
    for number, place in enumerate(places):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        encoded = io.BytesIO()
        Image.new("RGB", (4, 4), (number, 0, 0)).save(encoded, "PNG")
        (root / place).write_bytes(encoded.getvalue())
    return root


def error_of(source: str | Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_dataset(source)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestWhatIsRead:
    def test_a_folder_a_table_and_an_embedded_set(self, tmp_path):
        put(tmp_path, "cat/a.png", "dog/b.png")
        (tmp_path / "t.csv").write_text("path,label\ncat/a.png,feline\n")
        (tmp_path / "t.tsv").write_text("path\tlabel\ncat/a.png\tfeline\n")
        assert read_dataset(tmp_path).classes == ("cat", "dog")
        assert read_dataset(str(tmp_path / "t.csv")).classes == ("feline",)
        assert read_dataset(tmp_path / "t.tsv").classes == ("feline",)
        assert read_dataset("emoji-new").name == "emoji-new"

    def test_progress_is_passed_on(self, tmp_path):
        seen: list[tuple[int, int]] = []
        read_dataset(put(tmp_path, "cat/a.png", "cat/b.png"), lambda *step: seen.append(step))
        assert seen == [(1, 2), (2, 2)]

    def test_a_folder_called_like_an_embedded_set(self, tmp_path, monkeypatch):
        put(tmp_path, "emoji/cat/a.png", "emoji_photos/cat/a.png")
        monkeypatch.chdir(tmp_path)
        assert len(read_dataset("./emoji_photos").samples) == len(read_dataset("emoji_photos").samples) == 1
        assert len(read_dataset("./emoji/").samples) == len(read_dataset(Path("emoji")).samples) == 1
        assert len(read_dataset("emoji").samples) > 1000


class TestWhatIsRefused:
    def test_a_missing_path_offers_its_neighbours(self, tmp_path):
        put(tmp_path, "photos/cat/a.png")
        message = error_of(tmp_path / "fotos")
        assert message == f"There is no data path '{tmp_path / 'fotos'}'. Did you mean photos?"

    def test_a_missing_path_in_a_missing_folder(self, tmp_path):
        assert "Give a folder with one folder of images for each class" in error_of(tmp_path / "no/where")
        assert "There is no data path" in error_of("nul\0")
        assert "cannot be opened: File name too long" in error_of("x" * 300)

    def test_an_empty_path(self):
        assert error_of("").startswith("The data path is empty.")

    def test_a_misspelt_embedded_set(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert "Unknown embedded data set 'emoji-outlines'. Did you mean emoji-outline" in error_of("emoji-outlines")
        assert "Did you mean emoji" in error_of("emojj")

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("a.png", "is a single image. Give a folder"),
            ("a.rar", "is an archive, which has to be unpacked first. Give"),
            ("a.xlsx", "is none of the forms that are read. Give"),
        ],
    )
    def test_another_kind_of_file(self, tmp_path, name, words):
        (tmp_path / name).write_bytes(b"x")
        assert words in error_of(tmp_path / name)

    def test_a_path_behind_a_locked_folder(self, tmp_path, monkeypatch):
        def refuse(self: Path, **_: object) -> None:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "stat", refuse)  # the tests may run as root, whom nothing is denied
        assert "cannot be opened: Permission denied" in error_of(tmp_path / "x")

    def test_nothing_readable_is_a_failure_of_the_work(self, tmp_path):
        for name in "abcde":
            (tmp_path / f"{name}.jpg").write_bytes(b"")
        with pytest.raises(VisavisError) as caught:
            read_dataset(tmp_path)
        assert caught.value.exit_code == 1
        assert str(caught.value) == (
            f"No image of {tmp_path.name!r} could be read: 'a.jpg' is empty: 0 bytes; 'b.jpg' is empty: 0 bytes; "
            "'c.jpg' is empty: 0 bytes; and 2 more."
        )


def made(*rows: tuple[str | None, str]) -> Dataset:
    samples = [
        Sample(id=f"{n:016x}", name=f"{n}", data=bytes([n]), label=label, part=part)
        for n, (label, part) in enumerate(rows)
    ]
    return Dataset(name="made", samples=tuple(samples))


class TestRequireClasses:
    def test_two_classes_and_two_test_images_do(self):
        dataset = made(("a", "train"), ("b", "test"), ("a", "test"), (None, "test"))
        require_classes(dataset)  # raises nothing
        assert dataset.classes == ("a", "b")

    @pytest.mark.parametrize(
        ("rows", "words"),
        [
            ([(None, "test"), (None, "test")], "None of the 2 images of 'made' has a label"),
            ([("a", "test"), ("a", "test"), (None, "train")], "All labelled images of 'made' are of one class, 'a'"),
            ([("a", "test"), ("b", "train"), (None, "test")], r"leaves 1 of its 3 images \(2 classes\) for testing"),
            ([("a", "train"), ("b", "train")], r"leaves 0 of its 2 images \(2 classes\) for testing"),
        ],
    )
    def test_less_is_refused(self, rows, words):
        with pytest.raises(UsageError, match=words):
            require_classes(made(*rows))

    def test_groups_that_leave_nothing_to_test_are_named(self):
        dataset = made(("a", "train"), ("b", "train"))
        grouped = replace(dataset, samples=tuple(replace(sample, group="video") for sample in dataset.samples))
        with pytest.raises(UsageError, match="Groups are never parted, so a class needs two of them"):
            require_classes(grouped)


def test_importing_the_readers_loads_no_heavy_library():
    code = (
        "import sys, visavis.data.read, visavis.data.splits, visavis.data.views;"
        "print([name for name in ('torch', 'pandas', 'sklearn', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
