"""The Ethereum ABI codec: vectors of the specification, an independent encoder as oracle, hostile bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import eth_abi.abi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phat import Address, Digest, Int8, Uint8, Uint32, Uint256, abi
from phat.hints import schema_of
from phat.schema import Mismatch, Schema

MAX = 2**256 - 1


@dataclass
class Pair:
    name: str
    amount: Uint256


def schemas(*hints: Any) -> list[tuple[str, Schema]]:
    return [(f"p{index}", schema_of(hint, "p")) for index, hint in enumerate(hints)]


def encode(hints: tuple[Any, ...], values: list[Any]) -> bytes:
    return abi.encode_result(schema_of(tuple.__class_getitem__(hints), "r"), tuple(values))


# Solidity documentation, "Contract ABI Specification", sections "Examples" and "Use of Dynamic Types".
SPECIFICATION = [
    ((Uint32, bool), [69, True], "45 1"),
    ((bytes, bool, list[Uint256]), [b"dave", True, [1, 2, 3]], "60 1 a0 4 64617665< 3 1 2 3"),
    (
        (list[list[Uint256]], list[str]),
        [[[1, 2], [3]], ["one", "two", "three"]],
        "40 140 2 40 a0 2 1 2 1 3 3 60 a0 e0 3 6f6e65< 3 74776f< 5 7468726565<",
    ),
]


def words(text: str) -> bytes:
    """``45`` is a number in a word; ``64617665<`` are bytes at the left of one."""
    parts = [
        bytes.fromhex(part[:-1]).ljust(32, b"\0") if part.endswith("<") else int(part, 16).to_bytes(32, "big")
        for part in text.split()
    ]
    return b"".join(parts)


@pytest.mark.parametrize(("hints", "values", "expected"), SPECIFICATION)
def test_vectors_of_the_specification(hints: tuple[Any, ...], values: list[Any], expected: str) -> None:
    assert encode(hints, values) == words(expected)
    assert abi.decode_arguments(schemas(*hints), words(expected)) == values


KINDS: list[tuple[Any, str, st.SearchStrategy[Any]]] = [
    (Uint256, "uint256", st.integers(0, MAX)),
    (Uint8, "uint8", st.integers(0, 255)),
    (Int8, "int8", st.integers(-128, 127)),
    (int, "int256", st.integers(-(2**255), 2**255 - 1)),
    (bool, "bool", st.booleans()),
    (str, "string", st.text(st.characters(exclude_categories=["Cs"]), max_size=40)),
    (bytes, "bytes", st.binary(max_size=70)),
    (Address, "address", st.binary(min_size=20, max_size=20).map(Address)),
    (Digest, "bytes32", st.binary(min_size=32, max_size=32).map(Digest)),
    (list[Uint8], "uint8[]", st.lists(st.integers(0, 255), max_size=4)),
    (list[str], "string[]", st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=3)),
    (list[list[bool]], "bool[][]", st.lists(st.lists(st.booleans(), max_size=3), max_size=3)),
    (tuple[bool, Uint8], "(bool,uint8)", st.tuples(st.booleans(), st.integers(0, 255))),
    (tuple[bytes, Uint8], "(bytes,uint8)", st.tuples(st.binary(max_size=9), st.integers(0, 255))),
    (list[tuple[bytes, Uint8]], "(bytes,uint8)[]", st.lists(st.tuples(st.binary(max_size=9), st.just(3)), max_size=3)),
]


@given(st.data())
def test_against_an_independent_encoder(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    values = [data.draw(strategy) for _, _, strategy in chosen]
    parameters = schemas(*(hint for hint, _, _ in chosen))
    assert abi.signature("f", [schema for _, schema in parameters]) == f"f({','.join(name for _, name, _ in chosen)})"
    plain = [value.hex() if isinstance(value, Address) else value for value in values]
    expected = eth_abi.abi.encode([name for _, name, _ in chosen], plain)
    assert encode(tuple(hint for hint, _, _ in chosen), values) == expected
    assert abi.decode_arguments(parameters, expected) == values


@given(st.data())
def test_mutated_bytes_raise_only_mismatch(data: st.DataObject) -> None:
    parameters = schemas(str, list[tuple[bytes, Uint8]], Pair, bool)
    values = ["abc", [(b"x", 1), (b"y", 2)], Pair("n", 5), True]
    good = bytearray(encode((str, list[tuple[bytes, Uint8]], Pair, bool), values))
    assert abi.decode_arguments(parameters, bytes(good)) == values
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = abi.decode_arguments(parameters, bytes(good))
    except Mismatch:
        return
    assert encode((str, list[tuple[bytes, Uint8]], Pair, bool), decoded) == bytes(good)


@given(st.binary(max_size=400))
def test_random_bytes_raise_only_mismatch(data: bytes) -> None:
    with pytest.raises(Mismatch):
        abi.decode_arguments(schemas(list[str], Pair, bool), data)


def test_shared_offsets_do_not_blow_up() -> None:
    """Every element points to one tail: small bytes that would be many values. Only the canonical form is read."""
    inner = words("40") * 400
    with pytest.raises(Mismatch):
        abi.decode_arguments(schemas(list[list[list[bool]]]), words("20 190") + inner)
