"""Every parameter of every public method of the SDK, found in the signatures: refused before anything is sent."""

from __future__ import annotations

import asyncio
import inspect
import json
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.client import network as sdk
from coprocessor.client import sync
from coprocessor.client.deployment import DeployOptions
from coprocessor.client.network import AsyncBatch, AsyncHandle, AsyncNetwork, AsyncProgram, aconnect
from coprocessor.client.programs import ProgramRecord
from coprocessor.client.sealing import CallOptions
from coprocessor.protocol.genesis import network_to_json
from coprocessor.protocol.interface import parse_interface
from coprocessor.values.errors import CallerMisuse, CoprocessorError
from coprocessor.values.identities import Address, ClusterId, CodeHash
from tests.protocol import samples
from tests.support.error_codes import LISTED_CODES

INTERFACE = {
    "abi": 1, "language": "python", "name": "X",
    "methods": [{"name": "vote", "kind": "command", "parameters": [{"name": "n", "type": "int"}], "returns": "int"},
                {"name": "tally", "kind": "query", "parameters": [{"name": "n", "type": "int"}], "returns": "int"}],
}  # fmt: skip
FREE = {"init", "named"}
"""Arguments of a program's own methods: its interface judges them."""

NO_KEY = ("0x" + "11" * 32, b"\x11" * 32, 5, object())
WRONG: dict[str, tuple[Any, ...]] = {
    "target": (None, 5, b"x", [], object()),
    "key": (5, b"\x11" * 32, [], object()),
    "rpc": (5, b"http://x", [], object()),
    "pinned": (5, b"\x11" * 32, [], object()),
    "path": (None, 5, b"x", [], object()),
    "private": (None, 0, 1, "yes", []),
    "options": (5, "fuel", {}, [], object()),
    "program": (None, 5, [], {}, object(), "", "0x", "11" * 32, "0x" + "11" * 31, b"", b"\x11" * 31, b"\x11" * 33),
    "relayer": NO_KEY,
    "link": (None, "5", 5.0, True, [], object()),
    "position": (None, "5", 5.0, True, []),
    "author": NO_KEY,
    "caller": NO_KEY,
    "fuel": (None, "5", 5.0, True, []),
    "opened": (None, 0, "yes"),
    "method": (None, 5, b"vote", [], "", "nobody", "\0", "é" * 5000),
    "arguments": (None, "text", 5.5, [], object(), float("nan"), 2**9000),
    "timeout": (None, "5", float("nan"), float("inf"), -1, True, []),
    "item": (None, 5, b"sealed", object()),
}
"""Values that no method takes for a parameter of this name."""


class NoNetwork:
    """A session whose network must not be touched: the argument is refused before."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"it went to session.{name}")


def things() -> dict[type, Any]:
    """One object of each public class, over no network."""
    session: Any = NoNetwork()
    network = AsyncNetwork(session, samples.AUTHOR)
    interface = parse_interface(json.dumps(INTERFACE).encode())
    record = ProgramRecord(
        samples.PROGRAM, Address(bytes(20)), ClusterId(bytes(32)), CodeHash(bytes(32)), 1, interface, *more_fields()
    )
    handle: Any = SimpleNamespace(result=session, outcome=session)
    return {
        AsyncNetwork: network,
        AsyncProgram: AsyncProgram(network, record, None),
        AsyncBatch: AsyncBatch(network, samples.AUTHOR),
        AsyncHandle: AsyncHandle(network, handle),
    }


def more_fields() -> list[Any]:
    """Whatever else a program's record holds."""
    return [None] * (len(fields(ProgramRecord)) - 6)


def good(name: str, owner: type | None) -> Any:
    """A value that fits, for the other parameters of a method."""
    values = {"target": ".", "path": "x.py", "program": "0x" + "11" * 32, "link": 1, "method": "vote", "item": None}
    if name == "program" and owner in (AsyncNetwork, AsyncBatch):
        return values["program"] if owner is AsyncNetwork and name == "program" else things()[AsyncProgram]
    return values[name]


METHODS = [(None, "aconnect")] + [
    (owner, name)
    for owner in (AsyncNetwork, AsyncProgram, AsyncBatch, AsyncHandle)
    for name, value in inspect.getmembers(owner, inspect.isfunction)
    if not name.startswith("_") and len(inspect.signature(value).parameters) > 1
]
INSIDE = {"seal_encoded"}
"""Takes what other methods made, thousands of times a second."""

CASES = [
    (owner, method, parameter)
    for owner, method in METHODS
    if method not in INSIDE
    for parameter in inspect.signature(aconnect if owner is None else getattr(owner, method)).parameters.values()
    if parameter.name not in FREE | {"self"}
]


@pytest.mark.parametrize(("owner", "method", "parameter"), CASES, ids=[f"{m}-{p.name}" for _, m, p in CASES])
def test_every_parameter(owner: type | None, method: str, parameter: inspect.Parameter) -> None:
    subject = things()
    call = aconnect if owner is None else getattr(subject[owner], method)
    signature = inspect.signature(call)
    wrong = WRONG["program"] if parameter.name == "program" else WRONG[parameter.name]
    for value in wrong:
        if value is None and parameter.default is None:
            continue
        positional, named = [], {}
        for other in signature.parameters.values():
            if other.name in FREE:
                continue
            given = value if other.name == parameter.name else None
            if other.name != parameter.name and (
                other.default is not inspect.Parameter.empty or other.name == "arguments"
            ):
                continue
            if other.name != parameter.name:
                given = good(other.name, subject_owner(owner, method, other.name))
            if other.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
                positional.append(given)
            else:
                named[other.name] = given
        with pytest.raises(CoprocessorError) as caught:
            finish(call(*positional, **named))
        assert caught.value.family in ("misuse", "malformed"), (value, caught.value)
        assert caught.value.code in LISTED_CODES


def subject_owner(owner: type | None, method: str, name: str) -> type | None:
    """``program`` is an id for a network's ``program`` and an object everywhere else."""
    return owner if (owner, method, name) == (AsyncNetwork, "program", "program") else AsyncBatch


def finish(answer: Any) -> Any:
    """Runs what is a coroutine."""

    async def go() -> Any:
        return await answer

    return asyncio.run(go()) if inspect.iscoroutine(answer) else answer


@pytest.mark.parametrize("kind", [CallOptions, DeployOptions])
def test_every_field_of_the_options(kind: Any) -> None:
    for field in fields(kind):
        for value in ("5", -1, 2**200, [5], object(), float("nan"), b"short"):
            with pytest.raises(CallerMisuse) as caught:
                kind(**{field.name: value})
            assert caught.value.code in ("client.argument", "call.fuel", "call.fee")


def test_numbers_out_of_range_never_leave(tmp_path: Path) -> None:
    for link, position in ((-1, 0), (2**70, 0), (1, -1), (1, 2**70)):
        network = things()[AsyncNetwork]
        with pytest.raises((CoprocessorError, AssertionError)) as caught:
            finish(network.receipt(things()[AsyncProgram], link, position))
        assert isinstance(caught.value, CallerMisuse), (link, position)


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "http://a\nb", "http://\u0661", "https://x:99999999/", "http://x:-1"]
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(CoprocessorError):
        finish(aconnect(url))


@pytest.mark.parametrize(
    "rpc", ["", "x", "ftp://x", "http://", "http://[::1", "http://a b", "http://127.0.0.1:99999999"]
)
def test_nodes_that_are_none(rpc: str, tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text(network_to_json(samples.make_network()))
    with pytest.raises(CoprocessorError):
        finish(aconnect(tmp_path, rpc=rpc))


@pytest.mark.parametrize("path", ["\0", "a\0b", "x" * 5000, "\udcff"])
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(CoprocessorError):
        finish(aconnect(path))
    with pytest.raises(CoprocessorError):
        finish(things()[AsyncNetwork].deploy(path))


def test_the_synchronous_sdk_has_the_same_methods() -> None:
    """It hands everything on, so that what holds here holds there."""
    pairs = {"NetworkClient": AsyncNetwork, "Program": AsyncProgram, "Batch": AsyncBatch, "Handle": AsyncHandle}
    assert set(sync.__all__) - {"connect"} == set(pairs)
    for name, asynchronous in pairs.items():
        for method, function in inspect.getmembers(getattr(sync, name), inspect.isfunction):
            if method.startswith("_") or method == "close":
                continue
            twin = inspect.signature(getattr(asynchronous, method)).parameters
            assert set(inspect.signature(function).parameters) <= set(twin), f"{name}.{method}"
    assert sdk.__all__
