"""The state of a network: the chain, the processes that answer, the clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coprocessor.chain.committee import find_endpoints
from coprocessor.client.chain_state import ProvenSlots
from coprocessor.client.clusters import list_clusters
from coprocessor.client.runtimes import ClusterRuntime, look_at_runtime
from coprocessor.client.session import Session
from coprocessor.protocol import layout
from coprocessor.protocol.closing import closing_seconds
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import ClusterId, StateRoot

__all__ = ["ClusterStatus", "CommitteeStatus", "NetworkStatus", "ProcessStatus", "look_at"]


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """A process as it answers for itself; ``pid`` is None where it does not answer, ``state`` then says why."""

    role: str
    pid: int | None
    enclave_pid: int | None
    endpoint: str
    state: str


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """A cluster as the chain proves it.

    Args:
        id: 32 bytes.
        epoch: of its keys.
        links: in its inbox.
        settled: links settled.
        state_root: after the settled ones.
        members: 32-byte worker ids that can be reached.
        overdue: an older epoch has been open for too long (PROTOCOL 8.4): the alarm.
        runtime: what it runs, and what is announced (PROTOCOL 12).
    """

    id: ClusterId
    epoch: int
    links: int
    settled: int
    state_root: StateRoot
    members: tuple[bytes, ...]
    overdue: bool
    runtime: ClusterRuntime


@dataclass(frozen=True, slots=True)
class CommitteeStatus:
    """The gatekeepers: how many must act together and how many there are (proven), how many answer (their word)."""

    threshold: int
    members: int
    answering: int


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """Chain id, newest and newest finalised block, simulated hardware or not, committee, processes and clusters."""

    chain_id: int
    block: int
    finalized: int
    simulated: bool
    committee: CommitteeStatus
    processes: tuple[ProcessStatus, ...]
    clusters: tuple[ClusterStatus, ...]


async def look_at(session: Session) -> NetworkStatus:
    """Looks at everything once.

    Raises:
        CoprocessorError: the node does not answer, or what it shows does not hold.
    """
    head = await session.chain.refresh()
    latest = await session.node.block("latest")
    clusters = [await _cluster(session, cluster) for cluster in await list_clusters(session)]
    processes = [await _process(session, role, url) for role, url in await _endpoints(session, clusters)]
    configuration = session.target.network.configuration
    return NetworkStatus(
        chain_id=configuration.chain_id,
        block=head.header.number if latest is None else latest.number,
        finalized=head.header.number,
        simulated=configuration.allow_simulated,
        committee=await _committee(session, processes),
        processes=tuple(processes),
        clusters=tuple(clusters),
    )


async def _committee(session: Session, processes: list[ProcessStatus]) -> CommitteeStatus:
    threshold, count = layout.gatekeeping_threshold(), layout.gatekeeping_member_count()
    proven = await session.chain.prove({"Gatekeeping": [threshold, count]})
    answering = sum(process.role == "gatekeeper" and process.pid is not None for process in processes)
    return CommitteeStatus(proven.value("Gatekeeping", threshold), proven.value("Gatekeeping", count), answering)


async def _cluster(session: Session, cluster: ClusterId) -> ClusterStatus:
    epoch, links = layout.cluster_field(cluster, "epoch"), layout.inbox_count(cluster)
    count, root = layout.settled(cluster, "count"), layout.settled(cluster, "root")
    first_open = layout.cluster_field(cluster, "first_open")
    proven = await session.chain.prove({"Clusters": [epoch, first_open], "Inbox": [links], "Settlement": [count, root]})
    members = await session.workers.members(cluster, fresh=True)
    return ClusterStatus(
        id=cluster,
        epoch=proven.value("Clusters", epoch),
        links=proven.value("Inbox", links),
        settled=proven.value("Settlement", count),
        state_root=StateRoot(proven.digest("Settlement", root)),
        members=tuple(member.worker for member in members),
        overdue=await _is_overdue(session, cluster, proven),
        runtime=await look_at_runtime(session, cluster),
    )


async def _is_overdue(session: Session, cluster: ClusterId, present: ProvenSlots) -> bool:
    """Whether an epoch before the present one should have been closed by now."""
    epoch = present.value("Clusters", layout.cluster_field(cluster, "epoch"))
    first_open = present.value("Clusters", layout.cluster_field(cluster, "first_open"))
    if first_open >= epoch:
        return False
    raised = layout.cluster_epoch(cluster, first_open + 1, "raised")
    began = (await session.chain.prove({"Clusters": [raised]}, present.head)).value("Clusters", raised)
    return present.head.header.timestamp > began + closing_seconds(session.target.network.configuration)


async def _endpoints(session: Session, clusters: list[ClusterStatus]) -> list[tuple[str, str]]:
    hints = session.target.hints.get("gatekeepers", [])
    hinted = [url for url in hints if isinstance(url, str)] if isinstance(hints, list) else []
    found = [("gatekeeper", url) for url in await find_endpoints(session.contracts["Gatekeeping"], hinted)]
    for cluster in clusters:
        found += [("worker", member.url) for member in await session.workers.members(cluster.id)]
    return found


async def _process(session: Session, role: str, url: str) -> ProcessStatus:
    try:
        status = await session.workers.api.status(url)
    except CoprocessorError as error:
        return ProcessStatus(role, None, None, url, f"{error.code}: {error.why or error.what}"[:200])
    state = str(status.get("state", "running"))[:200]
    return ProcessStatus(role, _whole(status.get("pid")), _whole(status.get("enclave_pid")), url, state)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
