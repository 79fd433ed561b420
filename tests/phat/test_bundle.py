"""Reading a bundle raises only its own error, whatever the bytes. Hostile cases run in ``tests/guest``."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phat.bundle import Bundle, decode_bundle, encode_bundle, module_name
from phat.errors import Refused

GOOD = Bundle("contract.py", {"contract.py": "x = 'é'\n", "a/__init__.py": ""}, {"d/t.bin": b"\x00\xff"})


def test_round_trip() -> None:
    assert decode_bundle(encode_bundle(GOOD)) == GOOD


def test_module_names() -> None:
    assert module_name("contract.py") == ("contract", False)
    assert module_name("a/b.py") == ("a.b", False)
    assert module_name("a/__init__.py") == ("a", True)


@given(st.binary(max_size=100))
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(Refused):
        decode_bundle(data)


@given(st.data())
def test_mutated_bundles(data: st.DataObject) -> None:
    content = bytearray(zlib.decompress(encode_bundle(GOOD)))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_bundle(zlib.compress(bytes(content)))
    except Refused:
        return
    assert zlib.decompress(encode_bundle(decoded)) == bytes(content)
