"""Targets of the enclave: its messages, and both cores in the middle of their life."""

from __future__ import annotations

from functools import cache
from typing import Any

from coprocessor.codec import cbor
from coprocessor.codec.records import RecordTable
from coprocessor.crypto.aead import SivKey
from coprocessor.crypto.hashing import sha256
from coprocessor.enclave import checkpoint
from coprocessor.enclave import messages as m
from coprocessor.enclave.checkpoint import Checkpoint, KeptProgram, Manifest, open_checkpoint
from coprocessor.enclave.epochs import BegunEpoch
from coprocessor.enclave.undelivered import KeptLink
from coprocessor.keys.derivation import ClusterKeys, derive_cluster_keys
from coprocessor.keys.partial import combine_partials, sign_partial
from coprocessor.protocol import layout
from coprocessor.protocol.system import Instantiation
from coprocessor.sandbox.engine import Engine, EngineOptions
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Address, CodeHash, Digest, ProgramId, StateRoot
from tests.enclave.stage import RUNTIME, Stage, Worker, admit_request, ask
from tests.fuzz.target import REFUSED, Target, Unsound
from tests.fuzz.targets_keys import offers
from tests.fuzz.targets_sandbox import package
from tests.keys.ceremony import IDENTITY, shared_key
from tests.support.fake_chain import CLUSTER


class Scene:
    """A gatekeeper and a worker that has executed its first link; made anew once a message has halted one of them."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.worker = Worker(self.stage, _engine())
        self.worker.admit()
        self.stage.chain.append_epoch(RUNTIME)
        self.stage.chain.set("Clusters", layout.cluster_field(CLUSTER, "epoch"), 1)
        self.stage.chain.mine()
        self.worker.take_keys()
        self.worker.follow()
        self.used = 0

    def requests(self) -> list[Any]:
        """Messages that a worker takes at this moment."""
        chain, committee = self.stage.chain, self.stage.committee
        return [
            m.BootWorker(chain.network_json(), bytes(20), CLUSTER),
            chain.headers_message(),
            chain.inbox_proof(),
            self.worker.record_proof(),
            chain.links_message(),
            m.GetStatus(),
            m.RequestTicket(),
            m.Tickets(1, (b"ticket",)),
            m.Partials(1, committee.master_key, committee.share_keys, (b"partial",)),
            m.PrepareGuest("python", RUNTIME, b""),
            m.Code(bytes(32), (b"chunk",)),
            m.MakeReceipt(0, 1),
            m.SignKeys(1, 0, (CLUSTER,)),
            m.Query(1, bytes(32), b"sealed", 1000),
            m.RestorePiece(b"sealed"),
            m.Restore(_manifests()[0]),
        ]

    def gatekeeper_requests(self) -> list[Any]:
        """Messages that a gatekeeper takes at this moment."""
        stage = self.stage
        admission = admit_request(self.worker.core, self.worker.machine, self.worker.booted, stage.chain)
        return [
            m.BootGatekeeper(stage.chain.network_json(), bytes(20), b"share"),
            stage.chain.headers_message(),
            stage.committee_proof(),
            admission,
            m.Genesis(1, (admission,)),
            m.Ceremony((m.TranscriptEntry(0, 1, 1, b"message"),)),
            m.SealKeys(),
            m.VerifyCandidate(admission),
            m.SignHandover(),
            m.Handover(bytes(96), (bytes(96),), (m.TranscriptEntry(0, 1, 1, b"message"),)),
            m.GiveTicket(bytes(32), 0),
            m.BeaconCeremony((m.TranscriptEntry(0, 1, 1, b"message"),)),
            m.SignBeacon(64),
            m.Release(self.worker.request()),
            m.GetStatus(),
            m.AttestMemory(),
            m.GetCustody(),
            m.MakeOffers((admission,)),
            m.KeepPiece(offers()[0]),
            m.CountReceipts((b"receipt",)),
            m.ShareKept(),
            m.ConfirmPad(bytes(97)),
            m.GivePiece(admission, bytes(32)),
            m.TakePieces((b"answer",), (b"answer",)),
        ]


@cache
def _engine() -> Engine:
    return Engine(EngineOptions(path="public"))


_SCENES: dict[str, Scene] = {}


def scene() -> Scene:
    """The one scene; a new one every few hundred messages, as what they say is remembered."""
    found = _SCENES.get("scene")
    if found is None or found.used > 500 or found.worker.core._cluster._halted is not None:  # type: ignore[union-attr]
        found = _SCENES["scene"] = Scene()
    found.used += 1
    return found


def answer(core: Any, message: Any, replies: RecordTable) -> list[Any]:
    """What a core answers, each reply one of its table: never an exception, never silence."""
    answers = core.handle(message)
    if not answers:
        raise Unsound(f"{type(message).__name__} was not answered")
    for one in answers:
        replies.encode(one)
    return list(answers)


def _worker(data: bytes) -> None:
    message = m.WORKER_REQUESTS.decode(data)
    if isinstance(message, (m.Stop, m.Attest)):  # the loop's own
        return
    core = scene().worker.core
    answer(core, message, m.WORKER_REPLIES)
    for notice in core.work():
        m.WORKER_REPLIES.encode(notice)


def _gatekeeper(data: bytes) -> None:
    message = m.GATEKEEPER_REQUESTS.decode(data)
    if not isinstance(message, (m.Stop, m.Attest)):
        answer(scene().stage.gatekeeper, message, m.GATEKEEPER_REPLIES)


def _seeds_of(kind: str) -> list[bytes]:
    if kind == "worker":
        return [m.WORKER_REQUESTS.encode(message) for message in scene().requests()]
    return [m.GATEKEEPER_REQUESTS.encode(message) for message in scene().gatekeeper_requests()]


def _manifests() -> list[bytes]:
    digest = Digest(bytes(32))
    return [Manifest(CLUSTER, 1, 5, digest, StateRoot(digest), (digest,) * count).encode() for count in (1, 3)]


def _manifest(data: bytes) -> None:
    if Manifest.decode(data).encode() != data:
        raise Unsound("a manifest has two forms")


@cache
def _cluster_keys() -> ClusterKeys:
    shares = shared_key(2, 3)
    parts = [sign_partial(shares[index], IDENTITY) for index in (1, 2)]
    combined = combine_partials(shares[1].committee, IDENTITY, parts)
    return derive_cluster_keys(combined.signature, IDENTITY, shares[1].committee.group)


def _checkpoint(data: bytes) -> None:
    """Any content, cut and sealed as a member's enclave would."""
    head, keys = Digest(bytes(32)), _cluster_keys()
    sealed = SivKey(keys.checkpoint_key(5, head)).seal(checkpoint._nonce(0), data, checkpoint._place(0, 1))
    manifest = Manifest(CLUSTER, 1, 5, head, StateRoot(bytes(32)), (sha256(sealed),))
    open_checkpoint(Checkpoint(manifest, (sealed,)), keys)


def _kept_links() -> tuple[KeptLink, ...]:
    output = m.ItemOutput(0, bytes(32), b"r" * 32, 0, 7, bytes(32), bytes(32), b"result", public=True, void_rule="")
    leaf = Digest(bytes(32))
    return KeptLink(4, leaf, (leaf, leaf), None), KeptLink(5, leaf, (leaf,), output)



def _checkpoint_seeds() -> list[bytes]:
    origin = Instantiation(
        ProgramId(bytes(32)), 1, Address(bytes(20)), CodeHash(bytes(32)), bytes(32), 5, (ProgramId(bytes(32)),), b""
    )
    kept = KeptProgram(origin, CodeHash(b"\x02" * 32), False, True, True, package(), ((b"key", b"value", 1, 0),))
    begun = BegunEpoch(2, 7, 1_700_000_000, RUNTIME)
    snapshot = checkpoint.Snapshot((begun,), ((1_700_000_000, bytes(32)),), (kept, kept), _kept_links())
    return [cbor.dumps(checkpoint._to_plain(snapshot))]


def _reply_seeds() -> list[bytes]:
    stage, worker = scene().stage, scene().worker
    replies = [worker.status(), ask(worker.core, m.RequestTicket()), stage.committee.booted[0], stage.committee.look(0)]
    replies += [m.Failure("a.b", "what", "", ""), m.Answer(1, b"", m.Failure("a.b", "what", "", "")), *worker.notices]
    return [_table_of(reply).encode(reply) for reply in replies]


def _table_of(reply: Any) -> RecordTable:
    return m.WORKER_REPLIES if type(reply).__name__ in m.WORKER_REPLIES.names else m.GATEKEEPER_REPLIES


def _reply(data: bytes) -> None:
    try:
        m.WORKER_REPLIES.decode(data)
    except MalformedInput:
        m.GATEKEEPER_REPLIES.decode(data)


ENCLAVE_TARGETS = (
    Target("checkpoint-manifest", _manifest, _manifests, covers=("enclave.checkpoint.Manifest.decode",)),
    Target(
        "checkpoint",
        _checkpoint,
        _checkpoint_seeds,
        errors=REFUSED,
        covers=("enclave.checkpoint.open_checkpoint",),
        examples=100,
    ),
    Target(
        "worker-core",
        _worker,
        lambda: _seeds_of("worker"),
        covers=("enclave.worker.WorkerCore.handle", "codec.records.RecordTable.decode"),
        examples=150,
    ),
    Target(
        "gatekeeper-core",
        _gatekeeper,
        lambda: _seeds_of("gatekeeper"),
        covers=("enclave.gatekeeper.GatekeeperCore.handle", "enclave.custody.KeyCustody.verify_candidate"),
        examples=150,
    ),
    Target("enclave-reply", _reply, _reply_seeds),
)
