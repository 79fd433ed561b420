"""SHA-256, SHA-512 and Keccak-256.

**Source:** FIPS 180-4; Keccak-256 as Ethereum uses it (the original padding, not FIPS 202).
"""

from __future__ import annotations

import hashlib
import hmac

import sha3

from coprocessor.values.identities import Digest

__all__ = ["hmac_sha256", "keccak256", "sha256", "sha512"]


def keccak256(data: bytes) -> Digest:
    """Keccak-256 of ``data``, 32 bytes."""
    return Digest(sha3.keccak_256(data).digest())


def sha256(data: bytes) -> Digest:
    """SHA-256 of ``data``, 32 bytes."""
    return Digest(hashlib.sha256(data).digest())


def sha512(data: bytes) -> bytes:
    """SHA-512 of ``data``, 64 bytes."""
    return hashlib.sha512(data).digest()


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256, 32 bytes. **Source:** RFC 2104."""
    return hmac.digest(key, data, "sha256")
