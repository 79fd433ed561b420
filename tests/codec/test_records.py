"""Records: every message has one form, and whatever is not it is refused with a documented error."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NewType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import cbor
from coprocessor.codec.records import RecordTable, from_plain, to_plain
from coprocessor.values.errors import CallerMisuse, CoprocessorError, MalformedInput

Handle = NewType("Handle", bytes)


class Colour(IntEnum):
    """A closed set of numbers."""

    RED = 1
    BLUE = 2


@dataclass(frozen=True, slots=True)
class Inner:
    """A record inside another."""

    handle: Handle
    colour: Colour


@dataclass(frozen=True, slots=True)
class Outer:
    """Every hint that has an encoding."""

    number: int
    flag: bool
    data: bytes
    text: str
    maybe: bytes | None
    inner: Inner
    many: tuple[Inner, ...]
    numbers: tuple[int, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Checked:
    """A record with a rule of its own."""

    number: int

    def __post_init__(self) -> None:
        if self.number == 13:
            raise MalformedInput("checked.number", "not thirteen")


TABLE = RecordTable((Outer, Inner, Checked), 4096)

inners = st.builds(Inner, st.binary(max_size=8).map(Handle), st.sampled_from(Colour))
outers = st.builds(
    Outer,
    st.integers(0, 2**256 - 1),
    st.booleans(),
    st.binary(max_size=20),
    st.text(max_size=20),
    st.none() | st.binary(max_size=8),
    inners,
    st.lists(inners, max_size=3).map(tuple),
    st.lists(st.integers(0, 2**70), max_size=3).map(tuple),
)
SAMPLE = Outer(5, True, b"x", "y", None, Inner(Handle(b"h"), Colour.RED), (), (1, 2**64))


@given(outers)
def test_round_trip(record: Outer) -> None:
    encoded = TABLE.encode(record)
    decoded = TABLE.decode(encoded)
    assert decoded == record
    assert type(decoded.inner.colour) is Colour
    assert TABLE.encode(decoded) == encoded


def _changed(index: int, value: Any) -> list[Any]:
    plain = to_plain(SAMPLE)
    plain[index] = value
    return plain


REFUSED: dict[str, Any] = {
    "no array": {"Outer": 1},
    "nothing": None,
    "empty array": [],
    "unknown name": ["Stranger", 1],
    "name of another type": [1, 2],
    "name that is an array": [["Outer"], 1],
    "name that is a map": [{}, 1],
    "field missing": to_plain(SAMPLE)[:-1],
    "field extra": [*to_plain(SAMPLE), 0],
    "bool for a number": _changed(1, True),
    "negative number": _changed(1, -1),
    "text for a number": _changed(1, "5"),
    "null for a number": _changed(1, None),
    "wide number that fits 64 bits": _changed(1, (5).to_bytes(9, "big")),
    "wide number in eight bytes": _changed(1, b"\xff" * 8),
    "wide number with leading zero": _changed(1, b"\0" + b"\xff" * 9),
    "wide number above 256 bits": _changed(1, b"\xff" * 33),
    "number for a bool": _changed(2, 1),
    "text for bytes": _changed(3, "x"),
    "bytes for text": _changed(4, b"y"),
    "number for optional bytes": _changed(5, 0),
    "null for a record": _changed(6, None),
    "other record": _changed(6, ["Checked", 1]),
    "record with a field more": _changed(6, ["Inner", b"h", 1, 1]),
    "number outside an enumeration": _changed(6, ["Inner", b"h", 3]),
    "bytes for a tuple": _changed(7, b""),
    "null for a tuple": _changed(7, None),
    "null inside a tuple": _changed(8, [None]),
    "a record's own rule": ["Checked", 13],
}


@pytest.mark.parametrize("plain", REFUSED.values(), ids=list(REFUSED))
def test_other_shapes_are_refused(plain: Any) -> None:
    with pytest.raises(MalformedInput):
        TABLE.decode(cbor.dumps(plain))


@given(st.binary(max_size=80))
def test_random_bytes_raise_only_the_documented_error(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        TABLE.decode(data)


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**64 - 1) | st.binary(max_size=34) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=8,
)


@given(outers, st.data())
def test_mutated_messages_keep_their_one_form_or_are_refused(record: Outer, data: st.DataObject) -> None:
    plain = to_plain(record)
    plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(plain_values)
    encoded = cbor.dumps(plain)
    try:
        decoded = TABLE.decode(encoded)
    except MalformedInput:
        return
    assert TABLE.encode(decoded) == encoded


def test_only_records_of_the_table_are_sent() -> None:
    with pytest.raises(CallerMisuse) as caught:
        RecordTable((Inner,), 100).encode(SAMPLE)
    assert caught.value.code == "records.foreign"

    @dataclass(frozen=True, slots=True)
    class Impostor:
        """Another record of the same name."""

        number: int

    Impostor.__name__ = "Checked"
    with pytest.raises(CallerMisuse):
        TABLE.encode(Impostor(1))


def test_names_are_distinct() -> None:
    with pytest.raises(CallerMisuse):
        RecordTable((Inner, Inner), 100)
    assert TABLE.names == {"Outer", "Inner", "Checked"}


def test_length_is_bounded_on_both_sides() -> None:
    encoded = TABLE.encode(SAMPLE)
    assert RecordTable((Outer,), len(encoded)).decode(encoded) == SAMPLE
    small = RecordTable((Outer,), len(encoded) - 1)
    with pytest.raises(CallerMisuse):
        small.encode(SAMPLE)
    with pytest.raises(MalformedInput):
        small.decode(encoded)


@pytest.mark.parametrize("number", [-1, 2**256])
def test_numbers_outside_256_bits_are_not_sent(number: int) -> None:
    with pytest.raises(CoprocessorError):
        TABLE.encode(Checked(number))


def test_hints_without_an_encoding_are_a_bug_of_ours() -> None:
    @dataclass(frozen=True, slots=True)
    class Odd:
        """A record whose field nothing encodes."""

        ratio: float

    with pytest.raises(CallerMisuse):
        from_plain(Odd, ["Odd", 1])
