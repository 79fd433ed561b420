"""Who could be a gatekeeper, by rule (PROTOCOL 8.9, 9.6): the same ranking for everybody who reads the chain.

Order: confidence level (1 best), stake, age of the first admission, answered heartbeats. Who is equal in all of these
stands in the order of a draw from the beacon (``protocol.draws``), which nobody chooses; without a value, in the order
of ids, which anybody can bend. Who was admitted after the drawn height waits for the next value: its id could have been
chosen by what is drawn. Seats are given from the top; whoever would bring the seats of its operator or of its hardware
vendor to the threshold is passed over. What a network does not have (a stake contract, heartbeats) is None for all, and
decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coprocessor.protocol.diversity import compute_most_seats
from coprocessor.protocol.draws import compute_seed, draw_order
from coprocessor.values.identities import Address, Digest, NetworkId, WorkerId

__all__ = ["Candidate", "RankedCandidate", "TieDraw", "rank_candidates"]

_PURPOSE: Final = b"gatekeeper-candidates"


@dataclass(frozen=True, slots=True)
class TieDraw:
    """What decides between candidates that are equal in everything.

    Args:
        network: 32 bytes.
        height: of a window whose value is the beacon's own, no fallback.
        value: 32 bytes.
        committee: number of the present committee: each one's successor is drawn for itself.
        age: blocks since the height.
    """

    network: NetworkId
    height: int
    value: Digest
    committee: int
    age: int

    def compute_order(self, workers: Iterable[WorkerId]) -> tuple[bytes, ...]:
        """All workers in the order in which they are drawn."""
        purpose = _PURPOSE + self.committee.to_bytes(8, "big")
        return draw_order(compute_seed(self.network, self.value, self.height, purpose), workers)


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
        passed_over: why it would not: ``young``, ``operator``, ``vendor``, ``full``; empty where it would.
        alike: how many candidates have the same figures, itself included: where there are more, the draw decided.
    """

    candidate: Candidate
    is_seated: bool
    passed_over: str
    alike: int


def rank_candidates(
    candidates: Iterable[Candidate],
    seats: int,
    threshold: int,
    *,
    drawn: TieDraw | None = None,
    diverse: bool = True,
) -> tuple[RankedCandidate, ...]:
    """All candidates, best first, with who would sit.

    Args:
        seats: n of the committee.
        threshold: t: seats of one operator, and of one vendor, stay below it (PROTOCOL 8.9).
        drawn: decides between equals; None where the beacon has no value yet.
        diverse: False on development networks, where one operator may run everything.
    """
    found = list(candidates)
    identities = [candidate.worker for candidate in found]
    order = sorted(identities) if drawn is None else drawn.compute_order(identities)
    places = {worker: place for place, worker in enumerate(order)}
    ordered = sorted(found, key=lambda one: (*_figures(one), places[one.worker]))
    alike = Counter(_figures(one) for one in found)
    most = compute_most_seats(threshold) if diverse else seats
    operators: Counter[Address] = Counter()
    vendors: Counter[Digest] = Counter()
    ranked = []
    for candidate in ordered:
        is_young = drawn is not None and candidate.age < drawn.age
        free = seats - operators.total()
        why = "young" if is_young else _passed_over(candidate, free, most, operators, vendors)
        if not why:
            operators[candidate.operator] += 1
            vendors[candidate.vendor] += 1
        ranked.append(RankedCandidate(candidate, not why, why, alike[_figures(candidate)]))
    return tuple(ranked)


def _figures(candidate: Candidate) -> tuple[int, int, int, int]:
    """What decides, the best first."""
    return candidate.level, -(candidate.stake or 0), -candidate.age, -(candidate.heartbeats or 0)


def _passed_over(
    candidate: Candidate, free: int, most: int, operators: Counter[Address], vendors: Counter[Digest]
) -> str:
    if free <= 0:
        return "full"
    if operators[candidate.operator] >= most:
        return "operator"
    return "vendor" if vendors[candidate.vendor] >= most else ""
