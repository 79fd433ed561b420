"""What stands inside a sealed output: result or reason, events and logs (PROTOCOL 5.5, 13)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.codec.records import RecordTable

__all__ = ["Event", "LogLine", "OutputBody", "decode_output_body", "encode_output_body"]

_MAX_BODY = 256 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """Emitted by a program (32 bytes): a name, and data as the program encodes it."""

    program: bytes
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class LogLine:
    """Logged by a program (32 bytes): level 0 debug to 3 error."""

    program: bytes
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class OutputBody:
    """One command's outcome as its author reads it.

    Args:
        status: a ``protocol.outputs.Status``.
        limit: which limit was met, or empty.
        result: as the program's interface encodes it.
        message: why it failed, or empty.
        events: in order; none where it failed.
        logs: in order.
    """

    status: int
    limit: str
    result: bytes
    message: str
    events: tuple[Event, ...]
    logs: tuple[LogLine, ...]


def _table() -> RecordTable:
    return RecordTable((OutputBody,), _MAX_BODY)


def encode_output_body(body: OutputBody) -> bytes:
    """Deterministic CBOR."""
    return _table().encode(body)


def decode_output_body(data: bytes) -> OutputBody:
    """Inverse of ``encode_output_body``. Raises MalformedInput."""
    body: OutputBody = _table().decode(data)
    return body
