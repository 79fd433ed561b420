"""A host of the guest SDK over a dictionary, held against the real one by the suite that both pass."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable

CallHandler = Callable[[bytes, bytes], bytes]


class FakeHost:
    """What a program may ask for, in plain Python."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.logs: list[tuple[int, str]] = []
        self.writes: list[bytes] = []
        self.seed = bytes(32)
        self.answer_call: CallHandler | None = None
        self._random_calls = 0

    def begin(self) -> None:
        """A new call starts."""
        self.logs.clear()
        self.writes.clear()
        self._random_calls = 0

    def kv_get(self, key: bytes) -> bytes | None:
        return self.state.get(key)

    def kv_set(self, key: bytes, value: bytes) -> None:
        self.writes.append(key)
        self.state[key] = value

    def kv_delete(self, key: bytes) -> None:
        self.writes.append(key)
        self.state.pop(key, None)

    def kv_scan(self, prefix: bytes, start: bytes, limit: int) -> bytes | None:
        page = struct.pack("<I", len(found := self.find(prefix, start, limit)))
        for key, value in found:
            page += struct.pack("<I", len(key)) + key + struct.pack("<I", len(value)) + value
        return page

    def find(self, prefix: bytes, start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        keys = sorted(key for key in self.state if key.startswith(prefix) and (not start or key > start))
        return [(key, self.state[key]) for key in keys[:limit]]

    def log(self, level: int, message: bytes) -> None:
        self.logs.append((level, message.decode()))

    def derive_key(self, purpose: bytes) -> bytes:
        return hashlib.sha256(b"derive" + purpose).digest()

    def sign(self, digest: bytes) -> bytes:
        return hashlib.sha512(digest).digest() + b"\x1b"

    def random(self, count: int) -> bytes:
        self._random_calls += 1
        blocks = [
            hmac.digest(self.seed, struct.pack("<II", self._random_calls, block), "sha256")
            for block in range(count // 32 + 1)
        ]
        return b"".join(blocks)[:count]

    def call(self, program: bytes, input: bytes) -> bytes | None:
        return self.answer_call(program, input) if self.answer_call else None
