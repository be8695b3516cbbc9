from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from visavis.data.dataset import Dataset
from visavis.data.find_listing import find_listing
from visavis.data.listing import Entry
from visavis.data.read import read_dataset
from visavis.errors import UsageError, VisavisError


def png(shade: int, side: int = 4, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 0, 0)).save(file, form)
    return file.getvalue()


def pack(path: Path, *names: str, **members: bytes) -> Path:
    """Pictures under these names, each of another shade, and what else is given."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for shade, name in enumerate(names):
            archive.writestr(name, png(shade))
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def known(dataset: Dataset) -> list[tuple[str, str | None, str]]:
    return [(sample.name, sample.label, sample.part) for sample in dataset.samples]


@pytest.mark.parametrize("top", ["", "photos/", "a/b/"])
def test_an_archive_is_the_folder_that_was_packed(tmp_path, top):
    """Also where it holds one folder that holds the rest: the very samples of the unpacked folder."""
    names = ("train/cat/1.png", "train/dog/deep/2.png", "test/cat/3.png", "val/dog/4.png")
    path = pack(tmp_path / "photos.zip", *(top + name for name in names))
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    packed, unpacked = read_dataset(path), read_dataset(tmp_path / "unpacked" / top)
    assert packed.fingerprint == unpacked.fingerprint
    assert [sample.read_bytes() for sample in packed.samples] == [sample.read_bytes() for sample in unpacked.samples]
    assert known(packed)[0] == ("test/cat/3.png", "cat", "test")
    assert all(sample.data is None for sample in packed.samples)  # none is held


def test_what_lies_beside_the_images_is_passed_over(tmp_path):
    path = pack(
        tmp_path / "a.zip", "p/cat/1.png", "p/dog/2.png", "__MACOSX/p/cat/._1.png", "p/.cache/3.png", readme=b"x"
    )
    assert known(read_dataset(path)) == [("cat/1.png", "cat", ""), ("dog/2.png", "dog", "")]  # readme is no image


def test_stored_members_and_members_behind_a_foreign_start(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("cat/1.png", png(1))
        archive.writestr("dog/1.png", png(2))
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(b"#!/bin/sh" + whole)  # as archives that unpack themselves begin
    for name in ("a.zip", "b.zip"):
        assert [sample.read_bytes() for sample in read_dataset(tmp_path / name).samples] == [png(1), png(2)]


def test_embedding_lists_the_same(tmp_path):
    listing = find_listing(str(pack(tmp_path / "a.zip", "cat/1.png", "dog/2.png")))
    assert listing.kind == "zip"
    found = [entry for entry in listing.entries(1) if isinstance(entry, Entry)]
    assert [(entry.place, entry.label, entry.read()) for entry in found] == [("dog/2.png", "dog", png(1))]


class TestHostileMembers:
    def skipped(self, path: Path) -> dict[str, str]:
        return {skipped.name: skipped.reason for skipped in read_dataset(path).skipped}

    @pytest.mark.parametrize(
        "name", ["../evil.png", "/etc/evil.png", "a/../../evil.png", "C:/evil.png", "a\\..\\evil.png"]
    )
    def test_names_that_lead_out(self, tmp_path, name):
        reasons = self.skipped(pack(tmp_path / "a.zip", "cat/1.png", name))
        assert list(reasons.values()) == ["named as a place outside the archive"]
        assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]

    def test_a_link(self, tmp_path):
        path = pack(tmp_path / "a.zip", "cat/1.png")
        link = zipfile.ZipInfo("cat/link.png")
        link.external_attr = 0o120777 << 16
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(link, "/etc/passwd")
        assert self.skipped(path) == {"link.png": "a link, which is not followed"}

    def test_an_encrypted_member_and_one_of_another_method(self, tmp_path):
        path = pack(tmp_path / "a.zip", "cat/1.png", "cat/2.png", "cat/3.png")
        content = bytearray(path.read_bytes())
        places = [i for i in range(len(content)) if content[i : i + 4] == b"PK\1\2"]  # the table of contents
        struct.pack_into("<H", content, places[1] + 8, 1)
        struct.pack_into("<H", content, places[2] + 10, zipfile.ZIP_LZMA)
        path.write_bytes(content)
        assert self.skipped(path) == {
            "2.png": "encrypted",
            "3.png": "compressed by method 14; only deflated and stored members are read",
        }

    def test_a_bomb_by_growth(self, tmp_path):
        path = pack(tmp_path / "a.zip", "cat/1.png", **{"cat/bomb.png": bytes(2**25)})
        assert self.skipped(path)["bomb.png"].endswith("times when unpacked, as no image does")

    def test_a_plain_picture_may_grow(self, tmp_path):
        path = pack(
            tmp_path / "a.zip", "cat/1.png", **{"cat/plain.bmp": png(0, side=1000, form="BMP")}
        )  # 3 MB from 3 kB
        assert len(read_dataset(path).samples) == 2

    def test_a_bomb_by_overlap(self, tmp_path):
        """Two entries of the table of contents that tell of the same bytes."""
        path = pack(tmp_path / "a.zip", "cat/1.png", "cat/2.png", "cat/3.png")
        content = bytearray(path.read_bytes())
        places = [i for i in range(len(content)) if content[i : i + 4] == b"PK\1\2"]
        content[places[1] + 42 : places[1] + 46] = content[places[2] + 42 : places[2] + 46]
        path.write_bytes(content)
        assert self.skipped(path) == dict.fromkeys(["2.png", "3.png"], "sharing its bytes with another member")

    @pytest.mark.parametrize("at", [30 + len("cat/1.png") + 5, 0])
    def test_damage_within(self, tmp_path, at):
        path = pack(tmp_path / "a.zip", "cat/1.png", "cat/2.png")
        content = bytearray(path.read_bytes())
        content[at] ^= 0xFF
        path.write_bytes(content)
        assert self.skipped(path)["1.png"].startswith("damaged")

    def test_a_length_that_is_not_true(self, tmp_path):
        """The table of contents says less than what comes out."""
        path = pack(tmp_path / "a.zip", "cat/1.png", "cat/2.png")
        content = bytearray(path.read_bytes())
        struct.pack_into("<I", content, content.index(b"PK\1\2") + 24, 10)
        path.write_bytes(content)
        assert self.skipped(path) == {"1.png": "damaged within the archive: its checksum differs"}


def test_archives_that_are_none(tmp_path):
    whole = pack(tmp_path / "a.zip", "cat/1.png").read_bytes()
    for content in (b"", b"PK", whole[: len(whole) // 2], whole[:-10]):
        (tmp_path / "bad.zip").write_bytes(content)
        with pytest.raises(UsageError, match=r"cannot be read as a zip: .*Fetch or make it again"):
            read_dataset(tmp_path / "bad.zip")
    with pytest.raises(UsageError, match=r"The archive .* holds no image .* Found 1 other files: 1 with .csv"):
        read_dataset(pack(tmp_path / "b.zip", **{"t.csv": b"x"}))
    with pytest.raises(UsageError, match="holds no files"):
        read_dataset(pack(tmp_path / "c.zip"))
    with pytest.raises(VisavisError, match=r"'1.png' is not an image: text"):
        read_dataset(pack(tmp_path / "d.zip", **{"cat/1.png": b"some words that are text"}))


class TestTables:
    def listed(self, path: Path, table: str, *names: str, at: str = "list.csv") -> Path:
        return pack(path, *names, **{at: table.encode()})

    def test_a_table_tells_what_the_images_are(self, tmp_path):
        """As the same table beside the unpacked images does, wherever in the archive both lie."""
        table = "path,label,caption,part,group\nimages/1.png,cat,one,train,a\nimages/2.png,dog,two,test,b\n"
        names = ("top/images/1.png", "top/images/2.png", "top/images/3.png")
        path = self.listed(tmp_path / "a.zip", table, *names, at="top/list.csv")
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "unpacked")
        packed, unpacked = read_dataset(path), read_dataset(tmp_path / "unpacked" / "top" / "list.csv")
        assert packed.fingerprint == unpacked.fingerprint
        assert [(s.name, s.label, s.captions, s.part, s.group) for s in packed.samples] == [
            ("images/1.png", "cat", ("one",), "train", "a"),
            ("images/2.png", "dog", ("two",), "test", "b"),
        ]
        assert [sample.read_bytes() for sample in packed.samples] == [png(0), png(1)]

    def test_several_classes(self, tmp_path):
        path = self.listed(tmp_path / "a.zip", "path\tlabels\n1.png\ta;b\n2.png\t\n", "1.png", "2.png", at="l.TSV")
        assert [sample.labels for sample in read_dataset(path).samples] == [("a", "b"), ()]

    def test_rows_that_name_no_member(self, tmp_path):
        table = "path,label\n1.png,a\n9.png,a\n../2.png,b\n/etc/hostname,b\n,b\n2.png,b,c\n"
        dataset = read_dataset(self.listed(tmp_path / "a.zip", table, "1.png", "2.png"))
        assert known(dataset) == [("1.png", "a", "")]
        assert {skipped.name.removeprefix(str(tmp_path)): skipped.reason for skipped in dataset.skipped} == {
            "9.png": "no such member of the archive",
            "/2.png": "no such member of the archive",
            "/etc/hostname": "no such member of the archive",
            "row 5": "no path",
            "line 7": "more values than columns: quote texts that contain ','",
        }

    def test_folders_tell_beside_a_table_of_other_things(self, tmp_path):
        path = self.listed(tmp_path / "a.zip", "who,when\nx,y\n", "cat/1.png", "dog/2.png")
        assert known(read_dataset(path)) == [("cat/1.png", "cat", ""), ("dog/2.png", "dog", "")]

    def test_the_uppermost_table_is_taken(self, tmp_path):
        lower = {"more/list.csv": b"path,label\n1.png,lower\n"}
        path = pack(tmp_path / "a.zip", "more/1.png", "2.png", **{"list.csv": b"path,label\n2.png,upper\n"}, **lower)
        assert known(read_dataset(path)) == [("2.png", "upper", "")]

    @pytest.mark.parametrize(
        ("members", "words"),
        [
            ({"list.csv": b"file,label\n1.png,a\n"}, r"has no column path or image; its columns are 'file', 'label'"),
            ({"list.csv": b"path,label\n"}, "has no rows"),
            ({"list.csv": b"path,label\n1.png,\xff\n"}, r"is not UTF-8: byte 17 is 0xff"),
            (dict.fromkeys(["a.csv", "b.csv"], b"path,label\n1.png,a\n"), r"several tables of images \(a.csv, b.csv\)"),
            ({"list.csv": b"path,label\n" + b" " * 2**25}, "growing .* times when unpacked"),
        ],
    )
    def test_tables_that_are_none(self, tmp_path, members, words):
        with pytest.raises(UsageError, match=words):
            read_dataset(pack(tmp_path / "a.zip", "1.png", **members))

    def test_a_damaged_table(self, tmp_path):
        path = self.listed(tmp_path / "a.zip", "path,label\n1.png,a\n", "1.png")
        with zipfile.ZipFile(path) as archive:
            start = archive.getinfo("list.csv").header_offset + 30 + len("list.csv")
        damaged = bytearray(path.read_bytes())
        damaged[start : start + 2] = b"\xff\xff"
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match="damaged within the archive"):
            read_dataset(path)
