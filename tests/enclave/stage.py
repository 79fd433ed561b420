"""A gatekeeper and workers around one fake chain, in one process, with counted entropy: what hosts would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coprocessor.attestation.evidence import decode_evidence, encode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.attesters.simulated import SimulatedAttester
from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.enclave import messages as m
from coprocessor.enclave.executor_port import ExecutorDied
from coprocessor.enclave.gatekeeper import GatekeeperCore, GatekeeperSurroundings
from coprocessor.enclave.worker import WorkerCore, WorkerSurroundings
from coprocessor.protocol import layout
from coprocessor.protocol.system import compute_worker_id
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.values.identities import Address, Digest, RuntimeId, WorkerId
from tests.support.fake_chain import CLUSTER, GENESIS_TIME, MEASURED, FakeChain, key

RUNTIME = RuntimeId(sha256(b"runtime"))
OPERATOR = key(50).address


def counted_entropy(seed: bytes) -> Callable[[int], bytes]:
    """Bytes that differ at each call and are the same in each run."""
    state = {"count": 0}

    def entropy(length: int) -> bytes:
        state["count"] += 1
        block = b"".join(
            sha256(seed + state["count"].to_bytes(8, "big") + bytes((part,))) for part in range(length // 32 + 1)
        )
        return block[:length]

    return entropy


class InProcessPort:
    """The executor's core without its process; ``die_at`` ends it before it answers the n-th request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executor = Executor(engine)
        self.die_at: set[int] = set()
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

    def restart(self) -> None:
        """A new, empty executor."""
        self._executor = Executor(self._engine)


def attester(machine: bytes, measured: bytes = MEASURED) -> SimulatedAttester:
    """A simulated machine."""
    return SimulatedAttester(sha256(machine), measured)


def platform_of(machine: SimulatedAttester) -> bytes:
    """The machine's id."""
    return verify_evidence(machine.quote(bytes(64), GENESIS_TIME), GENESIS_TIME).platform_id


def ask(core: GatekeeperCore | WorkerCore, message: Any) -> Any:
    """The reply to a message that must succeed."""
    reply = core.handle(message)[0]
    assert not isinstance(reply, m.Failure), reply
    return reply


def refusal(core: GatekeeperCore | WorkerCore, message: Any) -> str:
    """The code of the failure that a message must end in."""
    reply = core.handle(message)[0]
    assert isinstance(reply, m.Failure), reply
    return reply.code


def admit_request(core: Any, machine: SimulatedAttester, booted: m.Booted, chain: FakeChain, role: int = 1) -> m.Admit:
    """What a host sends to gatekeepers for a booted enclave."""
    claims = core.claims()
    evidence = encode_evidence(machine.quote(claims.compute(), core.chain_time()))
    checkpoint = next(n for n in range(chain.number + 1) if chain.block_hash(n) == claims.checkpoint_hash)
    return m.Admit(
        role,
        OPERATOR,
        booted.signer,
        booted.signing_key,
        booted.sealing_key,
        evidence,
        claims.checkpoint_hash,
        checkpoint,
        claims.block_number,
        claims.block_hash,
    )


class Stage:
    """A network with one gatekeeper, t = n = 1, whose genesis is over."""

    def __init__(self, chain: FakeChain | None = None) -> None:
        self.chain = chain or FakeChain()
        self.machine = attester(b"gatekeeper")
        self.gatekeeper = self.make_gatekeeper()
        self.booted = ask(self.gatekeeper, m.BootGatekeeper(self.chain.network_json(), OPERATOR, b""))
        ask(self.gatekeeper, self.chain.headers_message())
        member = admit_request(self.gatekeeper, self.machine, self.booted, self.chain, role=2)
        self.genesis = ask(self.gatekeeper, m.Genesis(1, (member,)))
        self.keys = ask(self.gatekeeper, m.DkgInput(()))
        evidence = verify_evidence(decode_evidence(member.evidence), self.gatekeeper.chain_time())
        self.chain.gatekeepers = (evidence.body_digest,)
        self._record_gatekeeper()

    def make_gatekeeper(self) -> GatekeeperCore:
        """A fresh gatekeeper core on the gatekeeper's machine."""
        surroundings = GatekeeperSurroundings(
            entropy=counted_entropy(b"gatekeeper"),
            seal_key=self.machine.seal_key(b"gatekeeper-share"),
            platform=platform_of(self.machine),
            simulated=True,
        )
        return GatekeeperCore(surroundings)

    def _record_gatekeeper(self) -> None:
        chain = self.chain
        chain.set("Gatekeeping", layout.gatekeeping_genesis(), self.genesis.network)
        chain.set("Gatekeeping", layout.gatekeeping_threshold(), 1)
        chain.set("Gatekeeping", layout.gatekeeping_member_count(), 1)
        chain.set("Gatekeeping", layout.gatekeeping_member(0, "signer"), self.booted.signer)
        chain.set("Gatekeeping", layout.gatekeeping_master_key_hash(), keccak256(self.keys.master_key))
        chain.mine()
        self.sync(self.gatekeeper)
        ask(self.gatekeeper, self.committee_proof())

    def sync(self, core: Any) -> None:
        """Gives a core all headers."""
        ask(core, self.chain.headers_message())

    def committee_proof(self) -> m.ChainProof:
        """All that enclaves believe of the gatekeepers."""
        return self.chain.proof(
            ("Gatekeeping", layout.gatekeeping_threshold()),
            ("Gatekeeping", layout.gatekeeping_member_count()),
            ("Gatekeeping", layout.gatekeeping_member(0, "signer")),
            ("Gatekeeping", layout.gatekeeping_master_key_hash()),
        )


class Worker:
    """A worker on a stage."""

    def __init__(self, stage: Stage, engine: Engine, name: bytes = b"worker", runtime: RuntimeId = RUNTIME) -> None:
        self.stage = stage
        self.machine = attester(name)
        self.port = InProcessPort(engine)
        self.core = WorkerCore(
            WorkerSurroundings(
                entropy=counted_entropy(name),
                executor=self.port,
                guest_wasm=lambda language: b"",
                guest_digest=lambda language: bytes(32),
                runtime=runtime,
                seal_key=self.machine.seal_key(b"code-cache"),
                platform=platform_of(self.machine),
                simulated=True,
            )
        )
        self.booted: m.Booted = ask(self.core, m.BootWorker(stage.chain.network_json(), OPERATOR, CLUSTER))
        self.notices: list[Any] = []
        stage.sync(self.core)

    @property
    def id(self) -> WorkerId:
        """As the registry computes it."""
        return compute_worker_id(OPERATOR, Digest(platform_of(self.machine)))

    def admit(self) -> None:
        """Gatekeeper's admission, then what the contracts would record."""
        stage, chain = self.stage, self.stage.chain
        stage.sync(stage.gatekeeper)
        signed = ask(stage.gatekeeper, admit_request(self.core, self.machine, self.booted, chain))
        for field in ("operator", "role", "signer", "sealing_key", "expires"):
            chain.set("Registry", layout.registry_worker(self.id, field), getattr(signed, field))
        chain.set("Registry", layout.registry_worker_of(Address(self.booted.signer)), self.id)
        chain.set("Clusters", layout.cluster_member(CLUSTER, self.id), 1)
        chain.mine()

    def record_proof(self) -> m.ChainProof:
        """The worker's own record, membership, and the cluster's epoch."""
        fields = ("signer", "sealing_key", "role", "revoked", "expires")
        return self.stage.chain.proof(
            *(("Registry", layout.registry_worker(self.id, field)) for field in fields),
            ("Registry", layout.registry_worker_of(Address(self.booted.signer))),
            ("Clusters", layout.cluster_member(CLUSTER, self.id)),
            ("Clusters", layout.cluster_field(CLUSTER, "epoch")),
            ("Clusters", layout.cluster_field(CLUSTER, "first_open")),
        )

    def request(self, epoch: int = 1) -> bytes:
        """A key request with a fresh ticket."""
        stage = self.stage
        for core in (stage.gatekeeper, self.core):
            stage.sync(core)
            ask(core, stage.committee_proof())
            ask(core, self.record_proof())
        nonce = ask(self.core, m.RequestTicket()).nonce
        ticket = ask(stage.gatekeeper, m.GiveTicket(nonce)).ticket
        return ask(self.core, m.Tickets(epoch, (ticket,))).request  # type: ignore[no-any-return]

    def take_keys(self, epoch: int = 1) -> None:
        """The whole way to the keys of an epoch."""
        partial = ask(self.stage.gatekeeper, m.Release(self.request(epoch))).partial
        keys = self.stage.keys
        ask(self.core, m.Partials(epoch, keys.master_key, keys.share_keys, (partial,)))

    def follow(self) -> None:
        """New headers, the inbox's proof, new links; then work until nothing is left."""
        chain = self.stage.chain
        self.stage.sync(self.core)
        ask(self.core, chain.inbox_proof())
        status = ask(self.core, m.GetStatus())
        if status.buffered < len(chain.links):
            ask(self.core, chain.links_message(status.buffered))
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
