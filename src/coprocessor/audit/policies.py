"""What guardian and proposer said of the network's policy after its genesis, as their events tell it (PROTOCOL 1.4).

Rules checked:
1. measurements are announced once, with a version above the genesis'; least version and evaluation number only rise;
2. an admission's measurement is the genesis' or was announced for the delay, and is not below the least version then;
3. its collateral has the evaluation number that the chain demanded at the block that its evidence names: gatekeepers
   judged after that block, and a later raise is not theirs to know. Pins are not judged again: they choose among
   collateral that is good by all other rules, at a moment that the record does not show.
"""

from __future__ import annotations

from typing import Final

from coprocessor.audit.policy_history import GENESIS_VERSION
from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.state import AuditState
from coprocessor.values.identities import Digest

__all__ = ["POLICY", "on_announced", "on_evaluation", "on_pinned", "on_version"]

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
    known[measurement] = (event["version"], state.now.timestamp, event["counts_from"])
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
    if event["refresh"] != state.policy.refresh + 1:
        raise falsehood(
            "audit.policy",
            f"refresh {event['refresh']} of collateral follows {state.policy.refresh}",
            "PROTOCOL 1.4",
        )
    state.policy.refresh, state.policy.pinned_until = event["refresh"], event["until"]
    state.policy.pins = tuple(Digest(digest) for digest in event["digests"])
    state.counts[POLICY] += 1
