"""Targets of the enclave: its messages, and both cores in the middle of their life."""

from __future__ import annotations

from functools import cache
from typing import Any

from coprocessor.codec.records import RecordTable
from coprocessor.enclave import messages as m
from coprocessor.protocol import layout
from coprocessor.sandbox.engine import Engine, EngineOptions
from coprocessor.values.errors import MalformedInput
from tests.enclave.stage import RUNTIME, Stage, Worker, admit_request, ask
from tests.fuzz.target import Target, Unsound
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
            m.PrepareGuest("python", b""),
            m.Code(bytes(32), (b"chunk",)),
            m.MakeReceipt(0, 1),
            m.Query(1, bytes(32), b"sealed", 1000),
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
            m.GiveTicket(bytes(32), 0),
            m.Release(self.worker.request()),
            m.GetStatus(),
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
        covers=("enclave.gatekeeper.GatekeeperCore.handle",),
        examples=150,
    ),
    Target("enclave-reply", _reply, _reply_seeds),
)
