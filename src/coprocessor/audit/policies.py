"""What guardian and proposer said of the network's policy after its genesis, as their events tell it (PROTOCOL 1.4).

Rules checked:
1. measurements are announced once, with a version above the genesis'; least version and evaluation number only rise;
2. an admission's measurement is the genesis' or was announced for the delay, and is not below the least version then;
3. its collateral has the evaluation number, and is pinned where there are pins, by the policy of some block from
   ``POLICY_WINDOW`` before the one that its evidence names up to the admission: the record does not show the moment at
   which gatekeepers judged, and their proofs of the policy may be that old. Whoever fits none of these was admitted
   falsely.
"""

from __future__ import annotations

from typing import Final

from coprocessor.audit.policy_history import Refresh
from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.state import AuditState
from coprocessor.protocol.terms import GENESIS_VERSION, compute_effect
from coprocessor.values.identities import Digest

__all__ = ["POLICY", "on_announced", "on_evaluation", "on_paused", "on_pinned", "on_version"]

POLICY: Final = "policy"


def on_announced(state: AuditState, event: Event) -> None:
    """Raises EvidenceRefused ``audit.policy`` (rule 1)."""
    measurement, known = Digest(event["measurement"]), state.policy.announced
    if measurement in known or event["version"] <= GENESIS_VERSION:
        raise falsehood(
            "audit.policy",
            f"measurement 0x{measurement.hex()} was announced twice, or with the genesis' version",
            "PROTOCOL 1.4",
        )
    since = state.now.timestamp
    development = state.network.configuration.development
    counts_from = compute_effect(since, event["counts_from"] - since, development=development)
    known[measurement] = (event["version"], since, counts_from)
    state.counts[POLICY] += 1


def on_paused(state: AuditState, event: Event) -> None:
    """Live keys alone are admitted, until a time."""
    state.paused_until = event["until"]
    state.counts[POLICY] += 1


def on_version(state: AuditState, event: Event) -> None:
    """Raises EvidenceRefused ``audit.policy`` (rule 1)."""
    if event["version"] <= state.policy.minimum_version:
        raise falsehood(
            "audit.policy",
            f"the least version became {event['version']}, it was {state.policy.minimum_version}",
            "PROTOCOL 1.4",
        )
    state.policy.minimum_version = event["version"]
    state.counts[POLICY] += 1


def on_evaluation(state: AuditState, event: Event) -> None:
    """Raises EvidenceRefused ``audit.policy`` (rule 1)."""
    before = state.policy.evaluation_at(state.now.number)
    if event["number"] <= before:
        raise falsehood(
            "audit.policy",
            f"the least evaluation number became {event['number']}, it was {before}",
            "PROTOCOL 1.4",
        )
    state.policy.evaluations.append((state.now.number, event["number"]))
    state.counts[POLICY] += 1


def on_pinned(state: AuditState, event: Event) -> None:
    """Raises EvidenceRefused ``audit.policy``: a refresh is missing."""
    refreshes = state.policy.refreshes
    if event["refresh"] != len(refreshes) + 1:
        raise falsehood(
            "audit.policy",
            f"refresh {event['refresh']} of collateral follows {len(refreshes)}",
            "PROTOCOL 1.4",
        )
    pins = frozenset(Digest(digest) for digest in event["digests"])
    refreshes.append(Refresh(state.now.number, event["until"], pins))
    state.counts[POLICY] += 1
