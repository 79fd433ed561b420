"""What a call knows and can ask for: ``self.env``."""

from __future__ import annotations

import random
from typing import Any, Literal

from phat import canonical
from phat.errors import CallFailed, Error
from phat.events import Event, encode_event
from phat.frames import Frame
from phat.host import Host
from phat.keccak import selector
from phat.limits import MAX_EVENT_NAME_BYTES, MAX_EVENTS, MAX_PURPOSE_BYTES, MAX_RANDOM_BYTES
from phat.plain import to_plain
from phat.store import Store
from phat.types import Address, Digest

__all__ = ["Environment"]

_LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_STATUS_WORDS = {1: "reverted", 2: "has no such method", 3: "refused the arguments"}
_OK = 0
_PROGRAM_BYTES = 32
_DIGEST_BYTES = 32


class Environment:
    """The surroundings of the call that is running."""

    __slots__ = ("_frame", "_host", "_random", "_store", "events")

    _frame: Frame

    def __init__(self, host: Host, store: Store) -> None:
        self._host = host
        self._store = store
        self._random: random.Random | None = None
        self.events: list[tuple[str, bytes]] = []

    def begin(self, frame: Frame) -> None:
        """Takes over a frame's header."""
        self._frame = frame
        self._random = None
        self.events.clear()

    @property
    def caller(self) -> Address:
        """Who asked: the author of a command, the asker of a query, zeros when unknown."""
        return Address(self._frame.caller)

    @property
    def program(self) -> Digest:
        """This program's id."""
        return Digest(self._frame.program)

    @property
    def origin(self) -> Address:
        """The contract that made a request, else zeros."""
        return Address(self._frame.origin)

    @property
    def request_id(self) -> Digest:
        """The request's id, else zeros."""
        return Digest(self._frame.request_id)

    @property
    def block_number(self) -> int:
        """Block of the inbox link; in a query, the block that the worker had seen."""
        return self._frame.block_number

    @property
    def timestamp(self) -> int:
        """That block's time, in seconds since 1970."""
        return self._frame.timestamp

    @property
    def link(self) -> int:
        """Index of the inbox link that holds the command."""
        return self._frame.link

    @property
    def position(self) -> int:
        """The command's place in its link."""
        return self._frame.position

    @property
    def chain_id(self) -> int:
        """The chain that orders the commands."""
        return self._frame.chain_id

    def random_bytes(self, count: int) -> bytes:
        """``count`` (1 to 1,024) bytes that nobody outside the enclaves can foretell, and all replicas agree on."""
        if not 1 <= count <= MAX_RANDOM_BYTES:
            raise ValueError(f"random_bytes takes 1 to {MAX_RANDOM_BYTES}, got {count}")
        return self._expect(self._host.random(count), "random bytes")

    def random(self) -> random.Random:
        """A generator seeded by ``random_bytes``; one per call."""
        if self._random is None:
            self._random = random.Random(self.random_bytes(32))
        return self._random

    def derive_key(self, purpose: str) -> bytes:
        """32 secret bytes that belong to this program and ``purpose``; equal in each call of an epoch."""
        encoded = purpose.encode()
        if len(encoded) > MAX_PURPOSE_BYTES:
            raise ValueError(f"a purpose has at most {MAX_PURPOSE_BYTES} bytes, got {len(encoded)}")
        return self._expect(self._host.derive_key(encoded), "derived keys")

    def sign(self, digest: bytes) -> bytes:
        """The program account's signature of a 32-byte digest: 65 bytes r, s, v. Queries sign with another key."""
        if len(digest) != _DIGEST_BYTES:
            raise ValueError(f"sign takes a digest of {_DIGEST_BYTES} bytes, got {len(digest)}")
        return self._expect(self._host.sign(bytes(digest)), "signatures")

    def call(self, program: Digest | bytes | str, method: str, *arguments: Any) -> Any:
        """Calls a method of another Python program, and returns its result as plain JSON values.

        Addresses and bytes are passed and returned as ``0x…`` text. What this call has changed so far is visible
        to the other program.

        Raises:
            CallFailed: if the other program did not succeed; its own changes are undone.
        """
        output = self.call_raw(program, selector(method) + canonical.encode(to_plain(list(arguments))), method)
        return canonical.decode(output) if output else None

    def call_raw(self, program: Digest | bytes | str, data: bytes, method: str = "") -> bytes:
        """Calls another program with selector and arguments in its own encoding; returns its output.

        Raises:
            CallFailed: if the other program did not succeed.
        """
        target = Digest(program)
        if not self._store.read_only:
            self._store.flush()
        answer = self._expect(self._host.call(bytes(target), data), "calls to other programs")
        status, output = answer[0], answer[1:]
        if status != _OK:
            word = _STATUS_WORDS.get(status, f"failed with status {status}")
            text = output.decode(errors="replace")
            raise CallFailed(f"program {target} {method} {word}: {text}".replace("  ", " "), status, output)
        return output

    def emit(self, event: Event | str, /, **fields: Any) -> None:
        """Puts an event into the call's output: an ``Event``, or a name with its fields."""
        name, data = encode_event(event, fields)
        if len(self.events) >= MAX_EVENTS:
            raise Error(f"at most {MAX_EVENTS} events can be emitted in a call")
        if not name.isidentifier() or not name.isascii() or len(name) > MAX_EVENT_NAME_BYTES:
            raise ValueError(f"an event's name is an ASCII identifier of at most {MAX_EVENT_NAME_BYTES}, got {name!r}")
        self.events.append((name, data))

    def log(self, *values: object, level: Literal["debug", "info", "warning", "error"] = "info") -> None:
        """Writes a line to the program's log, which only those see who may see its outputs."""
        self._host.log(_LEVELS[level], " ".join(str(value) for value in values).encode(errors="replace"))

    @staticmethod
    def _expect(answer: bytes | None, what: str) -> bytes:
        if answer is None:
            raise Error(f"{what} are not available in this kind of call")
        return answer
