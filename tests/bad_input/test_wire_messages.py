"""Messages between host and enclave, core and executor, gatekeepers among each other: every field of every record.

The cases come from the message tables themselves, so a new message or field is attacked without a line here; the cores'
tests fail where a message has no valid example to begin from.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from coprocessor.codec import cbor
from coprocessor.codec.records import RecordTable, from_plain, to_plain
from coprocessor.enclave import messages as m
from coprocessor.enclave.loop import serve
from coprocessor.keys import messages as key_messages
from coprocessor.protocol import output_body
from coprocessor.sandbox.executor_messages import (
    EXECUTOR_REPLIES,
    EXECUTOR_REQUESTS,
    MAX_EXECUTOR_MESSAGE,
    ExecutorFailed,
)
from coprocessor.sandbox.executor_process import serve as serve_executor
from coprocessor.sandbox.framing import read_frame, write_frame
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.values.errors import MalformedInput
from tests.fuzz.targets_enclave import Scene, answer
from tests.fuzz.targets_sandbox import _requests as executor_requests
from tests.support.error_codes import LISTED_CODES
from tests.support.record_mutation import extremes, ill_typed, sample

TABLES: dict[str, RecordTable] = {
    "worker requests": m.WORKER_REQUESTS,
    "worker replies": m.WORKER_REPLIES,
    "gatekeeper requests": m.GATEKEEPER_REQUESTS,
    "gatekeeper replies": m.GATEKEEPER_REPLIES,
    "executor requests": EXECUTOR_REQUESTS,
    "executor replies": EXECUTOR_REPLIES,
    "key ceremony": key_messages._TABLE,
    "output bodies": output_body._table(),
}
RECORDS = [(name, record) for name, table in TABLES.items() for record in table._records.values()]
each_record = pytest.mark.parametrize(("table", "record"), RECORDS, ids=[f"{t}-{r.__name__}" for t, r in RECORDS])

LOOPS_OWN = {"Stop", "Attest"}
"""Messages that the loop answers itself."""


@each_record
def test_ill_typed_fields_are_refused(table: str, record: type) -> None:
    plain = to_plain(sample(record))
    assert type(TABLES[table].decode(cbor.dumps(plain))) is record
    for what, other in ill_typed(plain, record):
        assert is_refused(TABLES[table], other), f"taken: {what}"


def is_refused(table: RecordTable, plain: Any) -> bool:
    try:
        table.decode(cbor.dumps(plain))
    except MalformedInput:
        return True
    return False


@each_record
def test_extreme_fields_are_read_or_refused(table: str, record: type) -> None:
    for _, other in extremes(to_plain(sample(record)), record):
        try:
            found = from_plain(record, other)
        except MalformedInput:
            continue
        assert to_plain(found) == other


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_is_no_message_is_refused(table: RecordTable) -> None:
    for data in (
        b"",
        b"\0",
        b"\x80",
        cbor.dumps(["Nobody"]),
        cbor.dumps([]),
        cbor.dumps([[]]),
        cbor.dumps({}),
        b"\x81" * 9999,
    ):
        with pytest.raises(MalformedInput):
            table.decode(data)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


def cases(examples: list[Any], table: RecordTable) -> Iterator[tuple[str, Any]]:
    """Every valid message, each of its fields extreme, and every message a second time."""
    named = {type(message).__name__ for message in examples}
    assert named == table.names - LOOPS_OWN, f"without a valid example: {table.names - LOOPS_OWN - named}"
    for message in examples:
        yield f"{type(message).__name__} replayed", message
        for what, plain in extremes(to_plain(message), type(message)):
            try:
                yield what, from_plain(type(message), plain)
            except MalformedInput:
                continue


def test_a_worker_answers_everything(scene: Scene) -> None:
    count = 0
    for what, message in cases(scene.requests(), m.WORKER_REQUESTS):
        core = scene.worker.core
        replies = answer(core, message, m.WORKER_REPLIES)
        check_code(replies[0])
        assert isinstance(replies[0], m.Failure | m.Answer) or is_plausible(message), f"{what}: {replies[0]!r:.200}"
        count += 1
    assert count > 400
    assert scene.worker.status().executed == 1
    assert isinstance(scene.worker.core.handle(m.MakeReceipt(0, 1))[0], m.SignedReceipt)


def test_a_gatekeeper_answers_everything(scene: Scene) -> None:
    count = 0
    for what, message in cases(scene.gatekeeper_requests(), m.GATEKEEPER_REQUESTS):
        replies = answer(scene.stage.gatekeeper, message, m.GATEKEEPER_REPLIES)
        check_code(replies[0])
        assert isinstance(replies[0], m.Failure) or is_plausible(message), f"{what}: {replies[0]!r:.200}"
        count += 1
    assert count > 300
    assert isinstance(scene.stage.gatekeeper.handle(m.GiveTicket(bytes(32), 0))[0], m.TicketGiven)


def check_code(reply: Any) -> None:
    """Whatever an enclave refuses with is listed."""
    failure = reply.failure if isinstance(reply, m.Answer) else reply
    if isinstance(failure, m.Failure):
        assert failure.code in LISTED_CODES, failure


def is_plausible(message: Any) -> bool:
    """Whether a message may be answered well although a field was changed: what it says can be true all the same."""
    return isinstance(
        message,
        m.GetStatus | m.RequestTicket | m.GiveTicket | m.Headers | m.ChainProof | m.Links | m.Code | m.PrepareGuest
        | m.Query | m.MakeReceipt | m.SignKeys | m.Admit | m.Release | m.Ceremony | m.RestorePiece
        | m.SealKeys | m.VerifyCandidate | m.GetCustody | m.MakeOffers | m.ShareKept | m.ConfirmPad | m.CountReceipts
        | m.BeaconCeremony | m.SignBeacon,
    )  # fmt: skip


def test_cores_answer_before_their_boot(scene: Scene) -> None:
    """No message can come too early."""
    fresh = type(scene.worker.core)(scene.worker.core._around)
    for message in scene.requests()[1:]:
        assert answer(fresh, message, m.WORKER_REPLIES)[0].code == "enclave.not_booted"
    gatekeeper = scene.stage.committee.make(0)
    for message in scene.gatekeeper_requests()[1:]:
        assert answer(gatekeeper, message, m.GATEKEEPER_REPLIES)[0].code == "enclave.not_booted"


@pytest.mark.parametrize("role", ["worker", "gatekeeper"])
def test_boot_messages_of_every_kind(scene: Scene, role: str) -> None:
    examples, replies = (
        (scene.requests(), m.WORKER_REPLIES)
        if role == "worker"
        else (scene.gatekeeper_requests(), m.GATEKEEPER_REPLIES)
    )
    for what, plain in extremes(to_plain(examples[0]), type(examples[0])):
        fresh = (
            type(scene.worker.core)(scene.worker.core._around) if role == "worker" else scene.stage.committee.make(0)
        )
        found = answer(fresh, from_plain(type(examples[0]), plain), replies)[0]
        is_well = ": 20 bytes" in what or ": 32 bytes" in what or what.endswith(": 0 bytes") or "text" in what
        assert isinstance(found, m.Failure) or is_well or "network" in what, f"{what}: {found!r:.200}"


class Conversation:
    """A loop in a thread, and the other end of its channel."""

    def __init__(self, run: Any, replies: RecordTable) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.channel.settimeout(60)
        self.failure: list[BaseException] = []
        self._replies = replies
        self.thread = threading.Thread(target=self._run, args=(run, theirs))
        self.thread.start()

    def _run(self, run: Any, channel: socket.socket) -> None:
        with channel:
            try:
                run(channel)
            except BaseException as error:
                self.failure.append(error)

    def read(self) -> Any:
        """The next reply, or None at the end."""
        frame = read_frame(self.channel, 1 << 30)
        return None if frame is None else self._replies.decode(frame)

    def end(self) -> None:
        """Closes this end; the loop must be over soon and without an exception."""
        self.channel.close()
        self.thread.join(60)
        assert not self.thread.is_alive()
        assert not self.failure, self.failure


def enclave_loop(scene: Scene) -> Conversation:
    core = scene.worker.core
    machine: Any = scene.worker.machine
    return Conversation(
        lambda channel: serve(channel, core, machine, m.WORKER_REQUESTS, m.WORKER_REPLIES), m.WORKER_REPLIES
    )


def executor_loop(scene: Scene) -> Conversation:
    runtime = release_runtimes().first
    return Conversation(lambda channel: run_on_guest_stack(serve_executor, channel, runtime), EXECUTOR_REPLIES)


LOOPS = {
    "enclave": (enclave_loop, m.MAX_MESSAGE, m.Failure),
    "executor": (executor_loop, MAX_EXECUTOR_MESSAGE, ExecutorFailed),
}
each_loop = pytest.mark.parametrize("name", LOOPS)


@each_loop
def test_a_loop_survives_bad_messages(scene: Scene, name: str) -> None:
    make, _, failure = LOOPS[name]
    talk = make(scene)
    for data in (b"", b"\xff", cbor.dumps(["Nobody"]), cbor.dumps(["Stop", 1]), b"\x81" * 5000, b"\x5b" + b"\xff" * 8):
        write_frame(talk.channel, data)
        assert isinstance(talk.read(), failure)
    write_frame(talk.channel, cbor.dumps(["Stop"]))
    assert not isinstance(talk.read(), failure)
    talk.end()


@each_loop
@pytest.mark.parametrize("excess", [1, 1 << 20, None])
def test_a_frame_that_claims_too_much_is_answered_and_ends_the_loop(
    scene: Scene, name: str, excess: int | None
) -> None:
    make, maximum, failure = LOOPS[name]
    talk = make(scene)
    talk.channel.sendall((0xFFFFFFFF if excess is None else maximum + excess).to_bytes(4, "big"))
    refusal = talk.read()
    assert isinstance(refusal, failure)
    assert refusal.code == "frame.too_long"
    assert talk.read() is None
    talk.end()


@each_loop
@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\0\0\0", b"\0\0\0\x05", b"\0\0\0\x05ab", b"\x07\xff\xff\xff" + bytes(9)]
)
def test_a_channel_that_breaks_ends_the_loop_in_order(scene: Scene, name: str, data: bytes) -> None:
    talk = LOOPS[name][0](scene)
    talk.channel.sendall(data)
    talk.end()


def test_an_executor_answers_everything(scene: Scene) -> None:
    talk = executor_loop(scene)
    examples = executor_requests()
    assert {type(message).__name__ for message in examples} == EXECUTOR_REQUESTS.names
    for message in examples[1:-1]:
        for _, plain in extremes(to_plain(message), type(message)):
            if type(message).__name__ == "LoadProgram" and plain[8:] != [None, None]:
                continue  # native code and snapshots are authenticated before they come here (PROTOCOL 5.8)
            write_frame(talk.channel, cbor.dumps(plain))
            reply = talk.read()
            assert reply is not None
            assert not getattr(reply, "is_fatal", False), (plain[:3], reply)
    talk.end()
