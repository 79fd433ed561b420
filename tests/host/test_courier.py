"""Input keys on their way to the chain: lists under one signature of a quorum, sent once, never twice."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.chain.errors import TransactionReverted
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.secp256k1 import PrivateKey, recover_address
from coprocessor.enclave import messages as m
from coprocessor.host import courier as module
from coprocessor.host.courier import MAX_PROVEN_KEYS, Courier
from coprocessor.protocol import layout
from coprocessor.protocol.statements import (
    INPUT_KEY,
    MAX_PROGRAM_KEYS,
    ProgramKey,
    ProgramKeysRecord,
    compute_keys_hash,
)
from coprocessor.values.errors import PeerUnreachable
from coprocessor.values.identities import Address, ClusterId, NetworkId, ProgramId, WorkerId

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
        listed = [ProgramKey(ProgramId(one), INPUT_KEY, key) for one, key in zip(message.programs, keys, strict=True)]
        record = ProgramKeysRecord(NETWORK, CLUSTER, message.epoch, compute_keys_hash(listed))
        return m.KeysSigned(message.epoch, keys, self._signer.sign(record.digest(CHAIN_ID, PROGRAMS)))


class Chain:
    """Programs as ``publish_keys`` changes it; who calls is checked as the contract does."""

    def __init__(self, quorum: int) -> None:
        self.quorum = quorum
        self.epoch = 1
        self.slots: dict[bytes, int] = {}
        self.sizes: list[int] = []
        self.address = PROGRAMS

    async def read(self, name: str, *arguments: Any) -> Any:
        assert name == "clusters"
        return [b"", self.epoch, self.quorum, self.quorum, 0, True, b"", 3, 1]

    def encode(self, function: str, *arguments: Any) -> Any:
        assert function == "publish_keys"
        return arguments

    async def proof(self, address: bytes, slots: list[bytes], tag: str) -> Any:
        return SimpleNamespace(slots=[SimpleNamespace(slot=slot, value=self.slots.get(slot, 0)) for slot in slots])

    async def send(self, address: bytes, call: Any) -> None:
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
            self.slots.setdefault(layout.input_key(key.program, epoch), int.from_bytes(key.key, "big"))


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
