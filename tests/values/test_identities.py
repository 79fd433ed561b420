"""Identities: lengths are checked, hexadecimal has one form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import checked_address, checked_digest, from_hex, to_hex


@given(st.binary(max_size=40))
def test_hexadecimal_round_trip(value: bytes) -> None:
    text = to_hex(value)
    assert text == "0x" + value.hex()
    assert from_hex(text) == from_hex("0x" + value.hex().upper()) == value


@pytest.mark.parametrize("text", ["", "0", "ab", "0xa", "0xzz", "0Xab", "0xab cd", "0xab ", " 0xab", "0x\tab", b"0xab"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        from_hex(text)
    assert caught.value.code == "value.hex"


@pytest.mark.parametrize("length", [0, 1, 3])
def test_the_length_is_checked_where_it_is_known(length: int) -> None:
    with pytest.raises(MalformedInput, match="2 bytes"):
        from_hex(to_hex(bytes(length)), 2)


@pytest.mark.parametrize("value", [b"", bytes(31), bytes(33), bytearray(32), "0" * 32, None])
def test_digests_are_32_bytes(value: bytes) -> None:
    with pytest.raises(MalformedInput):
        checked_digest(value, "digest")
    assert checked_digest(bytes(32), "digest") == bytes(32)


@pytest.mark.parametrize("value", [b"", bytes(19), bytes(21), bytes(32), "0" * 20])
def test_addresses_are_20_bytes(value: bytes) -> None:
    with pytest.raises(MalformedInput):
        checked_address(value, "address")
    assert checked_address(bytes(20), "address") == bytes(20)
