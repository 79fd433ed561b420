"""Gatekeepers and workers around one fake chain, in one process, with counted entropy: what hosts would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coprocessor.enclave import messages as m
from coprocessor.enclave.executor_port import ExecutorDied
from coprocessor.enclave.gatekeeper import GatekeeperCore
from coprocessor.enclave.surroundings import WorkerSurroundings
from coprocessor.enclave.worker import WorkerCore
from coprocessor.host import slots
from coprocessor.protocol import layout
from coprocessor.protocol.system import compute_worker_id
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.sandbox.runtime import Runtime, Runtimes, release_runtimes
from coprocessor.values.identities import Address, ClusterId, Digest, WorkerId
from tests.enclave.committee import Committee
from tests.enclave.cores import (
    OPERATOR,
    admit_request,
    ask,
    attester,
    counted_entropy,
    platform_of,
    policy_proof,
    refusal,
)
from tests.support.fake_chain import CLUSTER, FakeChain

__all__ = [
    "FIRST",
    "OPERATOR",
    "RUNTIME",
    "InProcessPort",
    "Stage",
    "Worker",
    "admit_request",
    "ask",
    "attester",
    "platform_of",
    "policy_proof",
    "refusal",
]

FIRST = release_runtimes().first
RUNTIME = FIRST.id
_RECORDED = ("operator", "platform", "role", "signer", "sealing_key", "measurement", "root", "expires")


class InProcessPort:
    """The executor's core without its process; ``die_at`` ends it before it answers the n-th request. ``runtimes`` are
    those of its restarts."""

    def __init__(self, engine: Engine, runtime: Runtime = FIRST) -> None:
        self._engine = engine
        self._executor = Executor(engine, rules=runtime.rules)
        self.die_at: set[int] = set()
        self.runtimes: list[Runtime] = []
        self.count = 0
        self._request: Any = None

    def send(self, request: Any) -> None:
        """Keeps the request until its reply is wanted."""
        assert self._request is None, "one request at a time"
        self._request = request

    def receive(self) -> Any:
        """The reply, or a death."""
        request, self._request = self._request, None
        assert request is not None, "nothing was sent"
        self.count += 1
        if self.count in self.die_at:
            raise ExecutorDied("executor.died", "the test killed it")
        return run_on_guest_stack(lambda: self._executor.handle(request))

    def restart(self, runtime: Runtime) -> None:
        """A new, empty executor of this runtime."""
        self.runtimes.append(runtime)
        self._executor = Executor(self._engine, rules=runtime.rules)


class Stage:
    """A network whose genesis and key ceremony are over; t = n = 1 unless told otherwise.

    Args:
        chain: a new one by default.
        members: n.
        threshold: t.
    """

    def __init__(self, chain: FakeChain | None = None, members: int = 1, threshold: int = 1) -> None:
        self.chain = chain or FakeChain()
        self.committee = Committee(self.chain, members, threshold)
        self.committee.hold_genesis()
        self.committee.run()
        for core in self.committee.cores:
            ask(core, self.committee_proof())

    @property
    def gatekeeper(self) -> GatekeeperCore:
        """The first one."""
        return self.committee.cores[0]

    @gatekeeper.setter
    def gatekeeper(self, core: GatekeeperCore) -> None:
        self.committee.cores[0] = core

    def sync(self, core: Any) -> None:
        """Gives a core all headers."""
        ask(core, self.chain.headers_message())

    def committee_proof(self) -> m.ChainProof:
        """All that enclaves believe of the gatekeepers."""
        return self.chain.proof(
            ("Gatekeeping", layout.gatekeeping_threshold()),
            ("Gatekeeping", layout.gatekeeping_member_count()),
            *(("Gatekeeping", layout.gatekeeping_member(at, "signer")) for at in range(len(self.committee.present))),
            *(("Gatekeeping", layout.gatekeeping_revoked(signer)) for signer in self.committee.signers()),
            ("Gatekeeping", layout.gatekeeping_master_key_hash()),
        )


class Worker:
    """A worker on a stage."""

    def __init__(
        self,
        stage: Stage,
        engine: Engine,
        name: bytes = b"worker",
        runtimes: Runtimes | None = None,
        cluster: ClusterId = CLUSTER,
        guests: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.stage = stage
        self.cluster = cluster
        self.machine = attester(name)
        carried = runtimes or Runtimes(FIRST)
        self.port = InProcessPort(engine, carried.first)
        self.core = WorkerCore(
            WorkerSurroundings(
                entropy=counted_entropy(name),
                executor=self.port,
                guest_wasm=lambda digest: (guests or {}).get(digest, b""),
                runtimes=carried,
                seal_key=self.machine.seal_key(b"code-cache"),
                platform=platform_of(self.machine),
                simulated=True,
            )
        )
        self.booted: m.Booted = ask(self.core, m.BootWorker(stage.chain.network_json(), OPERATOR, cluster))
        self.notices: list[Any] = []
        stage.sync(self.core)

    @property
    def id(self) -> WorkerId:
        """As the registry computes it."""
        return compute_worker_id(OPERATOR, Digest(platform_of(self.machine)))

    def admit(self) -> None:
        """Gatekeeper's admission, then what the contracts would record."""
        stage, chain = self.stage, self.stage.chain
        request = admit_request(self.core, self.machine, self.booted, chain)
        signed = stage.committee.ask_all(request)[0]
        for field in _RECORDED:
            chain.set("Registry", layout.registry_worker(self.id, field), getattr(signed, field))
        chain.set("Registry", layout.registry_worker_of(Address(self.booted.signer)), self.id)
        chain.set("Clusters", layout.cluster_member(self.cluster, self.id), 1)
        chain.mine()

    def recorded(self, field: str) -> int:
        """What the registry says of this worker."""
        return self.stage.chain.storage["Registry"].get(layout.registry_worker(self.id, field), 0)

    def record_proof(self) -> m.ChainProof:
        """The worker's own record, membership, and the cluster's epoch."""
        fields = (*_RECORDED, "revoked")
        subjects = [value.to_bytes(32, "big") for value in map(self.recorded, ("root", "measurement", "platform"))]
        return self.stage.chain.proof(
            *(("Registry", layout.registry_worker(self.id, field)) for field in fields),
            *(("Registry", slot) for slot in slots.policy(*subjects, self.booted.signer)["Registry"]),
            ("Registry", layout.registry_worker_of(Address(self.booted.signer))),
            ("Clusters", layout.cluster_member(self.cluster, self.id)),
            ("Clusters", layout.cluster_field(self.cluster, "epoch")),
            ("Clusters", layout.cluster_field(self.cluster, "first_open")),
        )

    def request(self, epoch: int = 1, by: Sequence[int] | None = None) -> bytes:
        """A key request with a fresh ticket of the gatekeepers ``by``, all by default."""
        stage = self.stage
        for core in (*stage.committee.chosen(by), self.core):
            stage.sync(core)
            ask(core, stage.committee_proof())
            ask(core, self.record_proof())
        nonce = ask(self.core, m.RequestTicket()).nonce
        given = stage.committee.ask_all(m.GiveTicket(nonce, stage.chain.number), by)
        return ask(self.core, m.Tickets(epoch, tuple(one.ticket for one in given))).request  # type: ignore[no-any-return]

    def take_keys(self, epoch: int = 1, by: Sequence[int] | None = None) -> m.KeysReady:
        """The whole way to the keys of an epoch, through the gatekeepers ``by``."""
        released = self.stage.committee.ask_all(m.Release(self.request(epoch, by)), by)
        return self.hand_over(tuple(one.partial for one in released), epoch)

    def hand_over(self, partials: tuple[bytes, ...], epoch: int = 1) -> m.KeysReady:
        """Partial keys to the worker."""
        return ask(self.core, self.partials(partials, epoch))  # type: ignore[no-any-return]

    def partials(self, partials: tuple[bytes, ...], epoch: int = 1) -> m.Partials:
        """The message that carries them."""
        committee = self.stage.committee
        return m.Partials(epoch, committee.master_key, committee.share_keys, partials)

    def follow(self) -> None:
        """New headers, the inbox's proof, new links; then work until nothing is left."""
        chain = self.stage.chain
        self.stage.sync(self.core)
        ask(self.core, chain.inbox_proof(self.cluster))
        status = ask(self.core, m.GetStatus())
        if status.buffered < len(chain.inboxes[self.cluster]):
            ask(self.core, chain.links_message(status.buffered, self.cluster))
        self.work()

    def work(self) -> None:
        """Runs the core dry; keeps its notices."""
        while notices := self.core.work():
            self.notices += notices

    def executed(self) -> list[m.LinkExecuted]:
        """Links executed so far."""
        return [notice for notice in self.notices if isinstance(notice, m.LinkExecuted)]

    def status(self) -> m.Status:
        """How far it is."""
        return ask(self.core, m.GetStatus())  # type: ignore[no-any-return]
