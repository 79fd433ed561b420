"""Input keys on their way to the chain: lists under one signature of a quorum, sent once, never twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.chain.errors import TransactionReverted
from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.crypto.secp256k1 import PrivateKey, recover_address
from coprocessor.enclave import messages as m
from coprocessor.host import courier as module
from coprocessor.host.account_signers import AccountSigners
from coprocessor.host.courier import MAX_PROVEN_KEYS, Courier
from coprocessor.host.store import SettledReceipt, Store
from coprocessor.protocol import layout
from coprocessor.protocol.outputs import Leaf, OutputProof, compute_outputs_root, verify_output
from coprocessor.protocol.statements import (
    INPUT_KEY,
    MAX_PROGRAM_KEYS,
    ProgramKey,
    ProgramKeysRecord,
    compute_keys_hash,
)
from coprocessor.values.errors import PeerUnreachable
from coprocessor.values.identities import (
    ZERO_DIGEST,
    Address,
    ClusterId,
    Digest,
    NetworkId,
    ProgramId,
    RequestId,
    WorkerId,
)

NETWORK, CLUSTER, CHAIN_ID = NetworkId(b"n" * 32), ClusterId(b"c" * 32), 7
PROGRAMS = Address(b"p" * 20)
SIGNERS = [PrivateKey(bytes([at]) * 32) for at in (1, 2, 3)]
WORKERS = [WorkerId(bytes([at]) * 32) for at in (1, 2, 3)]


def program(at: int) -> ProgramId:
    return ProgramId(sha256(b"program %d" % at))


def derived(program_id: bytes, epoch: int) -> bytes:
    return sha256(program_id + bytes([epoch]))


class Member:
    """An enclave that derives keys and signs lists of them; a liar derives others."""

    def __init__(self, signer: PrivateKey, lies: bool = False) -> None:
        self._signer = signer
        self._lies = lies

    async def request(self, message: m.SignKeys, kind: type) -> Any:
        salt = b"lie" if self._lies else b""
        keys = tuple(derived(one + salt, message.epoch) for one in message.programs)
        pairs = zip(message.programs, keys, strict=True)
        listed = [ProgramKey(ProgramId(one), message.kind, key) for one, key in pairs]
        record = ProgramKeysRecord(NETWORK, CLUSTER, message.epoch, compute_keys_hash(listed))
        return m.KeysSigned(message.epoch, keys, self._signer.sign(record.digest(CHAIN_ID, PROGRAMS)))


class Chain:
    """Programs as ``publish_keys`` changes it; who calls is checked as the contract does."""

    def __init__(self, quorum: int) -> None:
        self.quorum = quorum
        self.epoch = 1
        self.slots: dict[bytes, int] = {}
        self.sizes: list[int] = []
        self.delivered: list[Any] = []
        self.is_delivered = False
        self.accounts: list[ProgramId] = []
        self.address = PROGRAMS

    async def read(self, name: str, *arguments: Any) -> Any:
        if name == "is_delivered":
            return self.is_delivered
        if name in ("count", "program_at"):
            return len(self.accounts) if name == "count" else self.accounts[arguments[0]]
        assert name == "clusters"
        return [b"", self.epoch, self.quorum, self.quorum, 0, True, b"", 3, 1]

    def encode(self, function: str, *arguments: Any) -> Any:
        assert function in ("publish_keys", "deliver")
        return arguments

    async def proof(self, address: bytes, slots: list[bytes], tag: str) -> Any:
        return SimpleNamespace(slots=[SimpleNamespace(slot=slot, value=self.slots.get(slot, 0)) for slot in slots])

    async def send(self, address: bytes, call: Any) -> None:
        if len(call) > 4:
            self.delivered.append(call)
            return
        cluster, epoch, plain, signatures = call
        if epoch != self.epoch:
            raise TransactionReverted("publish_keys", "programs: epoch")
        keys = [ProgramKey(*fields) for fields in plain]
        record = ProgramKeysRecord(NETWORK, cluster, epoch, compute_keys_hash(keys))
        signers = [recover_address(record.digest(CHAIN_ID, PROGRAMS), one) for one in signatures]
        assert signers == sorted(set(signers))
        assert len(signers) >= self.quorum
        assert set(signers) <= {signer.address for signer in SIGNERS}
        self.sizes.append(len(keys))
        for key in keys:
            slot = layout.input_key if key.kind == INPUT_KEY else layout.account_signer
            self.slots.setdefault(slot(key.program, epoch), int.from_bytes(key.key, "big"))


class Stage:
    """A courier among members on a chain."""

    def __init__(self, quorum: int = 1, liars: tuple[int, ...] = (), silent: tuple[int, ...] = ()) -> None:
        self.chain = Chain(quorum)
        self.members = [Member(signer, at in liars) for at, signer in enumerate(SIGNERS)]

        async def ask(url: str, message: Any, requests: Any, replies: Any) -> Any:
            at = int(url.removeprefix("http://").removesuffix("/v1/keys"))
            if at in silent:
                raise PeerUnreachable("peer.unreachable", "silent")
            return await self.members[at].request(message, m.KeysSigned)

        around: Any = SimpleNamespace(
            network_id=NETWORK,
            cluster=CLUSTER,
            network=SimpleNamespace(configuration=SimpleNamespace(chain_id=CHAIN_ID)),
            contract=lambda name: self.chain,
            node=self.chain,
            sender=self.chain,
            peers=SimpleNamespace(ask=ask),
        )
        links: Any = SimpleNamespace(members=set(WORKERS))
        self.courier = Courier(around, self.members[0], links, WORKERS[0])

        async def endpoints() -> Any:
            for at in (1, 2):
                yield WORKERS[at], f"http://{at}"

        self.courier._members.endpoints = endpoints  # type: ignore[method-assign]

    def note(self, count: int, epoch: int = 1) -> None:
        for at in range(count):
            key = derived(program(at), epoch)
            self.courier.note_key(m.InputKeySigned(program(at), epoch, key, bytes(65)))

    def publish(self) -> bool:
        return asyncio.run(self.courier.publish_keys())

    def signers(self) -> AccountSigners:
        """Of the same host."""
        return AccountSigners(self.courier._around, self.courier)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TURN_SECONDS", 0.0)


def test_a_thousand_keys_take_eight_transactions() -> None:
    stage = Stage(quorum=2)
    stage.note(1000)
    assert stage.publish()
    assert stage.chain.sizes == [MAX_PROGRAM_KEYS] * 7 + [1000 - 7 * MAX_PROGRAM_KEYS]
    assert len(stage.chain.slots) == 1000
    assert not stage.publish()
    assert len(stage.chain.sizes) == 8, "nothing is published twice"
    assert len(stage.courier.unproven()) == MAX_PROVEN_KEYS


def test_what_another_member_published_is_not_paid_for() -> None:
    stage = Stage()
    stage.note(5)
    for at in (0, 3):
        stage.chain.slots[layout.input_key(program(at), 1)] = 1
    stage.publish()
    assert stage.chain.sizes == [3]
    assert set(stage.courier.unproven()) == {(program(at), 1) for at in range(5)}


def test_a_member_that_derives_other_keys_does_not_count() -> None:
    stage = Stage(quorum=2, liars=(1,))
    stage.note(2)
    assert stage.publish()
    few = Stage(quorum=2, liars=(1,), silent=(2,))
    few.note(2)
    with pytest.raises(PeerUnreachable) as caught:
        few.publish()
    assert caught.value.code == "keys.quorum"


def test_keys_of_an_epoch_that_is_over_are_wanted_by_nobody() -> None:
    stage = Stage()
    stage.note(2)
    stage.chain.epoch = 2
    assert not stage.publish()
    stage.note(3, epoch=2)
    assert stage.publish()
    assert stage.chain.sizes == [3]
    assert {epoch for _, epoch in stage.courier.unproven()} == {2}


# ---- results that a checkpoint kept (PROTOCOL 8.4)


def test_a_newcomer_delivers_what_its_checkpoint_kept(tmp_path: Path) -> None:
    """Every cache is lost: leaves and results of the checkpoint, and the chain's receipts, are all there is."""
    request, result, salt = b"q" * 32, b"the result", bytes(32)
    output = m.ItemOutput(
        0, program(1), request, 0, 7, keccak256(salt + result), ZERO_DIGEST, result, public=True, void_rule=""
    )
    leaf = Leaf(6, 0, program(1), RequestId(request), 0, 7, Digest(output.plaintext_hash), ZERO_DIGEST)
    others = {index: tuple(sha256(b"leaf %d %d" % (index, at)) for at in range(index % 3)) for index in (4, 5, 7)}
    leaves = {**others, 6: (leaf.digest(),)}
    stage = Stage()
    with Store(tmp_path / "cache.sqlite", NETWORK, CLUSTER) as store:
        for index in sorted(leaves):
            kept = (output,) if index == 6 else ()
            store.add_kept(m.OutputsKept(index, sha256(b"head %d" % index), leaves[index], kept))
        store.add_receipt(SettledReceipt(3, 4, 8, 10, 10, None, ()))
        stage.courier._around.store = store  # type: ignore[misc]
        asyncio.run(stage.courier.deliver(8, 10))
        (call,) = stage.chain.delivered
        number, plain, plaintext = call[1], call[2], call[4]
        assert (number, plain[0], plain[3], plaintext) == (3, 6, request, result)
        root = compute_outputs_root([digest for index in sorted(leaves) for digest in leaves[index]])
        verify_output(root, leaf, OutputProof(call[5], call[6], tuple(call[7])))
        asyncio.run(stage.courier.deliver(8, 10))
        assert len(stage.chain.delivered) == 1


def test_what_is_delivered_already_is_not_sent_again(tmp_path: Path) -> None:
    stage = Stage()
    stage.chain.is_delivered = True
    output = m.ItemOutput(0, program(1), b"q" * 32, 0, 7, bytes(32), ZERO_DIGEST, b"x", public=True, void_rule="")
    with Store(tmp_path / "cache.sqlite", NETWORK, CLUSTER) as store:
        store.add_kept(m.OutputsKept(0, bytes(32), (bytes(32),), (output,)))
        store.add_receipt(SettledReceipt(0, 0, 1, 10, 10, None, ()))
        stage.courier._around.store = store  # type: ignore[misc]
        asyncio.run(stage.courier.deliver(1, 10))
    assert stage.chain.delivered == []
