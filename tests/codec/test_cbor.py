"""Deterministic CBOR: published vectors, one form for each value, and nothing else decodes."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import cbor
from coprocessor.values.errors import CallerMisuse, MalformedInput

# RFC 8949, appendix A: every example inside the subset.
RFC_8949: list[tuple[str, Any]] = [
    ("00", 0),
    ("01", 1),
    ("0a", 10),
    ("17", 23),
    ("1818", 24),
    ("1819", 25),
    ("1864", 100),
    ("1903e8", 1000),
    ("1a000f4240", 1000000),
    ("1b000000e8d4a51000", 1000000000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("3bffffffffffffffff", -18446744073709551616),
    ("20", -1),
    ("29", -10),
    ("3863", -100),
    ("3903e7", -1000),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("40", b""),
    ("4401020304", bytes([1, 2, 3, 4])),
    ("60", ""),
    ("6161", "a"),
    ("6449455446", "IETF"),
    ("62225c", '"\\'),
    ("62c3bc", "ü"),
    ("63e6b0b4", "水"),
    ("64f0908591", "𐅑"),
    ("80", []),
    ("83010203", [1, 2, 3]),
    ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", list(range(1, 26))),
    ("a0", {}),
    ("a201020304", {1: 2, 3: 4}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("826161a161626163", ["a", {"b": "c"}]),
    ("a56161614161626142616361436164614461656145", {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}),
]

# Examples of the same appendix that this project leaves out, and other forms of values that have one already.
OUTSIDE = {
    "bignum tag": "c249010000000000000000",
    "half float": "f93e00",
    "float": "fa47c35000",
    "double": "fb3ff199999999999a",
    "undefined": "f7",
    "simple value": "f0",
    "simple value in a byte": "f8ff",
    "date tag": "c074323031332d30332d32315432303a30343a30305a",
    "indefinite bytes": "5f42010243030405ff",
    "indefinite text": "7f657374726561646d696e67ff",
    "indefinite array": "9f0102ff",
    "indefinite map": "bf6161016162820203ff",
    "break alone": "ff",
    "integer in two bytes that fits one": "1817",
    "integer in three bytes that fits two": "190018",
    "integer in five bytes that fits three": "1a0000ffff",
    "integer in nine bytes that fits five": "1b00000000ffffffff",
    "long length of bytes": "580161",
    "long count of an array": "980101",
    "reserved length": "1c",
    "keys out of order": "a2616201616102",
    "doubled key": "a2616101616102",
    "longer key before the shorter": "a262616101616202",
    "bytes as key": "a1410001",
    "bool as key": "a1f401",
    "null as key": "a1f601",
    "array as key": "a18001",
    "text that is not UTF-8": "61ff",
    "text with a surrogate": "63eda080",
    "nothing": "",
    "array without its item": "81",
    "map without its value": "a101",
    "bytes cut off": "44010203",
    "length cut off": "1901",
    "array longer than any data": "9bffffffffffffffff",
    "bytes longer than any data": "5bffffffffffffffff",
    "something after the value": "0000",
}

keys = st.integers(-(2**64), 2**64 - 1) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=20
)


@pytest.mark.parametrize(("encoded", "value"), RFC_8949)
def test_rfc_8949_examples(encoded: str, value: Any) -> None:
    assert cbor.dumps(value).hex() == encoded
    decoded = cbor.loads(bytes.fromhex(encoded))
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize("encoded", OUTSIDE.values(), ids=list(OUTSIDE))
def test_every_other_form_is_refused(encoded: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        cbor.loads(bytes.fromhex(encoded))
    assert caught.value.code == "cbor.malformed"


@given(values)
def test_round_trip_and_agreement_with_another_encoder(value: Any) -> None:
    encoded = cbor.dumps(value)
    assert cbor.loads(encoded) == value
    assert cbor.dumps(cbor.loads(encoded)) == encoded
    assert cbor2.loads(encoded) == value


@given(st.dictionaries(keys, st.integers(0, 9), max_size=8))
def test_the_order_of_a_map_does_not_matter(entries: dict[Any, int]) -> None:
    assert cbor.dumps(dict(reversed(entries.items()))) == cbor.dumps(entries)


@given(st.binary(max_size=60))
def test_what_decodes_has_one_form(data: bytes) -> None:
    _assert_one_form(data)


@given(values, st.data())
def test_mutated_values_decode_to_their_one_form_or_not_at_all(value: Any, data: st.DataObject) -> None:
    encoded = bytearray(cbor.dumps(value))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    _assert_one_form(bytes(encoded))


def _assert_one_form(data: bytes) -> None:
    try:
        value = cbor.loads(data)
    except MalformedInput:
        return
    assert cbor.dumps(value) == data


@pytest.mark.parametrize(
    "value", [2**64, -(2**64) - 1, 1.5, {1, 2}, object(), "\ud800", {b"x": 1}, {True: 1}, {None: 1}, [float("nan")]]
)
def test_values_outside_the_subset_are_refused(value: Any) -> None:
    with pytest.raises(CallerMisuse):
        cbor.dumps(value)


def test_depth_is_bounded_on_both_sides() -> None:
    deepest: Any = 0
    for _ in range(cbor.MAX_DEPTH):
        deepest = [deepest]
    assert cbor.loads(cbor.dumps(deepest)) == deepest
    with pytest.raises(CallerMisuse):
        cbor.dumps([deepest])
    with pytest.raises(MalformedInput):
        cbor.loads(b"\x81" + cbor.dumps(deepest))
    with pytest.raises(MalformedInput):
        cbor.loads(b"\x81" * 100_000 + b"\x00")


def test_the_longest_message_is_named_by_the_caller() -> None:
    encoded = cbor.dumps(bytes(100))
    assert cbor.loads(encoded, len(encoded)) == bytes(100)
    with pytest.raises(MalformedInput) as caught:
        cbor.loads(encoded, len(encoded) - 1)
    assert caught.value.code == "cbor.too_long"
