"""What a network's numbers decide: one function for each comparison, for everybody who judges.

Gatekeepers' enclaves admit and release by these, clients refuse replies by them, audits repeat them, and the contracts
say the same in Vyper (``Registry``; a test holds both to every boundary).

Rules (PROTOCOL 1.2, 1.4, 7.6):

1. What ends at a time has ended in that second: admissions, distrust, pauses and pins count while chain time is below.
2. A measurement of the genesis has version 1 from the beginning, whatever the chain says of it; another one has the
   announced version once the announcement is as old as the delay, and none before. Outside development the delay is
   seven days at least, whatever the chain says.
3. A version that is not below the least is taken; one below 1 never.
4. The least evaluation number is the greater of the genesis' and the chain's.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "GENESIS_VERSION",
    "LEAST_DELAY",
    "MAX_EVIDENCE_AGE",
    "compute_effect",
    "compute_least_evaluation",
    "compute_version",
    "has_ended",
    "is_too_old",
    "is_version_taken",
]

GENESIS_VERSION: Final = 1
"""Of measurements that the genesis lists."""

LEAST_DELAY: Final = 7 * 86_400
"""Seconds for which a measurement must have been announced outside development."""

MAX_EVIDENCE_AGE: Final = 256
"""Blocks between evidence and the newest block at which it still admits: those whose hashes ``Registry`` can see."""


def has_ended(end: int, now: int) -> bool:
    """Whether what lasts until ``end`` is over at chain time ``now``, both in seconds (rule 1); 0 never began."""
    return end <= now


def compute_effect(since: int, delay: int, *, development: bool) -> int:
    """From when an announced measurement counts, seconds (rule 2).

    Args:
        since: when it was announced.
        delay: the chain's, seconds.
        development: whether the network is one.
    """
    return since + (delay if development else max(delay, LEAST_DELAY))


def compute_version(version: int, counts_from: int, now: int, *, listed: bool) -> int:
    """The version of a measurement, 0 where it does not count (rule 2).

    Args:
        version: as announced; 0 where it never was.
        counts_from: from when, seconds.
        now: chain time, seconds.
        listed: whether the genesis lists it.
    """
    if listed:
        return GENESIS_VERSION
    return version if counts_from <= now else 0


def is_version_taken(version: int, least: int) -> bool:
    """Whether a version suffices where the chain's least is ``least``, 0 for none (rule 3)."""
    return version >= max(least, GENESIS_VERSION)


def compute_least_evaluation(genesis: int, chain: int) -> int:
    """The least TCB evaluation number (rule 4)."""
    return max(genesis, chain)


def is_too_old(block: int, head: int) -> bool:
    """Whether evidence over ``block`` admits nobody any more where the chain is at ``head``."""
    return block + MAX_EVIDENCE_AGE < head
