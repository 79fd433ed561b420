"""secp256k1 keys, recoverable signatures and Ethereum addresses, over libsecp256k1.

Signatures have 65 bytes, ``r || s || v`` with v 27 or 28 and s in the lower half (EIP-2); everything else is refused,
so that a signature has one form.

**Source:** SEC 1 section 4.1; EIP-2; RFC 6979 for nonces.
"""

from __future__ import annotations

import coincurve

from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address

__all__ = ["SIGNATURE_LENGTH", "PrivateKey", "address_of", "recover_address", "recover_public_key"]

SIGNATURE_LENGTH = 65
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class PrivateKey:
    """A secret scalar; prints redacted."""

    __slots__ = ("_key", "address", "public_key")

    def __init__(self, secret: bytes) -> None:
        """
        Args:
            secret: 32 bytes, big-endian, in [1, n-1].

        Raises:
            MalformedInput: not such a scalar.
        """
        try:
            if len(secret) != 32:
                raise ValueError("a secret key has 32 bytes")
            self._key = coincurve.PrivateKey(secret)
        except ValueError as error:
            raise MalformedInput("secp256k1.secret", "the secret key is not usable", str(error)) from error
        self.public_key: bytes = self._key.public_key.format(compressed=True)
        """33 bytes, compressed."""
        self.address: Address = address_of(self.public_key)

    def sign(self, digest: bytes) -> bytes:
        """65 bytes ``r || s || v`` over a 32-byte digest."""
        if len(digest) != 32:
            raise MalformedInput("secp256k1.digest", f"a digest has 32 bytes, not {len(digest)}")
        raw: bytes = self._key.sign_recoverable(digest, hasher=None)
        return raw[:64] + bytes((raw[64] + 27,))

    @property
    def secret(self) -> bytes:
        """The 32 bytes of the scalar; MUST NOT be logged or stored in clear."""
        secret: bytes = self._key.secret
        return secret

    def __repr__(self) -> str:
        return f"PrivateKey(address=0x{self.address.hex()}, secret=redacted)"


def address_of(public_key: bytes) -> Address:
    """The Ethereum address of a public key (33 or 65 bytes)."""
    try:
        return _address(coincurve.PublicKey(public_key))
    except ValueError as error:
        raise MalformedInput("secp256k1.public_key", "not a point of the curve", str(error)) from error


def recover_public_key(digest: bytes, signature: bytes) -> bytes:
    """The public key (33 bytes) that made ``signature`` over ``digest``.

    Raises:
        EvidenceRefused: malformed, malleable (high s), or no such key.
    """
    compressed: bytes = _recover(digest, signature).format(compressed=True)
    return compressed


def recover_address(digest: bytes, signature: bytes) -> Address:
    """The address that made ``signature`` over ``digest``. Raises EvidenceRefused."""
    return _address(_recover(digest, signature))


def _address(key: coincurve.PublicKey) -> Address:
    return Address(keccak256(key.format(compressed=False)[1:])[12:])


def _recover(digest: bytes, signature: bytes) -> coincurve.PublicKey:
    if len(signature) != SIGNATURE_LENGTH or signature[64] not in (27, 28):
        raise EvidenceRefused("signature.malformed", "a signature has 65 bytes and ends in 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise EvidenceRefused("signature.malleable", "the signature's s is in the upper half (EIP-2)")
    raw = signature[:64] + bytes((signature[64] - 27,))
    try:
        return coincurve.PublicKey.from_signature_and_message(raw, digest, hasher=None)
    except Exception as error:  # the binding raises bare Exception
        raise EvidenceRefused("signature.invalid", "no key made this signature", str(error)) from error
