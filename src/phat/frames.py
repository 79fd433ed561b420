"""Call frames and replies of guest ABI v1.

**Source:** docs/specification/guest-abi.md. All integers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from phat.limits import MAX_MESSAGE_BYTES

__all__ = [
    "BAD_ARGUMENTS", "COMMAND", "INIT", "INTERNAL", "LOAD", "OK", "QUERY", "REQUEST", "REVERTED", "UNKNOWN_METHOD",
    "Frame", "encode_failure", "encode_reply", "parse_frame",
]  # fmt: skip

LOAD: Final = 0
INIT: Final = 1
COMMAND: Final = 2
QUERY: Final = 3
REQUEST: Final = 4
INTERNAL: Final = 5

OK: Final = 0
REVERTED: Final = 1
UNKNOWN_METHOD: Final = 2
BAD_ARGUMENTS: Final = 3

_VERSION = 1
_HEADER = struct.Struct("<BB4s20s32s20s32sQQQIQI")
_REPLY_HEAD = struct.Struct("<BI")


class Frame(NamedTuple):
    """The argument of ``phat_call``."""

    kind: int
    selector: bytes
    caller: bytes
    program: bytes
    origin: bytes
    request_id: bytes
    block_number: int
    timestamp: int
    link: int
    position: int
    chain_id: int
    arguments: bytes


def parse_frame(data: bytes) -> Frame:
    """Reads a call frame.

    Raises:
        ValueError: if it is not one of version 1.
    """
    if len(data) < _HEADER.size:
        raise ValueError("the call frame is too short")
    header = _HEADER.unpack_from(data)
    if header[0] != _VERSION or len(data) != _HEADER.size + header[-1]:
        raise ValueError("not a call frame of version 1")
    return Frame._make(header[1:-1] + (data[_HEADER.size :],))  # noqa: RUF005 - every call passes here


def encode_reply(result: bytes, events: Sequence[tuple[str, bytes]]) -> bytes:
    """The result buffer of a call that succeeded."""
    if not events:
        return _REPLY_HEAD.pack(OK, len(result)) + result + b"\0\0"
    parts = [_REPLY_HEAD.pack(OK, len(result)), result, struct.pack("<H", len(events))]
    for name, data in events:
        parts += [struct.pack("<H", len(name)), name.encode("ascii"), struct.pack("<I", len(data)), data]
    return b"".join(parts)


def encode_failure(status: int, message: str) -> bytes:
    """The result buffer of a call that failed; the message is cut to 4,096 bytes."""
    text = message.encode(errors="replace")[:MAX_MESSAGE_BYTES].decode(errors="ignore").encode()
    return _REPLY_HEAD.pack(status, len(text)) + text + bytes(2)
