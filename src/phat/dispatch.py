"""From a call frame to a result buffer: finds the method, reads its arguments, runs it, writes what changed."""

from __future__ import annotations

import traceback
from collections.abc import Container
from typing import Any

from phat import abi, canonical, frames
from phat.contract import Contract
from phat.environment import Environment
from phat.frames import Frame
from phat.host import Host
from phat.limits import MAX_REPLY_BYTES
from phat.program import Method, Program
from phat.schema import Mismatch
from phat.store import Store

__all__ = ["Dispatcher"]

_KINDS = {
    frames.COMMAND: ("command",),
    frames.QUERY: ("query",),
    frames.REQUEST: ("request",),
    frames.INTERNAL: ("command", "query"),
}
_KIND_WORDS = {
    frames.COMMAND: "a command", frames.QUERY: "a query", frames.REQUEST: "a request",
    frames.INTERNAL: "a command or query that programs can call",
}  # fmt: skip


class _BadArguments(Exception):
    """Arguments that do not fit the method's parameters."""


class Dispatcher:
    """Serves calls to one program. An instance of the guest serves one call, tests may serve many."""

    __slots__ = ("_contract", "_environment", "_program", "_sources", "_store")

    def __init__(self, program: Program, host: Host, sources: Container[str]) -> None:
        """Args: sources: file names of the author's code, by which an error is located."""
        self._program = program
        self._sources = sources
        self._store = Store(host)
        self._environment = Environment(host, self._store)
        self._contract = _make_contract(program.contract, self._store, self._environment)

    def handle(self, frame: Frame) -> bytes:
        """Runs one call; returns the result buffer."""
        method = self._find(frame)
        if method is None:
            if frame.kind == frames.INIT:
                return self._init_nothing(frame)
            return frames.encode_failure(frames.UNKNOWN_METHOD, self._explain_unknown(frame))
        try:
            return self._run(method, frame)
        except _BadArguments as error:
            return frames.encode_failure(frames.BAD_ARGUMENTS, str(error))
        except BaseException as error:  # the program's own doing, SystemExit included
            return frames.encode_failure(frames.REVERTED, explain_error(error, self._sources))

    def _find(self, frame: Frame) -> Method | None:
        if frame.kind == frames.INIT:
            return self._program.init
        method = self._program.methods.get(frame.selector)
        if method is None or method.kind not in _KINDS.get(frame.kind, ()):
            return None
        return method

    def _run(self, method: Method, frame: Frame) -> bytes:
        is_request = frame.kind == frames.REQUEST
        arguments = _read_abi(method, frame) if is_request else _read_json(method, frame)
        self._store.begin("query" if method.kind == "query" else "")
        self._environment.begin(frame)
        self._contract._maps.clear()
        value = method.function(self._contract, *arguments)
        self._store.flush()
        try:
            if is_request:
                result = abi.encode_result(method.returns, value)
            else:
                result = canonical.encode(method.returns.encode(value))
        except Mismatch as mismatch:
            raise TypeError(mismatch.explain(f"the result of {method.name}")) from None
        reply = frames.encode_reply(result, self._environment.events)
        if len(reply) > MAX_REPLY_BYTES:
            raise ValueError(f"result and events of {method.name} have {len(reply)} bytes, {MAX_REPLY_BYTES} fit")
        return reply

    def _init_nothing(self, frame: Frame) -> bytes:
        if frame.arguments not in (b"", b"[]"):
            return frames.encode_failure(frames.BAD_ARGUMENTS, "this contract has no init and takes no arguments")
        return frames.encode_reply(b"null", ())

    def _explain_unknown(self, frame: Frame) -> str:
        name = self._program.contract.__name__
        other = self._program.methods.get(frame.selector)
        if other is not None:
            return f"{name}.{other.name} is a {other.kind}, not {_KIND_WORDS.get(frame.kind, 'callable this way')}"
        names = ", ".join(method.name for method in self._program.methods.values())
        return f"{name} has no method with selector 0x{frame.selector.hex()}; it has {names or 'none'}"


def _make_contract(kind: type[Contract], store: Store, environment: Environment) -> Contract:
    contract = kind.__new__(kind)
    object.__setattr__(contract, "_store", store)
    object.__setattr__(contract, "_maps", {})
    object.__setattr__(contract, "env", environment)
    return contract


def _read_json(method: Method, frame: Frame) -> list[Any]:
    try:
        raw = canonical.decode(frame.arguments or b"[]")
    except (ValueError, RecursionError) as error:
        raise _BadArguments(f"{method.name}: the arguments are not canonical JSON: {error}") from None
    if not isinstance(raw, list):
        raise _BadArguments(f"{method.name}: the arguments must be a JSON array")
    parameters = method.parameters
    if not method.required <= len(raw) <= len(parameters):
        names = ", ".join(parameter.name for parameter in parameters)
        raise _BadArguments(f"{method.name}({names}) takes {_spell_count(method)}, {len(raw)} given")
    arguments: list[Any] = []
    try:
        for value in raw:
            arguments.append(parameters[len(arguments)].schema.decode(value))
    except Mismatch as mismatch:
        name = parameters[len(arguments)].name
        raise _BadArguments(mismatch.explain(f"{method.name}({name})")) from None
    return arguments


def _read_abi(method: Method, frame: Frame) -> list[Any]:
    parameters = [(parameter.name, parameter.schema) for parameter in method.parameters]
    try:
        return abi.decode_arguments(parameters, frame.arguments)
    except Mismatch as mismatch:
        wanted = abi.signature(method.name, [schema for _, schema in parameters])
        raise _BadArguments(mismatch.explain(wanted)) from None


def _spell_count(method: Method) -> str:
    most = len(method.parameters)
    if method.required == most:
        return f"{most} argument" + ("" if most == 1 else "s")
    return f"{method.required} to {most} arguments"


def explain_error(error: BaseException, sources: Container[str]) -> str:
    """``Name: message (file:line)``, with the innermost line of the author's own code."""
    name = type(error).__name__
    try:
        message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    except Exception as inner:  # an author's __str__ may fail too
        message = f"(its text could not be made: {type(inner).__name__})"
    place = ""
    for entry, line in traceback.walk_tb(error.__traceback__):
        if entry.f_code.co_filename in sources:
            place = f" ({entry.f_code.co_filename}:{line})"
    return f"{name}: {message}{place}" if message else name + place
