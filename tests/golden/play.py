"""Plays the script of a golden program on an executor and writes down all that came of it."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any, Protocol

from coprocessor.crypto.hashing import sha256
from coprocessor.sandbox.abi import FrameKind, compute_selector
from coprocessor.sandbox.executor_messages import (
    EXECUTOR_REPLIES,
    Call,
    CallOutcome,
    Execute,
    Executed,
    Item,
    Loaded,
    LoadFailed,
    LoadProgram,
    Queried,
    Query,
    UnloadProgram,
)
from coprocessor.sandbox.faults import ExhaustedLimit
from coprocessor.sandbox.outcome import OutcomeKind
from coprocessor.sandbox.python_guest import bundle_files
from coprocessor.trie.trie import Trie
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, RequestId
from phat import canonical
from tests.golden.catalogue import Golden, ScriptedCall, catalogue

__all__ = ["Host", "Record", "play"]

AUTHOR = Address(bytes.fromhex("a1" * 20))
_SHOWN = 120
_BLOCK_BYTES = 0xFFFF
_KINDS = {
    "init": FrameKind.INIT,
    "command": FrameKind.COMMAND,
    "query": FrameKind.QUERY,
    "request": FrameKind.REQUEST,
}

Record = dict[str, Any]
"""What the corpus holds of one program: ``load``, ``calls`` and ``root``, see ``corpus.json``."""


class Host(Protocol):
    """An executor, in this process or in another."""

    def ask(self, request: Any) -> Any:
        """Its reply to one request."""


def play(host: Host, golden: Golden) -> Record:
    """Loads a program with those it may call, makes its calls, and unloads all of them.

    Raises:
        AssertionError: the executor failed, so that there is no outcome.
    """
    loaded = [catalogue()[name] for name in golden.callees]
    together = (*loaded, golden)
    replies = [host.ask(_load(program, together)) for program in together]
    player = _Player(host, golden, replies[-1])
    if isinstance(replies[-1], LoadFailed):
        record: Record = {"load": {"refused": replies[-1].code, "says": replies[-1].message}}
    else:
        assert all(isinstance(reply, Loaded) for reply in replies), replies
        record = {"load": _describe_load(replies[-1])}
        record["calls"] = [player.run(number, one) for number, one in enumerate(golden.calls)]
        record["root"] = player.root()
    for program in together:
        host.ask(UnloadProgram(program.identity))
    return record


def _load(golden: Golden, together: tuple[Golden, ...]) -> LoadProgram:
    code = golden.wasm() if golden.language == "wasm" else _bundle(golden)
    return LoadProgram(
        program=golden.identity,
        language=golden.language,
        code=code,
        callees=tuple(program.identity for program in together),
        application_secret=sha256(b"application" + golden.identity),
        account_secret=sha256(b"account" + golden.identity),
        query_account_secret=sha256(b"query account" + golden.identity),
    )


def _bundle(golden: Golden) -> bytes:
    """The program's bundle, with its content stored as it is: how text is compressed depends on the machine's library,
    and the guest's work of reading it is part of the load's fuel."""
    content = zlib.decompress(bundle_files({golden.path.name: golden.path.read_bytes()}))
    blocks = [content[start : start + _BLOCK_BYTES] for start in range(0, len(content), _BLOCK_BYTES)]
    stored = b"".join(
        struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF) + block for block in blocks
    )
    return b"\x78\x01" + stored + zlib.adler32(content).to_bytes(4, "big")


def _describe_load(loaded: Loaded) -> Record:
    if loaded.snapshot is None:
        return {"fuel": loaded.fuel}
    return {
        "fuel": loaded.fuel,
        "interface": sha256(loaded.interface).hex(),
        "snapshot": sha256(loaded.snapshot).hex(),
    }


class _Player:
    """One program while its script is played; keeps the state as the writes of its items tell it."""

    def __init__(self, host: Host, golden: Golden, loaded: Any) -> None:
        self._host = host
        self._golden = golden
        self._trie = Trie()
        interface = getattr(loaded, "interface", b"")
        self._kinds = {"init": "init"}
        if interface:
            self._kinds |= {method["name"]: method["kind"] for method in json.loads(interface)["methods"]}

    def run(self, number: int, scripted: ScriptedCall) -> Record:
        """Makes one call, in a link of its own."""
        kind = _KINDS[scripted.kind or self._kinds.get(scripted.method, "command")]
        call = self._call(number, kind, scripted)
        chain = (31337, 1000 + number, 1_700_000_000 + 12 * number)
        if kind is FrameKind.QUERY:
            reply = self._host.ask(Query(*chain, number, call, deadline_milliseconds=3_600_000))
            assert isinstance(reply, Queried), f"{self._golden.name}: {scripted.text}: {reply}"
            return _describe(scripted, reply.outcome, reply)
        reply = self._host.ask(Execute(*chain, number, (Item(0, call),)))
        assert isinstance(reply, Executed), f"{self._golden.name}: {scripted.text}: {reply}"
        self._apply(reply)
        return _describe(scripted, reply.results[0].outcome, reply)

    def root(self) -> str:
        """Root over the state of all programs that were called."""
        return self._trie.root().hex()

    def _call(self, number: int, kind: FrameKind, scripted: ScriptedCall) -> Call:
        return Call(
            program=self._golden.identity,
            kind=kind,
            selector=compute_selector(scripted.method),
            caller=AUTHOR,
            origin=ZERO_ADDRESS,
            request_id=RequestId(ZERO_DIGEST),
            arguments=self._arguments(kind, scripted),
            fuel_limit=scripted.fuel,
            random_seed=sha256(b"seed" + number.to_bytes(4, "big") + self._golden.identity),
        )

    def _arguments(self, kind: FrameKind, scripted: ScriptedCall) -> bytes:
        if self._golden.language == "wasm" or kind is FrameKind.REQUEST:
            return bytes.fromhex(scripted.arguments)
        text = scripted.arguments or "[]"
        for name in self._golden.callees:
            text = text.replace(f"${name}", "0x" + catalogue()[name].identity.hex())
        return canonical.encode(json.loads(text))

    def _apply(self, executed: Executed) -> None:
        for write in executed.results[0].writes:
            path = sha256(write.program + write.key)
            if write.value is None:
                self._trie.delete(path)
            else:
                self._trie.put(path, sha256(write.value))


def _describe(scripted: ScriptedCall, outcome: CallOutcome, reply: Executed | Queried) -> Record:
    """``digest`` is over the whole reply: outcome, writes, events, logs."""
    end = OutcomeKind(outcome.kind).name.lower()
    if outcome.limit:
        end += ": " + ExhaustedLimit(outcome.limit).words
    said = outcome.message or outcome.result.decode("utf-8", "replace")
    return {
        "call": scripted.text,
        "end": end,
        "fuel": outcome.fuel,
        "says": said if len(said) <= _SHOWN else said[:_SHOWN] + "...",
        "digest": sha256(EXECUTOR_REPLIES.encode(reply)).hex(),
    }
