"""What a break exposes: monotone, confined to the worker's cluster, and nothing below the threshold."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.audit.exposure import (
    DEVELOPMENT_GRACE_SECONDS,
    GRACE_SECONDS,
    Broken,
    Exposure,
    compute_exposure,
    weigh_inputs,
)
from coprocessor.audit.state import (
    AuditState,
    Block,
    ClusterHistory,
    Committee,
    EpochHistory,
    LinkSize,
    Membership,
    WorkerHistory,
)
from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave import epochs
from coprocessor.protocol.statements import NO_SHARE, Admission
from coprocessor.values.identities import Address, ClusterId, Digest, WorkerId
from coprocessor.values.network import Network
from tests.support.fake_chain import configuration

WORKERS, GATEKEEPERS = 6, 5


def worker_id(number: int) -> WorkerId:
    return WorkerId(keccak256(b"worker" + bytes((number,))))


def gatekeeper(number: int) -> Address:
    return Address(keccak256(b"gatekeeper" + bytes((number,)))[:20])


def block(number: int) -> Block:
    return Block(number, Digest(bytes(32)), 1_000 + 12 * number, Digest(bytes(32)))


@st.composite
def histories(draw: st.DrawFn) -> AuditState:
    """A network in which clusters begin, workers come and go, epochs are raised and closed, committees change."""
    state = AuditState(Network(configuration(), (Digest(bytes(32)),)), 10)
    state.blocks = [block(number) for number in range(61)]
    for number in range(WORKERS):
        zero = Digest(bytes(32))
        admission = Admission(
            operator=Address(keccak256(b"operator" + bytes((number // 2,)))[:20]),
            platform=Digest(keccak256(b"platform" + bytes((number,)))),
            role=1,
            signer=Address(keccak256(b"signer" + bytes((number,)))[:20]),
            sealing_key=bytes(32),
            evidence_digest=zero,
            measurement=zero,
            root=zero,
            level=1,
            simulated=True,
            configuration=zero,
            block_number=0,
            block_hash=zero,
            expires=2**40,
        )
        revoked = draw(st.none() | st.integers(1, 60).map(block))
        state.workers[worker_id(number)] = WorkerHistory(worker_id(number), [(admission, block(0))], revoked=revoked)
    for name in range(draw(st.integers(1, 3))):
        cluster = _cluster(draw, name)
        state.clusters[cluster.cluster] = cluster
    for number in range(1, draw(st.integers(1, 3)) + 1):
        places = draw(st.lists(st.integers(0, GATEKEEPERS - 1), min_size=1, max_size=GATEKEEPERS, unique=True))
        threshold = draw(st.integers(1, len(places)))
        seats = tuple((Address(bytes(20)), gatekeeper(at), bytes(32), Digest(bytes(32))) for at in places)
        if state.committees:
            state.committees[-1].until = block(10 * number)
        keys = cast(Any, object())
        dealt = tuple(b"\x01" * 96 if draw(st.integers(0, 4)) else NO_SHARE for _ in places)
        state.committees.append(Committee(number, threshold, seats, block(10 * number), keys, dealt))
    return state


def _cluster(draw: st.DrawFn, name: int) -> ClusterHistory:
    zero = Digest(bytes(32))
    cluster = ClusterHistory(
        ClusterId(keccak256(b"cluster" + bytes((name,)))), Address(bytes(20)), 2, 2, 0, True, zero, block(0), zero
    )
    starts = sorted(draw(st.sets(st.integers(0, 50), min_size=1, max_size=4)))
    closed = draw(st.integers(0, len(starts) - 1))
    for at, start in enumerate(starts):
        ends = block(draw(st.integers(starts[at + 1], 60))) if at < closed else None
        cluster.epochs.append(EpochHistory(at + 1, 3 * at, draw(st.integers(1, 3)), 3, zero, block(start), ends))
    cluster.first_open = closed + 1
    for place in range(3 * len(starts) + draw(st.integers(0, 4))):
        cluster.heads.append(zero)
        at = min(place // 3, len(starts) - 1)
        cluster.links.append(LinkSize(1, block(starts[at]).timestamp, ((0, 1, 100), (1, 2, 50))))
    # a worker is in one cluster: by number
    for number in range(name, WORKERS, 3):
        joined = draw(st.integers(0, 55))
        left = draw(st.none() | st.integers(joined, 60))
        operator = Address(keccak256(b"operator" + bytes((number // 2,)))[:20])
        ended = None if left is None else block(left)
        cluster.memberships.append(Membership(worker_id(number), operator, 1, block(joined), ended))
    return cluster


breaks = st.builds(
    Broken,
    st.frozensets(st.integers(0, WORKERS - 1).map(worker_id)),
    st.frozensets(st.integers(0, GATEKEEPERS - 1).map(gatekeeper)),
)


def atoms(exposure: Exposure) -> set[tuple[str, Any]]:
    """All that is exposed, piece by piece; what is exposed now is so earlier too."""
    now = {(one.cluster, one.epoch) for one in exposure.now}
    earlier = {(one.cluster, one.epoch) for one in exposure.earlier} | now
    found: set[tuple[str, Any]] = {("now", one) for one in now} | {("earlier", one) for one in earlier}
    found |= {("quorum", one) for one in exposure.quorums}
    found |= {("master", True)} if exposure.master else set()
    found |= {("master earlier", True)} if exposure.master_earlier else set()
    return found


@settings(max_examples=200, deadline=None)
@given(histories(), breaks, breaks)
def test_breaking_more_exposes_at_least_as_much(state: AuditState, one: Broken, more: Broken) -> None:
    assert atoms(compute_exposure(state, one)) <= atoms(compute_exposure(state, one | more))


@settings(max_examples=200, deadline=None)
@given(histories(), st.frozensets(st.integers(0, WORKERS - 1).map(worker_id)))
def test_workers_expose_their_own_clusters_epochs_alone(state: AuditState, workers: frozenset[WorkerId]) -> None:
    exposure = compute_exposure(state, Broken(workers))
    own = {one.cluster for one in state.clusters.values() if any(m.worker in workers for m in one.memberships)}
    touched = {one.cluster for one in exposure.now + exposure.earlier} | set(exposure.quorums)
    assert touched <= own
    assert not exposure.master
    for found in exposure.now + exposure.earlier:
        assert set(found.by) <= workers
        epoch = state.clusters[found.cluster].epochs[found.epoch - 1]
        assert found.is_open is (epoch.closed is None)
        for worker in found.by:  # nothing of an epoch that began when the worker was gone, or ended before it came
            stays = [m for m in state.clusters[found.cluster].memberships if m.worker == worker]
            assert any(m.left is None or m.left.number > epoch.raised.number for m in stays)
            assert epoch.closed is None or any(m.joined.number < epoch.closed.number for m in stays)


@settings(max_examples=200, deadline=None)
@given(histories(), st.frozensets(st.integers(0, GATEKEEPERS - 1).map(gatekeeper)))
def test_fewer_than_t_gatekeepers_of_one_committee_expose_nothing(
    state: AuditState, gatekeepers: frozenset[Address]
) -> None:
    exposure = compute_exposure(state, Broken(gatekeepers=gatekeepers))
    counts = [(one, _shares(one, gatekeepers)) for one in state.committees]
    reached = [one for one, count in counts if count >= one.threshold]
    assert exposure.is_nothing is (not reached)
    assert exposure.master is (state.committees[-1] in reached)
    if exposure.master:
        assert len(exposure.now) == sum(len(one.epochs) for one in state.clusters.values())
    for one in exposure.committees:
        assert one.missing == max(0, one.threshold - one.broken)
        assert one.broken <= one.shares


def _shares(committee: Committee, gatekeepers: frozenset[Address]) -> int:
    """How many shares the broken have: a member that was revoked before the dealing has none."""
    pairs = zip(committee.seats, committee.share_keys, strict=True)
    return sum(key != NO_SHARE and seat[1] in gatekeepers for seat, key in pairs)


@settings(max_examples=50, deadline=None)
@given(histories())
def test_nothing_broken_is_nothing_exposed(state: AuditState) -> None:
    assert compute_exposure(state, Broken()).is_nothing


@settings(max_examples=100, deadline=None)
@given(histories(), st.data())
def test_inputs_are_weighed_once_and_grow_with_the_epochs(state: AuditState, data: st.DataObject) -> None:
    cluster = next(iter(state.clusters.values()))
    everything = range(1, len(cluster.epochs) + 1)
    some = data.draw(st.sets(st.sampled_from(everything)))
    links, items, size = weigh_inputs(state, cluster, some)
    assert (links, items, size) <= weigh_inputs(state, cluster, everything)
    assert (items, size) == (3 * links, 150 * links)
    assert weigh_inputs(state, cluster, everything)[0] == len(cluster.links)
    assert weigh_inputs(state, cluster, some, 0)[1] == links


@pytest.mark.parametrize("is_development", [True, False])
def test_the_grace_is_the_one_that_enclaves_give(is_development: bool) -> None:
    given = epochs.DEVELOPMENT_GRACE_SECONDS if is_development else epochs.GRACE_SECONDS
    assert given == (DEVELOPMENT_GRACE_SECONDS if is_development else GRACE_SECONDS)
