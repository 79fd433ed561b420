"""HPKE, base mode: X25519, HKDF-SHA256, ChaCha20Poly1305, one message.

A sealed message is the encapsulated key (32 bytes), then the ciphertext with its tag (16 bytes): 48 bytes of overhead.
There is no associated data; everything that a message is bound to stands in ``info`` (PROTOCOL 4.1).

**Source:** RFC 9180, sections 5 and 6.1.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from coprocessor.values.errors import EvidenceRefused, MalformedInput

__all__ = ["KEY_LENGTH", "OVERHEAD", "SealingKey", "seal"]

KEY_LENGTH = 32
OVERHEAD = 48


def _suite() -> hpke.Suite:
    return hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


class SealingKey:
    """An X25519 secret that opens what was sealed to its public key; prints redacted."""

    __slots__ = ("_key", "_suite", "public_key")

    def __init__(self, secret: bytes) -> None:
        """
        Args:
            secret: 32 bytes; clamped as RFC 7748 says.
        """
        if len(secret) != KEY_LENGTH:
            raise MalformedInput("hpke.secret", f"an X25519 secret has 32 bytes, not {len(secret)}")
        self._key = X25519PrivateKey.from_private_bytes(secret)
        self._suite = _suite()
        self.public_key: bytes = self._key.public_key().public_bytes_raw()
        """32 bytes."""

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """The message inside ``sealed``.

        Raises:
            EvidenceRefused: sealed to another key or with another ``info``, or altered.
        """
        if len(sealed) < OVERHEAD:
            raise EvidenceRefused("hpke.open", "the sealed message is too short")
        try:
            return self._suite.decrypt(sealed, self._key, info=info)
        except (InvalidTag, ValueError) as error:
            raise EvidenceRefused("hpke.open", "the sealed message does not open with this key and context") from error

    @property
    def secret(self) -> bytes:
        """The 32 secret bytes; MUST NOT be logged or stored in clear."""
        return self._key.private_bytes_raw()

    def __repr__(self) -> str:
        return f"SealingKey(public_key=0x{self.public_key.hex()}, secret=redacted)"


def seal(message: bytes, public_key: bytes, info: bytes) -> bytes:
    """``message`` sealed to an X25519 public key (32 bytes) and bound to ``info``; fresh entropy each time.

    Raises:
        MalformedInput: the public key is not usable.
    """
    if len(public_key) != KEY_LENGTH:
        raise MalformedInput("hpke.public_key", f"an X25519 public key has 32 bytes, not {len(public_key)}")
    try:
        return _suite().encrypt(message, X25519PublicKey.from_public_bytes(public_key), info=info)
    except ValueError as error:
        raise MalformedInput("hpke.public_key", "the public key is not usable", str(error)) from error
