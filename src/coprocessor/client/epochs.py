"""Epochs of a cluster's keys as the chain proves them, and raising one (PROTOCOL 8.3, 8.4)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.chain.development import development_keys
from coprocessor.client.session import Session
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol import layout
from coprocessor.protocol.closing import closing_seconds
from coprocessor.values.errors import CallerMisuse, CoprocessorError
from coprocessor.values.identities import ClusterId, Digest, to_hex

__all__ = ["ClusterEpochs", "EpochRecord", "look_at_epochs", "owner_key", "raise_epoch"]

_MAX_SHOWN = 64


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch: its number, its first link, when it began (seconds since 1970), whether its keys can still be had."""

    epoch: int
    start: int
    raised: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class ClusterEpochs:
    """A cluster's epochs.

    Args:
        cluster: 32 bytes.
        epochs: the newest ones, oldest first.
        present: the one whose keys write now.
        first_open: the oldest that is not closed.
        now: timestamp of the block under which all of it is proven, seconds since 1970.
        closing: seconds that older epochs may stay open without an alarm (PROTOCOL 8.4).
        missing: what keeps older epochs open, in the words of members that answer: (worker's URL, code, what).
        boundary_links: links after which the closed ones ended; 0 while none is closed.
        checkpoint: 32 bytes, of the state then; zero while none is closed.
    """

    cluster: ClusterId
    epochs: tuple[EpochRecord, ...]
    present: int
    first_open: int
    now: int
    closing: int
    missing: tuple[tuple[str, str, str], ...]
    boundary_links: int
    checkpoint: Digest

    @property
    def due(self) -> int | None:
        """By when the older epochs should be closed, seconds since 1970; None where none is open."""
        if self.first_open >= self.present:
            return None
        began = next((one.raised for one in self.epochs if one.epoch == self.first_open + 1), self.epochs[0].raised)
        return began + self.closing

    @property
    def is_overdue(self) -> bool:
        """An older epoch has been open for too long: the alarm."""
        return self.due is not None and self.now > self.due


async def look_at_epochs(session: Session, cluster: ClusterId) -> ClusterEpochs:
    """All of it under one finalised block. Raises CallerMisuse where there is no such cluster (``cluster.unknown``)."""
    fields = {name: layout.cluster_field(cluster, name) for name in ("epoch", "first_open")}
    ended = {name: layout.cluster_boundary(cluster, name) for name in ("count", "checkpoint")}
    proven = await session.chain.prove({"Clusters": [*fields.values(), *ended.values()]})
    present, first_open = (proven.value("Clusters", fields[name]) for name in ("epoch", "first_open"))
    if present == 0:
        raise CallerMisuse("cluster.unknown", f"the network has no cluster {to_hex(cluster)}", next="see phat cluster")
    numbers = range(max(1, present - _MAX_SHOWN + 1), present + 1)
    slots = {
        (epoch, name): layout.cluster_epoch(cluster, epoch, name) for epoch in numbers for name in ("start", "raised")
    }
    records = await session.chain.prove({"Clusters": list(slots.values())}, proven.head)
    return ClusterEpochs(
        cluster,
        tuple(
            EpochRecord(
                epoch,
                records.value("Clusters", slots[epoch, "start"]),
                records.value("Clusters", slots[epoch, "raised"]),
                epoch >= first_open,
            )
            for epoch in numbers
        ),
        present,
        first_open,
        proven.head.header.timestamp,
        closing_seconds(session.target.network.configuration),
        await _missing(session, cluster) if first_open < present else (),
        proven.value("Clusters", ended["count"]),
        Digest(proven.digest("Clusters", ended["checkpoint"])),
    )


async def _missing(session: Session, cluster: ClusterId) -> tuple[tuple[str, str, str], ...]:
    """What members say keeps older epochs open; who does not answer says nothing."""
    found = []
    for member in await session.workers.members(cluster):
        try:
            ending = (await session.workers.api.status(member.url)).get("ending")
        except CoprocessorError as error:
            found.append((member.url, error.code, error.what))
            continue
        missing = ending.get("missing") if isinstance(ending, dict) else None
        if isinstance(missing, dict):
            code, what = (str(missing.get(name, ""))[:200] for name in ("code", "what"))
            found.append((member.url, code, what))
    return tuple(found)


async def owner_key(session: Session, cluster: ClusterId) -> PrivateKey | None:
    """The cluster owner's key, where that is one of the development chain's public ones; else None."""
    owner = (await session.contracts["Clusters"].read("clusters", cluster))[0]
    return next((key for key in development_keys() if key.address == owner), None)


async def raise_epoch(session: Session, cluster: ClusterId, author: PrivateKey) -> int:
    """Gives a cluster new keys from the next link on; the new epoch.

    Raises:
        TransactionReverted: the author is neither the cluster's owner nor the guardian, or too many epochs are open.
    """
    clusters = session.contracts["Clusters"]
    sent = await session.sender(author).send(clusters.address, clusters.encode("raise_epoch", cluster))
    raised = clusters.events(sent.logs, "EpochRaised")
    return int(raised[0]["epoch"])
