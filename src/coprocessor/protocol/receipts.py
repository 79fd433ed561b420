"""Receipts: signed state transitions, settled on the chain (PROTOCOL 7.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from coprocessor.codec.eip712 import Domain, StructType
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, RuntimeId, StateRoot

__all__ = ["MAX_SIGNATURES", "Receipt", "SignerCount", "verify_signers"]

MAX_SIGNATURES = 16

_TYPE = StructType(
    "Receipt",
    (
        ("bytes32", "network"),
        ("bytes32", "cluster"),
        ("uint64", "epoch"),
        ("bytes32", "runtime"),
        ("uint64", "from"),
        ("uint64", "to"),
        ("bytes32", "inboxHead"),
        ("bytes32", "previousRoot"),
        ("bytes32", "newRoot"),
        ("bytes32", "outputsRoot"),
        ("uint64", "blockNumber"),
        ("bytes32", "blockHash"),
    ),
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A range of links of one epoch, and what it made of the state.

    Args:
        network: 32 bytes.
        cluster: 32 bytes.
        epoch: of the cluster's keys.
        runtime: 32 bytes.
        first: links settled before this receipt (``from`` on the chain).
        to: links settled after it.
        inbox_head: head of the inbox after ``to`` links.
        previous_root: state root before.
        new_root: state root after.
        outputs_root: over the leaves of every item of the range.
        block_number: of the finalised block under which the head was proven.
        block_hash: of that block.
    """

    network: NetworkId
    cluster: ClusterId
    epoch: int
    runtime: RuntimeId
    first: int
    to: int
    inbox_head: Digest
    previous_root: StateRoot
    new_root: StateRoot
    outputs_root: Digest
    block_number: int
    block_hash: Digest

    def digest(self, chain_id: int, settlement: Address) -> Digest:
        """The EIP-712 digest that an enclave signs."""
        return _TYPE.digest(Domain(chain_id, settlement), *astuple(self))


@dataclass(frozen=True, slots=True)
class SignerCount:
    """Distinct operators that signed, and how many more a quorum needs."""

    signers: tuple[Address, ...]
    missing: int


def verify_signers(
    receipt: Receipt,
    signatures: Sequence[bytes],
    members: Mapping[Address, Address],
    quorum: int,
    chain_id: int,
    settlement: Address,
) -> SignerCount:
    """Who signed, counted once an operator.

    Args:
        receipt: what was signed.
        signatures: 65 bytes each.
        members: signing key -> operator of the cluster's unrevoked members.
        quorum: operators needed.
        chain_id: of the chain.
        settlement: 20 bytes.

    Raises:
        EvidenceRefused: a bad signature, a stranger's, or one operator twice.
    """
    if len(signatures) > MAX_SIGNATURES:
        raise EvidenceRefused("receipt.signatures", f"{len(signatures)} signatures, the limit is {MAX_SIGNATURES}")
    digest = receipt.digest(chain_id, settlement)
    signers: list[Address] = []
    operators: set[Address] = set()
    for signature in signatures:
        signer = recover_address(digest, signature)
        operator = members.get(signer)
        if operator is None:
            raise EvidenceRefused("receipt.signer", f"0x{signer.hex()} is no member of the cluster")
        if operator in operators:
            raise EvidenceRefused("receipt.operator_twice", f"operator 0x{operator.hex()} signed twice")
        operators.add(operator)
        signers.append(signer)
    return SignerCount(tuple(signers), max(0, quorum - len(signers)))
