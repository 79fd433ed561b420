"""The gatekeepers as ``Gatekeeping`` lists them: present members, announced ones, and where they say they are reached.

What is read here is the node's word and finds peers; enclaves prove the same slots for themselves, and whoever is
reached must prove who it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coprocessor.chain.contract import Contract
from coprocessor.chain.node import BlockTag
from coprocessor.values.identities import Address, Digest

__all__ = ["ListedMember", "find_endpoints", "read_announced", "read_present"]


@dataclass(frozen=True, slots=True)
class ListedMember:
    """A member of a committee.

    Args:
        operator, signer: 20 bytes each.
        sealing_key: 32 bytes.
        evidence_digest: 32 bytes.
        endpoint: URL, empty where its operator has said none.
        revoked: block in which the guardian ended it; 0 where it stands.
    """

    operator: Address
    signer: Address
    sealing_key: bytes
    evidence_digest: Digest
    endpoint: str
    revoked: int

    @property
    def row(self) -> tuple[Address, Address, bytes, Digest]:
        """The member as the contract's lists hold it."""
        return self.operator, self.signer, self.sealing_key, self.evidence_digest

    @property
    def is_standing(self) -> bool:
        """Whether it is not revoked."""
        return self.revoked == 0


async def read_present(gatekeeping: Contract, tag: BlockTag = "latest") -> tuple[ListedMember, ...]:
    """The present committee, in member order."""
    return await _read(gatekeeping, "members", await gatekeeping.read("member_count", tag=tag), tag)


async def read_announced(gatekeeping: Contract, tag: BlockTag = "latest") -> tuple[ListedMember, ...]:
    """The announced committee, in member order; empty where none is."""
    return await _read(gatekeeping, "next_members", await gatekeeping.read("next_count", tag=tag), tag)


async def find_endpoints(gatekeeping: Contract, hints: Sequence[str] = ()) -> tuple[str, ...]:
    """URLs of the present members that stand, in member order; then those of ``hints``, where one has said none."""
    members = await read_present(gatekeeping)
    found = [member.endpoint for member in members if member.is_standing and member.endpoint]
    if members and len(found) == sum(member.is_standing for member in members):
        return tuple(dict.fromkeys(found))
    revoked = {member.endpoint for member in members if not member.is_standing}
    more = [url.rstrip("/") for url in hints]
    return tuple(dict.fromkeys(found + [url for url in more if url not in revoked]))


async def _read(gatekeeping: Contract, table: str, count: int, tag: BlockTag) -> tuple[ListedMember, ...]:
    return tuple(await asyncio.gather(*(_member(gatekeeping, table, at, tag) for at in range(count))))


async def _member(gatekeeping: Contract, table: str, at: int, tag: BlockTag) -> ListedMember:
    row: list[Any] = await gatekeeping.read(table, at, tag=tag)
    endpoint, revoked = await asyncio.gather(
        gatekeeping.read("endpoints", row[1], tag=tag), gatekeeping.read("revoked", row[1], tag=tag)
    )
    is_url = endpoint.startswith(("http://", "https://")) and endpoint.isprintable()
    operator, signer, sealing_key, evidence_digest = row
    url = endpoint.rstrip("/") if is_url else ""
    return ListedMember(operator, signer, sealing_key, evidence_digest, url, revoked)
