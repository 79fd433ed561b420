"""RLP: the Yellow Paper's examples, strictness, and another implementation as oracle."""

from __future__ import annotations

import pytest
import rlp as oracle
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import rlp
from coprocessor.values.errors import MalformedInput

LOREM = b"Lorem ipsum dolor sit amet, consectetur adipisicing elit"

# The examples that Ethereum's own tests and documentation use.
EXAMPLES: list[tuple[rlp.Item, str]] = [
    (b"dog", "83646f67"),
    ([b"cat", b"dog"], "c88363617483646f67"),
    (b"", "80"),
    ([], "c0"),
    (b"\x00", "00"),
    (b"\x0f", "0f"),
    (b"\x7f", "7f"),
    (b"\x80", "8180"),
    (b"\x04\x00", "820400"),
    ([[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"),
    (LOREM, "b838" + LOREM.hex()),
    ([b"\x01"] * 56, "f838" + "01" * 56),
    (bytes(1024), "b90400" + "00" * 1024),
]

REFUSED = {
    "nothing": "",
    "byte as a string of one": "8100",
    "short string in long form": "b801ff",
    "short list in long form": "f80101",
    "length with leading zero": "b90038" + "61" * 56,
    "string cut off": "83646f",
    "list cut off": "c883636174",
    "length cut off": "b9",
    "items run over the list's end": "c1820400",
    "something after the item": "c000",
    "length beyond any data": "bfffffffffffffffff",
}

items = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=4), max_leaves=12)


@pytest.mark.parametrize(("item", "encoded"), EXAMPLES)
def test_known_examples(item: rlp.Item, encoded: str) -> None:
    assert rlp.encode(item).hex() == encoded
    assert rlp.decode(bytes.fromhex(encoded)) == item


@pytest.mark.parametrize("encoded", REFUSED.values(), ids=list(REFUSED))
def test_every_other_form_is_refused(encoded: str) -> None:
    with pytest.raises(MalformedInput):
        rlp.decode(bytes.fromhex(encoded))


@given(items)
def test_agreement_with_another_implementation(item: rlp.Item) -> None:
    encoded = rlp.encode(item)
    assert encoded == oracle.encode(item)
    assert rlp.decode(encoded) == item


@given(st.binary(max_size=80))
def test_what_decodes_has_one_form(data: bytes) -> None:
    try:
        item = rlp.decode(data)
    except MalformedInput:
        return
    assert rlp.encode(item) == data


@given(items, st.data())
def test_mutated_items_decode_to_their_one_form_or_not_at_all(item: rlp.Item, data: st.DataObject) -> None:
    encoded = bytearray(rlp.encode(item))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = rlp.decode(bytes(encoded))
    except MalformedInput:
        return
    assert rlp.encode(decoded) == encoded


@given(st.integers(0, 2**256))
def test_integers_have_no_leading_zeros(value: int) -> None:
    encoded = rlp.encode_integer(value)
    assert int.from_bytes(encoded, "big") == value
    assert encoded[:1] != b"\0"


def test_depth_is_bounded() -> None:
    nested: rlp.Item = []
    for _ in range(16):
        nested = [nested]
    assert rlp.decode(rlp.encode(nested)) == nested
    with pytest.raises(MalformedInput, match="deeply"):
        rlp.decode(rlp.encode([nested]))
    with pytest.raises(MalformedInput):
        rlp.decode(b"\xc1" * 100_000)
