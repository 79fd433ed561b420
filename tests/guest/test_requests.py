"""Requests: what a smart contract sends and gets back is Ethereum ABI."""

from __future__ import annotations

import pytest

from tests.guest.worlds import BAD_ARGUMENTS, OK, World, request

SOURCE = """
from dataclasses import dataclass
from enum import Enum
from phat import *

class Side(Enum):
    BUY = 1
    SELL = 2

@dataclass
class Winner:
    who: Address
    price: Uint256

@dataclass
class Named:
    name: str
    price: Uint256

class Desk(Contract):
    @request
    def nothing(self) -> None:
        pass

    @request
    def add(self, a: Uint256, b: Uint256) -> Uint256:
        return a + b

    @request
    def negate(self, a: int) -> int:
        return -a

    @request
    def winner(self, who: Address) -> Winner:
        return Winner(who, 7)

    @request
    def named(self, name: str) -> Named:
        return Named(name, 7)

    @request
    def pair(self, name: str, flag: bool) -> tuple[str, bool]:
        return name, flag

    @request
    def many(self, names: list[str], side: Side, raw: bytes, digest: Digest, small: Uint8) -> list[str]:
        return [*names, side.name, raw.hex(), digest.hex()[:4], str(small)]
"""


def word(value: int) -> bytes:
    return (value % 2**256).to_bytes(32, "big")


def text(value: str) -> bytes:
    data = value.encode()
    return word(len(data)) + data + bytes(-len(data) % 32)


def test_results(world: World) -> None:
    program = world.load(SOURCE)
    who = bytes(12) + b"\x07" * 20
    assert request(program, "nothing", b"").result == b""
    assert request(program, "add", word(2) + word(3)).result == word(5)
    assert request(program, "negate", word(5)).result == word(-5)
    assert request(program, "negate", word(-5)).result == word(5)
    assert request(program, "winner", who).result == who + word(7)
    assert request(program, "named", word(32) + text("né")).result == word(32) + word(64) + word(7) + text("né")
    reply = request(program, "pair", word(64) + word(1) + text("a" * 33))
    assert reply.result == word(64) + word(1) + text("a" * 33), "a tuple is several values, as abi.decode reads them"


def test_a_mixture(world: World) -> None:
    program = world.load(SOURCE)
    names = word(2) + word(64) + word(128) + text("one") + text("three")
    raw = text("\x01\x02")
    head = word(160) + word(1) + word(160 + len(names)) + b"\xab\xcd" + bytes(30) + word(255)
    reply = request(program, "many", head + names + raw)
    expected = ["one", "three", "SELL", "0102", "abcd", "255"]
    offsets, tail, position = b"", b"", 32 * len(expected)
    for each in expected:
        offsets += word(position + len(tail))
        tail += text(each)
    assert reply.status == OK, reply.text
    assert reply.result == word(32) + word(len(expected)) + offsets + tail


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("nothing", word(1)),
        ("add", word(1)),
        ("add", word(1) + word(2) + b"\0"),
        ("winner", word(2**160)),
        ("pair", word(64) + word(2) + text("a")),
        ("pair", word(96) + word(1) + text("a")),
        ("pair", word(64) + word(1) + word(1) + b"a" + b"\x01" * 31),
        ("pair", word(64) + word(1) + word(2**255)),
        ("pair", word(64) + word(1) + word(1) + b"\xff" + bytes(31)),
        ("pair", word(2**255) + word(1) + text("a")),
    ],
)
def test_only_canonical_encodings_are_taken(world: World, method: str, data: bytes) -> None:
    reply = request(world.load(SOURCE), method, data)
    assert reply.status == BAD_ARGUMENTS
    assert reply.text.startswith(f"{method}(")


def test_a_result_that_does_not_fit(world: World) -> None:
    reply = request(world.load(SOURCE), "add", word(-1) + word(1))
    assert "the result of add: expected uint256" in reply.text


def test_signatures_are_in_the_interface(world: World) -> None:
    methods = {method["name"]: method for method in world.load(SOURCE).interface["methods"]}
    signatures = {name: (method["abi_signature"], method["abi_returns"]) for name, method in methods.items()}
    assert signatures == {
        "nothing": ("nothing()", "()"),
        "add": ("add(uint256,uint256)", "(uint256)"),
        "negate": ("negate(int256)", "(int256)"),
        "winner": ("winner(address)", "((address,uint256))"),
        "named": ("named(string)", "((string,uint256))"),
        "pair": ("pair(string,bool)", "(string,bool)"),
        "many": ("many(string[],uint8,bytes,bytes32,uint8)", "(string[])"),
    }
