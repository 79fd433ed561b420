"""Calls: which method, which arguments, which result, which words when it fails."""

from __future__ import annotations

import pytest

from coprocessor.sandbox.abi import FrameKind
from tests.guest.worlds import (
    BAD_ARGUMENTS,
    OK,
    REVERTED,
    UNKNOWN_METHOD,
    World,
    command,
    init,
    place,
    query,
    request,
    send,
)

SOURCE = """
from phat import *

class Closed(Error):
    pass

class Methods(Contract):
    total: int = 0

    @command
    def add(self, amount: Uint8, times: int = 1) -> int:
        self.total += amount * times
        return self.total

    @query
    def echo(self, value: list[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
        return value

    @query
    def address(self, who: Address) -> Address:
        return who

    @query
    def number(self, value: float) -> float:
        return value

    @query
    def wrong_result(self) -> int:
        return "text"

    @command
    def refuse(self) -> None:
        revert("not today")

    @command
    def close(self) -> None:
        raise Closed("it is closed")

    @command
    def silent(self) -> None:
        raise Closed

    @command
    def leave(self) -> None:
        raise SystemExit(3)

    @command
    def long_words(self) -> None:
        raise ValueError("é" * 5000)

    @command
    def unprintable(self) -> None:
        class Bad(Exception):
            def __str__(self) -> str:
                raise RuntimeError
        raise Bad

    @command
    def deep(self) -> int:
        def down(n: int) -> int:
            return down(n + 1)
        return down(0)

    @command
    def noise(self) -> None:
        print("one")
        print("two", end="")
        print(" and", "a half")
        self.env.log("careful", 3, level="warning")
        print("left over", end="")

    @query
    def large(self, size: int) -> str:
        return "x" * size

    def helper(self) -> int:
        return 3

    @request
    def ask(self, amount: Uint256) -> Uint256:
        return amount + 1
"""


def test_arguments_results_and_defaults(world: World) -> None:
    program = world.load(SOURCE)
    assert command(program, "add", 5).value == 5
    assert command(program, "add", 5, 3).value == 20
    assert query(program, "echo", [["a", "0xff"], ["b", None]]).value == [["a", "0xff"], ["b", None]]
    assert query(program, "address", "0x" + "aB" * 20).value == "0x" + "ab" * 20
    assert query(program, "number", 3).result == b"3.0"


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("add", b"[]", "add(amount, times) takes 1 to 2 arguments, 0 given"),
        ("add", b"[1,2,3]", "add(amount, times) takes 1 to 2 arguments, 3 given"),
        ("add", b"[256]", "add(amount): expected uint8 (0 to 2**8-1), got int 256"),
        ("add", b"[-1]", "add(amount): expected uint8 (0 to 2**8-1), got int -1"),
        ("add", b'["1"]', "add(amount): expected uint8, got str '1'"),
        ("add", b"[true]", "add(amount): expected uint8, got bool True"),
        ("add", b"[1.0]", "add(amount): expected uint8, got float 1.0"),
        ("add", b"[1,null]", "add(times): expected int, got NoneType None"),
        ("add", b"{}", "add: the arguments must be a JSON array"),
        ("add", b"[1, 2]", "not canonical"),
        ("add", b"[1]x", "something follows after character 3"),
        ("add", b"[NaN]", "NaN is not allowed"),
        ("add", b"[1e999]", "not"),
        ("add", b"\xff", "not canonical JSON"),
        ("add", b"", "takes 1 to 2 arguments, 0 given"),
        ("add", b"[" * 60000, "nested 60000 levels deep, at most 64 are allowed"),
        ("add", b"[" + b"9" * 5000 + b"]", "not canonical JSON"),
    ],
)  # fmt: skip
def test_bad_arguments_of_commands(world: World, method: str, arguments: bytes, message: str) -> None:
    reply = send(world.load(SOURCE), FrameKind.COMMAND, method, arguments)
    assert reply.status == BAD_ARGUMENTS
    assert message in reply.text


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("echo", b'[[["a"]]]', "echo(value)[0]: expected tuple[str, bytes | None], got list ['a']"),
        ("echo", b'[[["a","0xff"],["b","ff"]]]', "echo(value)[1][1]: expected bytes as '0x…' hex text, got str 'ff'"),
        ("echo", b'[[["a","0x f"]]]', "echo(value)[0][1]: expected bytes"),
        ("echo", b'[[["a","0xf"]]]', "echo(value)[0][1]: expected bytes"),
        ("echo", b'[[["\xed\xa0\x80",null]]]', "not canonical JSON"),
        ("echo", b'[[["\\ud800",null]]]', "not canonical"),
        ("address", b'["0x12"]', "address(who): expected address as '0x' and 40 hex digits, got str '0x12'"),
        ("address", b"[3]", "address(who): expected address"),
        ("number", b"[9007199254740993]", "number(value): expected a finite float"),
    ],
)
def test_bad_arguments_of_queries(world: World, method: str, arguments: bytes, message: str) -> None:
    reply = send(world.load(SOURCE), FrameKind.QUERY, method, arguments)
    assert reply.status == BAD_ARGUMENTS
    assert message in reply.text


def test_unknown_methods_name_the_known_ones(world: World) -> None:
    program = world.load(SOURCE)
    reply = command(program, "helper")
    assert reply.status == UNKNOWN_METHOD
    assert reply.text.startswith("Methods has no method with selector 0x")
    assert "add, address, ask" in reply.text


def test_a_method_is_called_by_its_kind(world: World) -> None:
    program = world.load(SOURCE)
    assert query(program, "add", 1).text == "Methods.add is a command, not a query"
    assert command(program, "echo", []).text == "Methods.echo is a query, not a command"
    assert command(program, "ask", 1).text == "Methods.ask is a request, not a command"
    assert request(program, "add", bytes(32)).text == "Methods.add is a command, not a request"
    assert send(program, FrameKind.INTERNAL, "add", b"[2]").value == 2
    assert send(program, FrameKind.INTERNAL, "echo", b"[[]]").value == []
    assert send(program, FrameKind.INTERNAL, "ask", b"[]").status == UNKNOWN_METHOD


def test_init_without_init_takes_nothing(world: World) -> None:
    program = world.load(SOURCE)
    assert init(program).status == OK
    assert init(program, 1).status == BAD_ARGUMENTS


@pytest.mark.parametrize(
    ("method", "message", "line"),
    [
        ("refuse", "Error: not today", "revert("),
        ("close", "Closed: it is closed", "raise Closed("),
        ("silent", "Closed", "raise Closed\n"),
        ("leave", "SystemExit: 3", "raise SystemExit"),
        ("unprintable", "Bad: (its text could not be made: RuntimeError)", "raise Bad"),
        ("deep", "RecursionError: maximum recursion depth exceeded", "return down(n + 1)"),
    ],
)
def test_failures_say_what_and_where(world: World, method: str, message: str, line: str) -> None:
    reply = command(world.load(SOURCE), method)
    assert reply.status == REVERTED
    assert reply.text == f"{message} {place(SOURCE, line)}"


def test_results_must_fit_their_hint(world: World) -> None:
    reply = query(world.load(SOURCE), "wrong_result")
    assert reply.text == "TypeError: the result of wrong_result: expected int, got str 'text'"


def test_messages_are_cut_at_whole_characters(world: World) -> None:
    reply = command(world.load(SOURCE), "long_words")
    assert reply.status == REVERTED
    assert 4090 <= len(reply.result) <= 4096
    assert reply.text.startswith("ValueError: éé")


def test_results_have_a_greatest_size(world: World) -> None:
    program = world.load(SOURCE)
    assert len(query(program, "large", 65000).value) == 65000
    reply = query(program, "large", 65536)
    assert reply.status == REVERTED
    assert "65536 fit" in reply.text


def test_print_goes_to_the_log(guest_world: World) -> None:
    program = guest_world.load(SOURCE)
    assert command(program, "noise").status == OK
    expected = [(1, "one"), (1, "two and a half"), (2, "careful 3"), (1, "left over")]
    assert program.host.logs == expected
