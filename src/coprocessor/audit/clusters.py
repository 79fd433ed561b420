"""Clusters and their inboxes: members, links, epochs and boundaries (PROTOCOL 3.1, 7.1, 8.3, 8.4).

Rules:
1. Links replay from the inbox's genesis, one after the other, with the time and randomness of their blocks.
2. Members are admitted, unrevoked, unexpired workers in one cluster each.
3. Epochs follow one another, each from a link of its own, which names the cluster's terms and runtime (PROTOCOL 12).
4. A boundary is a settled state at a replayed head, signed by a quorum of members; operators outside the cluster hold
   its checkpoint.
"""

from __future__ import annotations

from typing import Any, Final

from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.signatures import check_members, signatures_of, signers_of
from coprocessor.audit.state import AuditState, ClusterHistory, EpochHistory, LinkSize, Membership
from coprocessor.protocol.items import decode_items
from coprocessor.protocol.links import Link, LinkKind, compute_genesis_head, compute_head
from coprocessor.protocol.statements import ROLE_WORKER, Boundary, HeldRecord
from coprocessor.protocol.system import decode_epoch
from coprocessor.protocol.terms import has_ended
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, StateRoot, WorkerId

__all__ = ["cluster_of", "on_closed", "on_created", "on_joined", "on_link", "on_raised", "on_removed"]

CLUSTERS: Final = "clusters"
MEMBERSHIPS: Final = "memberships"
INBOX: Final = "inbox links"
EPOCHS: Final = "epochs"
BOUNDARIES: Final = "boundaries"


def cluster_of(state: AuditState, event: Event) -> ClusterHistory:
    """The cluster that an event names. Raises EvidenceRefused ``audit.cluster``."""
    found = state.clusters.get(ClusterId(event["cluster"]))
    if found is None:
        raise falsehood("audit.cluster", f"{event.name} names a cluster that nobody created", "PROTOCOL 8.3")
    return found


def on_created(state: AuditState, event: Event) -> None:
    """A cluster begins."""
    cluster = ClusterId(event["cluster"])
    if cluster in state.clusters:
        raise falsehood("audit.cluster", f"cluster 0x{cluster.hex()} was created twice", "PROTOCOL 3.1")
    chain_id, inbox = state.network.configuration.chain_id, state.address("Inbox")
    state.clusters[cluster] = ClusterHistory(
        cluster=cluster,
        owner=Address(event["owner"]),
        quorum=event["quorum"],
        fast_quorum=event["fast_quorum"],
        dispute_window=event["dispute_window"],
        open=event["open"],
        runtime=Digest(event["runtime"]),
        created=state.now,
        head=compute_genesis_head(chain_id, inbox, cluster),
    )
    state.counts[CLUSTERS] += 1


def on_joined(state: AuditState, event: Event) -> None:
    """A worker becomes a member (rule 2). Raises EvidenceRefused ``audit.member``."""
    cluster, worker = cluster_of(state, event), WorkerId(event["worker"])
    record = state.workers.get(worker)
    name = f"worker 0x{worker.hex()} joined in block {state.now.number}"
    if record is None or record.live.role != ROLE_WORKER or record.live.operator != event["operator"]:
        raise falsehood("audit.member", f"{name} without being admitted", "PROTOCOL 7.1")
    if state.is_revoked(record) or has_ended(record.live.expires, state.now.timestamp):
        raise falsehood("audit.member", f"{name} although it was revoked or expired", "PROTOCOL 7.1")
    if any(other.member(worker) for other in state.clusters.values()):
        raise falsehood("audit.member", f"{name} although it was in a cluster", "PROTOCOL 8.9")
    cluster.memberships.append(Membership(worker, record.live.operator, event["epoch"], state.now))
    state.counts[MEMBERSHIPS] += 1
    state.simulated[MEMBERSHIPS] += record.live.simulated


def on_removed(state: AuditState, event: Event) -> None:
    """A membership ends. Raises EvidenceRefused ``audit.member``."""
    membership = cluster_of(state, event).member(WorkerId(event["worker"]))
    if membership is None:
        raise falsehood("audit.member", f"0x{event['worker'].hex()} was removed without being a member", "PROTOCOL 8.3")
    membership.left = state.now


def on_link(state: AuditState, event: Event) -> None:
    """One link of an inbox (rule 1). Raises EvidenceRefused ``audit.inbox``, and as ``_check_epoch_link``."""
    cluster, now = cluster_of(state, event), state.now
    if event["index"] != len(cluster.heads):
        raise falsehood(
            "audit.inbox", f"link {event['index']} stands where {len(cluster.heads)} is due", "PROTOCOL 3.1"
        )
    link = Link(
        index=event["index"],
        kind=event["kind"],
        origin=Address(event["origin"]),
        payer=Address(event["payer"]),
        item_count=event["item_count"],
        fuel_limit=event["fuel_limit"],
        fee_limit=event["fee_limit"],
        block_number=now.number,
        timestamp=now.timestamp,
        prevrandao=now.prevrandao,
        payload=event["payload"],
    )
    if link.kind == LinkKind.EPOCH:
        _check_epoch_link(cluster, link)
    cluster.head = compute_head(cluster.head, link)
    cluster.heads.append(cluster.head)
    cluster.links.append(LinkSize(link.kind, link.timestamp, _weigh(link)))
    state.counts[INBOX] += 1


def _check_epoch_link(cluster: ClusterHistory, link: Link) -> None:
    """What enclaves take from the link is what the events say (rule 3). Raises EvidenceRefused ``audit.runtime`` and
    ``audit.epoch``."""
    try:
        change = decode_epoch(link.payload)
    except MalformedInput as error:
        raise falsehood("audit.epoch", f"link {link.index} begins no epoch: {error.what}", "PROTOCOL 8.3") from error
    if Digest(change.runtime) != cluster.runtime:
        raise falsehood(
            "audit.runtime",
            f"link {link.index} takes runtime 0x{change.runtime.hex()} for epoch {change.epoch}, unannounced",
            "PROTOCOL 12",
        )
    if (change.quorum, change.fast_quorum) != (cluster.quorum, cluster.fast_quorum):
        raise falsehood("audit.epoch", f"link {link.index} names another quorum than the cluster has", "PROTOCOL 8.3")


def _weigh(link: Link) -> tuple[tuple[int, int, int], ...]:
    """(handle, items, sealed bytes) by program; nothing of links that hold no sealed items."""
    if link.kind not in (LinkKind.SUBMIT, LinkKind.BATCH):
        return ()
    found: dict[int, tuple[int, int]] = {}
    try:
        for item in decode_items(link):
            items, size = found.get(item.handle, (0, 0))
            found[item.handle] = (items + 1, size + len(item.sealed))
    except MalformedInput:  # one void link (PROTOCOL 3.1)
        return ()
    return tuple((handle, *weight) for handle, weight in found.items())


def on_raised(state: AuditState, event: Event) -> None:
    """An epoch begins (rule 3). Raises EvidenceRefused ``audit.epoch``, and ``audit.runtime`` where a runtime that was
    due is not taken."""
    cluster, number, start = cluster_of(state, event), event["epoch"], event["link"]
    is_link = start == len(cluster.heads) - 1 and cluster.links[-1].kind == LinkKind.EPOCH
    if number != len(cluster.epochs) + 1 or not is_link:
        raise falsehood("audit.epoch", f"epoch {number} does not begin with a link of its own", "PROTOCOL 8.3")
    if cluster.next_runtime is not None and state.now.timestamp >= cluster.next_runtime[1]:
        raise falsehood("audit.runtime", f"epoch {number} did not take the runtime that was due", "PROTOCOL 12")
    terms = cluster.quorum, cluster.fast_quorum, cluster.runtime
    cluster.epochs.append(EpochHistory(number, start, *terms, raised=state.now))
    state.counts[EPOCHS] += 1


def on_closed(state: AuditState, event: Event) -> None:
    """Epochs before the event's are closed (rule 4). Raises EvidenceRefused ``audit.boundary`` and as
    ``check_members``."""
    cluster = cluster_of(state, event)
    epoch, count, name = event["epoch"], event["count"], f"the closing of epochs before {event['epoch']}"
    if not cluster.first_open < epoch <= len(cluster.epochs) or not cluster.epochs[epoch - 1].start < count:
        raise falsehood("audit.boundary", f"{name} is out of order", "PROTOCOL 8.4")
    settled = next((one for one in cluster.receipts if one.to == count), None)
    if settled is None or settled.root != event["root"]:
        raise falsehood("audit.boundary", f"{name} names a state that no receipt settled", "PROTOCOL 8.4")
    if settled.final_block > state.now.number:
        raise falsehood("audit.boundary", f"{name} names a state that was not final", "PROTOCOL 7.3")
    head, checkpoint = cluster.heads[count - 1], Digest(event["checkpoint"])
    arguments = signatures_of(state, event, "close_epochs", BOUNDARIES)
    if arguments is not None:
        boundary = Boundary(
            NetworkId(state.network_id), cluster.cluster, epoch, count, head, StateRoot(event["root"]), checkpoint
        )
        digest = boundary.digest(state.network.configuration.chain_id, state.address("Clusters"))
        signatures: Any = arguments["signatures"]
        signers = check_members(state, cluster, digest, signatures, cluster.epochs[epoch - 1].quorum, name)
        if list(event["signers"]) != signers:
            raise falsehood("audit.boundary", f"{name} names other signers than those who signed", "PROTOCOL 8.4")
        _check_holders(state, cluster, checkpoint, event, arguments, name)
    for closed in cluster.epochs[cluster.first_open - 1 : epoch - 1]:
        closed.closed = state.now
    cluster.first_open = epoch
    cluster.boundary = (epoch, count, head, Digest(event["root"]), checkpoint)
    state.counts[BOUNDARIES] += 1


def _check_holders(
    state: AuditState, cluster: ClusterHistory, checkpoint: Digest, event: Event, arguments: Any, name: str
) -> None:
    """Operators outside the cluster hold the checkpoint, each with its account's signature (rule 4)."""
    record = HeldRecord(state.network_id, cluster.cluster, checkpoint)
    digest = record.digest(state.network.configuration.chain_id, state.address("Clusters"))
    holders = signers_of(state, digest, [holder[2] for holder in arguments["holders"]], name)
    inside = {one.operator for one in cluster.memberships if one.left is None}
    known = {record.live.operator for record in state.workers.values() if not state.is_revoked(record)}
    if state.committee is not None:
        known |= {seat[0] for seat in state.committee.seats}
    if not holders or list(event["holders"]) != holders or inside & set(holders) or not set(holders) <= known:
        raise falsehood(
            "audit.boundary",
            f"{name}: its checkpoint is not held by operators outside the cluster",
            "PROTOCOL 8.4",
        )
