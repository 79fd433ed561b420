"""Who holds shares of the master key, as the chain proves it.

The members' share keys stand in an event; the contract stores their hash. The event is the node's word, and counts once
it hashes to what a storage proof shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.client.session import Session
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol import layout
from coprocessor.protocol.statements import NO_SHARE
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address

__all__ = ["ProvenShares", "prove_shares"]


@dataclass(frozen=True, slots=True)
class ProvenShares:
    """The present committee under one finalised header.

    Args:
        block: number of that header.
        committee: number of the committee.
        threshold: shares that make the master key.
        members: signing keys, in order.
        holders: of those that were dealt a share.
        revoked: of those that the guardian has ended.
    """

    block: int
    committee: int
    threshold: int
    members: tuple[Address, ...]
    holders: frozenset[Address]
    revoked: frozenset[Address]

    def is_without(self, signer: Address) -> bool:
        """Whether a gatekeeper has no share of this committee and gets none of the next ones."""
        return signer not in self.holders and (signer not in self.members or signer in self.revoked)


async def prove_shares(session: Session) -> ProvenShares:
    """The present committee.

    Raises:
        EvidenceRefused: ``shares.none``: there is no key yet; ``shares.false``: the node's list of share keys is not
            that which the contract recorded; or a proof does not hold.
    """
    gatekeeping, head = session.contracts["Gatekeeping"], await session.chain.refresh()
    topics = [gatekeeping.interface.event("Completed").topic]
    logs = await session.node.logs([gatekeeping.address], topics, 0, head.header.number)
    if not logs:
        raise EvidenceRefused("shares.none", "no committee of this network holds a key yet", next="wait for phat up")
    keys: list[bytes] = gatekeeping.events(logs, "Completed")[-1]["share_keys"]
    names = ("committee", "threshold", "share_keys_hash", "member_count")
    fields = [
        layout.gatekeeping_committee(),
        layout.gatekeeping_threshold(),
        layout.gatekeeping_share_keys_hash(),
        layout.gatekeeping_member_count(),
    ]
    seats = [layout.gatekeeping_member(at, "signer") for at in range(len(keys))]
    proven = await session.chain.prove({"Gatekeeping": [*fields, *seats]}, head)
    value = {name: proven.value("Gatekeeping", slot) for name, slot in zip(names, fields, strict=True)}
    is_recorded = proven.digest("Gatekeeping", fields[2]) == keccak256(b"".join(keys))
    if not is_recorded or value["member_count"] != len(keys):
        raise EvidenceRefused(
            "shares.false",
            "the node's list of share keys is not that which the contract recorded",
            f"{len(keys)} keys, {value['member_count']} members",
            "ask another node (--rpc URL)",
        )
    members = tuple(Address(proven.digest("Gatekeeping", seat)[12:]) for seat in seats)
    marks = {signer: layout.gatekeeping_revoked(signer) for signer in members}
    ended = await session.chain.prove({"Gatekeeping": list(marks.values())}, head)
    return ProvenShares(
        head.header.number,
        value["committee"],
        value["threshold"],
        members,
        frozenset(signer for signer, key in zip(members, keys, strict=True) if key != NO_SHARE),
        frozenset(signer for signer, slot in marks.items() if ended.value("Gatekeeping", slot)),
    )
