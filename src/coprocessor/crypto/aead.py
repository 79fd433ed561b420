"""AES-256-GCM-SIV, and padding to buckets.

Replicas must make equal bytes, so nonces are derived; the cipher must forgive a repeated nonce, hence SIV.

**Source:** RFC 8452.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from coprocessor.values.errors import EvidenceRefused, MalformedInput

__all__ = ["NONCE_LENGTH", "TAG_LENGTH", "SivKey", "pad_to_bucket", "unpad"]

NONCE_LENGTH = 12
TAG_LENGTH = 16
_BUCKETS = (32, 64, 128, 256, 512, 1024, 2048, 4096)


class SivKey:
    """A 32-byte AES-256-GCM-SIV key; prints redacted."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise MalformedInput("aead.key", f"an AES-256 key has 32 bytes, not {len(key)}")
        self._cipher = AESGCMSIV(key)

    def seal(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """Ciphertext and tag: 16 bytes longer than the plaintext."""
        return self._cipher.encrypt(nonce, plaintext, associated_data)

    def open(self, nonce: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        """The plaintext. Raises EvidenceRefused where key, nonce, data or ciphertext differ."""
        try:
            return self._cipher.decrypt(nonce, ciphertext, associated_data)
        except (InvalidTag, ValueError) as error:
            raise EvidenceRefused("aead.open", "the ciphertext does not open with this key and context") from error

    def __repr__(self) -> str:
        return "SivKey(redacted)"


def pad_to_bucket(data: bytes) -> bytes:
    """Length in four bytes, ``data``, zeros up to the next bucket: a power of two from 32 to 4,096 bytes, then
    multiples of 4,096, so that a ciphertext's length tells little (PROTOCOL 5.7)."""
    needed = 4 + len(data)
    size = next((bucket for bucket in _BUCKETS if bucket >= needed), -(-needed // 4096) * 4096)
    return len(data).to_bytes(4, "big") + data + bytes(size - needed)


def unpad(padded: bytes) -> bytes:
    """Inverse of ``pad_to_bucket``. Raises MalformedInput where the padding is not exactly what it makes."""
    length = int.from_bytes(padded[:4], "big")
    data = padded[4 : 4 + length]
    if len(data) != length or pad_to_bucket(data) != padded:
        raise MalformedInput("aead.padding", "the padding is not canonical")
    return data
