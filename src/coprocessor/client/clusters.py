"""The clusters of a network: which there are, what terms their owners gave them, and a new one (PROTOCOL 3.1, 8.3)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.chain.deployment import ClusterTerms, new_cluster
from coprocessor.client.session import Session
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol import layout
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import Address, ClusterId, from_hex, to_hex

__all__ = ["ClusterRecord", "choose_cluster", "create", "list_clusters", "look_at_cluster"]

_FIELDS = ("owner", "epoch", "quorum", "fast_quorum", "dispute_window", "open", "runtime", "member_count", "first_open")


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """A cluster as the chain proves it.

    Args:
        id: 32 bytes.
        owner: 20 bytes; raises epochs, removes members, approves those of a closed cluster.
        terms: fixed at its creation.
        members: how many workers.
        epoch: of its keys.
        first_open: the oldest epoch whose keys can still be had.
        links: in its inbox.
        settled: links settled.
    """

    id: ClusterId
    owner: Address
    terms: ClusterTerms
    members: int
    epoch: int
    first_open: int
    links: int
    settled: int


async def list_clusters(session: Session) -> list[ClusterId]:
    """Every cluster that was created, oldest first. A node could leave one out; what it names is there."""
    clusters = session.contracts["Clusters"]
    head = await session.chain.refresh()
    topics = [clusters.interface.event("Created").topic]
    logs = await session.node.logs([clusters.address], topics, 0, head.header.number)
    return [ClusterId(event["cluster"]) for event in clusters.events(logs, "Created")]


async def look_at_cluster(session: Session, cluster: ClusterId) -> ClusterRecord:
    """One cluster.

    Raises:
        CallerMisuse: there is none with this id (``cluster.unknown``).
        CoprocessorError: the node does not answer, or what it shows does not hold.
    """
    slots = {name: layout.cluster_field(cluster, name) for name in _FIELDS}
    links, settled = layout.inbox_count(cluster), layout.settled(cluster, "count")
    proven = await session.chain.prove(
        {"Clusters": list(slots.values()), "Inbox": [links], "Settlement": [settled]}
    )
    value = {name: proven.value("Clusters", slot) for name, slot in slots.items()}
    if not value["epoch"]:
        raise CallerMisuse("cluster.unknown", f"the network has no cluster {to_hex(cluster)}", next="see phat cluster")
    return ClusterRecord(
        id=cluster,
        owner=Address(value["owner"].to_bytes(20, "big")),
        terms=ClusterTerms(
            runtime=value["runtime"].to_bytes(32, "big"),
            quorum=value["quorum"],
            fast_quorum=value["fast_quorum"],
            dispute_window=value["dispute_window"],
            is_open=bool(value["open"]),
        ),
        members=value["member_count"],
        epoch=value["epoch"],
        first_open=value["first_open"],
        links=proven.value("Inbox", links),
        settled=proven.value("Settlement", settled),
    )


async def choose_cluster(session: Session, wanted: str | None) -> ClusterId:
    """The cluster that somebody names, or the only one.

    Args:
        wanted: 0x-prefixed id, or None.

    Raises:
        MalformedInput: that is no id.
        CallerMisuse: nobody names one, and the network has none or several (``cluster.which``).
    """
    if wanted is not None:
        return ClusterId(from_hex(wanted, 32, "cluster"))
    clusters = await list_clusters(session)
    if len(clusters) != 1:
        known = ", ".join(map(to_hex, clusters))
        raise CallerMisuse(
            "cluster.which", f"the network has {len(clusters)} clusters", known, next="name one with --cluster"
        )
    return clusters[0]


async def create(session: Session, author: PrivateKey, terms: ClusterTerms) -> ClusterId:
    """A new cluster, which the author owns.

    Raises:
        TransactionReverted: terms that no cluster can have.
    """
    return await new_cluster(session.sender(author), session.contracts["Clusters"], terms)
