"""The worker's core: messages in, replies out; no I/O, no clock, no entropy of its own.

Rules enforced here and below:
1. nothing of the host is believed: headers by seals, slots by proofs, links by replay (PROTOCOL 1.3, 2.1, 2.2, 3.1);
2. no payload is opened before its link is inside a proven segment (PROTOCOL 2.2);
3. links are executed once, in order, and outcomes are functions of history (PROTOCOL 5);
4. a query is answered only at or past the client's finalised block (PROTOCOL 2.3);
5. a settled root that differs from the computed one stops everything (PROTOCOL 7.1).

``handle`` answers one message with exactly one reply and any number of notices; ``work`` executes at most one link. The
caller MUST call ``work`` until it has nothing more to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from coprocessor.attestation.report_data import ReportClaims
from coprocessor.enclave import messages as m
from coprocessor.enclave.booting import introduce, read_network
from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.checkpoint import Checkpoint, Manifest, make_checkpoint, open_checkpoint, take_snapshot
from coprocessor.enclave.cluster_keys import ClusterKeyAcquisition
from coprocessor.enclave.epochs import BegunEpoch, Epochs, grace_of
from coprocessor.enclave.executor_port import Executor
from coprocessor.enclave.history import History
from coprocessor.enclave.identity import EnclaveKeys
from coprocessor.enclave.inbox import InboxReplay, ProvenLink, link_of
from coprocessor.enclave.key_statements import KeyStatements
from coprocessor.enclave.programs import CodeStore, ProgramTable
from coprocessor.enclave.query_service import QueryService
from coprocessor.enclave.restoring import Pieces, check_named, rebuild
from coprocessor.enclave.sealed_state import GENESIS_ROOT, ClusterState
from coprocessor.enclave.surroundings import Guests, WorkerSurroundings
from coprocessor.enclave.transition import Transition
from coprocessor.enclave.undelivered import KeptLink, Undelivered, result_of
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.protocol import layout
from coprocessor.protocol.genesis import compute_network_id
from coprocessor.protocol.links import LinkKind, compute_genesis_head
from coprocessor.protocol.receipts import Receipt
from coprocessor.protocol.statements import Boundary
from coprocessor.protocol.system import decode_epoch, decode_instantiation
from coprocessor.values.errors import CallerMisuse, CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import (
    Address,
    ClusterId,
    CodeHash,
    Digest,
    ProgramId,
    StateRoot,
    WorkerId,
    checked_address,
    checked_digest,
)
from coprocessor.values.network import Network

__all__ = ["BOUNDARY_LINKS", "WorkerCore"]

BOUNDARY_LINKS = 128
"""After so many links another checkpoint is made while older epochs are not closed: the ring of heads is short."""


class WorkerCore:
    """A worker's enclave from boot to stop."""

    def __init__(self, surroundings: WorkerSurroundings) -> None:
        self._around = surroundings
        self._cluster: _Cluster | None = None

    def handle(self, message: Any) -> list[Any]:
        """The reply to ``message``, then notices that it caused.

        Errors of this package become ``Failure``; the state is then what it was before, except that unproven links of a
        forged segment are dropped.
        """
        try:
            if isinstance(message, m.BootWorker):
                return [self._boot(message)]
            if self._cluster is None:
                raise CallerMisuse("enclave.not_booted", f"{type(message).__name__} came before BootWorker")
            return self._cluster.handle(message)
        except CoprocessorError as error:
            return [m.Failure(error.code, error.what, error.why, error.next)]

    def work(self) -> list[Any]:
        """Executes at most one proven link; notices, or nothing where there is no work."""
        return [] if self._cluster is None else self._cluster.work()

    def claims(self) -> ReportClaims:
        """What evidence must bind now (PROTOCOL 1.2). Raises CoprocessorError before boot and first header."""
        if self._cluster is None:
            raise CallerMisuse("enclave.not_booted", "evidence was asked for before BootWorker")
        return self._cluster.claims()

    def chain_time(self) -> int:
        """Timestamp of the newest finalised block, seconds."""
        if self._cluster is None:
            raise CallerMisuse("enclave.not_booted", "the time was asked for before BootWorker")
        return self._cluster.view.head.timestamp

    def checkpoint_hash(self) -> Digest:
        """Hash of the first header taken."""
        return self.claims().checkpoint_hash

    def _boot(self, message: m.BootWorker) -> m.Booted:
        if self._cluster is not None:
            raise CallerMisuse("enclave.booted", "this enclave was booted before", next="start another process")
        network = read_network(message.network, simulated=self._around.simulated)
        operator = Address(checked_address(message.operator, "operator"))
        cluster = ClusterId(checked_digest(message.cluster, "cluster"))
        self._cluster = _Cluster(self._around, network, operator, cluster)
        return introduce(self._cluster.keys, self._around.platform, simulated=self._around.simulated)


class _Cluster:
    """Everything of one booted worker."""

    def __init__(self, around: WorkerSurroundings, network: Network, operator: Address, cluster: ClusterId) -> None:
        self._around = around
        self._network = compute_network_id(network)
        self._configuration = network.configuration
        self._operator = operator
        self._id = cluster
        chain_id = network.configuration.chain_id
        inbox = network.configuration.contract("Inbox").address
        self.keys = EnclaveKeys(around.entropy)
        self.view = ChainView(network.configuration)
        self._replay = InboxReplay(chain_id, inbox, cluster)
        self._history = History(GENESIS_ROOT, compute_genesis_head(chain_id, inbox, cluster))
        self._codes = CodeStore()
        self._programs = ProgramTable()
        self._state = ClusterState(self._network)
        self._executor = Executor(around.executor, around.runtimes.first, around.guest_wasm, self._entries)
        self._guests = Guests(around, self._executor)
        insecure = network.configuration.allow_simulated
        self._acquisition = ClusterKeyAcquisition(self._network, cluster, insecure, self.keys, around.entropy)
        self._epochs = Epochs(grace_of(network.configuration))
        self._transition = Transition(
            self._network, chain_id, inbox, self._epochs, self._executor, self._codes, self._programs, self._state
        )
        self._key_statements = KeyStatements(
            self._network,
            self._id,
            self._configuration.chain_id,
            self._configuration.contract("Programs").address,
            self.keys.signing,
            self._programs,
        )
        self._recent = Undelivered()
        self._asked_epoch = 0
        self._boundary_epoch = 1
        self._executed_time = 0  # timestamp of the newest executed link
        self._pieces = Pieces()
        self._asked_code: CodeHash | None = None
        self._halted: CoprocessorError | None = None
        self._lacking: EvidenceRefused | None = None  # the next link's runtime is not in this release
        self._handlers: dict[type, Callable[[Any], list[Any]]] = {
            m.Headers: self._on_headers,
            m.ChainProof: self._on_proof,
            m.GetStatus: lambda _: [self._status()],
            m.PrepareGuest: self._on_prepare,
            m.RequestTicket: lambda _: [m.TicketRequested(self._acquisition.make_nonce())],
            m.Tickets: self._on_tickets,
            m.Partials: self._on_partials,
            m.RestorePiece: lambda message: [m.PieceTaken(self._pieces.add(message.sealed))],
            m.Restore: self._on_restore,
            m.Links: self._on_links,
            m.Code: self._on_code,
            m.MakeReceipt: self._on_receipt,
            m.SignKeys: lambda message: [self._key_statements.sign_list(message, self._present_keys())],
            m.Query: self._on_query,
        }

    def handle(self, message: Any) -> list[Any]:
        handler = self._handlers.get(type(message))
        if handler is None:
            raise MalformedInput("message.unexpected", f"a worker takes no {type(message).__name__} here")
        return handler(message)

    def claims(self) -> ReportClaims:
        return self.view.claims(self._operator, self.keys)

    # ---- chain

    def _on_headers(self, message: m.Headers) -> list[Any]:
        head = self.view.extend(message)
        return [m.Head(head.number, head.hash)]

    def _on_proof(self, message: m.ChainProof) -> list[Any]:
        self.view.accept(message)
        proven = {(account.contract, slot.slot) for account in message.accounts for slot in account.slots}
        head, count = layout.inbox_head(self._id), layout.inbox_count(self._id)
        if {("Inbox", head), ("Inbox", count)} <= proven:  # head and count are read from one proof (PROTOCOL 3.1)
            self._replay.set_target(self.view.value("Inbox", count), Digest(self.view.digest("Inbox", head)))
        settled, root = layout.settled(self._id, "count"), layout.settled(self._id, "root")
        if {("Settlement", settled), ("Settlement", root)} <= proven:
            self._compare_settled(self.view.value("Settlement", settled), self.view.digest("Settlement", root))
        first_open = layout.cluster_field(self._id, "first_open")
        if ("Clusters", first_open) in proven:
            self._erase()
        return [m.ProofAccepted(message.block_number)]

    def _erase(self) -> None:
        """Forgets the keys of epochs that the chain has closed, and that no link to come can need (PROTOCOL 8.4)."""
        if self._epochs.erase(self._first_open(), self._executed_time):
            oldest = self._epochs.oldest_held
            self._programs.change(lambda program: program.without_epochs_before(oldest))
            self._executor.forget_epochs_before(oldest)

    def _compare_settled(self, count: int, root: bytes) -> None:
        try:
            self._history.set_settled(count, StateRoot(root))
        except EvidenceRefused as error:
            self._halted = error
            raise

    def _on_links(self, message: m.Links) -> list[Any]:
        self._replay.add([link_of(data) for data in message.links])
        return [m.LinksAccepted(self._replay.buffered, self._replay.proven, self._history.count)]

    # ---- keys

    def _worker_id(self) -> WorkerId:
        worker = self.view.digest("Registry", layout.registry_worker_of(self.keys.signing.address))
        if not any(worker):
            raise EvidenceRefused("worker.not_admitted", "the chain does not know this enclave's signing key yet")
        return WorkerId(worker)

    def _on_tickets(self, message: m.Tickets) -> list[Any]:
        request = self._acquisition.make_request(self.view, self._worker_id(), message.epoch, message.tickets)
        return [m.ReleaseRequested(request)]

    def _on_partials(self, message: m.Partials) -> list[Any]:
        keys, wrong = self._acquisition.combine(self.view, message.master_key, message.share_keys, message.partials)
        if keys.identity.epoch != message.epoch:
            raise MalformedInput("keys.epoch", f"epoch {keys.identity.epoch} was asked for, not {message.epoch}")
        self._epochs.hold(keys)
        return [m.KeysReady(message.epoch, wrong)]

    # ---- execution

    def work(self) -> list[Any]:
        proven = self._replay.peek()
        if proven is None or self._halted is not None or self._lacking is not None:
            return []
        try:
            return self._execute(proven)
        except CoprocessorError as error:  # a broken promise of chain, executor or code: never go on guessing
            self._halted = error
            return [m.Halted(error.code, error.what, error.why, error.next)]

    def _execute(self, proven: ProvenLink) -> list[Any]:
        runtime = self._executor.runtime
        if proven.link.kind == LinkKind.EPOCH:
            waiting = self._begin_epoch(proven)
            if waiting is not None:
                return waiting
        if self._epochs.current == 0:
            raise EvidenceRefused("inbox.no_epoch", "the cluster's inbox does not begin with an epoch")
        missing = self._transition.missing_code(proven)
        if missing is not None:
            if self._asked_code == missing:
                return []
            self._asked_code = missing
            return [m.NeedCode(missing)]
        applied = self._transition.apply(proven)
        self._replay.take()
        self._executed_time = proven.link.timestamp
        self._erase()
        root = self._state.root(self._epochs.current, proven.link.index + 1)
        self._history.append(root, proven.head, applied.leaves)
        result = result_of(applied.outputs)
        self._recent.note(KeptLink(proven.link.index, proven.head, applied.leaves, result))
        notices: list[Any] = [m.LinkExecuted(proven.link.index, proven.head, root, applied.outputs)]
        if proven.link.kind == LinkKind.EPOCH:
            notices += self._key_statements.sign_all(self._present_keys())
        if self._executor.runtime != runtime:
            notices += self._guests.kept()
        if proven.link.kind == LinkKind.INSTANTIATE:
            program = decode_instantiation(proven.link.payload).program
            notices.append(self._key_statements.sign_one(program, self._present_keys()))
        return notices + self._boundary(proven, root)

    # ---- boundaries

    def _boundary(self, proven: ProvenLink, root: StateRoot) -> list[Any]:
        """The checkpoint and this enclave's word, at the first link after which nothing older than the present epoch is
        left or taken, and now and then after it until the chain has closed the older epochs (PROTOCOL 8.4)."""
        epoch, count = self._epochs.current, proven.link.index + 1
        if self._transition.has_older or not self._epochs.is_settled(proven.link.timestamp):
            return []
        if epoch <= self._boundary_epoch and (epoch <= self._first_open() or count % BOUNDARY_LINKS):
            return []
        self._boundary_epoch = max(epoch, self._boundary_epoch)
        snapshot = take_snapshot(self._epochs.begun(), self._programs.in_order(), self._state, self._recent.kept())
        made = make_checkpoint(snapshot, self._id, count, proven.head, root, self._present_keys())
        return self._sign_boundary(made)

    def _sign_boundary(self, made: Checkpoint) -> list[Any]:
        manifest = made.manifest
        fields = (manifest.epoch, manifest.count, manifest.head, manifest.root, manifest.digest)
        clusters = self._configuration.contract("Clusters").address
        digest = Boundary(self._network, self._id, *fields).digest(self._configuration.chain_id, clusters)
        reached = m.BoundaryReached(*fields, manifest.encode(), self.keys.signing.sign(digest))
        return [*(m.CheckpointPiece(at, piece) for at, piece in enumerate(made.pieces)), reached]

    def _first_open(self) -> int:
        """The oldest epoch that is not closed, as far as the chain has proven it."""
        slot = layout.cluster_field(self._id, "first_open")
        return self.view.value("Clusters", slot) if self.view.has("Clusters", slot) else 1

    def _on_restore(self, message: m.Restore) -> list[Any]:
        """Begins with the checkpoint that the chain names, in place of the history before it (PROTOCOL 8.5)."""
        pieces = self._pieces.take()
        if self._history.count or self._replay.buffered:
            raise CallerMisuse("checkpoint.begun", "links were executed before", next="start another process")
        manifest = Manifest.decode(message.manifest)
        check_named(manifest, self._id, self.view)
        keys = self._epochs.keys(manifest.epoch)
        if keys is None:
            raise EvidenceRefused(
                "checkpoint.no_keys", f"the keys of epoch {manifest.epoch} are not held yet", next="take keys first"
            )
        snapshot = open_checkpoint(Checkpoint(manifest, pieces), keys)
        runtime = self._around.carried(snapshot.epochs[-1].runtime)
        try:
            rebuild(snapshot, manifest, keys, self._programs, self._state, self._epochs)
            if runtime != self._executor.runtime:
                self._executor.switch(runtime)
            for program in self._programs.alive():
                self._executor.restore(program)
        except CoprocessorError as error:  # nothing of a half-built state may ever run
            self._halted = error
            raise
        self._replay.restore(manifest.count, manifest.head)
        self._history.restore(manifest.count, manifest.root, manifest.head)
        self._boundary_epoch = manifest.epoch
        self._recent.restore(snapshot.outputs)
        kept = [_to_notice(link) for link in snapshot.outputs]
        return [m.Restored(manifest.count), *kept, *self._key_statements.sign_all(self._present_keys())]

    def _begin_epoch(self, proven: ProvenLink) -> list[Any] | None:
        """Switches keys, and the runtime where that changes, at an epoch's link (PROTOCOL 8.3, 12); what to say instead
        while its keys are not held, or where its runtime is not in this release: then the enclave stops before the
        link, and goes on signing for those before it."""
        change = decode_epoch(proven.link.payload)
        try:
            runtime = self._around.carried(change.runtime)
        except EvidenceRefused as error:
            self._lacking = error
            failure = m.Failure(error.code, error.what, error.why, error.next)
            return [m.NeedRuntime(change.epoch, proven.link.index, change.runtime, failure)]
        keys = self._epochs.keys(change.epoch)
        if keys is None:
            is_news = self._asked_epoch != change.epoch
            self._asked_epoch = change.epoch
            return [m.NeedKeys(change.epoch)] if is_news else []
        self._epochs.begin(BegunEpoch(change.epoch, proven.link.index, proven.link.timestamp, change.runtime))
        self._transition.begin_epoch(keys, runtime)
        return None

    def _present_keys(self) -> ClusterKeys:
        keys = self._epochs.keys(self._epochs.current)
        if keys is None:
            raise EvidenceRefused("query.no_keys", "this worker does not hold the cluster's keys yet", next="try again")
        return keys

    def _entries(self, program: ProgramId) -> dict[bytes, bytes]:
        return self._state.program(program).entries

    def _on_code(self, message: m.Code) -> list[Any]:
        self._codes.add(CodeHash(checked_digest(message.code_hash, "code hash")), message.chunks)
        return [m.Ready()]

    def _on_prepare(self, message: m.PrepareGuest) -> list[Any]:
        return self._guests.prepare(message, has_begun=self._epochs.current > 0)

    # ---- receipts, queries, status

    def _on_receipt(self, message: m.MakeReceipt) -> list[Any]:
        if self._halted is not None:
            raise self._halted
        epoch = self._epochs.of_range(message.first, message.to)
        previous, root, inbox_head, outputs_root = self._history.range(message.first, message.to)
        block = self.view.head
        receipt = Receipt(
            network=self._network,
            cluster=self._id,
            epoch=epoch.epoch,
            runtime=epoch.runtime,
            first=message.first,
            to=message.to,
            inbox_head=inbox_head,
            previous_root=previous,
            new_root=root,
            outputs_root=outputs_root,
            block_number=block.number,
            block_hash=block.hash,
        )
        settlement = self._configuration.contract("Settlement").address
        signature = self.keys.signing.sign(receipt.digest(self._configuration.chain_id, settlement))
        return [m.SignedReceipt(**asdict(receipt), signature=signature)]

    def _on_query(self, message: m.Query) -> list[Any]:
        try:
            if self._halted is not None:
                raise self._halted
            if self._lacking is not None:  # a link is proven that is not executed here: every answer would be old
                raise self._lacking
            return [m.Answer(message.tag, self._query_service().answer(message), None)]
        except CoprocessorError as error:
            failure = m.Failure(error.code, error.what, error.why, error.next)
            return [m.Answer(message.tag, b"", failure)]

    def _query_service(self) -> QueryService:
        keys = self._present_keys()
        return QueryService(
            network=self._network,
            chain_id=self._configuration.chain_id,
            cluster=self._id,
            worker=self._worker_id(),
            keys=keys,
            signing=self.keys.signing,
            view=self.view,
            programs=self._programs,
            executor=self._executor,
            executed=self._history.count,
            proven=self._replay.proven,
            state_root=self._history.root,
            entropy=self._around.entropy,
        )

    def _status(self) -> m.Status:
        head = self.view.head
        return m.Status(
            block_number=head.number,
            buffered=self._replay.buffered,
            proven=self._replay.proven,
            executed=self._history.count,
            epoch=self._epochs.current,
            has_keys=self._epochs.has_keys,
            state_root=self._history.root,
            older_entries=self._state.older,
        )


def _to_notice(link: KeptLink) -> m.OutputsKept:
    results = () if link.result is None else (link.result,)
    return m.OutputsKept(link.index, link.head, tuple(link.leaves), results)
