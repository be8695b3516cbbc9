"""The symbolic reader: what a pickle means is written down, in bounded memory, whatever it says."""

from __future__ import annotations

import io
import pickle
import struct
from argparse import Namespace
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visavis.zoo.formats.contents import UnreadableError
from visavis.zoo.formats.pickles import MAX_BYTES, Global, Persistent, Record, read_pickle
from visavis.zoo.formats.torch_records import outline

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(0, 99), inner),
    max_leaves=20,
)


@given(PLAIN, st.integers(3, 5))
def test_plain_values_are_themselves(value: object, protocol: int) -> None:
    assert read_pickle(io.BytesIO(pickle.dumps(value, protocol))) == value


@given(PLAIN.filter(lambda value: not isinstance(value, bytes)), st.sampled_from([0, 2, 4]))
def test_the_file_is_left_behind_the_end(value: object, protocol: int) -> None:
    file = io.BytesIO(pickle.dumps(value, protocol) + b"more")
    read_pickle(file)
    assert file.read() == b"more"


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_calls_are_written_down(protocol: int) -> None:
    note = read_pickle(io.BytesIO(pickle.dumps(Namespace(a=[1, 2]), protocol)))
    assert isinstance(note, Record)
    assert note.state == {"a": [1, 2]}
    expected = Global("argparse", "Namespace")
    assert expected in (note.function, *(note.arguments if isinstance(note.arguments, tuple) else ()))


@pytest.mark.parametrize("protocol", [2, 4])
def test_items_and_elements_are_attached(protocol: int) -> None:
    note = read_pickle(io.BytesIO(pickle.dumps(OrderedDict(a=1, b=2), protocol)))
    assert isinstance(note, Record)
    assert (note.function, note.arguments) == (Global("collections", "OrderedDict"), ())
    assert note.items == {"a": 1, "b": 2}


def test_what_lies_outside_is_noted() -> None:
    outside: list[Persistent] = []
    note = read_pickle(io.BytesIO(b"\x80\x02K\x07QPwords\n\x86."), outside)
    assert isinstance(note, tuple)
    assert [part.identity for part in note] == [7, "words"]
    assert [mention.identity for mention in outside] == [7, "words"]


def test_old_ways_to_make_objects() -> None:
    note = read_pickle(io.BytesIO(b"((iargparse\nNamespace\n(cargparse\nNamespace\nI1\not."))
    assert isinstance(note, tuple)
    assert [(part.function, part.arguments) for part in note] == [
        (Global("argparse", "Namespace"), ()),
        (Global("argparse", "Namespace"), (1,)),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "pickle exhausted before seeing STOP"),
        (b"\x80\x02", "exhausted"),
        (b".", "pop from empty list"),
        (b"\x80\x02h\x07.", "7"),
        (b"\x80\x02}u.", "pop from empty list"),
        (b"\x80\x02}(K\x01u.", "shorter"),
        (b"\x97.", "buffers from elsewhere"),
        (b"\x80\x02X\xff\xff\xff\xff.", "longer than"),
        (b"\x80\x02\x8e" + struct.pack("<Q", 1 << 60) + b".", "longer than"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", "longer than"),
        (b"c" + b"a" * 100_000 + b"\nb\n.", "no newline"),
        (b"I" + b"9" * 50_000 + b"\n.", "no newline"),
    ],
)
def test_damage_is_named(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_pickle(io.BytesIO(content))


def test_more_operations_than_any_checkpoint_has() -> None:
    with pytest.raises(UnreadableError, match="more than 4000000 operations"):
        read_pickle(io.BytesIO(b"\x80\x02" + b"N0" * 2_000_000 + b"N."))


def test_lines_count_as_bytes_read() -> None:
    line = b"V" + b"a" * 16_000 + b"\n0"
    with pytest.raises(UnreadableError, match="longer than"):
        read_pickle(io.BytesIO(line * (MAX_BYTES // len(line) + 2) + b"N."))


@pytest.mark.parametrize("start", [b"]", b")", b"}"], ids=["list", "tuple", "key"])
def test_parts_shared_a_billion_times_take_no_time(start: bytes) -> None:
    doubled = start + b"".join(
        b"r" + struct.pack("<I", index) + b"h" + bytes([index]) + b"\x86" for index in range(200)
    )
    content = b"\x80\x02}" + doubled + (b"K\x01s." if start == b"}" else b"\x85b.")
    with pytest.raises(UnreadableError, match="no named tensors"):
        outline(read_pickle(io.BytesIO(content)), _never)


def test_what_holds_itself_holds_nothing() -> None:
    held: dict = {}
    held["self"] = [held]
    with pytest.raises(UnreadableError, match="no named tensors"):
        outline(read_pickle(io.BytesIO(pickle.dumps(held, 2))), _never)


def test_nesting_without_end() -> None:
    with pytest.raises(UnreadableError, match="no named tensors"):
        outline(read_pickle(io.BytesIO(b"]" * 500_000 + b"a" * 499_999 + b".")), _never)


def _never(record: object) -> None:
    raise AssertionError("there is no tensor")
