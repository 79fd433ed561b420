"""Containing breaks over contracts in memory: what is sent, what counts as done, and what cannot be contained."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coprocessor.audit.exposure import Broken, compute_exposure, grace_of
from coprocessor.audit.names import Subject
from coprocessor.audit.state import (
    AuditState,
    Block,
    ClusterHistory,
    Committee,
    EpochHistory,
    Membership,
    ProgramHistory,
    WorkerHistory,
)
from coprocessor.chain.errors import TransactionReverted
from coprocessor.client import containment
from coprocessor.client.containment import Containment, check_contained, contain
from coprocessor.client.shares import prove_shares
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol import layout
from coprocessor.protocol.statements import NO_SHARE, ROLE_WORKER
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, PeerUnreachable
from coprocessor.values.identities import Address, ClusterId, CodeHash, Digest, ProgramId, WorkerId
from coprocessor.values.network import Custodian, Network
from tests.support.fake_chain import configuration, key

ZERO = Digest(bytes(32))
CLUSTER, PROGRAM = ClusterId(keccak256(b"cluster")), ProgramId(keccak256(b"program"))
VENDOR, OTHER_ROOT = Digest(keccak256(b"vendor")), Digest(keccak256(b"the maker's other root"))
GATEKEEPERS = [Address(bytes([at]) * 20) for at in range(1, 6)]
WORKERS = [WorkerId(bytes([at]) * 32) for at in range(3)]


@dataclass
class FakeNetwork:
    """The contracts' state, and everything that was sent. Other gatekeepers and members obey at once."""

    members: list[WorkerId] = field(default_factory=lambda: list(WORKERS))
    epoch: int = 1
    quorum: int = 1
    committee: int = 1
    threshold: int = 3
    holders: set[Address] = field(default_factory=lambda: set(GATEKEEPERS))
    revoked: set[Address] = field(default_factory=set)
    sent: list[tuple[Any, ...]] = field(default_factory=list)
    full: bool = False
    exposed: bool = False
    refreshes: bool = True
    overtaken: bool = False
    keys: list[bytes] = field(default_factory=list)
    lie: bool = False
    now: int = 10_000
    address: bytes = b"guardian"

    # ---- the session

    @property
    def contracts(self) -> dict[str, Any]:
        return {name: Named(self, name) for name in ("Registry", "Clusters", "Gatekeeping")}

    @property
    def chain(self) -> Any:
        return self

    @property
    def node(self) -> Any:
        return self

    def sender(self, key: object) -> Any:
        return self

    async def logs(self, *arguments: object) -> list[object]:
        return [object()]

    async def refresh(self) -> Any:
        return SimpleNamespace(header=SimpleNamespace(number=9, timestamp=self.now))

    async def prove(self, wanted: Mapping[str, Sequence[bytes]], head: object = None) -> Any:
        slots = self.slots()
        value = {(name, slot): slots.get(slot, 0) for name, asked in wanted.items() for slot in asked}
        return SimpleNamespace(
            value=lambda name, slot: value[name, slot], digest=lambda name, slot: value[name, slot].to_bytes(32, "big")
        )

    def slots(self) -> dict[bytes, int]:
        found: dict[bytes, int] = {
            layout.cluster_field(CLUSTER, "epoch"): self.epoch,
            layout.cluster_field(CLUSTER, "first_open"): 1,
            layout.cluster_field(CLUSTER, "member_count"): len(self.members),
            layout.cluster_field(CLUSTER, "quorum"): self.quorum,
            layout.cluster_epoch(CLUSTER, self.epoch, "raised"): 1,
            layout.input_key(PROGRAM, self.epoch): int(len(self.members) >= self.quorum),
            layout.gatekeeping_committee(): self.committee,
            layout.gatekeeping_threshold(): self.threshold,
            layout.gatekeeping_member_count(): len(GATEKEEPERS),
            layout.gatekeeping_share_keys_hash(): int.from_bytes(keccak256(b"".join(self.share_keys())), "big"),
        }
        for at, signer in enumerate(GATEKEEPERS):
            found[layout.gatekeeping_member(at, "signer")] = int.from_bytes(signer, "big")
            found[layout.gatekeeping_revoked(signer)] = int(signer in self.revoked)
        return found

    def share_keys(self) -> list[bytes]:
        return [signer[:1] * 96 if signer in self.holders else NO_SHARE for signer in GATEKEEPERS]

    # ---- transactions

    async def send(self, to: object, call: Any) -> None:
        if call == b"":  # the next block
            assert to == self.address
            self.now += 12
            return
        name, *arguments = call
        if name == "contain":
            self._contain(arguments[1])
        elif name == "remove":
            self.members.remove(arguments[1])
        elif name == "revoke" and len(arguments[0]) == 20:
            if len(self.holders - self.revoked - {arguments[0]}) < self.threshold:
                raise TransactionReverted("revoke", "gatekeeping: threshold")
            self.revoked.add(arguments[0])
            if self.refreshes:
                self.committee, self.holders = self.committee + 1, self.holders - self.revoked
        self.sent.append((name, *arguments))

    def _contain(self, workers: list[WorkerId]) -> None:
        if self.full:
            raise TransactionReverted("contain", "clusters: epochs")
        if self.overtaken:
            self.overtaken, self.members, self.epoch = False, self.members[1:], self.epoch + 1
        if not set(workers) <= set(self.members):
            raise TransactionReverted("contain", "clusters: not a member")
        self.members = [one for one in self.members if one not in workers]
        self.epoch += 1


@dataclass
class Named:
    """One contract of it."""

    network: FakeNetwork
    name: str
    address: bytes = b""

    async def read(self, what: str, *arguments: Any) -> Any:
        match what:
            case "clusters":
                return [b"", self.network.epoch]
            case "members":
                return int(arguments[1] in self.network.members)
            case "is_exposed":
                return self.network.exposed
        raise AssertionError(what)

    def encode(self, *call: Any) -> tuple[Any, ...]:
        return call

    @property
    def interface(self) -> Any:
        return SimpleNamespace(event=lambda name: SimpleNamespace(topic=b"topic"))

    def events(self, logs: object, name: str) -> list[dict[str, Any]]:
        keys = self.network.share_keys()
        return [{"share_keys": [NO_SHARE] * len(keys) if self.network.lie else keys}]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containment, "_LOOK_SECONDS", 0.0)


def history() -> AuditState:
    """One cluster of three workers with a program, five gatekeepers of whom three make the key."""
    state = AuditState(Network(configuration(), (ZERO,)), 10)
    state.blocks = [Block(number, ZERO, 1_000 + number, ZERO) for number in range(3)]
    block = state.blocks[0]
    cluster = ClusterHistory(CLUSTER, Address(bytes(20)), 1, 1, 0, True, ZERO, block, ZERO)
    cluster.epochs.append(EpochHistory(1, 0, 1, 1, ZERO, block))
    for worker in WORKERS:
        live: Any = SimpleNamespace(
            role=ROLE_WORKER,
            operator=Address(worker[:20]),
            platform=worker,
            root=VENDOR,
            measurement=ZERO,
            signer=Address(worker[:20]),
            expires=2**40,
        )
        state.workers[worker] = WorkerHistory(worker, [(live, block)])
        cluster.memberships.append(Membership(worker, Address(worker[:20]), 1, block))
    state.clusters[CLUSTER] = cluster
    owner = Address(bytes(20))
    state.programs[PROGRAM] = ProgramHistory(PROGRAM, CLUSTER, owner, CodeHash(ZERO), 0, ZERO, block)
    seats = tuple((owner, signer, bytes(32), ZERO) for signer in GATEKEEPERS)
    held = tuple(signer[:1] * 96 for signer in GATEKEEPERS)
    state.committees.append(Committee(1, 3, seats, block, cast(Any, object()), held))
    return state


def subject(
    kind: str, workers: Sequence[WorkerId] = (), gatekeepers: Sequence[Address] = (), assumed: Sequence[Address] = ()
) -> Subject:
    digests = (VENDOR, OTHER_ROOT) if kind == "vendor" else (VENDOR,)
    broken = Broken(frozenset(workers), frozenset(gatekeepers))
    return Subject(kind, kind, digests if kind in ("vendor", "platform") else (), broken, tuple(assumed))


def run(network: FakeNetwork, broken: Subject, state: AuditState | None = None, timeout: float = 0.2) -> Containment:
    state = state or history()
    session: Any = network
    exposure = compute_exposure(state, broken.broken)
    return asyncio.run(contain(session, state, broken, exposure, key(1), timeout))


def names(network: FakeNetwork) -> list[str]:
    return [call[0] for call in network.sent]


def test_a_vendor_is_distrusted_its_gatekeepers_revoked_and_its_clusters_keys_changed() -> None:
    network = FakeNetwork()
    done = run(network, subject("vendor", WORKERS[:2], GATEKEEPERS[:2]))
    assert network.sent == [
        ("distrust", VENDOR),
        ("distrust", OTHER_ROOT),
        ("revoke", GATEKEEPERS[0]),
        ("revoke", GATEKEEPERS[1]),
        ("contain", CLUSTER, WORKERS[:2]),
    ]
    (cluster,) = done.clusters
    assert (cluster.epoch, cluster.stands_still) == (2, False)
    assert done.committee is not None
    assert (done.committee.number, done.committee.holders) == (3, 3)


def test_a_cluster_without_other_members_stands_still_and_nobody_waits_for_it() -> None:
    network = FakeNetwork()
    (cluster,) = run(network, subject("vendor", WORKERS)).clusters
    assert (network.members, cluster.stands_still) == ([], True)


def test_an_idle_chain_is_made_to_go_on_until_the_grace_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is left to send anything, so that no block would come; on other networks blocks come by themselves."""
    monkeypatch.setattr(containment, "_NUDGE_SECONDS", 0.0)
    network = FakeNetwork(now=2)
    (cluster,) = run(network, subject("worker", WORKERS), timeout=5.0).clusters
    assert cluster.stands_still
    assert network.now > 1 + grace_of(history())
    state = history()
    real = replace(state.network.configuration, development=False, custodian=Custodian("none"))
    state.network = replace(state.network, configuration=real)
    with pytest.raises(PeerUnreachable):
        run(FakeNetwork(now=2), subject("worker", WORKERS), state)


def test_t_broken_shares_are_beyond_containment_and_nothing_is_sent() -> None:
    network = FakeNetwork()
    with pytest.raises(CallerMisuse) as caught:
        run(network, subject("vendor", WORKERS[:1], GATEKEEPERS[:3]))
    assert (caught.value.code, network.sent) == ("drill.beyond", [])


def test_gatekeepers_of_unknown_hardware_are_neither_counted_nor_revoked() -> None:
    network = FakeNetwork()
    done = run(network, subject("vendor", WORKERS[:1], GATEKEEPERS[:4], assumed=GATEKEEPERS[1:4]))
    assert names(network) == ["distrust", "distrust", "revoke", "contain"]
    assert network.revoked == {GATEKEEPERS[0]}
    assert done.committee is not None


def test_a_gatekeeper_is_not_contained_before_the_chain_shows_that_it_has_no_share() -> None:
    """The contract's own word that it is revoked does not suffice, nor does another committee in which it has one."""
    network = FakeNetwork(refreshes=False)
    with pytest.raises(PeerUnreachable) as caught:
        run(network, subject("gatekeeper", gatekeepers=GATEKEEPERS[:1]))
    assert caught.value.code == "drill.not_contained"
    assert network.revoked == {GATEKEEPERS[0]}
    network.committee += 1
    with pytest.raises(PeerUnreachable):
        run(network, subject("gatekeeper", gatekeepers=GATEKEEPERS[:1]), renewed(history(), GATEKEEPERS))


def renewed(state: AuditState, holders: Sequence[Address]) -> AuditState:
    """The first one is revoked, and another committee holds shares."""
    first = state.committees[-1]
    first.until = state.now
    keys = tuple(signer[:1] * 96 if signer in holders else NO_SHARE for signer in GATEKEEPERS)
    state.committees.append(Committee(2, 3, first.seats, state.now, first.keys, keys))
    state.revoked_gatekeepers[GATEKEEPERS[0]] = 1
    return state


def test_what_is_contained_already_is_not_contained_twice() -> None:
    network = FakeNetwork(committee=2, holders=set(GATEKEEPERS[1:]), revoked={GATEKEEPERS[0]})
    state = renewed(history(), GATEKEEPERS[1:])
    done = run(network, subject("gatekeeper", gatekeepers=GATEKEEPERS[:1]), state)
    assert (network.sent, done.transactions) == ([], ())
    assert done.committee is not None
    assert done.committee.number == 2


def test_a_grace_that_an_earlier_containment_left_is_waited_for() -> None:
    state, network = history(), FakeNetwork(epoch=2, members=WORKERS[1:])
    cluster = state.clusters[CLUSTER]
    cluster.memberships[0].left = state.now
    cluster.epochs.append(EpochHistory(2, 1, 1, 1, ZERO, state.now))
    state.workers[WORKERS[0]].revoked = state.now
    (found,) = run(network, subject("worker", WORKERS[:1]), state).clusters
    assert (network.sent, found.epoch) == ([], 2)
    with pytest.raises(PeerUnreachable, match="write under epoch 2"):
        run(replace(network, now=2), subject("worker", WORKERS[:1]), state)


def test_a_nodes_false_list_of_shares_is_found_out() -> None:
    session: Any = FakeNetwork(lie=True)
    with pytest.raises(EvidenceRefused) as caught:
        asyncio.run(prove_shares(session))
    assert caught.value.code == "shares.false"


def test_members_hosts_may_be_first() -> None:
    network = FakeNetwork(overtaken=True)
    (cluster,) = run(network, subject("worker", WORKERS[:1])).clusters
    assert (network.members, cluster.epoch) == (WORKERS[1:], 2)
    assert names(network) == ["revoke"]


def test_what_cannot_be_contained_is_told_once_the_rest_is() -> None:
    network = FakeNetwork(holders=set(GATEKEEPERS[:3]))
    state = history()
    state.committees[0].share_keys = tuple(network.share_keys())
    with pytest.raises(PeerUnreachable) as caught:
        run(network, subject("platform", WORKERS[:1], GATEKEEPERS[:1]), state)
    assert caught.value.code == "drill.threshold"
    assert names(network) == ["distrust", "contain"]
    network = FakeNetwork(full=True)
    with pytest.raises(PeerUnreachable) as caught:
        run(network, subject("worker", WORKERS[:1]))
    assert caught.value.code == "drill.epochs"
    assert names(network) == ["revoke", "remove"]


def test_the_record_is_judged_afterwards() -> None:
    state, broken = history(), subject("vendor", WORKERS[:1], GATEKEEPERS[:1])
    with pytest.raises(PeerUnreachable) as caught:
        check_contained(state, broken)
    assert caught.value.code == "drill.not_contained"
    for reached in ("present epoch 1", "a quorum", "committee 1: 1 of its shares"):
        assert reached in caught.value.why
    now = state.now
    state.clusters[CLUSTER].memberships[0].left = now
    state.clusters[CLUSTER].epochs.append(EpochHistory(2, 1, 1, 1, ZERO, now))
    check_contained(renewed(state, GATEKEEPERS[1:]), broken)
