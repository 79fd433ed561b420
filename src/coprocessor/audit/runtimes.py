"""The runtimes of clusters: announced, waited for, taken at an epoch's link, or withdrawn (PROTOCOL 12).

Rules:
1. A runtime is announced so long before it counts as the network demands.
2. It is taken by the first epoch that begins after that, and by no earlier one; an epoch's link names the runtime that
   the cluster has then. That receipts do the same, ``settlements`` looks at.
"""

from __future__ import annotations

from typing import Final

from coprocessor.audit.clusters import cluster_of
from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.state import AuditState
from coprocessor.protocol.terms import LEAST_DELAY
from coprocessor.values.identities import Digest

__all__ = ["RUNTIMES", "on_announced", "on_switched", "on_withdrawn"]

RUNTIMES: Final = "runtimes"


def on_announced(state: AuditState, event: Event) -> None:
    """A next runtime, in place of what was announced before. Raises EvidenceRefused ``audit.runtime`` (rule 1)."""
    cluster, runtime = cluster_of(state, event), Digest(event["runtime"])
    waits = event["ready"] - state.now.timestamp
    if waits < (1 if state.network.configuration.development else LEAST_DELAY):
        raise falsehood(
            "audit.runtime",
            f"runtime 0x{runtime.hex()} was announced in block {state.now.number} for {waits} seconds later",
            "PROTOCOL 1.4, 12",
        )
    cluster.next_runtime = (runtime, event["ready"])
    state.counts[RUNTIMES] += 1


def on_withdrawn(state: AuditState, event: Event) -> None:
    """An announcement is taken back. Raises EvidenceRefused ``audit.runtime``: there was none."""
    cluster, runtime = cluster_of(state, event), Digest(event["runtime"])
    if cluster.next_runtime is None or cluster.next_runtime[0] != runtime:
        raise falsehood("audit.runtime", f"runtime 0x{runtime.hex()} was withdrawn unannounced", "PROTOCOL 12")
    cluster.next_runtime = None


def on_switched(state: AuditState, event: Event) -> None:
    """The epoch that begins next has the announced runtime. Raises EvidenceRefused ``audit.runtime`` (rule 2)."""
    cluster, runtime = cluster_of(state, event), Digest(event["runtime"])
    name = f"epoch {event['epoch']} took runtime 0x{runtime.hex()} in block {state.now.number}"
    if cluster.next_runtime is None or cluster.next_runtime[0] != runtime:
        raise falsehood("audit.runtime", f"{name} without its announcement", "PROTOCOL 12")
    if state.now.timestamp < cluster.next_runtime[1] or event["epoch"] != len(cluster.epochs) + 1:
        raise falsehood("audit.runtime", f"{name}, before its time", "PROTOCOL 12")
    cluster.runtime, cluster.next_runtime = runtime, None
