"""Sealing of compiled code and snapshots, so that they can lie on the host's disk (PROTOCOL 5.8).

Native code that a host could change would run inside the enclave. So it is sealed with AES-256-GCM under a key that
the host
lacks, with the runtime id, the kind and the digest of its source as associated data: an entry opens only as what it was
sealed as. What does not open is a miss, and made again; it is never loaded.

**Source:** NIST SP 800-38D.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import CallerMisuse

__all__ = ["CacheKind", "SealedCache", "cache_name"]

_SALT_BYTES: Final = 32
_NONCE: Final = bytes(12)
_HEADER: Final = b"coprocessor-cache-1\n"


def cache_name(language: str, runtime: bytes) -> str:
    """What a host calls the native code of a language's interpreter for a runtime (32 bytes)."""
    return f"guest-{language}-{runtime[:8].hex()}"


class CacheKind(IntEnum):
    """What an entry holds."""

    COMPILED = 1
    SNAPSHOT = 2


class SealedCache:
    """Seals and opens cache entries; it stores nothing itself.

    Args:
        key: 32 bytes that only this enclave's measurement on this platform can get.
        runtime: the 32-byte runtime id.
    """

    def __init__(self, key: bytes, runtime: bytes) -> None:
        if len(key) != 32 or len(runtime) != 32:
            raise CallerMisuse("sandbox.cache_key", "key and runtime id have 32 bytes each")
        self._key = key
        self._runtime = runtime

    def seal(self, kind: CacheKind, source: bytes, content: bytes, salt: bytes) -> bytes:
        """A sealed entry.

        Args:
            kind: what ``content`` is.
            source: 32 bytes, digest of the code that it was made from.
            content: the bytes to keep.
            salt: 32 fresh random bytes; each entry gets a key of its own from it.
        """
        if len(salt) != _SALT_BYTES:
            raise CallerMisuse("sandbox.cache_salt", f"the salt has {_SALT_BYTES} bytes")
        context = self._context(kind, source)
        return _HEADER + salt + self._cipher(salt, context).encrypt(_NONCE, content, context)

    def open(self, kind: CacheKind, source: bytes, entry: bytes) -> bytes | None:
        """The content of an entry, or None where it is not exactly what ``seal`` made for the same arguments."""
        context = self._context(kind, source)
        start = len(_HEADER) + _SALT_BYTES
        if len(entry) < start or not entry.startswith(_HEADER):
            return None
        try:
            return self._cipher(entry[len(_HEADER) : start], context).decrypt(_NONCE, entry[start:], context)
        except InvalidTag:
            return None

    def __repr__(self) -> str:
        return f"SealedCache(runtime=0x{self._runtime.hex()}, key=redacted)"

    def _context(self, kind: CacheKind, source: bytes) -> bytes:
        if len(source) != 32:
            raise CallerMisuse("sandbox.cache_source", f"a source digest has 32 bytes, not {len(source)}")
        return Label.DISK_CACHE.context(b"", self._runtime, bytes((kind,)), source)

    def _cipher(self, salt: bytes, context: bytes) -> AESGCM:
        return AESGCM(hkdf_derive(self._key, context, 32, salt))
