"""Keccak-256 against an independent implementation."""

from __future__ import annotations

import sha3
from hypothesis import given
from hypothesis import strategies as st

from phat.keccak import keccak256, selector


def test_known_digests() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert selector("transfer(address,uint256)").hex() == "a9059cbb"


@given(st.binary(max_size=500))
def test_against_the_library(data: bytes) -> None:
    assert keccak256(data) == sha3.keccak_256(data).digest()


def test_around_the_block() -> None:
    for size in (134, 135, 136, 137, 271, 272, 273):
        assert keccak256(bytes(size)) == sha3.keccak_256(bytes(size)).digest()
