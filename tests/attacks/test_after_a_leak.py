"""After a worker's memory has leaked and its cluster is contained, what is written stays closed to that memory.

Contained means: the member is removed, the epoch is raised, the older one is closed (PROTOCOL 8.2 to 8.4). The attacker
has the leaked memory, goes on running the enclave it leaked from, and has all that comes to chain, disks, wire later.
What authors sealed to the older key before they learnt of the new one is open, as what came before it; nothing else is.
"""

from __future__ import annotations

import pytest

from coprocessor.crypto.hpke import SealingKey
from coprocessor.enclave import cluster_keys, epochs
from coprocessor.enclave.key_release import KeyReleases
from coprocessor.enclave.memory import collect_memory
from coprocessor.sandbox.engine import Engine
from tests.attacks.busy_cluster import BusyCluster
from tests.attacks.sealed import Sealed
from tests.attacks.test_two_clusters import OF_THE_CLUSTER
from tests.attacks.thief import Thief, thief_of
from tests.enclave.stage import Stage

GRACE_BLOCKS = 40


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(autouse=True)
def grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of the fake chain takes 12 seconds."""
    monkeypatch.setattr(epochs, "DEVELOPMENT_GRACE_SECONDS", 12 * GRACE_BLOCKS)


class Leak:
    """A cluster of two, one of which has leaked: its memory, and what was there by then."""

    def __init__(self, engine: Engine) -> None:
        self.stage = Stage(members=3, threshold=2)
        self.cluster = BusyCluster(self.stage, engine, b"leaking")
        self.leaking = self.cluster.worker
        self.cluster.join(b"honest", [1])
        self.calls = 0
        self.work()
        self.cluster.keep_state()
        self.memory = collect_memory(self.leaking.core)
        self.before = list(self.cluster.objects)

    def work(self, epoch: int | None = None) -> None:
        """A command and a query to each program; nothing is lost and nothing fails."""
        self.calls += 1
        for program in self.cluster.programs[:2]:
            self.cluster.call(program, epoch)
            assert self.cluster.query(program) == 5 + self.calls
        assert set(self.cluster.statuses) == {"OK"}
        assert len(self.cluster.statuses) == 2 * self.calls

    def end(self) -> None:
        """The older epoch is closed; a newcomer takes the leaked one's place; work goes on."""
        self.work()
        self.cluster.deploy(private=True)
        self.cluster.keep_state()
        reached = self.cluster.let_grace_pass(GRACE_BLOCKS)
        self.cluster.close(reached)
        self.cluster.join(b"newcomer", [2], reached)
        self.work()

    def thief(self, *more: bytes) -> Thief:
        """The attacker, after its search."""
        thief = thief_of(self.stage, self.cluster)
        thief.search((*self.memory, *more))
        thief.tell(self.cluster)
        return thief

    def after(self) -> list[Sealed]:
        """What came after the leak."""
        return self.cluster.objects[len(self.before) :]


def test_what_is_written_after_containment_stays_closed(engine: Engine) -> None:
    leak = Leak(engine)
    leak.cluster.leave(leak.leaking)
    leak.cluster.raise_epoch()
    contained = len(leak.cluster.objects)
    leak.work(epoch=1)  # by authors who have not learnt of the new key
    late = [one for one in leak.cluster.objects[contained:] if one.kind == "input"]
    with pytest.raises(AssertionError, match=r"release\.refused"):
        leak.cluster.take_keys(leak.leaking, 2)  # the attacker's enclave goes on, and asks
    leak.end()

    thief = leak.thief(*collect_memory(leak.leaking.core))
    opened = [one for one in leak.before if one in thief.opened]
    assert {one.kind for one in opened} >= set(OF_THE_CLUSTER) - {"checkpoint"}
    assert all(one in thief.opened for one in late)
    closed = [one for one in leak.after() if one.epoch == 2 and one.kind not in ("output", "cache")]
    assert {one.kind for one in closed} == {*OF_THE_CLUSTER, "partial"} - {"output"}
    assert not [one for one in closed if one in thief.opened]
    outputs = [one for one in leak.after() if one.kind == "output"]
    assert len(outputs) == 6
    assert len([one for one in outputs if one in thief.opened]) == len(late) == 2  # theirs: inputs hold reply secrets


def test_removed_without_a_new_epoch_it_reads_on(engine: Engine) -> None:
    """The defence that is switched off: new keys."""
    leak = Leak(engine)
    leak.cluster.leave(leak.leaking)
    leak.work()
    leak.cluster.keep_state()
    leak.cluster.deploy(private=True)
    thief = leak.thief()
    opened = {one.kind for one in leak.after() if one in thief.opened}
    assert opened == set(OF_THE_CLUSTER) - {"checkpoint"}


def test_with_the_new_keys_given_to_whoever_asks_it_reads_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defence that is switched off: gatekeepers release to present members alone (PROTOCOL 8.2)."""
    monkeypatch.setattr(KeyReleases, "_check_member", lambda releases, request: None)
    leak = Leak(engine)
    leak.cluster.leave(leak.leaking)
    leak.cluster.raise_epoch()
    leak.cluster.take_keys(leak.leaking, 2)
    memory = collect_memory(leak.leaking.core)
    leak.end()
    thief = leak.thief(*memory)
    kinds = {one.kind for one in leak.after() if one in thief.opened and one.epoch == 2}
    assert kinds >= set(OF_THE_CLUSTER)

def test_a_closed_epoch_is_gone_from_memory(engine: Engine) -> None:
    """Who breaks in after the closing reads nothing of before (PROTOCOL 8.4)."""
    leak = Leak(engine)
    leak.cluster.raise_epoch()
    leak.end()
    thief = thief_of(leak.stage, leak.cluster)
    thief.search(collect_memory(leak.leaking.core))
    thief.tell(leak.cluster)
    assert thief.epochs(leak.cluster.id, "input") == thief.epochs(leak.cluster.id, "state") == {2}
    assert thief.epochs(leak.cluster.id, "code") == thief.epochs(leak.cluster.id, "init") == {2}


def test_with_answer_keys_kept_a_closed_epoch_comes_back(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The defence that is switched off: parts are sealed to a key that is forgotten with its request. A host that kept
    the parts opens them once it breaks the enclave."""
    kept: list[SealingKey] = []

    def keep(secret: bytes) -> SealingKey:
        kept.append(SealingKey(secret))
        return kept[-1]

    monkeypatch.setattr(cluster_keys, "SealingKey", keep)
    leak = Leak(engine)
    leak.cluster.raise_epoch()
    leak.end()
    thief = thief_of(leak.stage, leak.cluster)
    thief.search(collect_memory([leak.leaking.core, kept]))
    thief.tell(leak.cluster)
    assert thief.epochs(leak.cluster.id, "input") == {1, 2}
