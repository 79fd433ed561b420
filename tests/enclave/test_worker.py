"""A worker's core on a fake chain: commands, requests, queries, receipts, and the attacks on each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave import messages as m
from coprocessor.enclave.transition import _PART_ITEMS
from coprocessor.protocol import layout
from coprocessor.protocol.commands import Command, Destination, derive_reply_secret, method_selector, seal_command
from coprocessor.protocol.items import ClearItem, encode_items
from coprocessor.protocol.links import Link, LinkKind
from coprocessor.protocol.output_body import OutputBody, decode_output_body
from coprocessor.protocol.outputs import Leaf, Status, compute_outputs_root, derive_output_keys, open_output
from coprocessor.protocol.queries import Query, QueryReply, open_reply, seal_query
from coprocessor.protocol.receipts import Receipt
from coprocessor.protocol.system import compute_program_id, compute_request_id
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.package import CodePackage, encode_package
from coprocessor.sandbox.runtime import Runtimes
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, CodeHash, ProgramId
from tests.enclave.stage import FIRST, Stage, Worker, ask, refusal
from tests.support.fake_chain import CHAIN_ID, CLUSTER, FakeChain, key

ROOT = Path(__file__).parents[2]
OWNER = key(60).address
RELAYER = key(61).address
ALICE, BOB = key(70), key(71)
FUEL = 10_000_000


def method(name: str, kind: str, parameter: str, returns: str) -> dict[str, object]:
    parameters = [{"name": parameter, "type": "u64"}] if parameter else []
    selector = "0x" + method_selector(name).hex()
    return {"name": name, "kind": kind, "selector": selector, "parameters": parameters, "returns": returns}


INTERFACE = json.dumps(
    {
        "abi": 1,
        "language": "wasm",
        "name": "counter",
        "methods": [
            method("init", "init", "start", "null"),
            method("add", "command", "by", "u64"),
            method("get", "query", "", "u64"),
        ],
    }
).encode()


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


class Counter:
    """The C counter on a stage, with one worker that follows the chain."""

    runtimes = Runtimes(FIRST)

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.stage = Stage()
        self.chain: FakeChain = self.stage.chain
        self.network = self.stage.committee.network
        code = encode_package(self.package())
        self.code = m.Code(CodeHash(keccak256(bytes(32) + keccak256(code))), (code,))
        programs = self.chain.configuration.contract("Programs").address
        self.program = compute_program_id(
            CHAIN_ID, programs, OWNER, CodeHash(self.code.code_hash), CLUSTER, bytes(32), bytes(32)
        )
        self.chain.append_epoch(self.runtimes.first.id)
        self.instantiate(self.program, u64(5))
        self.chain.mine()
        self.worker = self.start_worker()
        self.nonce = 0

    def package(self) -> CodePackage:
        return CodePackage("wasm", INTERFACE, (ROOT / "examples/c_counter/counter.wasm").read_bytes())

    def make_worker(self, name: bytes) -> Worker:
        return Worker(self.stage, self.engine, name, self.runtimes)

    def instantiate(self, program: ProgramId, init: bytes, handle: int = 0, code_hash: bytes | None = None) -> Link:
        types = ["bytes32", "uint256", "address", "bytes32", "bytes32", "uint256", "bytes32[]", "bytes"]
        code = code_hash or self.code.code_hash
        payload = abi.encode(types, [program, handle, OWNER, code, bytes(32), FUEL, [], init])
        return self.chain.append(LinkKind.INSTANTIATE, payload)

    def start_worker(self, name: bytes = b"worker") -> Worker:
        worker = self.make_worker(name)
        worker.admit()
        worker.take_keys()
        ask(worker.core, self.code)
        worker.follow()
        signed = [notice for notice in worker.notices if isinstance(notice, m.InputKeySigned)]
        self.input_key = next(notice.key for notice in signed if notice.program == self.program)
        self.chain.set("Programs", layout.input_key(self.program, 1), self.input_key)
        self.chain.mine()
        return worker

    def destination(self, kind: int, origin: Address) -> Destination:
        return Destination(self.network, CHAIN_ID, self.chain.inbox, self.program, 1, kind, origin)

    def command(self, method: str = "add", arguments: bytes = u64(1), **changes: object) -> Command:
        self.nonce += 1
        command = Command(
            method=method_selector(method),
            arguments=arguments,
            nonce=self.nonce,
            deadline=self.chain.timestamp + 3600,
            fuel_limit=FUEL,
            fee_limit=0,
            reply_secret=bytes(16),
        )
        return replace(command, **changes)  # type: ignore[arg-type]

    def seal(
        self, author: object, command: Command, kind: int = LinkKind.BATCH, origin: Address = RELAYER
    ) -> ClearItem:
        secret = derive_reply_secret(author, self.network, self.program, command.nonce)  # type: ignore[arg-type]
        command = replace(command, reply_secret=secret)
        sealed = seal_command(command, self.destination(kind, origin), author, self.input_key)  # type: ignore[arg-type]
        return ClearItem(0, command.fuel_limit, command.fee_limit, sealed)

    def submit(self, *items: ClearItem, kind: int = LinkKind.BATCH, origin: Address = RELAYER) -> Link:
        fuel = sum(item.fuel_limit for item in items)
        link = self.chain.append(
            kind, encode_items(items), item_count=len(items), fuel_limit=fuel, origin=origin, payer=origin
        )
        self.chain.mine()
        return link

    def outcome(self, link: Link, position: int = 0, worker: Worker | None = None) -> m.ItemOutput:
        worker = worker or self.worker
        return next(done for done in worker.executed() if done.index == link.index).outputs[position]

    def statuses(self, link: Link) -> list[str]:
        done = next(done for done in self.worker.executed() if done.index == link.index)
        return [output.void_rule or Status(output.status).name for output in done.outputs]

    def open(self, link: Link, position: int, author: object, nonce: int) -> OutputBody:
        done = next(done for done in self.worker.executed() if done.index == link.index)
        output = done.outputs[position]
        secret = derive_reply_secret(author, self.network, self.program, nonce)  # type: ignore[arg-type]
        keys = derive_output_keys(secret, self.network, done.link_hash, position)
        return decode_output_body(open_output(output.output, keys, leaf_of(link, output), self.network))

    def query(self, **changes: object) -> Query:
        query = Query(
            method_selector("get"), b"", self.chain.number, self.chain.block_hash(), b"\x07" * 32
        )
        return replace(query, **changes)  # type: ignore[arg-type]

    def ask_query(self, query: Query, worker: Worker | None = None, key: bytes | None = None) -> m.Answer:
        worker = worker or self.worker
        sealed = seal_query(query, self.network, self.program, 1, key or self.input_key)
        return ask(worker.core, m.Query(1, self.program, sealed, 1000))  # type: ignore[no-any-return]

    def refresh(self) -> None:
        """Gives the worker the newest block and proofs for queries."""
        self.worker.follow()
        slot = ("Programs", layout.input_key(self.program, 1))
        record = ("Registry", layout.registry_worker_of(Address(self.worker.booted.signer)))
        ask(self.worker.core, self.chain.proof(slot, record))


def leaf_of(link: Link, output: m.ItemOutput) -> Leaf:
    return Leaf(
        link.index,
        output.position,
        output.program,  # type: ignore[arg-type]
        output.request,  # type: ignore[arg-type]
        output.status,
        output.fuel,
        output.plaintext_hash,  # type: ignore[arg-type]
        output.ciphertext_hash,  # type: ignore[arg-type]
    )


@pytest.fixture
def counter(engine: Engine) -> Counter:
    return Counter(engine)


def test_a_command_runs_and_its_author_reads_the_result(counter: Counter) -> None:
    command = counter.command(arguments=u64(3))
    link = counter.submit(counter.seal(ALICE, command))
    counter.worker.follow()
    body = counter.open(link, 0, ALICE, command.nonce)
    assert (body.status, body.result) == (Status.OK, u64(8))
    assert [(event.name, event.data) for event in body.events] == [("Added", u64(8))]


def test_a_failing_command_leaves_the_state_and_says_why_inside(counter: Counter) -> None:
    first = counter.submit(counter.seal(ALICE, counter.command()))
    counter.worker.follow()
    command = counter.command(arguments=u64(2**64 - 1))
    link = counter.submit(counter.seal(ALICE, command))
    counter.worker.follow()
    body = counter.open(link, 0, ALICE, command.nonce)
    assert (body.status, body.message) == (Status.REVERTED, "the counter would overflow")
    assert b"overflow" not in counter.outcome(link).output
    after = counter.command(arguments=u64(1))
    last = counter.submit(counter.seal(ALICE, after))
    counter.worker.follow()
    assert counter.open(last, 0, ALICE, after.nonce).result == u64(7)
    assert counter.statuses(first) == ["OK"]


def test_exhaustion_names_its_limit(counter: Counter) -> None:
    command = counter.command(fuel_limit=10)
    link = counter.submit(counter.seal(ALICE, command))
    counter.worker.follow()
    body = counter.open(link, 0, ALICE, command.nonce)
    assert (body.status, body.limit, counter.outcome(link).fuel) == (Status.EXHAUSTED, "fuel", 10)


def test_another_author_cannot_open_an_output(counter: Counter) -> None:
    command = counter.command()
    link = counter.submit(counter.seal(ALICE, command))
    counter.worker.follow()
    with pytest.raises(EvidenceRefused):
        counter.open(link, 0, BOB, command.nonce)


def test_copies_of_a_sealed_item_are_void_and_leave_the_nonce(counter: Counter) -> None:
    command = counter.command()
    item = counter.seal(ALICE, command)
    thief = key(80).address
    by_batch = counter.submit(item, origin=thief)
    by_submit = counter.submit(item, kind=LinkKind.SUBMIT, origin=thief)
    same_relayer_alone = counter.submit(item, kind=LinkKind.SUBMIT, origin=RELAYER)
    twice = counter.submit(item, item)
    later = counter.submit(item)
    counter.worker.follow()
    assert counter.statuses(by_batch) == ["void.sealed"]
    assert counter.statuses(by_submit) == ["void.sealed"]
    assert counter.statuses(same_relayer_alone) == ["void.sealed"]
    assert counter.statuses(twice) == ["OK", "void.replayed"]
    assert counter.statuses(later) == ["void.replayed"]


def test_a_direct_submission_needs_its_author(counter: Counter) -> None:
    own = counter.seal(ALICE, counter.command(), LinkKind.SUBMIT, ALICE.address)
    foreign = counter.seal(ALICE, counter.command(), LinkKind.SUBMIT, BOB.address)
    good = counter.submit(own, kind=LinkKind.SUBMIT, origin=ALICE.address)
    bad = counter.submit(foreign, kind=LinkKind.SUBMIT, origin=BOB.address)
    counter.worker.follow()
    assert counter.statuses(good) == ["OK"]
    assert counter.statuses(bad) == ["void.origin"]


def test_void_items_do_not_disturb_their_neighbours(counter: Counter) -> None:
    late = counter.command(deadline=counter.chain.timestamp - 1)
    far = counter.command(deadline=counter.chain.timestamp + 86_400 * 3)
    other_limit = replace(counter.seal(ALICE, counter.command()), fuel_limit=FUEL - 1)
    unknown = replace(counter.seal(ALICE, counter.command()), handle=9)
    garbage = ClearItem(0, FUEL, 0, b"\x01" * 200)
    link = counter.submit(
        counter.seal(ALICE, counter.command()),
        counter.seal(ALICE, late),
        counter.seal(ALICE, far),
        other_limit,
        unknown,
        garbage,
        counter.seal(BOB, counter.command()),
    )
    counter.worker.follow()
    assert counter.statuses(link)[:3] == ["OK", "void.late", "void.deadline"]
    assert counter.statuses(link)[3:] == ["void.sealed", "void.program", "void.sealed", "OK"]


def test_a_payload_that_lies_about_its_items_is_one_void_link(counter: Counter) -> None:
    items = [counter.seal(ALICE, counter.command()) for _ in range(2)]
    counter.chain.append(
        LinkKind.BATCH, encode_items(items), item_count=3, fuel_limit=2 * FUEL, origin=RELAYER, payer=RELAYER
    )
    counter.chain.mine()
    counter.worker.follow()
    assert [output.void_rule for output in counter.worker.executed()[-1].outputs] == ["void.framing"]


def test_replicas_agree_to_the_byte(counter: Counter) -> None:
    for _ in range(3):
        counter.submit(*[counter.seal(author, counter.command()) for author in (ALICE, BOB)])
    counter.worker.follow()
    other = counter.start_worker(b"other")
    other.follow()
    assert other.executed() == counter.worker.executed()
    assert other.status().state_root == counter.worker.status().state_root


def test_the_death_of_an_executor_changes_nothing(counter: Counter) -> None:
    counter.submit(counter.seal(ALICE, counter.command()))
    counter.worker.follow()
    counter.worker.port.die_at = {counter.worker.port.count + 1}
    counter.submit(counter.seal(ALICE, counter.command()))
    counter.worker.follow()
    healthy = counter.start_worker(b"healthy")
    healthy.follow()
    assert healthy.executed() == counter.worker.executed()


@pytest.mark.parametrize("death", [1, 2, 3, 4])
def test_a_long_link_runs_in_parts_that_no_death_shows(counter: Counter, death: int) -> None:
    """Items of a later part are judged while an earlier one runs; executors die at each part (PROTOCOL 5.1)."""
    items = [counter.seal(ALICE, counter.command()) for _ in range(2 * _PART_ITEMS + 3)]
    void = range(_PART_ITEMS, 2 * _PART_ITEMS)  # the middle part asks nothing of the executor
    for position in void:
        items[position] = items[position - _PART_ITEMS]
    link = counter.submit(*items)
    counter.worker.port.die_at = {counter.worker.port.count + death}
    counter.worker.follow()
    expected = ["void.replayed" if position in void else "OK" for position in range(len(items))]
    assert counter.statuses(link) == expected
    healthy = counter.start_worker(b"healthy")
    healthy.follow()
    assert healthy.executed() == counter.worker.executed()


def test_a_request_has_a_readable_result_bound_to_its_id(counter: Counter) -> None:
    consumer = key(85).address
    index = len(counter.chain.links)
    request = compute_request_id(CHAIN_ID, counter.chain.inbox, CLUSTER, index)
    payload = abi.encode(
        ["bytes32", "uint256", "bytes32", "bytes4", "uint256", "bytes"],
        [counter.program, 0, request, method_selector("add"), 100_000, u64(2)],
    )
    link = counter.chain.append(
        LinkKind.REQUEST, payload, item_count=1, fuel_limit=FUEL, origin=consumer, payer=consumer
    )
    counter.chain.mine()
    counter.worker.follow()
    output = counter.outcome(link)
    assert output.public
    assert output.request == request
    assert keccak256(bytes(32) + output.output) == output.plaintext_hash


def test_a_dead_program_takes_nothing(counter: Counter) -> None:
    dead = ProgramId(b"\x0d" * 32)
    bad = counter.instantiate(dead, b"short", handle=1)
    counter.chain.mine()
    item = replace(counter.seal(ALICE, counter.command()), handle=1)
    link = counter.submit(item)
    counter.worker.follow()
    assert Status(counter.outcome(bad).status) is Status.REVERTED
    assert counter.statuses(link) == ["void.program"]


# ---- the chain lies


def test_no_link_runs_before_it_is_proven(counter: Counter) -> None:
    before = counter.worker.status().executed
    counter.submit(counter.seal(ALICE, counter.command()))
    ask(counter.worker.core, counter.chain.links_message(before))
    counter.worker.work()
    assert counter.worker.status().executed == before


@pytest.mark.parametrize(
    "change",
    [
        {"payload": b"other"},
        {"timestamp": 1},
        {"block_number": 1},
        {"origin": bytes(20)},
        {"payer": bytes(20)},
        {"prevrandao": bytes(32)},
        {"item_count": 2},
        {"fuel_limit": 3},
        {"fee_limit": 3},
        {"kind": 1},
    ],
)
def test_a_forged_link_stops_progress_and_nothing_else(counter: Counter, change: dict[str, object]) -> None:
    before = counter.worker.status()
    counter.submit(counter.seal(ALICE, counter.command()))
    counter.stage.sync(counter.worker.core)
    ask(counter.worker.core, counter.chain.inbox_proof())
    forged = m.Links((replace(counter.chain.links_message(before.buffered).links[0], **change),))  # type: ignore[arg-type]
    assert refusal(counter.worker.core, forged) == "inbox.replay"
    counter.worker.work()
    assert counter.worker.status().state_root == before.state_root
    counter.worker.follow()
    assert counter.worker.status().executed == before.executed + 1


def test_reordered_and_dropped_links_are_refused(counter: Counter) -> None:
    before = counter.worker.status()
    for _ in range(3):
        counter.submit(counter.seal(ALICE, counter.command()))
    counter.stage.sync(counter.worker.core)
    ask(counter.worker.core, counter.chain.inbox_proof())
    links = counter.chain.links_message(before.buffered).links
    assert refusal(counter.worker.core, m.Links((links[1],))) == "inbox.order"
    swapped = (replace(links[1], index=links[0].index), replace(links[0], index=links[1].index), links[2])
    assert refusal(counter.worker.core, m.Links(swapped)) == "inbox.replay"


def test_forged_headers_and_proofs_are_refused(counter: Counter) -> None:
    chain, core = counter.chain, counter.worker.core
    chain.mine()
    good = chain.headers_message(chain.number - 1)
    stranger = m.Headers(good.headers, (chain.seal(good.headers[-1], key(99)),))
    assert refusal(core, stranger) == "headers.foreign_seal"
    assert refusal(core, m.Headers(good.headers, ())) == "headers.not_final"
    assert refusal(core, m.Headers(good.headers[::-1], good.seals)) == "headers.broken_link"
    ask(core, good)
    proof = chain.inbox_proof()
    account = proof.accounts[0]
    nodes = (account.nodes[0][:-1] + b"\x00", *account.nodes[1:])
    assert refusal(core, m.ChainProof(proof.block_number, (replace(account, nodes=nodes),))) == "proof.refused"
    assert refusal(core, m.ChainProof(proof.block_number + 5, proof.accounts)) == "proof.unknown_block"
    renamed = replace(account, contract="Settlement")
    assert refusal(core, m.ChainProof(proof.block_number, (renamed,))) == "proof.refused"


def test_a_fork_of_final_blocks_stops_the_enclave(counter: Counter) -> None:
    rival = FakeChain(counter.chain.configuration)
    rival.set("Inbox", bytes(32), 1)
    while rival.number < counter.chain.number + 1:
        rival.mine()
    assert refusal(counter.worker.core, rival.headers_message(1)) == "headers.fork"
    tail = rival.headers_message(rival.number)
    ask(counter.worker.core, counter.chain.headers_message())
    assert refusal(counter.worker.core, tail) == "headers.fork"


def test_another_settled_root_halts_for_good(counter: Counter) -> None:
    chain = counter.chain
    chain.set("Settlement", layout.settled(CLUSTER, "count"), 2)
    chain.set("Settlement", layout.settled(CLUSTER, "root"), 12345)
    chain.mine()
    counter.stage.sync(counter.worker.core)
    proof = chain.proof(
        ("Settlement", layout.settled(CLUSTER, "count")), ("Settlement", layout.settled(CLUSTER, "root"))
    )
    assert refusal(counter.worker.core, proof) == "settlement.diverged"
    assert refusal(counter.worker.core, m.MakeReceipt(0, 2)) == "settlement.diverged"


# ---- receipts


def test_a_receipt_binds_range_roots_head_and_outputs(counter: Counter) -> None:
    link = counter.submit(counter.seal(ALICE, counter.command()), counter.seal(BOB, counter.command()))
    counter.worker.follow()
    signed = ask(counter.worker.core, m.MakeReceipt(0, 3))
    fields = {name: getattr(signed, name) for name in Receipt.__slots__}
    receipt = Receipt(**fields)
    assert receipt.inbox_head == counter.chain.head
    assert receipt.previous_root == bytes(32)
    assert receipt.new_root == counter.worker.status().state_root
    leaves = [
        leaf_of(counter.chain.links[done.index], output).digest()
        for done in counter.worker.executed()
        for output in done.outputs
    ]
    assert receipt.outputs_root == compute_outputs_root(leaves)
    assert link.index == 2


@pytest.mark.parametrize(("first", "to"), [(0, 0), (2, 1), (0, 99), (5, 6)])
def test_impossible_ranges_are_refused(counter: Counter, first: int, to: int) -> None:
    assert refusal(counter.worker.core, m.MakeReceipt(first, to)) == "receipt.range"


def test_receipts_of_any_cut_end_in_the_same_root(counter: Counter) -> None:
    for _ in range(4):
        counter.submit(counter.seal(ALICE, counter.command()))
    counter.worker.follow()
    whole = ask(counter.worker.core, m.MakeReceipt(0, 6))
    half = ask(counter.worker.core, m.MakeReceipt(0, 3))
    rest = ask(counter.worker.core, m.MakeReceipt(3, 6))
    assert half.new_root == rest.previous_root
    assert rest.new_root == whole.new_root


# ---- queries


def test_a_query_reads_the_state_and_its_reply_is_signed_and_bound(counter: Counter) -> None:
    counter.refresh()
    query = counter.query()
    answer = counter.ask_query(query)
    assert answer.failure is None
    reply = QueryReply.decode(answer.reply)
    assert reply.signer() == counter.worker.booted.signer
    assert reply.query_digest == query.digest(counter.network, counter.program)
    assert (reply.block_number, reply.block_hash) == (query.block_number, query.block_hash)
    assert reply.state_root == counter.worker.status().state_root
    body = decode_output_body(
        open_reply(reply.sealed_result, query.reply_secret, counter.network, reply.query_digest)
    )
    assert body.result == u64(5)
    tampered = replace(reply, state_root=b"\x01" * 32)
    assert tampered.signer() != counter.worker.booted.signer


def test_a_starved_worker_answers_nothing(counter: Counter) -> None:
    counter.refresh()
    counter.submit(counter.seal(ALICE, counter.command()))
    failure = counter.ask_query(counter.query()).failure
    assert failure is not None
    assert failure.code == "query.unknown_block"
    counter.stage.sync(counter.worker.core)
    failure = counter.ask_query(counter.query()).failure
    assert failure is not None
    assert failure.code == "query.behind"
    ask(counter.worker.core, counter.chain.inbox_proof())
    failure = counter.ask_query(counter.query()).failure
    assert failure is not None
    assert failure.code == "query.behind"


def test_queries_need_the_published_and_right_key(counter: Counter) -> None:
    counter.refresh()
    counter.chain.set("Programs", layout.input_key(counter.program, 1), 7)
    counter.chain.mine()
    counter.refresh()
    failure = counter.ask_query(counter.query()).failure
    assert failure is not None
    assert failure.code == "query.key_disputed"


def test_a_query_sealed_to_something_else_does_not_open(counter: Counter) -> None:
    counter.refresh()
    sealed = seal_query(counter.query(), counter.network, ProgramId(b"\x01" * 32), 1, counter.input_key)
    answer = ask(counter.worker.core, m.Query(1, counter.program, sealed, 1000))
    assert answer.failure.code == "hpke.open"


def test_a_query_never_changes_state(counter: Counter) -> None:
    counter.refresh()
    root = counter.worker.status().state_root
    answer = counter.ask_query(counter.query(method=method_selector("add"), arguments=u64(1)))
    assert answer.failure is None
    assert QueryReply.decode(answer.reply).status == Status.REVERTED
    assert counter.worker.status().state_root == root
