"""HKDF with SHA-256.

**Source:** RFC 5869.
"""

from __future__ import annotations

from coprocessor.crypto.hashing import hmac_sha256
from coprocessor.values.errors import CallerMisuse

__all__ = ["hkdf_derive", "hkdf_expand", "hkdf_extract"]

_HASH_LENGTH = 32


def hkdf_extract(salt: bytes, input_key: bytes) -> bytes:
    """A pseudorandom key of 32 bytes."""
    return hmac_sha256(salt or bytes(_HASH_LENGTH), input_key)


def hkdf_expand(pseudorandom_key: bytes, info: bytes, length: int = 32) -> bytes:
    """``length`` bytes (1 to 8,160) bound to ``info``."""
    if not 0 < length <= 255 * _HASH_LENGTH:
        raise CallerMisuse("hkdf.length", f"HKDF gives 1 to {255 * _HASH_LENGTH} bytes, not {length}")
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac_sha256(pseudorandom_key, block + info + bytes((counter,)))
        out += block
        counter += 1
    return out[:length]


def hkdf_derive(input_key: bytes, info: bytes, length: int = 32, salt: bytes = b"") -> bytes:
    """Extract, then expand."""
    return hkdf_expand(hkdf_extract(salt, input_key), info, length)
