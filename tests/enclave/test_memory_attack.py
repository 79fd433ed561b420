"""The memories of fewer than t gatekeepers give away no cluster's key; with the threshold lowered by one they do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from unittest.mock import Mock

import pytest

from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave import messages as m
from coprocessor.enclave.loop import _dump
from coprocessor.enclave.memory import collect_memory
from coprocessor.host.enclave_process import EnclaveOptions, EnclaveProcess, EnclaveRefused, gatekeeper_enclave
from coprocessor.keys.dealing import DkgSession
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.protocol import layout
from coprocessor.sandbox.engine import Engine
from coprocessor.values.identities import ClusterId
from tests.enclave.committee import Committee
from tests.enclave.stage import Stage, Worker
from tests.support.fake_chain import CLUSTER, FakeChain
from tests.support.memory_attack import MemoryAttack

MEMBERS = 5


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def attack(committee: Committee) -> MemoryAttack:
    """An attacker with all public data, and every sealed blob."""
    everybody = tuple(range(1, len(committee.cores) + 1))
    session = DkgSession(
        committee.network, committee.session, committee.threshold, everybody, everybody, insecure=True
    )
    identity = ClusterIdentity(committee.network, ClusterId(CLUSTER), 1, insecure=True)
    return MemoryAttack(session, committee.entries, identity, committee.sealed)


def served(engine: Engine, threshold: int) -> tuple[Stage, ClusterKeys]:
    """A network whose gatekeepers have all served a worker, and the keys that the worker has."""
    stage = Stage(members=MEMBERS, threshold=threshold)
    worker = Worker(stage, engine)
    worker.admit()
    stage.chain.set("Clusters", layout.cluster_field(CLUSTER, "epoch"), 1)
    stage.chain.mine()
    worker.take_keys()
    keys = worker.core._cluster._epochs.keys(1)  # type: ignore[union-attr]
    assert keys is not None
    return stage, keys


def test_fewer_than_t_memories_derive_nothing_and_t_do(engine: Engine) -> None:
    stage, _ = served(engine, 3)
    memories = [collect_memory(core) for core in stage.committee.cores]
    attacker = attack(stage.committee)
    assert attacker.derive(memories[:2]) is None
    assert sorted(attacker.shares) == [1, 2]  # the attack finds all that is there

    lowered, keys = served(engine, 2)
    memories = [collect_memory(core) for core in lowered.committee.cores]
    stolen = attack(lowered.committee).derive(memories[:2])
    assert stolen is not None
    assert stolen.randomness_secret == keys.randomness_secret
    assert attack(lowered.committee).derive(memories[:1]) is None


@pytest.mark.parametrize(("threshold", "derives"), [(3, False), (2, True)])
def test_memories_of_the_ceremony_itself(threshold: int, derives: bool) -> None:
    """While the ceremony runs, members hold what they deal; t - 1 of them still know too little."""
    committee = Committee(FakeChain(), MEMBERS, threshold)
    committee.hold_genesis()
    while len(committee.signatures) < MEMBERS:
        for at in range(MEMBERS):
            committee.step(at)
    attacker = attack(committee)
    stolen = attacker.derive([collect_memory(core) for core in committee.cores[:2]])
    assert (stolen is not None) is derives
    assert len({dealer for dealer, _ in attacker.dealt}) == MEMBERS
    assert len({receiver for dealer, receiver in attacker.dealt if dealer > 2}) == 2


def test_the_secret_of_the_ceremony_is_gone_when_its_outcome_stands() -> None:
    committee = Committee(FakeChain(), 3, 2)
    committee.hold_genesis()
    entropies = [core._state.custody._ceremony.secret.entropy for core in committee.cores]  # type: ignore[union-attr]
    assert all(entropy in collect_memory(core) for entropy, core in zip(entropies, committee.cores, strict=True))
    committee.run()
    for at, (entropy, core) in enumerate(zip(entropies, committee.cores, strict=True)):
        assert entropy not in collect_memory(core)
        committee.crash(at)
        assert entropy not in collect_memory(committee.cores[at])


def test_what_a_dump_finds(engine: Engine) -> None:
    """Keys inside libraries, in closures and slots too; nothing twice."""
    stage = Stage(members=3, threshold=2)
    core = stage.gatekeeper
    found = collect_memory(core)
    state = core._state
    assert state is not None
    assert state.custody.share is not None
    for secret in (state.keys.signing.secret, state.keys.sealing.secret, state.custody.share.secret.to_bytes()):
        assert secret in found
    assert stage.committee.machines[0].seal_key(b"gatekeeper-share") in found
    assert len(set(found)) == len(found)
    secret = sha256(b"closed over")
    assert secret in collect_memory([lambda: secret])


def test_no_table_of_real_hardware_has_the_message() -> None:
    for table in (m.GATEKEEPER_REQUESTS, m.WORKER_REQUESTS, m.GATEKEEPER_REPLIES, m.WORKER_REPLIES):
        assert not table.names & {"DumpMemory", "MemoryDump"}
        assert m.simulated(table).names - table.names == {"DumpMemory", "MemoryDump"}


def test_a_process_on_simulated_hardware_tells_once_it_has_booted(tmp_path: Path) -> None:
    chain = FakeChain()
    options = gatekeeper_enclave(tmp_path / "platform", True)
    options = EnclaveOptions(options.command, m.simulated(options.requests), m.simulated(options.replies))

    async def go() -> None:
        enclave = await EnclaveProcess.start(options, lambda notice: None)
        try:
            with pytest.raises(EnclaveRefused, match="BootGatekeeper"):
                await enclave.request(m.DumpMemory(), m.MemoryDump)
            booted = await enclave.request(m.BootGatekeeper(chain.network_json(), bytes(20), b""), m.Booted)
            await enclave.request(chain.headers_message(), m.Head)
            dump = await enclave.request(m.DumpMemory(), m.MemoryDump)
        finally:
            await enclave.close()
        assert booted.signer in {PrivateKey(value).address for value in dump.values if _is_scalar(value)}

    asyncio.run(asyncio.wait_for(go(), 60))


_SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def _is_scalar(value: bytes) -> bool:
    return len(value) == 32 and 0 < int.from_bytes(value, "big") < _SECP256K1_ORDER


def test_real_hardware_tells_nobody() -> None:
    committee = Committee(FakeChain(), 1, 1)
    real = Mock(is_simulated=False)
    refused = _dump(committee.cores[0], real)
    assert isinstance(refused, m.Failure)
    assert refused.code == "enclave.no_dump"
    told = _dump(committee.cores[0], committee.machines[0])
    assert isinstance(told, m.MemoryDump)
