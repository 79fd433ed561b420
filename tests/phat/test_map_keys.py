"""Map keys: bytes that read back, in the order of the keys."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phat import Address, Uint8
from phat.errors import Refused
from phat.hints import schema_of
from phat.map_keys import KeyCodec, key_codec_of
from phat.schema import Mismatch

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


class Colour(Enum):
    RED = 1
    BLUE = 2


def codec(hint: Any) -> KeyCodec:
    return key_codec_of(schema_of(hint, "key"), "field")


CASES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, TEXT),
    (bytes, st.binary(max_size=8)),
    (int, st.integers(-(2**500), 2**500)),
    (bool, st.booleans()),
    (Address, st.binary(min_size=20, max_size=20).map(Address)),
    (tuple[str, int], st.tuples(TEXT, st.integers(-1000, 1000))),
    (tuple[int, bytes, str], st.tuples(st.integers(-300, 300), st.binary(max_size=4), TEXT)),
    (tuple[Address, bytes], st.tuples(st.binary(min_size=20, max_size=20).map(Address), st.binary(max_size=4))),
]


@pytest.mark.parametrize(("hint", "keys"), CASES, ids=lambda value: str(value)[:40])
@given(data=st.data())
def test_order_and_round_trip(hint: Any, keys: st.SearchStrategy[Any], data: st.DataObject) -> None:
    kind = codec(hint)
    one, two = data.draw(keys), data.draw(keys)
    first, second = kind.encode(one), kind.encode(two)
    assert kind.decode(first) == one
    assert (first < second) == (one < two)
    assert (first == second) == (one == two)


def test_enums_are_stored_by_name() -> None:
    assert codec(Colour).encode(Colour.BLUE) == b"BLUE"
    assert codec(Colour).decode(b"BLUE") is Colour.BLUE
    assert codec(tuple[Colour, int]).decode(codec(tuple[Colour, int]).encode((Colour.RED, 7))) == (Colour.RED, 7)


@pytest.mark.parametrize(
    ("hint", "key"),
    [(str, 1), (int, "a"), (int, True), (Uint8, 256), (bytes, "a"), (tuple[str, int], "a"), (tuple[str, int], ("a",)),
     (tuple[str, int], ("a", "b")), (Address, b"x"), (int, 2**513)],
)  # fmt: skip
def test_keys_that_do_not_fit(hint: Any, key: Any) -> None:
    with pytest.raises(Mismatch):
        codec(hint).encode(key)


@pytest.mark.parametrize("hint", [float, list[int], dict[str, int], tuple[str, list[int]], int | None])
def test_types_without_an_order(hint: Any) -> None:
    with pytest.raises(Refused, match="cannot be the key of a Map"):
        codec(hint)
