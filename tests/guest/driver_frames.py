"""Call frames and replies of guest ABI v1, written down a second time as an independent check."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import sha3

LOAD, INIT, COMMAND, QUERY, REQUEST, INTERNAL = range(6)
OK, REVERTED, UNKNOWN_METHOD, BAD_ARGUMENTS = range(4)


def selector(method: str) -> bytes:
    """First four bytes of keccak256 of the method's name."""
    return bytes(sha3.keccak_256(method.encode()).digest()[:4])


@dataclass(frozen=True, slots=True)
class Frame:
    """The argument of ``phat_call``."""

    kind: int
    arguments: bytes = b""
    selector: bytes = bytes(4)
    caller: bytes = b"\xaa" * 20
    program: bytes = b"\xbb" * 32
    origin: bytes = bytes(20)
    request: bytes = bytes(32)
    block: int = 1000
    timestamp: int = 1_700_000_000
    link: int = 7
    position: int = 0
    chain: int = 31337

    def encode(self) -> bytes:
        return (
            struct.pack("<BB", 1, self.kind)
            + self.selector
            + self.caller
            + self.program
            + self.origin
            + self.request
            + struct.pack("<QQQIQ", self.block, self.timestamp, self.link, self.position, self.chain)
            + struct.pack("<I", len(self.arguments))
            + self.arguments
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """The result buffer."""

    status: int
    result: bytes
    events: list[tuple[str, bytes]]

    @property
    def text(self) -> str:
        return self.result.decode()


def parse_reply(data: bytes) -> Reply:
    """Strict: nothing may follow the events."""
    status, length = struct.unpack_from("<BI", data)
    result = data[5 : 5 + length]
    assert len(result) == length
    (count,) = struct.unpack_from("<H", data, 5 + length)
    position, events = 7 + length, []
    for _ in range(count):
        (size,) = struct.unpack_from("<H", data, position)
        name = data[position + 2 : position + 2 + size].decode("ascii")
        position += 2 + size
        (size,) = struct.unpack_from("<I", data, position)
        body = data[position + 4 : position + 4 + size]
        assert len(body) == size
        events.append((name, body))
        position += 4 + size
    assert position == len(data), "bytes after the reply"
    return Reply(status, result, events)
