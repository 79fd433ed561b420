"""What an enclave binds into its evidence: the network, its operator, its keys and the chain that it follows.

Rules (PROTOCOL 1.2):

1. Report data = SHA-512 of the label's context over every field, each with its length.
2. ``Registry`` stores the one allowed configuration hash; whoever admits MUST require both blocks on its own finalised
   chain.

**Source:** FIPS 180-4.
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.crypto.hashing import sha512
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import address_of
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Address, Digest, checked_address, checked_digest

__all__ = ["REPORT_DATA_LENGTH", "ReportClaims"]

REPORT_DATA_LENGTH = 64


@dataclass(frozen=True, slots=True)
class ReportClaims:
    """The values behind report data.

    Args:
        configuration: 32 bytes, hash of the network's configuration.
        registry: 20 bytes, the contract.
        operator: 20 bytes, who runs the machine.
        signing_key: 33 bytes, the enclave's compressed secp256k1 public key.
        sealing_key: 32 bytes, its X25519 public key.
        checkpoint_hash: 32 bytes, the first header that it took.
        block_hash: 32 bytes, the newest finalised block that it verified.
        block_number: of that block.

    Raises:
        MalformedInput: a length or range differs, or the signing key is no point of the curve.
    """

    configuration: Digest
    registry: Address
    operator: Address
    signing_key: bytes
    sealing_key: bytes
    checkpoint_hash: Digest
    block_hash: Digest
    block_number: int

    def __post_init__(self) -> None:
        checked_digest(self.configuration, "configuration hash")
        checked_address(self.registry, "registry")
        checked_address(self.operator, "operator")
        checked_digest(self.sealing_key, "sealing key")
        checked_digest(self.checkpoint_hash, "checkpoint hash")
        checked_digest(self.block_hash, "block hash")
        if len(self.signing_key) != 33:
            raise MalformedInput(
                "attestation.signing_key", "a compressed public key has 33 bytes", next="send the enclave's own key"
            )
        address_of(self.signing_key)
        if isinstance(self.block_number, bool) or not 0 <= self.block_number < 2**64:
            raise MalformedInput(
                "attestation.block_number", "a block number lies in 0 to 2**64 - 1", next="name a block of the chain"
            )

    @property
    def signer(self) -> Address:
        """The address of the signing key."""
        return address_of(self.signing_key)

    def compute(self) -> bytes:
        """The 64 bytes of report data (rule 1)."""
        return sha512(
            Label.REPORT_DATA.context(
                self.configuration,
                self.registry,
                self.operator,
                self.signer,
                self.signing_key,
                self.sealing_key,
                self.checkpoint_hash,
                self.block_hash,
                self.block_number.to_bytes(8, "big"),
            )
        )
