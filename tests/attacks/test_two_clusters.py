"""What the memory of one broken worker opens: its own cluster's open epochs, and nothing of another cluster.

The whole memory of a worker's core and executor of cluster A, with every ciphertext of both clusters ever on the chain,
on a disk or on the wire; then the same where both clusters share a secret (PROTOCOL 8.1, 8.2).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.enclave.memory import collect_memory
from coprocessor.keys import identity as identities
from coprocessor.sandbox.engine import Engine
from coprocessor.values.identities import ClusterId
from tests.attacks.busy_cluster import BusyCluster
from tests.attacks.thief import thief_of
from tests.enclave.stage import Stage

OF_THE_CLUSTER = ("input", "query", "code", "init", "state", "checkpoint", "output", "reply")
"""Kinds that the keys of a cluster's epochs open, at once or through a reply secret."""

OF_THE_MACHINE = ("partial", "cache")
"""Kinds that keys of one request or of one machine open; the former are forgotten with it."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def busy(stage: Stage, engine: Engine, name: bytes) -> BusyCluster:
    """A cluster that has worked in two epochs, both open."""
    cluster = BusyCluster(stage, engine, name)
    for program in cluster.programs:
        cluster.call(program)
        assert cluster.query(program) == 6
    cluster.keep_state()
    cluster.raise_epoch()
    for program in cluster.programs:
        cluster.call(program)
        assert cluster.query(program) == 7
    cluster.keep_state()
    cluster.deploy(private=True)
    cluster.let_grace_pass(2)
    assert set(cluster.statuses) == {"OK"}
    return cluster


def test_a_worker_opens_its_own_clusters_open_epochs_and_nothing_of_another(engine: Engine) -> None:
    stage = Stage(members=3, threshold=2)
    a, b = (busy(stage, engine, name) for name in (b"A", b"B"))
    thief = thief_of(stage, a, b)
    thief.search(collect_memory(a.worker.core))
    thief.tell(a, b)
    for kind in (*OF_THE_CLUSTER, "cache"):
        assert thief.count(a.id, kind) == thief.total(a.id, kind) > 0, kind
        assert thief.total(b.id, kind) > 0
    assert thief.count(a.id, "partial") == 0
    assert thief.epochs(a.id, "input") == {1, 2}
    assert thief.count(b.id) == 0


def test_with_one_shared_secret_it_opens_the_other_clusters_too(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defence that is switched off: that a cluster's id is part of what its keys come from."""
    bound = identities.ClusterIdentity.context

    def unbound(self: identities.ClusterIdentity, label: identities.Label, *parts: bytes) -> bytes:
        return bound(replace(self, cluster=ClusterId(bytes(32))), label, *parts)

    monkeypatch.setattr(identities.ClusterIdentity, "context", unbound)
    stage = Stage(members=3, threshold=2)
    a, b = (busy(stage, engine, name) for name in (b"A", b"B"))
    thief = thief_of(stage, a, b)
    thief.search(collect_memory(a.worker.core))
    thief.tell(a, b)
    for kind in OF_THE_CLUSTER:
        assert thief.count(b.id, kind) == thief.total(b.id, kind) > 0, kind
    for kind in OF_THE_MACHINE:
        assert thief.count(b.id, kind) == 0, kind
