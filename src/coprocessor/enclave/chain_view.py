"""What an enclave believes of the chain: finalised headers, and proven slots of the network's contracts.

Rules enforced:
1. headers count only by their source (PROTOCOL 2.1, ``headers.sealed``);
2. a contract's address and code hash are those of the configuration (PROTOCOL 1.3);
3. a slot's value is proven under the state root of a header on the verified chain, and a newer proof replaces an older
   one, never the reverse (PROTOCOL 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.attestation.report_data import ReportClaims
from coprocessor.enclave.identity import EnclaveKeys
from coprocessor.enclave.messages import AccountProof, ChainProof, Headers
from coprocessor.headers.chain import VerifiedChain
from coprocessor.headers.header import Header
from coprocessor.headers.proofs import verify_account, verify_slot
from coprocessor.headers.sealed import SealedSource
from coprocessor.protocol.genesis import compute_configuration_hash
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address
from coprocessor.values.network import CONTRACT_NAMES, NetworkConfiguration

__all__ = ["MAX_SLOTS", "ChainView", "ProvenValue"]

MAX_SLOTS = 512
"""Slots in one ``ChainProof``."""

MAX_REMEMBERED = 65_536
"""Slots whose values are remembered at once."""


@dataclass(frozen=True, slots=True)
class ProvenValue:
    """A slot's 256-bit value at a finalised block."""

    block_number: int
    value: int


class ChainView:
    """The verified chain and the slots proven under it."""

    def __init__(self, configuration: NetworkConfiguration) -> None:
        self._configuration = configuration
        self._chain = VerifiedChain(SealedSource(configuration.chain_id, configuration.sealers))
        self._slots: dict[tuple[str, bytes], ProvenValue] = {}
        self._checkpoint: Header | None = None

    @property
    def configuration(self) -> NetworkConfiguration:
        """The network's."""
        return self._configuration

    @property
    def head(self) -> Header:
        """The newest finalised header.

        Raises:
            EvidenceRefused: no header came yet.
        """
        head = self._chain.head
        if head is None:
            raise EvidenceRefused("headers.none", "no finalised header is known yet", next="send headers first")
        return head

    @property
    def checkpoint(self) -> Header:
        """The last header of the first segment, where this enclave's view begins (PROTOCOL 1.2)."""
        if self._checkpoint is None:
            raise EvidenceRefused("headers.none", "no finalised header is known yet", next="send headers first")
        return self._checkpoint

    def header(self, number: int) -> Header | None:
        """The finalised header at ``number`` while it is remembered."""
        return self._chain.header(number)

    def is_known(self, number: int, block_hash: bytes) -> bool:
        """Whether this block is on the verified chain, as far back as it is remembered or the checkpoint."""
        if self._checkpoint is not None and number == self._checkpoint.number:
            return self._checkpoint.hash == block_hash
        header = self._chain.header(number)
        return header is not None and header.hash == block_hash

    def claims(self, operator: Address, keys: EnclaveKeys) -> ReportClaims:
        """What this enclave's evidence must bind (PROTOCOL 1.2). Raises EvidenceRefused before the first header."""
        head = self.head
        return ReportClaims(
            configuration=compute_configuration_hash(self._configuration),
            registry=self._configuration.contract("Registry").address,
            operator=operator,
            signing_key=keys.signing.public_key,
            sealing_key=keys.sealing.public_key,
            checkpoint_hash=self.checkpoint.hash,
            block_hash=head.hash,
            block_number=head.number,
        )

    def timestamp(self, number: int) -> int:
        """Timestamp of a block that ``is_known``, seconds."""
        if self._checkpoint is not None and number == self._checkpoint.number:
            return self._checkpoint.timestamp
        header = self._chain.header(number)
        if header is None:
            raise EvidenceRefused("headers.forgotten", f"block {number} is not remembered", next="name a newer block")
        return header.timestamp

    def extend(self, message: Headers) -> Header:
        """Takes a segment of headers. Raises EvidenceRefused or MalformedInput."""
        head = self._chain.extend(message.headers, message.seals)
        if self._checkpoint is None:
            self._checkpoint = head
        return head

    def accept(self, message: ChainProof) -> None:
        """Verifies every proof of the message, then remembers all its values, or none.

        Raises:
            EvidenceRefused: a proof does not hold, a contract is not the network's, or the block is unknown.
            MalformedInput: too many slots, or unknown contracts.
        """
        header = self._chain.header(message.block_number)
        if header is None:
            raise EvidenceRefused(
                "proof.unknown_block",
                f"block {message.block_number} is not on the verified chain",
                next="send its header first, or prove under a newer block",
            )
        if sum(len(account.slots) for account in message.accounts) > MAX_SLOTS:
            raise MalformedInput("proof.slots", f"a proof message holds at most {MAX_SLOTS} slots")
        values: dict[tuple[str, bytes], int] = {}
        for account in message.accounts:
            values.update(self._verify(header, account))
        if len(self._slots) + len(values) > MAX_REMEMBERED:
            raise MalformedInput("proof.remembered", f"more than {MAX_REMEMBERED} slots would be remembered")
        for key, value in values.items():
            known = self._slots.get(key)
            if known is None or known.block_number <= header.number:
                self._slots[key] = ProvenValue(header.number, value)

    def slot(self, contract: str, slot: bytes) -> ProvenValue:
        """The newest proven value of a slot (32 bytes).

        Raises:
            EvidenceRefused: it was never proven.
        """
        proven = self._slots.get((contract, slot))
        if proven is None:
            raise EvidenceRefused(
                "proof.missing",
                f"slot 0x{slot.hex()} of {contract} has not been proven",
                next="send a ChainProof for it",
            )
        return proven

    def has(self, contract: str, slot: bytes) -> bool:
        """Whether the slot was proven."""
        return (contract, slot) in self._slots

    def value(self, contract: str, slot: bytes) -> int:
        """``slot(...).value``."""
        return self.slot(contract, slot).value

    def digest(self, contract: str, slot: bytes) -> bytes:
        """The slot's value as 32 bytes."""
        return self.value(contract, slot).to_bytes(32, "big")

    def address(self, contract: str, slot: bytes) -> Address:
        """The slot's value as an address. Raises EvidenceRefused where it is wider."""
        value = self.value(contract, slot)
        if value >> 160:
            raise EvidenceRefused("proof.address", f"slot 0x{slot.hex()} of {contract} holds no address")
        return Address(value.to_bytes(20, "big"))

    def _verify(self, header: Header, account: AccountProof) -> dict[tuple[str, bytes], int]:
        if account.contract not in CONTRACT_NAMES:
            raise MalformedInput("proof.contract", f"{account.contract!r} is no contract of a network")
        identity = self._configuration.contract(account.contract)
        proven = verify_account(header.state_root, identity.address, account.nodes)
        if proven.code_hash != identity.code_hash:
            raise EvidenceRefused(
                "proof.code_hash",
                f"{account.contract} at 0x{identity.address.hex()} has code 0x{proven.code_hash.hex()}",
                f"the network's configuration says 0x{identity.code_hash.hex()}",
                "this is another network",
            )
        return {
            (account.contract, item.slot): verify_slot(proven.storage_root, item.slot, item.nodes)
            for item in account.slots
        }
