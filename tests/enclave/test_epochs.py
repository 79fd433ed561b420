"""Epochs in a worker's core: new keys at their link, older inputs in their grace, re-encryption, boundary, restore."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import epochs, transition, undelivered
from coprocessor.enclave import messages as m
from coprocessor.enclave.checkpoint import Checkpoint, Manifest, open_checkpoint
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.protocol import layout
from coprocessor.protocol.commands import Destination, derive_reply_secret, method_selector, seal_command
from coprocessor.protocol.items import ClearItem
from coprocessor.protocol.links import Link, LinkKind
from coprocessor.protocol.outputs import Leaf, prove_output, verify_output
from coprocessor.protocol.queries import QueryReply, seal_query
from coprocessor.protocol.statements import (
    INPUT_KEY,
    MAX_PROGRAM_KEYS,
    Boundary,
    ProgramKey,
    ProgramKeysRecord,
    compute_keys_hash,
)
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.package import CodePackage, decode_package, encode_package
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address, CodeHash, Digest, ProgramId, RequestId, RuntimeId
from tests.enclave.stage import RUNTIME, Worker, ask, refusal
from tests.enclave.test_worker import ALICE, BOB, FUEL, INTERFACE, RELAYER, Counter, u64
from tests.support.fake_chain import CHAIN_ID, CLUSTER

GRACE_BLOCKS = 10


class Rotating(Counter):
    """The counter's cluster, whose epochs are raised and closed."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.keys = {1: self.input_key}

    def raise_epoch(self, worker: Worker | None = None, runtime: RuntimeId = RUNTIME) -> int:
        """A new epoch, whose keys the worker takes."""
        worker = worker or self.worker
        epoch = max(self.keys) + 1
        self.chain.append_epoch(runtime, epoch)
        self.chain.mine()
        worker.follow()
        assert m.NeedKeys(epoch) in worker.notices
        assert worker.status().epoch == epoch - 1, "links wait for their keys"
        worker.take_keys(epoch)
        worker.work()
        assert worker.status().epoch == epoch
        signed = [notice for notice in worker.notices if isinstance(notice, m.InputKeySigned)]
        key = next(one.key for one in signed if (one.program, one.epoch) == (self.program, epoch))
        self.keys[epoch] = key
        self.chain.set("Programs", layout.input_key(self.program, epoch), key)
        self.chain.mine()
        return epoch

    def seal_to(self, epoch: int, author: object = ALICE) -> ClearItem:
        command = self.command()
        secret = derive_reply_secret(author, self.network, self.program, command.nonce)  # type: ignore[arg-type]
        place = Destination(
            self.network, CHAIN_ID, self.chain.inbox, self.program, epoch, LinkKind.BATCH, RELAYER
        )
        sealed = seal_command(replace(command, reply_secret=secret), place, author, self.keys[epoch])  # type: ignore[arg-type]
        return ClearItem(0, command.fuel_limit, command.fee_limit, sealed)

    def let_grace_pass(self) -> None:
        for _ in range(GRACE_BLOCKS + 1):
            self.chain.mine()

    def boundary(self, worker: Worker | None = None) -> tuple[m.BoundaryReached, list[bytes]]:
        """The newest boundary and the pieces of its checkpoint."""
        notices = (worker or self.worker).notices
        reached = next(notice for notice in reversed(notices) if isinstance(notice, m.BoundaryReached))
        before = notices[: notices.index(reached)]
        count = len(Manifest.decode(reached.manifest).pieces)
        return reached, [notice.sealed for notice in before if isinstance(notice, m.CheckpointPiece)][-count:]

    def close(self, reached: m.BoundaryReached) -> None:
        """As ``Clusters.close_epochs`` records it."""
        self.chain.set("Clusters", layout.cluster_field(CLUSTER, "first_open"), reached.epoch)
        for field in ("epoch", "count", "inbox_head", "root", "checkpoint"):
            self.chain.set("Clusters", layout.cluster_boundary(CLUSTER, field), getattr(reached, field))
        self.chain.mine()

    def newcomer(self, name: bytes, epochs: list[int]) -> Worker:
        worker = self.make_worker(name)
        worker.admit()
        for epoch in epochs:
            worker.take_keys(epoch)
        return worker

    def restore(self, worker: Worker, reached: m.BoundaryReached, pieces: list[bytes]) -> None:
        self.stage.sync(worker.core)
        fields = ("epoch", "count", "inbox_head", "root", "checkpoint")
        slots = [("Clusters", layout.cluster_boundary(CLUSTER, field)) for field in fields]
        ask(worker.core, self.chain.proof(*slots))
        for piece in pieces:
            ask(worker.core, m.RestorePiece(piece))
        restored, *notices = worker.core.handle(m.Restore(reached.manifest))
        assert restored == m.Restored(reached.count), f"{restored}"
        worker.notices += notices


@pytest.fixture(autouse=True)
def grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of the fake chain takes 12 seconds."""
    monkeypatch.setattr(epochs, "DEVELOPMENT_GRACE_SECONDS", 12 * GRACE_BLOCKS)


@pytest.fixture
def cluster(engine: Engine) -> Rotating:
    return Rotating(engine)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def statuses(cluster: Rotating, link: Link) -> list[str]:
    cluster.worker.follow()
    return cluster.statuses(link)


def test_inputs_of_the_epoch_before_are_taken_until_the_grace_is_over(cluster: Rotating) -> None:
    cluster.raise_epoch()
    assert statuses(cluster, cluster.submit(cluster.seal_to(1), cluster.seal_to(2))) == ["OK", "OK"]
    cluster.let_grace_pass()
    assert statuses(cluster, cluster.submit(cluster.seal_to(1), cluster.seal_to(2))) == ["void.sealed", "OK"]


def test_a_command_counts_once_whatever_epoch_it_is_of(cluster: Rotating) -> None:
    item = cluster.seal_to(1)
    assert statuses(cluster, cluster.submit(item)) == ["OK"]
    cluster.raise_epoch()
    assert statuses(cluster, cluster.submit(item)) == ["void.replayed"]


def test_replicas_agree_whenever_they_took_their_keys(cluster: Rotating) -> None:
    for author in (ALICE, BOB):
        cluster.submit(cluster.seal_to(1, author))
    cluster.raise_epoch()
    cluster.submit(cluster.seal_to(1), cluster.seal_to(2))
    cluster.raise_epoch()
    cluster.let_grace_pass()
    cluster.submit(cluster.seal_to(2), cluster.seal_to(3))
    cluster.worker.follow()
    other = cluster.newcomer(b"other", [1, 2, 3])
    ask(other.core, cluster.code)
    other.follow()
    assert other.executed() == cluster.worker.executed()
    assert other.status().state_root == cluster.worker.status().state_root


def test_re_encryption_goes_on_with_each_link_until_nothing_is_left(
    cluster: Rotating, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transition, "ROTATED_ENTRIES", 0)
    cluster.submit(cluster.seal_to(1))
    cluster.worker.follow()
    cluster.raise_epoch()
    stuck = cluster.worker.status().state_root
    cluster.let_grace_pass()
    cluster.chain.append(LinkKind.MEMBER, b"")
    cluster.chain.mine()
    cluster.worker.follow()
    assert not [notice for notice in cluster.worker.notices if isinstance(notice, m.BoundaryReached)]
    monkeypatch.setattr(transition, "ROTATED_ENTRIES", 1)
    cluster.chain.append(LinkKind.MEMBER, b"")
    cluster.chain.mine()
    cluster.worker.follow()
    assert cluster.worker.status().state_root != stuck
    assert cluster.boundary()[0].count == len(cluster.chain.links)


def test_nothing_is_left_under_older_keys_at_a_boundary(cluster: Rotating) -> None:
    cluster.submit(cluster.seal_to(1))
    cluster.raise_epoch()
    cluster.let_grace_pass()
    cluster.submit(cluster.seal_to(2))
    cluster.worker.follow()
    state = cluster.worker.core._cluster._state  # type: ignore[union-attr]
    places = [place for _, program in state.programs() for _, _, place in program.kept()]
    assert places
    assert {place.epoch for place in places} == {2}
    paths = set(state.program(cluster.program)._trie.paths())
    assert paths == {place.path for place in places}


def test_receipts_end_where_an_epoch_begins(cluster: Rotating) -> None:
    cluster.submit(cluster.seal_to(1))
    cluster.raise_epoch()
    start = next(link.index for link in cluster.chain.links[1:] if link.kind == LinkKind.EPOCH)
    assert refusal(cluster.worker.core, m.MakeReceipt(0, start + 1)) == "receipt.epochs"
    assert ask(cluster.worker.core, m.MakeReceipt(0, start)).epoch == 1
    assert ask(cluster.worker.core, m.MakeReceipt(start, start + 1)).epoch == 2


def test_queries_sealed_to_the_epoch_before_are_answered_until_it_is_closed(cluster: Rotating) -> None:
    cluster.raise_epoch()
    cluster.submit(cluster.seal_to(2))

    def answer(epoch: int) -> m.Answer:
        cluster.worker.follow()
        slots = [("Programs", layout.input_key(cluster.program, one)) for one in cluster.keys]
        record = ("Registry", layout.registry_worker_of(cluster.worker.booted.signer))
        ask(cluster.worker.core, cluster.chain.proof(*slots, record))
        sealed = seal_query(cluster.query(), cluster.network, cluster.program, epoch, cluster.keys[epoch])
        return ask(cluster.worker.core, m.Query(1, cluster.program, sealed, 1000))  # type: ignore[no-any-return]

    for epoch in (1, 2):
        assert QueryReply.decode(answer(epoch).reply).epoch == epoch
    cluster.let_grace_pass()
    cluster.submit(cluster.seal_to(2))
    cluster.worker.follow()
    cluster.close(cluster.boundary()[0])
    ask_first_open(cluster, cluster.worker)
    assert QueryReply.decode(answer(2).reply).epoch == 2
    failure = answer(1).failure
    assert failure is not None


def ask_first_open(cluster: Rotating, worker: Worker) -> None:
    cluster.stage.sync(worker.core)
    ask(worker.core, cluster.chain.proof(("Clusters", layout.cluster_field(CLUSTER, "first_open"))))


def test_keys_of_closed_epochs_are_erased_and_released_to_nobody(cluster: Rotating) -> None:
    cluster.raise_epoch()
    cluster.let_grace_pass()
    cluster.submit(cluster.seal_to(2))
    cluster.worker.follow()
    cluster.close(cluster.boundary()[0])
    ask_first_open(cluster, cluster.worker)
    core = cluster.worker.core._cluster
    assert core is not None
    assert core._epochs.keys(1) is None
    assert all(one.epoch == 2 for program in core._programs.in_order() for one in program.epochs)
    late = Worker(cluster.stage, cluster.engine, b"late")
    late.admit()
    assert refusal(cluster.stage.gatekeeper, m.Release(late.request(1))) == "release.refused"
    late.take_keys(2)


def test_a_worker_that_lags_keeps_closed_keys_until_no_link_needs_them(cluster: Rotating) -> None:
    """A host that shows the closing before the links would else make its enclave void what the others ran."""
    cluster.raise_epoch()
    lagging = cluster.newcomer(b"lagging", [1, 2])
    ask(lagging.core, cluster.code)
    lagging.follow()
    cluster.submit(cluster.seal_to(1))
    cluster.let_grace_pass()
    cluster.submit(cluster.seal_to(2))
    cluster.worker.follow()
    cluster.close(cluster.boundary()[0])
    ask_first_open(cluster, lagging)
    lagging.follow()
    assert lagging.status().state_root == cluster.worker.status().state_root
    core = lagging.core._cluster
    assert core is not None
    assert core._epochs.keys(1) is None
    assert all(one.epoch == 2 for program in core._programs.in_order() for one in program.epochs)


def test_a_newcomer_begins_at_the_boundary_and_goes_on_alike(cluster: Rotating) -> None:
    for author in (ALICE, BOB):
        cluster.submit(cluster.seal_to(1, author))
    cluster.raise_epoch()
    cluster.let_grace_pass()
    replayed = cluster.seal_to(2)
    cluster.submit(replayed)
    cluster.worker.follow()
    reached, pieces = cluster.boundary()
    cluster.close(reached)
    newcomer = cluster.newcomer(b"newcomer", [2])
    cluster.restore(newcomer, reached, pieces)
    cluster.submit(replayed, cluster.seal_to(2, BOB))
    for member in (cluster.worker, newcomer):
        member.follow()
    assert newcomer.executed() == cluster.worker.executed()[reached.count :]
    assert [output.void_rule for output in newcomer.executed()[-1].outputs] == ["void.replayed", ""]
    assert newcomer.status().state_root == cluster.worker.status().state_root
    first = reached.count
    assert ask(newcomer.core, m.MakeReceipt(first, first + 1)).new_root == newcomer.executed()[0].state_root


def test_a_newcomer_runs_the_present_version(cluster: Rotating) -> None:
    """A checkpoint holds the code that an upgrade brought, and its hash (PROTOCOL 12)."""
    wasm = decode_package(cluster.code.chunks[0]).payload
    package = CodePackage("wasm", INTERFACE.replace(b'"counter"', b'"second"'), wasm)
    code = encode_package(package)
    code_hash = CodeHash(keccak256(bytes(32) + keccak256(code)))
    fields = [cluster.program, 1, code_hash, 0]
    cluster.chain.append(LinkKind.UPGRADE, abi.encode(["bytes32", "uint256", "bytes32", "uint256"], fields))
    ask(cluster.worker.core, m.Code(code_hash, (code,)))
    cluster.raise_epoch()
    cluster.let_grace_pass()
    cluster.submit(cluster.seal_to(2))
    cluster.worker.follow()
    reached, pieces = cluster.boundary()
    cluster.close(reached)
    newcomer = cluster.newcomer(b"newcomer", [2])
    cluster.restore(newcomer, reached, pieces)
    core = newcomer.core._cluster
    assert core is not None
    (program,) = core._programs.in_order()
    assert (program.code_hash, program.origin.code_hash) == (code_hash, cluster.code.code_hash)
    assert program.package == package
    cluster.submit(cluster.seal_to(2, BOB))
    for member in (cluster.worker, newcomer):
        member.follow()
    assert newcomer.status().state_root == cluster.worker.status().state_root


def test_members_make_the_same_checkpoint_and_sign_it(cluster: Rotating) -> None:
    cluster.raise_epoch()
    other = cluster.newcomer(b"other", [1, 2])
    ask(other.core, cluster.code)
    cluster.let_grace_pass()
    cluster.submit(cluster.seal_to(2))
    for member in (cluster.worker, other):
        member.follow()
    reached, pieces = cluster.boundary()
    again, same = cluster.boundary(other)
    assert replace(again, signature=b"") == replace(reached, signature=b"")
    assert same == pieces
    boundary = Boundary(
        cluster.network,
        CLUSTER,
        reached.epoch,
        reached.count,
        reached.inbox_head,  # type: ignore[arg-type]
        reached.root,  # type: ignore[arg-type]
        reached.checkpoint,  # type: ignore[arg-type]
    )
    clusters = cluster.chain.configuration.contract("Clusters").address
    assert recover_address(boundary.digest(CHAIN_ID, clusters), reached.signature) == cluster.worker.booted.signer


@pytest.fixture
def closed(cluster: Rotating) -> tuple[Rotating, m.BoundaryReached, list[bytes]]:
    cluster.submit(cluster.seal_to(1))
    cluster.raise_epoch()
    cluster.let_grace_pass()
    cluster.submit(cluster.seal_to(2))
    cluster.worker.follow()
    reached, pieces = cluster.boundary()
    cluster.close(reached)
    return cluster, reached, pieces


def test_an_inbox_proof_from_before_the_checkpoint_is_forgotten(
    closed: tuple[Rotating, m.BoundaryReached, list[bytes]],
) -> None:
    cluster, reached, pieces = closed
    newcomer = cluster.newcomer(b"newcomer", [2])
    replay = newcomer.core._cluster._replay  # type: ignore[union-attr]
    replay.set_target(1, Digest(bytes(31) + b"\x01"))
    cluster.restore(newcomer, reached, pieces)
    cluster.submit(cluster.seal_to(2, BOB))
    for member in (cluster.worker, newcomer):
        member.follow()
    assert newcomer.status().state_root == cluster.worker.status().state_root


@pytest.mark.parametrize("field", ["count", "root", "head", "epoch", "cluster"])
def test_a_checkpoint_that_the_chain_does_not_name_is_refused(
    closed: tuple[Rotating, m.BoundaryReached, list[bytes]], field: str
) -> None:
    cluster, reached, pieces = closed
    manifest = Manifest.decode(reached.manifest)
    value = getattr(manifest, field)
    other = replace(manifest, **{field: value + 1 if isinstance(value, int) else bytes(32)})  # type: ignore[arg-type]
    newcomer = cluster.newcomer(b"newcomer", [2])
    with pytest.raises(AssertionError, match="foreign"):
        cluster.restore(newcomer, replace(reached, manifest=other.encode()), pieces)
    cluster.restore(newcomer, reached, pieces)


def test_altered_missing_or_reordered_pieces_are_refused(
    closed: tuple[Rotating, m.BoundaryReached, list[bytes]],
) -> None:
    cluster, reached, pieces = closed
    newcomer = cluster.newcomer(b"newcomer", [2])
    for wrong in ([], [*pieces, pieces[0]], [pieces[0][:-1] + bytes([pieces[0][-1] ^ 1])]):
        with pytest.raises(AssertionError, match="pieces"):
            cluster.restore(newcomer, reached, wrong)


def test_an_enclave_with_a_history_takes_no_checkpoint(
    closed: tuple[Rotating, m.BoundaryReached, list[bytes]],
) -> None:
    cluster, reached, pieces = closed
    with pytest.raises(AssertionError, match="begun"):
        cluster.restore(cluster.worker, reached, pieces)


def test_a_checkpoint_opens_for_its_own_epoch_alone(
    closed: tuple[Rotating, m.BoundaryReached, list[bytes]],
) -> None:
    cluster, reached, pieces = closed
    checkpoint = Checkpoint(Manifest.decode(reached.manifest), tuple(pieces))
    core = cluster.worker.core._cluster
    assert core is not None
    held = core._epochs.keys(2)
    assert held is not None
    assert len(open_checkpoint(checkpoint, held).programs) == 1
    identity = ClusterIdentity(cluster.network, CLUSTER, 1, True)
    with pytest.raises(EvidenceRefused):
        open_checkpoint(checkpoint, ClusterKeys(bytes(32), identity))


# ---- keys of many programs under one signature (PROTOCOL 4.4)


def test_members_sign_one_list_of_keys_that_each_derived(cluster: Rotating) -> None:
    cluster.raise_epoch()
    other = cluster.newcomer(b"other", [1, 2])
    ask(other.core, cluster.code)
    other.follow()
    asked = m.SignKeys(2, INPUT_KEY, (CLUSTER, cluster.program))
    own, theirs = ask(cluster.worker.core, asked), ask(other.core, asked)
    assert own.keys == theirs.keys
    assert own.keys[1] == cluster.keys[2]
    keys = [ProgramKey(ProgramId(at), INPUT_KEY, key) for at, key in zip(asked.programs, own.keys, strict=True)]
    record = ProgramKeysRecord(cluster.network, CLUSTER, 2, compute_keys_hash(keys))
    digest = record.digest(CHAIN_ID, cluster.chain.configuration.contract("Programs").address)
    for answer, member in ((own, cluster.worker), (theirs, other)):
        assert recover_address(digest, answer.signature) == member.booted.signer


def test_no_list_of_keys_is_signed_for_another_epoch_or_of_unknown_programs(cluster: Rotating) -> None:
    cluster.raise_epoch()
    core = cluster.worker.core
    for epoch in (0, 1, 3):
        assert refusal(core, m.SignKeys(epoch, INPUT_KEY, (CLUSTER,))) == "keys.list"
    assert refusal(core, m.SignKeys(2, INPUT_KEY, ())) == "keys.list"
    assert refusal(core, m.SignKeys(2, INPUT_KEY, (CLUSTER,) * (MAX_PROGRAM_KEYS + 1))) == "keys.list"
    assert refusal(core, m.SignKeys(2, INPUT_KEY, (bytes(32),))) == "keys.program"


# ---- undelivered outputs (PROTOCOL 8.4)


def request_link(cluster: Rotating, at: int) -> Link:
    """A smart contract asks the counter to add."""
    consumer, request = Address(b"\x0c" * 20), bytes([at]) * 32
    payload = abi.encode(
        ["bytes32", "uint256", "bytes32", "bytes4", "uint256", "bytes"],
        [cluster.program, 0, request, method_selector("add"), 100_000, u64(2)],
    )
    link = cluster.chain.append(
        LinkKind.REQUEST, payload, item_count=1, fuel_limit=FUEL, origin=consumer, payer=consumer
    )
    cluster.chain.mine()
    return link


def end_epoch(cluster: Rotating) -> tuple[m.BoundaryReached, list[bytes]]:
    cluster.let_grace_pass()
    cluster.submit(cluster.seal_to(max(cluster.keys)))
    cluster.worker.follow()
    return cluster.boundary()


def test_a_newcomer_can_prove_outputs_from_before_its_boundary(cluster: Rotating) -> None:
    cluster.submit(cluster.seal_to(1))
    asked = request_link(cluster, 7)
    cluster.submit(cluster.seal_to(1, BOB))
    cluster.worker.follow()
    first, to = 1, len(cluster.chain.links)
    settled = ask(cluster.worker.core, m.MakeReceipt(first, to))
    true = cluster.outcome(asked)
    cluster.raise_epoch()
    reached, pieces = end_epoch(cluster)
    cluster.close(reached)
    newcomer = cluster.newcomer(b"newcomer", [2])
    cluster.restore(newcomer, reached, pieces)
    kept = {one.index: one for one in newcomer.notices if isinstance(one, m.OutputsKept)}
    assert kept[asked.index].outputs == (true,)
    leaves = [Digest(leaf) for index in range(first, to) for leaf in kept[index].leaves]
    place = sum(len(kept[index].leaves) for index in range(first, asked.index))
    leaf = Leaf(asked.index, 0, cluster.program, RequestId(true.request), true.status, true.fuel, *hashes(true))
    verify_output(Digest(settled.outputs_root), leaf, prove_output(leaves, place))


def hashes(output: m.ItemOutput) -> tuple[Digest, Digest]:
    return Digest(output.plaintext_hash), Digest(output.ciphertext_hash)


def test_old_members_and_newcomers_keep_the_same_outputs(cluster: Rotating) -> None:
    """Else their next checkpoints would differ, and no quorum could sign one."""
    request_link(cluster, 7)
    cluster.worker.follow()
    cluster.raise_epoch()
    reached, pieces = end_epoch(cluster)
    cluster.close(reached)
    newcomer = cluster.newcomer(b"newcomer", [2])
    cluster.restore(newcomer, reached, pieces)
    request_link(cluster, 8)
    cluster.raise_epoch()
    newcomer.follow()
    newcomer.take_keys(3)
    newcomer.work()
    own, first = end_epoch(cluster)
    newcomer.follow()
    theirs, second = cluster.boundary(newcomer)
    assert theirs.checkpoint == own.checkpoint
    assert first == second
    late = cluster.newcomer(b"late", [3])
    cluster.close(own)
    cluster.restore(late, own, first)
    kept = [output.request for one in late.notices if isinstance(one, m.OutputsKept) for output in one.outputs]
    assert kept == [bytes([7]) * 32, bytes([8]) * 32]


def test_what_is_kept_of_outputs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    def window(links: int, leaves: int, results: int, leading: int, count: int, every: int) -> list[int]:
        for name, value in (("LINKS", links), ("LEAVES", leaves), ("RESULTS", results)):
            monkeypatch.setattr(undelivered, f"KEPT_{name}", value)
        monkeypatch.setattr(undelivered, "LEADING_LINKS", leading)
        kept = undelivered.Undelivered()
        output = m.ItemOutput(0, bytes(32), b"r" * 32, 0, 0, bytes(32), bytes(32), b"", True, "")
        for at in range(count):
            result = output if at % every == 0 else None
            kept.note(undelivered.KeptLink(at, Digest(bytes(32)), (Digest(bytes(32)),) * 2, result))
        return [link.index for link in kept.kept()]

    assert window(10, 1000, 1000, 0, 25, 5) == [15, 16, 17, 18, 19, 20, 21, 22, 23, 24]
    assert window(1000, 8, 1000, 0, 25, 1) == [21, 22, 23, 24]
    assert window(1000, 1000, 2, 3, 25, 10) == [7, *range(8, 25)]
    assert window(10, 1000, 1000, 0, 25, 100) == [], "no request, nothing kept"
