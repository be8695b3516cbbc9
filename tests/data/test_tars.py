from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from visavis.data import tars
from visavis.data.dataset import Skipped
from visavis.data.listing import Entry
from visavis.data.read import read_dataset
from visavis.data.tars import DamagedTar, find_tars, list_tars, read_members
from visavis.engine.pictures import read_picture
from visavis.errors import UsageError, VisavisError


def pack(path: Path, members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def listed(*paths: Path) -> list:
    return list(list_tars(paths).entries(0))


NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/"), min_size=1, max_size=150)


@given(
    members=st.dictionaries(NAMES, st.binary(max_size=1500), max_size=6),
    form=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_members_are_those_that_tarfile_finds(tmp_path, members, form):
    try:
        path = pack(tmp_path / "a.tar", members, form)
    except ValueError:  # a name too long for ustar
        return
    with tarfile.open(path) as archive:
        theirs = [(info.name, info.offset_data, info.size) for info in archive if info.isfile()]
    with path.open("rb") as file:
        ours = [(member.name, member.offset, member.size) for member in read_members(file)]
    assert [(name.rstrip("/"), offset, size) for name, offset, size in ours] == theirs


def test_a_size_in_base_256(tmp_path):
    """GNU's form for 8 GiB and more; the file is sparse on the disk."""
    info = tarfile.TarInfo("big.jpg")
    info.size = 9 * 2**30
    with (tmp_path / "big.tar").open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(512 + info.size + 1024)
    [entry] = listed(tmp_path / "big.tar")
    with pytest.raises(Exception, match=r"too large: 9.0 GiB, the limit is 1 GiB"):
        entry.read()


def test_labels_stand_beside_the_images(tmp_path):
    path = pack(
        tmp_path / "s.tar",
        {
            "a/001.jpg": b"one",
            "a/001.cls": b"7\n",
            "a/001.txt": b"a caption",
            "a/002.json": json.dumps({"label": "cafe\u0301"}).encode(),
            "a/002.jpg": b"two",
            "a/003.png": b"three",
            "b/003.left.png": b"four",
            "b/003.cls": b"",
            "b/003.right.png": b"five",
            "004.jpg": b"six",
            "004.json": b"[" * 100_000,
            "notes.txt": b"no image",
            "._005.jpg": b"hidden",
        },
    )
    found = listed(path)
    assert [(entry.place, entry.label, entry.read()) for entry in found] == [
        ("s.tar/a/001.jpg", "7", b"one"),
        ("s.tar/a/002.jpg", "caf\u00e9", b"two"),
        ("s.tar/a/003.png", None, b"three"),
        ("s.tar/b/003.left.png", None, b"four"),
        ("s.tar/b/003.right.png", None, b"five"),
        ("s.tar/004.jpg", None, b"six"),
    ]
    assert [entry.place for entry in list_tars([path]).entries(4)] == [entry.place for entry in found[4:]]
    assert len({entry.stamp for entry in found}) == 6


def test_nothing_leaves_the_tar(tmp_path):
    """Links, devices, sparse files and names that climb out of a folder are words in a list, and no more."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        for kind, name in (
            (tarfile.SYMTYPE, "link.jpg"),
            (tarfile.LNKTYPE, "hard.jpg"),
            (tarfile.FIFOTYPE, "pipe.jpg"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
        sparse = tarfile.TarInfo("hole.jpg")
        sparse.type = tarfile.GNUTYPE_SPARSE
        archive.addfile(sparse)
        up = tarfile.TarInfo("../../secret.jpg")
        up.size = 4
        archive.addfile(up, io.BytesIO(b"mine"))
    before = sorted(tmp_path.iterdir())
    *skipped, inside = listed(tmp_path / "evil.tar")
    assert [(one.name, one.reason) for one in skipped] == [
        ("evil.tar/link.jpg", "a link, which is not followed"),
        ("evil.tar/hard.jpg", "a link, which is not followed"),
        ("evil.tar/hole.jpg", "a sparse file, which is not read"),
    ]
    assert (inside.place, inside.read()) == ("evil.tar/../../secret.jpg", b"mine")
    assert sorted(tmp_path.iterdir()) == before


def test_lengths_are_not_believed(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**30
    with (tmp_path / "pax.tar").open("wb") as file:
        file.write(info.tobuf())
        file.truncate(2**30 + 2048)  # takes no space on the disk
    [one] = listed(tmp_path / "pax.tar")
    assert one.reason.startswith("a name of 1,073,741,824 bytes at byte 512")


@pytest.mark.parametrize("record", [b"9999 path=x\n", b"x path=a\n", b"3 a", b"-5 path=a\n"])
def test_extended_headers_that_are_none(record):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    with pytest.raises(DamagedTar, match="an extended header that is none"):
        list(read_members(io.BytesIO(info.tobuf() + record.ljust(512, b"\0") + b"\0" * 1024)))


def test_what_stands_before_the_damage_is_kept(tmp_path):
    path = pack(tmp_path / "s.tar", {"1.jpg": b"one" * 400, "2.jpg": b"two" * 400, "3.jpg": b"three" * 400})
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[4096 + 10] ^= 1  # in the name of the third member
    path.write_bytes(bytes(damaged))
    *kept, last = listed(path)
    assert [entry.read() for entry in kept] == [b"one" * 400, b"two" * 400]
    assert last == Skipped(name="s.tar", reason="no tar header at byte 4,096; what stands behind it is not read")
    path.write_bytes(whole[:3000])
    *kept, last = listed(path)
    assert [entry.read() for entry in kept] == [b"one" * 400]
    assert last.reason == "truncated: a member at byte 2,560 has 1,200 bytes, and the file ends before"


@given(st.binary(max_size=3000))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(content):
    with contextlib.suppress(DamagedTar):
        for member in read_members(io.BytesIO(content)):
            assert member.offset + member.size <= len(content)


@given(place=st.integers(0, 3071), value=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_one_wrong_byte_never_reaches_beyond_the_file(place, value):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("ä" * 80 + ".jpg", "b.jpg"):
            info = tarfile.TarInfo(name)
            info.size = 5
            archive.addfile(info, io.BytesIO(b"12345"))
    content = bytearray(stream.getvalue())
    content[place] = value
    with contextlib.suppress(DamagedTar):
        assert all(member.offset + member.size <= len(content) for member in read_members(io.BytesIO(bytes(content))))


def test_a_label_of_endless_groups_is_bounded(tmp_path):
    path = pack(tmp_path / "s.tar", {f"same.{number}.jpg": b"x" for number in range(3 * tars.MAX_GROUP)})
    assert len(listed(path)) == 3 * tars.MAX_GROUP


def test_shards_by_folder_pattern_and_range(tmp_path, monkeypatch):
    for number in (0, 1, 10):
        pack(tmp_path / f"s-{number:03}.tar", {f"{number}.jpg": b"x"})
    every = [tmp_path / f"s-{number:03}.tar" for number in (0, 1, 10)]
    monkeypatch.chdir(tmp_path)
    assert find_tars(str(tmp_path)) == find_tars(f"{tmp_path}/s-*.tar") == every
    assert find_tars("s-{000..001}.tar") == [Path("s-000.tar"), Path("s-001.tar")]
    with pytest.raises(UsageError, match=r"no tar file 's-002.tar'"):
        find_tars("s-{000..010}.tar")
    with pytest.raises(UsageError, match="at most 1000000"):
        find_tars("s-{0..99999999999}.tar")
    assert [entry.place for entry in listed(*every)] == ["s-000.tar/0.jpg", "s-001.tar/1.jpg", "s-010.tar/10.jpg"]


def test_a_tar_that_is_gone_or_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.tar")  # opening it would wait for ever
    assert listed(tmp_path / "pipe.tar", tmp_path / "none.tar") == [
        Skipped(name="pipe.tar", reason="not a plain file"),
        Skipped(name="none.tar", reason="cannot be opened: No such file or directory"),
    ]
    assert isinstance(pack(tmp_path / "e.tar", {}), Path)
    assert not [entry for entry in listed(tmp_path / "e.tar") if isinstance(entry, Entry)]


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


class TestCompared:
    def test_several_classes(self, tmp_path):
        pack(
            tmp_path / "a.tar",
            {
                "0.png": picture(0), "0.json": json.dumps({"labels": ["dog", 1, "dog", None], "label": "x"}).encode(),
                "1.png": picture(1), "1.json": b'{"labels": []}',
                "2.png": picture(2), "2.json": b'{"labels": "dog"}',
            },
        )  # fmt: skip
        (tmp_path / "classes.txt").write_text("bird\ncat\n")
        samples = read_dataset(tmp_path / "a.tar").samples
        assert [sample.labels for sample in samples] == [("cat", "dog"), (), None]
        assert [sample.label for sample in samples] == [None, None, None]

    def test_labels_captions_groups_and_parts(self, tmp_path):
        about = json.dumps({"label": "cat", "captions": ["one", "two", 3, None], "group": 7}).encode()
        pack(tmp_path / "set-train-000.tar", {"0.png": picture(0), "0.cls": b"cat", "0.txt": b" a cat\n"})
        pack(tmp_path / "set-val-000.tar", {"1.png": picture(1), "1.json": about, "1.txt": b"two"})
        dataset = read_dataset(tmp_path)
        first, second = dataset.samples
        assert (first.label, first.captions, first.part, first.group) == ("cat", ("a cat",), "train", "")
        assert (second.label, second.captions, second.part, second.group) == ("cat", ("two", "one", "3"), "test", "7")
        assert second.read_bytes() == picture(1)
        assert (second.data, second.n_bytes) == (None, len(picture(1)))  # not held

    def test_a_pattern_and_a_range(self, tmp_path):
        for number in range(3):
            pack(tmp_path / f"a-{number:02d}.tar", {"x.png": picture(number)})
        assert len(read_dataset(str(tmp_path / "a-{00..01}.tar")).samples) == 2
        assert len(read_dataset(str(tmp_path / "a-*.tar")).samples) == 3
        with pytest.raises(UsageError, match="no tar file"):
            read_dataset(str(tmp_path / "b-{00..01}.tar"))

    def test_folders_that_are_parts(self, tmp_path):
        for part in ("train", "test"):
            (tmp_path / part).mkdir()
            pack(tmp_path / part / "000.tar", {"x.png": picture(len(part))})
        assert [sample.part for sample in read_dataset(tmp_path).samples] == ["test", "train"]

    def test_numbers_have_names_where_a_file_gives_them(self, tmp_path):
        (tmp_path / "classes.txt").write_text("cat\ndog\n")
        members = {f"{n}.{end}": content for n, label in enumerate((b"1", b"0", b"2", b"9" * 5000))
                   for end, content in (("png", picture(n)), ("cls", label))}  # fmt: skip
        pack(tmp_path / "a.tar", members)
        assert [sample.label for sample in read_dataset(tmp_path).samples] == ["dog", "cat", "2", "9" * 5000]

    def test_a_tar_that_changed_meanwhile(self, tmp_path):
        path = pack(tmp_path / "a.tar", {"x.png": picture(1)})
        sample = read_dataset(path).samples[0]
        path.write_bytes(b"")
        with pytest.raises(VisavisError, match="cannot be any more"):
            read_picture(sample)
