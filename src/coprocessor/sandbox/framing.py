"""Length-prefixed frames on a stream socket: four bytes, big-endian, then so many bytes."""

from __future__ import annotations

import socket

from coprocessor.values.errors import MalformedInput

__all__ = ["read_frame", "write_frame"]

_PREFIX_BYTES = 4


def read_frame(channel: socket.socket, maximum: int) -> bytes | None:
    """The next frame, or None where the peer has closed between two frames.

    Raises:
        MalformedInput: a frame longer than ``maximum``.
        EOFError: the peer closed inside a frame.
        OSError: the socket failed.
    """
    prefix = _read_exactly(channel, _PREFIX_BYTES, may_end=True)
    if prefix is None:
        return None
    length = int.from_bytes(prefix, "big")
    if length > maximum:
        raise MalformedInput("frame.too_long", f"a frame of {length} bytes, the limit is {maximum}")
    return _read_exactly(channel, length, may_end=False)


def write_frame(channel: socket.socket, data: bytes) -> None:
    """Sends one frame. Raises OSError."""
    channel.sendall(len(data).to_bytes(_PREFIX_BYTES, "big"))
    channel.sendall(data)


def _read_exactly(channel: socket.socket, length: int, may_end: bool) -> bytes | None:
    buffer = bytearray(length)
    view = memoryview(buffer)
    done = 0
    while done < length:
        count = channel.recv_into(view[done:])
        if count == 0:
            if may_end and done == 0:
                return None
            raise EOFError("the peer closed the channel inside a message")
        done += count
    return bytes(buffer)
