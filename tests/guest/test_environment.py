"""``self.env``: what a call knows, randomness, keys, other programs, events."""

from __future__ import annotations

import hashlib
import random

from phat.keccak import selector
from tests.guest.fake_host import FakeHost
from tests.guest.worlds import CALLER, PROGRAM, REVERTED, World, command, query, request

SOURCE = """
from dataclasses import dataclass
from phat import *

class Sold(Event):
    item: str
    price: Uint256

@dataclass
class Order:
    who: Address
    amounts: list[int]

class Surroundings(Contract):
    saved: int = 0

    @query
    def header(self) -> tuple[Address, Digest, Address, Digest, int, int, int, int, int]:
        e = self.env
        ids = (e.caller, e.program, e.origin, e.request_id)
        return (*ids, e.block_number, e.timestamp, e.link, e.position, e.chain_id)

    @request
    def who_asks(self) -> tuple[Address, Digest]:
        return self.env.origin, self.env.request_id

    @command
    def draw(self) -> tuple[bytes, bytes, int, int]:
        generator = self.env.random()
        assert generator is self.env.random()
        return (self.env.random_bytes(4), self.env.random_bytes(4), generator.randrange(10**9), generator.randint(1, 6))

    @query
    def too_many(self, count: int) -> bytes:
        return self.env.random_bytes(count)

    @query
    def key(self, purpose: str) -> bytes:
        return self.env.derive_key(purpose)

    @command
    def sign(self, digest: bytes) -> bytes:
        return self.env.sign(digest)

    @command
    def sell(self, item: str) -> None:
        self.emit(Sold(item=item, price=3))
        self.env.emit("Noted", by=self.env.caller, order=Order(Address(), [1]))

    @command
    def sell_wrongly(self) -> None:
        self.emit(Sold(item="x", price=-3))

    @command
    def flood(self) -> None:
        for _ in range(65):
            self.emit("Again")

    @command
    def strange_event(self) -> None:
        self.emit("not a name")

    @command
    def lost_event(self) -> None:
        self.emit("Lost")
        revert("no")

    @command
    def ask(self, amount: int) -> int:
        self.saved = 5
        return self.env.call("0x" + "ee" * 32, "add", amount, self.env.caller, b"x") + 1

    @command
    def ask_and_go_on(self) -> str:
        try:
            self.env.call(bytes(32), "add")
        except CallFailed as error:
            return f"{error.status} {error.output.decode()} | {error}"
        return ""
"""


def test_header(world: World) -> None:
    program = world.load(SOURCE)
    expected = ["0x" + CALLER.hex(), "0x" + PROGRAM.hex(), "0x" + "00" * 20, "0x" + "00" * 32]
    assert query(program, "header").value == [*expected, 1000, 1_700_000_000, 7, 3, 31337]
    reply = request(program, "who_asks", b"", origin=b"\x05" * 20, request_id=b"\x06" * 32)
    assert reply.result == bytes(12) + b"\x05" * 20 + b"\x06" * 32


def test_randomness_is_a_function_of_the_seed(world: World) -> None:
    program = world.load(SOURCE)
    first = command(program, "draw").value
    assert command(program, "draw").value == first
    reference = FakeHost()
    generator = random.Random(reference.random(32))
    drawn = ["0x" + reference.random(4).hex(), "0x" + reference.random(4).hex()]
    assert first == [*drawn, generator.randrange(10**9), generator.randint(1, 6)]
    program.host.seed = b"\x01" * 32
    assert command(program, "draw").value != first


def test_keys_and_signatures(world: World) -> None:
    program = world.load(SOURCE)
    assert query(program, "key", "mail").value == "0x" + hashlib.sha256(b"derivemail").hexdigest()
    signed = command(program, "sign", "0x" + "11" * 32).value
    assert signed == "0x" + hashlib.sha512(b"\x11" * 32).hexdigest() + "1b"


def test_asking_for_too_much(world: World) -> None:
    program = world.load(SOURCE)
    assert "random_bytes takes 1 to 1024, got 1025" in query(program, "too_many", 1025).text
    assert "random_bytes takes 1 to 1024, got 0" in query(program, "too_many", 0).text
    assert "at most 1024 bytes" in query(program, "key", "x" * 1025).text
    assert "sign takes a digest of 32 bytes, got 2" in command(program, "sign", "0x0000").text


def test_events(world: World) -> None:
    program = world.load(SOURCE)
    assert command(program, "sell", "lamp").events == [
        ("Sold", {"item": "lamp", "price": 3}),
        ("Noted", {"by": "0x" + CALLER.hex(), "order": {"who": "0x" + "00" * 20, "amounts": [1]}}),
    ]
    assert "TypeError: Sold.price: expected uint256" in command(program, "sell_wrongly").text
    assert "at most 64 events" in command(program, "flood").text
    assert "ASCII identifier" in command(program, "strange_event").text
    assert command(program, "lost_event").events == []


def test_calls_to_other_programs(world: World) -> None:
    program = world.load(SOURCE)
    seen = []

    def answer(target: bytes, data: bytes) -> bytes:
        seen.append((target, data, program.host.state.get(b"saved")))
        return b"\x0041"

    program.host.answer_call = answer
    assert command(program, "ask", 7).value == 42
    expected = selector("add") + b'[7,"0x' + CALLER.hex().encode() + b'","0x78"]'
    assert seen == [(b"\xee" * 32, expected, b"5")]


def test_a_failing_callee_can_be_caught(world: World) -> None:
    program = world.load(SOURCE)
    program.host.answer_call = lambda target, data: b"\x01too poor"
    assert command(program, "ask_and_go_on").value == (f"1 too poor | program 0x{'00' * 32} add reverted: too poor")
    program.host.answer_call = lambda target, data: b"\x03add(a): wrong"
    assert "add refused the arguments: add(a): wrong" in command(program, "ask_and_go_on").value
    program.host.answer_call = lambda target, data: b"\x01no"
    reply = command(program, "ask", 7)
    assert reply.status == REVERTED
    assert reply.text.startswith("CallFailed: program 0xee")
    assert program.host.state == {}
