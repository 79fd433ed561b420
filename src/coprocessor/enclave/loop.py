"""The thin loop around a core: frames in, frames out. Part of the measured boundary; the only edge of the enclave.

The loop owns what a core must not touch: the socket to the host, entropy, the attester. It reads them inside the
boundary (PROTOCOL 2.5). Between messages it lets the core work.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from coprocessor.attestation.evidence import encode_evidence
from coprocessor.attestation.report_data import ReportClaims
from coprocessor.attesters.attester import Attester
from coprocessor.codec.records import RecordTable
from coprocessor.enclave import messages as m
from coprocessor.enclave.memory import collect_memory
from coprocessor.sandbox.framing import read_frame, write_frame
from coprocessor.values.errors import CoprocessorError

__all__ = ["Core", "KeepingCore", "serve"]


class Core(Protocol):
    """What the loop drives."""

    def handle(self, message: Any) -> list[Any]:
        """The reply, then notices."""

    def work(self) -> list[Any]:
        """One unit of work; notices, or nothing where there is none."""

    def claims(self) -> ReportClaims:
        """What evidence must bind now."""

    def chain_time(self) -> int:
        """Chain time, seconds."""


@runtime_checkable
class KeepingCore(Core, Protocol):
    """A core that holds what no disk does, under a key of its memory alone (PROTOCOL 9.5)."""

    def memory_claims(self) -> ReportClaims:
        """What evidence must bind that shows this key."""


def serve(channel: socket.socket, core: Core, attester: Attester, requests: RecordTable, replies: RecordTable) -> None:
    """Runs until the host says ``Stop``, claims a message that is too long, or closes, be it inside a message."""
    try:
        _serve(channel, core, attester, requests, replies)
    except (EOFError, ConnectionError):
        return


def _serve(channel: socket.socket, core: Core, attester: Attester, requests: RecordTable, replies: RecordTable) -> None:
    idle = False
    while True:
        readable, _, _ = select.select([channel], [], [], None if idle else 0)
        if not readable:
            notices = core.work()
            idle = not notices
            _send(channel, notices, replies)
            continue
        try:
            frame = read_frame(channel, m.MAX_MESSAGE)
        except CoprocessorError as error:  # where the next message would begin, nobody knows
            _send(channel, [m.Failure(error.code, error.what, error.why, error.next)], replies)
            return
        if frame is None:
            return
        try:
            message = requests.decode(frame)
        except CoprocessorError as error:
            _send(channel, [m.Failure(error.code, error.what, error.why, error.next)], replies)
            continue
        if isinstance(message, m.Stop):
            _send(channel, [m.Ready()], replies)
            return
        if isinstance(message, m.Attest):
            answers: list[Any] = [_attest(core, core.claims, attester)]
        elif isinstance(message, m.AttestMemory) and isinstance(core, KeepingCore):
            answers = [_attest(core, core.memory_claims, attester)]
        elif isinstance(message, m.DumpMemory):
            answers = [_dump(core, attester)]
        else:
            answers = core.handle(message)
        _send(channel, answers, replies)
        idle = False


def _attest(core: Core, claim: Callable[[], ReportClaims], attester: Attester) -> m.Attested | m.Failure:
    try:
        claims = claim()
        evidence = attester.quote(claims.compute(), core.chain_time())
    except CoprocessorError as error:
        return m.Failure(error.code, error.what, error.why, error.next)
    return m.Attested(encode_evidence(evidence), claims.checkpoint_hash, claims.block_number, claims.block_hash)


def _dump(core: Core, attester: Attester) -> m.MemoryDump | m.Failure:
    """Everything in memory, on simulated hardware; a core on it boots for networks that allow simulation alone."""
    try:
        core.claims()
    except CoprocessorError as error:
        return m.Failure(error.code, error.what, error.why, error.next)
    if not attester.is_simulated:
        return m.Failure("enclave.no_dump", "real hardware tells nobody what it holds", "", "")
    return m.MemoryDump(collect_memory(core))


def _send(channel: socket.socket, answers: list[Any], replies: RecordTable) -> None:
    for answer in answers:
        write_frame(channel, replies.encode(answer))
