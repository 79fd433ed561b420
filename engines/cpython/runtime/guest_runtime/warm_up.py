"""A fixed contract that is loaded and called while the guest is built.

It makes the interpreter specialise the code that every call runs and fills caches, so that calls of real programs
touch fewer pages of the image. It uses no host: its state is a dictionary.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

from phat import Address, Contract, Digest, Event, Map, Uint256, canonical, command, frames, query, request
from phat.dispatch import Dispatcher
from phat.keccak import selector
from phat.program import compile_contract

_ROUNDS = 20
_CALLER = b"\x11" * 20
_PROGRAM = b"\x22" * 32


class _Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass
class _Entry:
    who: Address
    amount: Uint256
    colour: _Colour
    tags: list[str]


class _Changed(Event):
    key: str
    amount: int


class _Sample(Contract):
    owner: Address
    total: int = 0
    ratio: float = 0.5
    note: str | None = None
    names: dict[str, int] = {}  # noqa: RUF012 - a field's default is copied, never shared
    entries: Map[str, _Entry]
    balances: Map[Address, Uint256]

    def init(self, owner: Address) -> None:
        self.owner = owner

    @command
    def put(self, key: str, amount: Uint256, data: bytes, pair: tuple[int, bool]) -> int:
        self.entries[key] = _Entry(self.env.caller, amount, _Colour.BLUE, [key])
        self.balances[self.env.caller] = self.balances.get(self.env.caller, 0) + amount
        self.entries[key].amount += 1
        self.total += amount
        self.ratio = self.total / 3
        self.names[key] = pair[0]
        self.note = data.hex()
        self.emit(_Changed(key, amount))
        return self.total

    @query
    def show(self) -> list[_Entry]:
        return [entry for _, entry in self.entries.items()]

    @query
    def fail(self) -> None:
        raise ValueError("sample")

    @request
    def ask(self, amount: Uint256, key: str) -> tuple[Uint256, Digest]:
        return amount + len(self.entries), Digest()


class _Memory:
    """A host with a dictionary and nothing else."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}

    def kv_get(self, key: bytes) -> bytes | None:
        return self.state.get(key)

    def kv_set(self, key: bytes, value: bytes) -> None:
        self.state[key] = value

    def kv_delete(self, key: bytes) -> None:
        self.state.pop(key, None)

    def kv_scan(self, prefix: bytes, start: bytes, limit: int) -> bytes | None:
        found = sorted(key for key in self.state if key.startswith(prefix) and key > start)[:limit]
        page = struct.pack("<I", len(found))
        for key in found:
            page += struct.pack("<I", len(key)) + key + struct.pack("<I", len(self.state[key])) + self.state[key]
        return page

    def log(self, level: int, message: bytes) -> None:
        pass

    def derive_key(self, purpose: bytes) -> bytes | None:
        return bytes(32)

    def sign(self, digest: bytes) -> bytes | None:
        return bytes(65)

    def random(self, count: int) -> bytes | None:
        return bytes(count)

    def call(self, program: bytes, input: bytes) -> bytes | None:
        return None


def warm_up() -> None:
    """Loads the sample contract and calls each of its methods ``_ROUNDS`` times.

    Raises:
        RuntimeError: if one of them does not answer as it must; the build then fails.
    """
    program = compile_contract(_Sample, [_Changed])
    dispatcher = Dispatcher(program, _Memory(), frozenset())
    put = canonical.encode(["some key", 12345, "0xabcd", [1, True]])
    ask = (7).to_bytes(32) + (64).to_bytes(32) + (3).to_bytes(32) + b"abc".ljust(32, b"\0")
    calls = [
        (frames.INIT, "init", canonical.encode(["0x" + "ab" * 20]), frames.OK),
        (frames.COMMAND, "put", put, frames.OK),
        (frames.QUERY, "show", b"[]", frames.OK),
        (frames.QUERY, "fail", b"[]", frames.REVERTED),
        (frames.QUERY, "show", b"[1]", frames.BAD_ARGUMENTS),
        (frames.REQUEST, "ask", ask, frames.OK),
    ]
    for _ in range(_ROUNDS):
        for kind, method, arguments, status in calls:
            header = struct.pack("<BB", 1, kind) + selector(method) + _CALLER + _PROGRAM + bytes(52)
            header += struct.pack("<QQQIQI", 1, 2, 3, 4, 5, len(arguments))
            reply = dispatcher.handle(frames.parse_frame(header + arguments))
            if reply[0] != status:
                raise RuntimeError(f"the sample contract's {method} answered {reply!r}")
