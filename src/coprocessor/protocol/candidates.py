"""Who could be a gatekeeper, by rule (PROTOCOL 8.9, 9.6): the same ranking for everybody who reads the chain.

Order: confidence level (1 best), stake, age of the first admission, answered heartbeats, then the worker's id. Seats
are given from the top; whoever would bring the seats of its operator or of its hardware vendor to the threshold is
passed over. What a network does not have (a stake contract, heartbeats) is None for all, and decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from coprocessor.protocol.diversity import compute_most_seats
from coprocessor.values.identities import Address, Digest, WorkerId

__all__ = ["Candidate", "RankedCandidate", "rank_candidates"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An admitted, unrevoked enclave as the chain records it.

    Args:
        worker: 32 bytes.
        operator: 20 bytes.
        vendor: 32 bytes, digest of the root that vouches for its hardware; of several of one maker's, the first.
        level: 1 (best) to 5.
        age: blocks since its first admission.
        stake: wei; None where the network has no stake.
        heartbeats: answered; None where the network asks for none.
    """

    worker: WorkerId
    operator: Address
    vendor: Digest
    level: int
    age: int
    stake: int | None = None
    heartbeats: int | None = None


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """A candidate in its place.

    Args:
        candidate: who.
        is_seated: it would sit in a committee of the size asked for.
        passed_over: why it would not: ``operator``, ``vendor``, ``full``; empty where it would.
    """

    candidate: Candidate
    is_seated: bool
    passed_over: str


def rank_candidates(
    candidates: Iterable[Candidate], seats: int, threshold: int, *, diverse: bool = True
) -> tuple[RankedCandidate, ...]:
    """All candidates, best first, with who would sit.

    Args:
        seats: n of the committee.
        threshold: t: seats of one operator, and of one vendor, stay below it (PROTOCOL 8.9).
        diverse: False on development networks, where one operator may run everything.
    """
    ordered = sorted(candidates, key=_place)
    most = compute_most_seats(threshold) if diverse else seats
    operators: Counter[Address] = Counter()
    vendors: Counter[Digest] = Counter()
    ranked = []
    for candidate in ordered:
        why = _passed_over(candidate, seats - operators.total(), most, operators, vendors)
        if not why:
            operators[candidate.operator] += 1
            vendors[candidate.vendor] += 1
        ranked.append(RankedCandidate(candidate, not why, why))
    return tuple(ranked)


def _place(candidate: Candidate) -> tuple[int, int, int, int, bytes]:
    return (
        candidate.level,
        -(candidate.stake or 0),
        -candidate.age,
        -(candidate.heartbeats or 0),
        candidate.worker,
    )


def _passed_over(
    candidate: Candidate, free: int, most: int, operators: Counter[Address], vendors: Counter[Digest]
) -> str:
    if free <= 0:
        return "full"
    if operators[candidate.operator] >= most:
        return "operator"
    return "vendor" if vendors[candidate.vendor] >= most else ""
