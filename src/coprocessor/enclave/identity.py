"""The keys an enclave makes for itself at each start: random, attested, never derived, never stored (DESIGN 5)."""

from __future__ import annotations

from collections.abc import Callable

from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.errors import MalformedInput

__all__ = ["EnclaveKeys", "Entropy"]

Entropy = Callable[[int], bytes]
"""Gives that many random bytes; the measured loop reads them inside the boundary (PROTOCOL 2.5)."""


class EnclaveKeys:
    """secp256k1 to sign, X25519 to receive. Prints redacted."""

    __slots__ = ("sealing", "signing")

    def __init__(self, entropy: Entropy) -> None:
        self.signing = _signing_key(entropy)
        self.sealing = SealingKey(entropy(32))

    @classmethod
    def restore(cls, signing: bytes, sealing: bytes) -> EnclaveKeys:
        """The keys with these secrets (32 bytes each), for a gatekeeper that goes on after a restart (PROTOCOL 9.5).

        Raises:
            MalformedInput: a secret that no key has.
        """
        keys = cls.__new__(cls)
        keys.signing, keys.sealing = PrivateKey(signing), SealingKey(sealing)
        return keys

    def __repr__(self) -> str:
        return f"EnclaveKeys(signer=0x{self.signing.address.hex()}, redacted)"


def _signing_key(entropy: Entropy) -> PrivateKey:
    while True:
        try:
            return PrivateKey(entropy(32))
        except MalformedInput:
            continue  # zero or above the group order: once in 2**128
