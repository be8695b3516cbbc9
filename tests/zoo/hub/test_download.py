"""Processes that write the same unfinished file at once do each other no harm."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from visavis.errors import VisavisError
from visavis.zoo.cached import Checksum
from visavis.zoo.download import INCOMPLETE, Wanted, _Part
from visavis.zoo.hub_errors import Subject


@pytest.fixture
def wanted(tmp_path: Path, content: bytes) -> Wanted:
    return Wanted(
        subject=Subject(name="x", file="x.pt", repo="", address="https://host.invalid/x.pt"),
        url="https://host.invalid/x.pt",
        headers={},
        size=len(content),
        checksum=Checksum(kind="sha256", start=hashlib.sha256(content).hexdigest()),
        place=tmp_path / "x.pt",
        variable="TORCH_HOME",
    )


def test_the_slower_one_leaves_a_third_ones_part_alone(wanted: Wanted, content: bytes) -> None:
    slow = _Part(wanted)
    slow.append(content[:1000])
    quick = _Part(wanted)
    assert quick.was_here
    quick.append(content[1000:])
    quick.finish()
    third = _Part(wanted)  # it had looked for the file before that was there
    third.append(b"")
    slow.append(content[1000:])
    assert slow.is_right
    slow.finish()
    assert wanted.place.read_bytes() == content
    third.append(content)
    third.finish()
    assert wanted.place.read_bytes() == content
    assert [path.name for path in wanted.place.parent.iterdir()] == ["x.pt"]


def test_wrong_bytes_in_what_another_took_for_whole_take_that_away(wanted: Wanted, content: bytes) -> None:
    slow, quick = _Part(wanted), _Part(wanted)
    quick.append(content)
    quick.finish()
    slow.append(b"\0" * len(content))  # into the same file
    assert not slow.is_right
    slow.remove()
    assert list(wanted.place.parent.iterdir()) == []


def test_a_part_that_someone_removes_is_told(wanted: Wanted, content: bytes) -> None:
    part = _Part(wanted)
    part.append(content)
    wanted.place.with_name(f"x.pt{INCOMPLETE}").unlink()
    with pytest.raises(VisavisError, match="the unfinished file was removed meanwhile"):
        part.finish()


def test_what_lay_behind_the_end_is_cut_off(wanted: Wanted, content: bytes) -> None:
    """Where the first answer was longer than the one that counts."""
    part = _Part(wanted)
    part.append(bytes(len(content) + 5))
    part.restart()
    part.append(content)
    part.finish()
    assert wanted.place.read_bytes() == content
