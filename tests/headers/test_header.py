"""Headers: a real one hashes to its hash, others are refused for their shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import rlp
from coprocessor.crypto.hashing import keccak256
from coprocessor.headers.header import MAX_HEADER_LENGTH, parse_header
from coprocessor.values.errors import MalformedInput
from tests.headers import material


@material.needs_material
def test_a_mainnet_header_hashes_to_its_hash() -> None:
    block = material.read("block.json")
    header = parse_header(material.mainnet_header())
    assert "0x" + header.hash.hex() == block["hash"]
    assert "0x" + header.parent_hash.hex() == block["parentHash"]
    assert "0x" + header.state_root.hex() == block["stateRoot"]
    assert "0x" + header.prevrandao.hex() == block["mixHash"]
    assert header.number == int(block["number"], 16)
    assert header.timestamp == int(block["timestamp"], 16)


def test_fields_of_a_made_up_header() -> None:
    raw = material.make_header(5, b"\x01" * 32)
    header = parse_header(raw)
    assert header.hash == keccak256(raw)
    assert (header.number, header.timestamp, header.parent_hash) == (5, 1_700_000_005, b"\x01" * 32)


FIELDS = rlp.decode(material.make_header(5))
assert isinstance(FIELDS, list)

REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "byte string": rlp.encode(b"header"),
    "fifteen fields": rlp.encode(FIELDS[:15]),
    "thirty-three fields": rlp.encode([*FIELDS, *[b""] * 17]),
    "short parent hash": material.make_header(5, bytes(31)),
    "long state root": material.make_header(5, stateRoot=bytes(33)),
    "empty mix hash": material.make_header(5, mixHash=b""),
    "number with leading zero": material.make_header(5, number=b"\0\5"),
    "number of nine bytes": material.make_header(5, number=b"\1" * 9),
    "timestamp with leading zero": material.make_header(5, timestamp=b"\0"),
    "list as parent hash": rlp.encode([[], *FIELDS[1:]]),
    "list as number": rlp.encode([*FIELDS[:8], [], *FIELDS[9:]]),
    "something after it": material.make_header(5) + b"\0",
    "too long": material.make_header(5, extraData=bytes(MAX_HEADER_LENGTH)),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=list(REFUSED))
def test_other_shapes_are_refused(raw: bytes) -> None:
    with pytest.raises(MalformedInput):
        parse_header(raw)


@given(st.data())
def test_a_changed_header_has_another_hash_or_none(data: st.DataObject) -> None:
    raw = bytearray(material.make_header(5))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        header = parse_header(bytes(raw))
    except MalformedInput:
        return
    assert header.hash != keccak256(material.make_header(5))
