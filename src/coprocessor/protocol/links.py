"""The inbox as an enclave sees it: links, and their replay to a proven head (PROTOCOL 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Address, ClusterId, Digest

__all__ = ["MAX_ITEMS", "MAX_LINK_PAYLOAD", "Link", "LinkKind", "compute_genesis_head", "compute_head"]

MAX_LINK_PAYLOAD = 114_688
"""Bytes of one link's payload."""

MAX_ITEMS = 1_024
"""Items of one link."""

_TAG = keccak256(b"coprocessor/v1/inbox-link")
_GENESIS_TAG = keccak256(b"coprocessor/v1/inbox-genesis")
_HEAD_TYPES = (
    "bytes32",
    "bytes32",
    "uint256",
    "uint256",
    "address",
    "address",
    "uint256",
    "uint256",
    "uint256",
    "uint256",
    "uint256",
    "bytes32",
    "bytes32",
)


class LinkKind(IntEnum):
    """Constants of the entry points (PROTOCOL 3.1); kinds from 16 on come only from named contracts."""

    SUBMIT = 1
    BATCH = 2
    REQUEST = 3
    EPOCH = 16
    RUNTIME = 17
    SKIP = 18
    ACTION_RESULT = 19
    MEMBER = 20
    INSTANTIATE = 21
    UPGRADE = 22


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of a cluster's inbox.

    Args:
        index: position in the inbox, from 0.
        kind: a ``LinkKind``.
        origin: who called the entry point (20 bytes).
        payer: whose ``Fees`` balance is reserved (20 bytes).
        item_count: items that the payload claims to hold; 0 for system links.
        fuel_limit: sum over the items.
        fee_limit: sum over the items, in wei.
        block_number: of the block that holds it.
        timestamp: of that block, seconds.
        prevrandao: of that block, 32 bytes.
        payload: as the event carried it.
    """

    index: int
    kind: int
    origin: Address
    payer: Address
    item_count: int
    fuel_limit: int
    fee_limit: int
    block_number: int
    timestamp: int
    prevrandao: Digest
    payload: bytes

    def __post_init__(self) -> None:
        if len(self.payload) > MAX_LINK_PAYLOAD:
            raise MalformedInput("link.payload", f"{len(self.payload)} bytes, the limit is {MAX_LINK_PAYLOAD}")


def compute_genesis_head(chain_id: int, inbox: Address, cluster: ClusterId) -> Digest:
    """The head of a cluster's inbox before its first link."""
    return keccak256(abi.encode(["bytes32", "uint256", "address", "bytes32"], [_GENESIS_TAG, chain_id, inbox, cluster]))


def compute_head(head: Digest, link: Link) -> Digest:
    """The head after ``link``, given the one before it."""
    return keccak256(
        abi.encode(
            _HEAD_TYPES,
            (
                _TAG,
                head,
                link.index,
                link.kind,
                link.origin,
                link.payer,
                link.item_count,
                link.fuel_limit,
                link.fee_limit,
                link.block_number,
                link.timestamp,
                link.prevrandao,
                keccak256(link.payload),
            ),
        )
    )
