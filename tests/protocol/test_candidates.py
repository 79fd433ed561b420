"""The ranking of possible gatekeepers: a function of the set, monotone in what counts, diverse where it must be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from coprocessor.protocol.candidates import Candidate, TieDraw, rank_candidates
from coprocessor.values.identities import Address, Digest, NetworkId, WorkerId

DRAW = TieDraw(NetworkId(b"n" * 32), 64, Digest(b"v" * 32), 1, 0)
amounts = st.one_of(st.none(), st.integers(0, 3))
candidates = st.lists(
    st.builds(
        Candidate,
        worker=st.integers(0, 10_000).map(lambda n: WorkerId(n.to_bytes(32, "big"))),
        operator=st.integers(1, 4).map(lambda n: Address(bytes([n]) * 20)),
        vendor=st.integers(1, 3).map(lambda n: Digest(bytes([n]) * 32)),
        level=st.integers(1, 5),
        age=st.integers(0, 5),
        stake=amounts,
        heartbeats=amounts,
    ),
    max_size=20,
    unique_by=lambda one: one.worker,
)


@given(candidates, st.integers(1, 9), st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_ranking_is_a_function_of_the_set(
    found: list[Candidate], seats: int, threshold: int, random: Random
) -> None:
    ranked = rank_candidates(found, seats, threshold, drawn=DRAW)
    shuffled = list(found)
    random.shuffle(shuffled)
    assert rank_candidates(shuffled, seats, threshold, drawn=DRAW) == ranked
    assert sorted(one.candidate.worker for one in ranked) == sorted(one.worker for one in found)
    levels = [one.candidate.level for one in ranked]
    assert levels == sorted(levels)


@given(candidates, st.integers(1, 9), st.integers(1, 5))
def test_seats_of_one_operator_or_vendor_stay_below_the_threshold(
    found: list[Candidate], seats: int, threshold: int
) -> None:
    ranked = rank_candidates(found, seats, threshold)
    seated = [one.candidate for one in ranked if one.is_seated]
    assert len(seated) <= seats
    for held in (Counter(one.operator for one in seated), Counter(one.vendor for one in seated)):
        assert all(count < threshold for count in held.values())
    for at, one in enumerate(ranked):
        assert one.is_seated is (one.passed_over == "")
        above = [other.candidate for other in ranked[:at] if other.is_seated]
        if one.passed_over == "operator":
            assert sum(other.operator == one.candidate.operator for other in above) >= threshold - 1
        if one.passed_over == "vendor":
            assert sum(other.vendor == one.candidate.vendor for other in above) >= threshold - 1
        if one.passed_over == "full":
            assert len(above) == seats


@given(candidates, st.integers(1, 9))
def test_a_development_network_passes_nobody_over_while_there_are_seats(found: list[Candidate], seats: int) -> None:
    ranked = rank_candidates(found, seats, 2, diverse=False)
    assert [one.is_seated for one in ranked] == [at < seats for at in range(len(ranked))]


@given(candidates.filter(bool), st.data())
def test_more_of_anything_never_costs_a_place(found: list[Candidate], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(found) - 1))
    better = replace(found[at], level=max(1, found[at].level - 1), age=found[at].age + 1)
    before = [one.candidate.worker for one in rank_candidates(found, 9, 5, drawn=DRAW)]
    changed = [*found[:at], better, *found[at + 1 :]]
    after = [one.candidate.worker for one in rank_candidates(changed, 9, 5, drawn=DRAW)]
    assert after.index(better.worker) <= before.index(better.worker)


def equals(count: int) -> list[Candidate]:
    """Candidates that are equal in everything but who they are."""
    workers = (WorkerId(bytes([at]) * 32) for at in range(count))
    return [Candidate(worker, Address(worker[:20]), Digest(worker), 1, 9) for worker in workers]


def order(found: list[Candidate], drawn: TieDraw | None) -> list[int]:
    return [one.candidate.worker[0] for one in rank_candidates(found, 3, 3, drawn=drawn)]


def test_equals_are_drawn_not_chosen_by_their_ids() -> None:
    """Each comes first about as often as the others; without a value of the beacon the least id always would."""
    assert order(equals(4), None) == [0, 1, 2, 3]
    first = Counter(order(equals(4), replace(DRAW, value=Digest(bytes([at]) * 32)))[0] for at in range(200))
    assert set(first) == {0, 1, 2, 3}
    assert all(25 < count < 80 for count in first.values()), first
    assert order(equals(9), DRAW) != order(equals(9), replace(DRAW, committee=2)), "each committee is drawn for itself"
    assert {one.alike for one in rank_candidates(equals(4), 3, 3, drawn=DRAW)} == {4}


def test_no_draw_lifts_anybody_over_better_figures() -> None:
    better = replace(equals(5)[4], age=10)
    for at in range(50):
        drawn = replace(DRAW, value=Digest(bytes([at]) * 32))
        assert order([*equals(4), better], drawn)[0] == 4


def test_who_was_admitted_after_the_height_waits_for_the_next_value() -> None:
    """Its id could have been made to suit the value."""
    ranked = rank_candidates(equals(2), 2, 2, drawn=replace(DRAW, age=10))
    assert [(one.is_seated, one.passed_over) for one in ranked] == [(False, "young")] * 2
    assert all(one.is_seated for one in rank_candidates(equals(2), 2, 2, drawn=replace(DRAW, age=9)))
