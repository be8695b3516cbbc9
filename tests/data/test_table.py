from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from visavis.data.dataset import sample_id
from visavis.data.folder import read_folder
from visavis.data.table import read_table
from visavis.errors import UsageError


def picture(red: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (red, 0, 0)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for red, place in enumerate(("cat/a.png", "cat/b, c.png", "dog/d.png")):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(picture(red))
    return tmp_path


def write(folder: Path, text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def write_parquet(folder: Path, columns: dict, metadata: dict | None = None) -> Path:
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), folder / "table.parquet")
    return folder / "table.parquet"


def test_several_classes_an_image(folder):
    samples = read_table(write(folder, "path,labels\ncat/a.png, dog;cat ;dog\ndog/d.png,\n")).samples
    assert [(sample.label, sample.labels) for sample in samples] == [(None, ("cat", "dog")), (None, ())]


class TestCSV:
    def test_paths_labels_captions_and_parts(self, folder):
        table = write(
            folder,
            "path,label,caption,part\n"
            'cat/a.png,cat,"a cat, asleep",train\n'
            '"cat/b, c.png",cat,,VAL\n'
            f"{folder / 'dog/d.png'},dog,a dog,train\n",
        )
        dataset = read_table(table)
        assert [(s.name, s.label, s.captions, s.part) for s in dataset.samples] == [
            ("cat/a.png", "cat", ("a cat, asleep",), "train"),
            ("cat/b, c.png", "cat", (), "test"),
            ("dog/d.png", "dog", ("a dog",), "train"),
        ]
        assert dataset.name == "table"
        assert not dataset.skipped

    def test_groups_belong_together_and_one_image_to_one(self, folder):
        rows = "path,label,Group\ncat/a.png,cat,video 1\ndog/d.png,dog,7.0\ncat/a.png,cat,video 2\n"
        dataset = read_table(write(folder, rows))
        assert [one.group for one in dataset.samples] == ["video 1", "7.0"]
        assert [one.reason for one in dataset.skipped] == ["listed before under the label 'cat', group 'video 1'"]

    def test_same_ids_as_the_folder(self, folder):
        table = write(folder, "path,label\n./cat/a.png,cat\ncat/../dog/d.png,dog\n")
        by_folder = {sample.name: sample.id for sample in read_folder(folder).samples}
        assert {sample.name: sample.id for sample in read_table(table).samples}.items() <= by_folder.items()

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_what_spreadsheets_write(self, folder, delimiter, newline):
        rows = [("Label", " PATH ", "notes"), ("cat", "cat/a.png", "x"), ("dog", "dog/d.png", "")]
        text = newline.join(delimiter.join(row) for row in rows)
        dataset = read_table(write(folder, text, encoding="utf-8-sig"))
        assert [(s.name, s.label) for s in dataset.samples] == [("cat/a.png", "cat"), ("dog/d.png", "dog")]

    def test_one_row_for_each_caption(self, folder):
        table = write(folder, "path,label,caption\ncat/a.png,cat,one\ncat/a.png,cat,two\n")
        [sample] = read_table(table).samples
        assert sample.captions == ("one", "two")

    def test_labels_with_newlines_quotes_and_markup(self, folder):
        table = write(folder, 'path,label\ncat/a.png,"two\r\nlines ""quoted"" <b>"\n')
        assert read_table(table).classes == ('two\r\nlines "quoted" <b>',)

    def test_labels_are_composed(self, folder):
        table = write(folder, "path,label\ncat/a.png,cafe\u0301\ndog/d.png,caf\u00e9\n")
        assert read_table(table).classes == ("caf\u00e9",)

    def test_an_empty_label_is_none(self, folder):
        dataset = read_table(write(folder, "path,label\ncat/a.png,\ndog/d.png, \n"))
        assert [sample.label for sample in dataset.samples] == [None, None]

    def test_bad_rows_are_skipped_with_their_reason(self, folder):
        text = "path,label\ncat/a.png,cat\nnone.png,cat\n,dog\ndog/d.png,dog,too,many\ncat,cat\nhttps://x/y.png,cat\n"
        dataset = read_table(write(folder, text))
        assert [sample.name for sample in dataset.samples] == ["cat/a.png"]
        assert {(skipped.name, skipped.reason) for skipped in dataset.skipped} == {
            ("none.png", "no such file"),
            ("row 3", "no path"),
            ("line 5", "more values than columns: quote texts that contain ','"),
            ("cat", "a folder"),
            ("https:/x/y.png", "no such file"),
        }

    def test_a_missing_column_names_those_found_and_the_nearest(self, folder):
        with pytest.raises(UsageError) as caught:
            read_table(write(folder, "file_path,label\ncat/a.png,cat\n"))
        assert "has no column path or image; its columns are 'file_path', 'label'." in str(caught.value)
        assert "If 'file_path' is meant, rename it." in str(caught.value)
        with pytest.raises(
            UsageError, match=r"has no column label or labels or caption or captions; its columns are 'path', 'x'\."
        ):
            read_table(write(folder, "path,x\ncat/a.png,cat\n"))

    @pytest.mark.parametrize("text", ["path,label\n", "path,label", "path,label\n\n\n"])
    def test_no_rows(self, folder, text):
        with pytest.raises(UsageError, match="has no rows"):
            read_table(write(folder, text))

    def test_an_empty_file(self, folder):
        with pytest.raises(UsageError, match="its columns are none"):
            read_table(write(folder, ""))

    def test_an_unknown_part(self, folder):
        with pytest.raises(UsageError, match=r"names a part 'tset'\. Did you mean test"):
            read_table(write(folder, "path,label,split\ncat/a.png,cat,tset\n"))

    def test_parts_may_be_left_open(self, folder):
        dataset = read_table(write(folder, "path,label,split\ncat/a.png,cat,test\ndog/d.png,dog,\n"))
        assert [sample.part for sample in dataset.samples] == ["test", ""]

    def test_another_encoding(self, folder):
        with pytest.raises(UsageError, match=r"is not UTF-8: byte 14 is 0xe9\. Save it again as 'CSV UTF-8'"):
            read_table(write(folder, "path,label\ncaf\u00e9.png,x\n", encoding="cp1252"))

    def test_no_csv_at_all(self, folder):
        with pytest.raises(UsageError, match="is no CSV after line 1: field larger than"):
            read_table(write(folder, "path,label\n" + "x" * 200_000 + ",y\n"))

    def test_a_table_that_cannot_be_opened(self, folder):
        with pytest.raises(UsageError, match="cannot be opened: No such file or directory"):
            read_table(folder / "none.csv")


class TestParquet:
    def test_paths(self, folder):
        table = write_parquet(
            folder,
            {"path": ["cat/a.png", "dog/d.png"], "label": ["cat", None], "captions": [["x", "", "y"], None]},
        )
        dataset = read_table(table)
        assert [(s.name, s.label, s.captions) for s in dataset.samples] == [
            ("cat/a.png", "cat", ("x", "y")),
            ("dog/d.png", None, ()),
        ]

    def test_images_inside_with_and_without_a_path(self, folder):
        images = [{"bytes": picture(7), "path": "seven.png"}, {"bytes": picture(8), "path": None}]
        dataset = read_table(write_parquet(folder, {"image": images, "label": ["a", "b"]}))
        assert [(s.name, s.data, s.path) for s in dataset.samples] == [
            ("seven.png", picture(7), None),
            ("row 2", picture(8), None),
        ]
        assert dataset.samples[0].id == sample_id(picture(7), "seven.png")

    def test_images_inside_as_plain_bytes_or_named_by_path(self, folder):
        dataset = read_table(write_parquet(folder, {"image": [picture(7)], "label": ["a"]}))
        assert dataset.samples[0].data == picture(7)
        dataset = read_table(write_parquet(folder, {"image": ["cat/a.png"], "label": ["a"]}))
        assert dataset.samples[0].path == folder / "cat/a.png"
        by_path = [{"bytes": None, "path": "cat/a.png"}]
        columns = {"image": pa.array(by_path, pa.struct({"bytes": pa.binary(), "path": pa.string()})), "label": ["a"]}
        assert read_table(write_parquet(folder, columns)).samples[0].path == folder / "cat/a.png"

    def test_hugging_face_label_names(self, folder):
        features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
        columns = {"image": [picture(7), picture(8), picture(9)], "label": [1, 0, -1]}
        dataset = read_table(write_parquet(folder, columns, {"huggingface": json.dumps(features)}))
        assert [sample.label for sample in dataset.samples] == ["dog", "cat", "-1"]

    @pytest.mark.parametrize("metadata", [None, {"huggingface": "not json"}, {"huggingface": '{"info": []}'}])
    def test_numbers_without_names(self, folder, metadata):
        columns = {"image": [picture(n) for n in range(3)], "label": [3.0, float("nan"), 0.5]}
        dataset = read_table(write_parquet(folder, columns, metadata))
        assert [sample.label for sample in dataset.samples] == ["3", None, "0.5"]

    def test_dictionary_encoded_labels(self, folder):
        labels = pa.array(["x", "y"]).dictionary_encode()
        dataset = read_table(write_parquet(folder, {"path": ["cat/a.png", "dog/d.png"], "label": labels}))
        assert dataset.classes == ("x", "y")

    def test_wrong_types_are_skipped(self, folder):
        dataset = read_table(write_parquet(folder, {"image": [picture()], "label": [["a", "b"]]}))
        assert dataset.skipped[0].reason == "the label is of type list, not text or a number"
        dataset = read_table(write_parquet(folder, {"image": [17], "label": ["a"]}))
        assert dataset.skipped[0].reason == "the image is of type int, not bytes"

    def test_unreadable_images_inside(self, folder):
        dataset = read_table(write_parquet(folder, {"image": [b"", None, b"text"], "label": ["a", "b", "c"]}))
        assert {(skipped.name, skipped.reason) for skipped in dataset.skipped} == {
            ("row 1", "empty: 0 bytes"),
            ("row 2", "no path"),
            ("row 3", "not an image: text"),
        }

    @pytest.mark.parametrize("keep", [0, 3, 100])
    def test_a_damaged_file(self, folder, keep):
        table = write_parquet(folder, {"path": ["cat/a.png"], "label": ["cat"]})
        table.write_bytes(table.read_bytes()[:keep])
        with pytest.raises(UsageError, match="cannot be read as Parquet"):
            read_table(table)
