"""Guest ABI v1: what crosses between the host and a guest of any language.

All integers are little-endian. The host hands ``phat_call`` one *call frame* and gets one *result buffer* back; both
have exactly one encoding, and every length in them has a named maximum.

**Source:** docs/specification/guest-abi.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, ProgramId, RequestId
from coprocessor.values.limits import (
    MAX_ARGUMENT_BYTES,
    MAX_EVENT_NAME_BYTES,
    MAX_EVENTS,
    MAX_MESSAGE_BYTES,
    MAX_OUTPUT_BYTES,
)

__all__ = [
    "ABI_VERSION",
    "UPGRADE_SELECTOR",
    "CallFrame",
    "CallResult",
    "CallStatus",
    "Event",
    "FrameKind",
    "ResultStatus",
    "compute_selector",
]

ABI_VERSION: Final = 1

_NO_PROGRAM: Final = ProgramId(ZERO_DIGEST)
_NO_REQUEST: Final = RequestId(ZERO_DIGEST)
_FRAME: Final = struct.Struct("<BB4s20s32s20s32sQQQIQI")
_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")


class FrameKind(IntEnum):
    """Why a program is called."""

    LOAD = 0
    """An interpreter loads a source bundle; its memory afterwards is the program's snapshot."""
    INIT = 1
    COMMAND = 2
    QUERY = 3
    REQUEST = 4
    INTERNAL = 5
    """Another program calls."""


class ResultStatus(IntEnum):
    """The status byte that a guest puts first into its result buffer."""

    OK = 0
    REVERTED = 1
    UNKNOWN_METHOD = 2
    BAD_ARGUMENTS = 3


class CallStatus(IntEnum):
    """The status byte that a program gets first from ``phat.call``: the callee's own, or one of the host's."""

    OK = 0
    REVERTED = 1
    UNKNOWN_METHOD = 2
    BAD_ARGUMENTS = 3
    EXHAUSTED = 4
    """The callee met a limit; the output names it."""
    REFUSED = 5
    """The host did not call: the callee is active already, or too many programs are. The output says which."""


def compute_selector(method: str) -> bytes:
    """The first 4 bytes of Keccak-256 of a method's name, which must be ASCII."""
    try:
        return keccak256(method.encode("ascii"))[:4]
    except UnicodeEncodeError as error:
        raise CallerMisuse("abi.method_name", f"a method's name is ASCII, not {method!r}") from error


UPGRADE_SELECTOR: Final = compute_selector("upgrade")
"""Of the command that a cluster itself runs where new code takes the place of old; nobody else calls it."""


@dataclass(frozen=True, slots=True)
class CallFrame:
    """The argument of ``phat_call``.

    Attributes:
        kind: why the program is called.
        selector: 4 bytes naming the method; zero for ``LOAD``.
        caller: 20 bytes, the author or, for an internal call, the last 20 bytes of the calling program's id.
        program: 32 bytes, the called program.
        origin: 20 bytes, the contract that asked (requests), else zero.
        request_id: 32 bytes, zero where there is no request.
        block_number, timestamp: of the link; seconds.
        link, position: the item's place in the inbox.
        chain_id: EIP-155.
        arguments: in the encoding that ``kind`` prescribes, at most MAX_ARGUMENT_BYTES (a source bundle may be longer).
    """

    kind: FrameKind
    selector: bytes
    caller: Address = ZERO_ADDRESS
    program: ProgramId = _NO_PROGRAM
    origin: Address = ZERO_ADDRESS
    request_id: RequestId = _NO_REQUEST
    block_number: int = 0
    timestamp: int = 0
    link: int = 0
    position: int = 0
    chain_id: int = 0
    arguments: bytes = b""

    def __post_init__(self) -> None:
        for name, length in (("selector", 4), ("caller", 20), ("program", 32), ("origin", 20), ("request_id", 32)):
            value = getattr(self, name)
            if len(value) != length:
                raise CallerMisuse("abi.frame_field", f"{name} must be {length} bytes, got {len(value)}")
        for name, bits in (("block_number", 64), ("timestamp", 64), ("link", 64), ("position", 32), ("chain_id", 64)):
            value = getattr(self, name)
            if not 0 <= value < 1 << bits:
                raise CallerMisuse("abi.frame_field", f"{name} must fit into {bits} bits, got {value}")
        if self.kind != FrameKind.LOAD and len(self.arguments) > MAX_ARGUMENT_BYTES:
            raise CallerMisuse(
                "abi.arguments_too_long",
                f"{len(self.arguments)} bytes of arguments, the limit is {MAX_ARGUMENT_BYTES}",
                next="split the call",
            )

    def encode(self) -> bytes:
        """The bytes for ``phat_call``."""
        return (
            _FRAME.pack(
                ABI_VERSION,
                self.kind,
                self.selector,
                self.caller,
                self.program,
                self.origin,
                self.request_id,
                self.block_number,
                self.timestamp,
                self.link,
                self.position,
                self.chain_id,
                len(self.arguments),
            )
            + self.arguments
        )

    @classmethod
    def decode(cls, data: bytes) -> CallFrame:
        """Inverse of ``encode``. Raises MalformedInput for any other bytes."""
        if len(data) < _FRAME.size:
            raise MalformedInput("abi.frame", f"a call frame has at least {_FRAME.size} bytes, got {len(data)}")
        version, kind, selector, caller, program, origin, request_id, *numbers, length = _FRAME.unpack_from(data)
        block_number, timestamp, link, position, chain_id = numbers
        if version != ABI_VERSION:
            raise MalformedInput("abi.frame", f"version {version} is not {ABI_VERSION}")
        if kind not in FrameKind.__members__.values():
            raise MalformedInput("abi.frame", f"kind {kind} is unknown")
        arguments = data[_FRAME.size :]
        if len(arguments) != length or (kind != FrameKind.LOAD and length > MAX_ARGUMENT_BYTES):
            raise MalformedInput("abi.frame", f"{len(arguments)} bytes of arguments, announced were {length}")
        return cls(
            kind=FrameKind(kind),
            selector=selector,
            caller=Address(caller),
            program=ProgramId(program),
            origin=Address(origin),
            request_id=RequestId(request_id),
            block_number=block_number,
            timestamp=timestamp,
            link=link,
            position=position,
            chain_id=chain_id,
            arguments=arguments,
        )


@dataclass(frozen=True, slots=True)
class Event:
    """What a program announces in its output.

    Attributes:
        name: 1 to MAX_EVENT_NAME_BYTES printable ASCII characters.
        data: in the program's native encoding.
        program: the 32 bytes of the program that emitted it; set by the host.
    """

    name: str
    data: bytes
    program: ProgramId = _NO_PROGRAM


@dataclass(frozen=True, slots=True)
class CallResult:
    """A decoded result buffer.

    Attributes:
        status: the guest's own word.
        result: for ``OK`` in the program's encoding, else a message in UTF-8 of at most MAX_MESSAGE_BYTES.
        events: at most MAX_EVENTS.
    """

    status: ResultStatus
    result: bytes = b""
    events: tuple[Event, ...] = ()

    def encode(self) -> bytes:
        """The bytes that a guest would return."""
        parts = [bytes((self.status,)), _U32.pack(len(self.result)), self.result, _U16.pack(len(self.events))]
        for event in self.events:
            name = event.name.encode("ascii")
            parts += [_U16.pack(len(name)), name, _U32.pack(len(event.data)), event.data]
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, maximum: int = MAX_OUTPUT_BYTES) -> CallResult:
        """Strictly decodes what a guest returned.

        Raises:
            MalformedInput: the bytes are not exactly one result buffer.
        """
        if len(data) > maximum:
            raise _bad_result(f"{len(data)} bytes, the limit is {maximum}")
        reader = _Reader(data)
        status = reader.take(1)[0]
        if status not in ResultStatus.__members__.values():
            raise _bad_result(f"status {status} is unknown")
        result = reader.take(reader.number(_U32))
        if status != ResultStatus.OK:
            _check_message(result)
        count = reader.number(_U16)
        if count > MAX_EVENTS:
            raise _bad_result(f"{count} events, the limit is {MAX_EVENTS}")
        events = tuple(_read_event(reader) for _ in range(count))
        if reader.at != len(data):
            raise _bad_result(f"{len(data) - reader.at} bytes after the last event")
        return cls(ResultStatus(status), result, events)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, length: int) -> bytes:
        end = self.at + length
        if end > len(self.data):
            raise _bad_result("it ends inside a field")
        part = self.data[self.at : end]
        self.at = end
        return part

    def number(self, kind: struct.Struct) -> int:
        value: int = kind.unpack(self.take(kind.size))[0]
        return value


def _read_event(reader: _Reader) -> Event:
    name = reader.take(reader.number(_U16))
    if not 0 < len(name) <= MAX_EVENT_NAME_BYTES or not all(0x21 <= byte <= 0x7E for byte in name):
        raise _bad_result(f"an event's name is 1 to {MAX_EVENT_NAME_BYTES} printable ASCII characters")
    return Event(name.decode("ascii"), reader.take(reader.number(_U32)))


def _check_message(message: bytes) -> None:
    if len(message) > MAX_MESSAGE_BYTES:
        raise _bad_result(f"a message of {len(message)} bytes, the limit is {MAX_MESSAGE_BYTES}")
    try:
        message.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad_result("a message that is not UTF-8") from error


def _bad_result(why: str) -> MalformedInput:
    return MalformedInput("abi.result", "the guest's result buffer is malformed", why)
