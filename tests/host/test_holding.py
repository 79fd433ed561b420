"""Holding another cluster's checkpoint: only what a quorum signed, durable before it is signed for, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coprocessor.chain.errors import TransactionReverted
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.secp256k1 import PrivateKey, recover_address
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.errors import DiskFailed
from coprocessor.enclave.checkpoint import Manifest
from coprocessor.host.checkpoints import KEPT_CHECKPOINTS, KeptCheckpoint
from coprocessor.host.holding import Hold, Holder, HolderPlace
from coprocessor.protocol.genesis import compute_network_id, network_from_json
from coprocessor.protocol.statements import Boundary, HeldRecord
from coprocessor.values.errors import CoprocessorError, PeerUnreachable
from coprocessor.values.identities import Address, Digest, StateRoot
from tests.support.fake_chain import CLUSTER, FakeChain

MEMBER = PrivateKey(b"\x11" * 32)
OPERATOR = PrivateKey(b"\x22" * 32)
WORKER = b"w" * 32
NETWORK = network_from_json(FakeChain().network_json())[0]
CLUSTERS = Address(b"c" * 20)


def made(count: int = 7, piece: bytes = b"sealed") -> tuple[Manifest, KeptCheckpoint]:
    manifest = Manifest(CLUSTER, 2, count, Digest(b"h" * 32), StateRoot(b"r" * 32), (sha256(piece),))
    return manifest, KeptCheckpoint(manifest.encode(), (piece,))


def request(manifest: Manifest, **changes: Any) -> Hold:
    fields = (manifest.epoch, manifest.count, manifest.head, manifest.root, manifest.digest)
    digest = Boundary(compute_network_id(NETWORK), CLUSTER, *fields).digest(NETWORK.configuration.chain_id, CLUSTERS)
    return replace(Hold(WORKER, CLUSTER, *fields, (MEMBER.sign(digest),)), **changes)


class Chain:
    """Clusters and Registry as a holder reads them: one member, a quorum of one."""

    address = CLUSTERS

    def __init__(self) -> None:
        self.seats: dict[bytes, int] = {}
        self.named = bytes(32)

    def __getitem__(self, name: str) -> Chain:
        return self

    async def read(self, function: str, *arguments: Any) -> Any:
        match function:
            case "check_signatures":
                if any(recover_address(arguments[1], one) != MEMBER.address for one in arguments[2]):
                    raise TransactionReverted(function, "clusters: signer")
                return [WORKER] * len(arguments[2])
            case "epochs":
                return [0, 1, 1, b"", 0] if arguments[1] == 2 else [0] * 5
            case "seats":
                return self.seats.get(arguments[1], 0)
            case "members":
                return int(arguments[1] == WORKER)
            case "endpoints":
                return "http://member/"
            case "boundaries":
                return [1, 1, b"", b"", self.named]
        raise AssertionError(function)


class Member:
    """A member's host that serves checkpoints; counts what it is asked."""

    def __init__(self, *checkpoints: KeptCheckpoint) -> None:
        self.served = {sha256(one.manifest): one for one in checkpoints}
        self.asked = 0

    async def get_bytes(self, url: str) -> bytes:
        self.asked += 1
        found = self.served.get(Digest(bytes.fromhex(url.split("digest=0x")[1][:64])))
        if found is None:
            raise PeerUnreachable("checkpoint.unknown", "not here")
        return found.pieces[int(url.rsplit("=", 1)[1])] if "&piece=" in url else found.manifest


def holder(
    folder: Path, member: Member, chain: Chain | None = None, disk: Disk = PLAIN_DISK, most: int = 1 << 20
) -> Holder:
    place = HolderPlace(folder / "held", disk, OPERATOR, most)
    return Holder(NETWORK, chain or Chain(), member, place)  # type: ignore[arg-type]


def refusal(act: Callable[[], Any]) -> str:
    with pytest.raises(CoprocessorError) as caught:
        act()
    return caught.value.code


def test_what_a_quorum_signed_is_fetched_kept_and_signed_for(tmp_path: Path) -> None:
    manifest, checkpoint = made()
    member = Member(checkpoint)
    answer = asyncio.run(holder(tmp_path, member).hold(request(manifest)))
    record = HeldRecord(compute_network_id(NETWORK), CLUSTER, manifest.digest)
    signed = record.digest(NETWORK.configuration.chain_id, CLUSTERS)
    assert recover_address(signed, bytes.fromhex(answer["signature"][2:])) == OPERATOR.address
    again = holder(tmp_path, Member())  # after a restart, with the member gone
    assert again.find(manifest.digest) == checkpoint
    assert asyncio.run(again.hold(request(manifest)))["signature"] == answer["signature"]


def test_nothing_is_fetched_for_others(tmp_path: Path) -> None:
    manifest, checkpoint = made()
    member, chain = Member(checkpoint), Chain()

    def asking(**changes: Any) -> str:
        return refusal(lambda: asyncio.run(holder(tmp_path, member, chain).hold(request(manifest, **changes))))

    assert asking(signatures=(PrivateKey(b"\x33" * 32).sign(Digest(bytes(32))),)) == "hold.quorum"
    assert asking(root=bytes(32)) == "hold.quorum"  # another boundary than the signed one
    assert asking(signatures=()) == "hold.signatures"
    assert asking(signatures=(bytes(65),) * 17) == "hold.signatures"
    assert asking(epoch=0) == "hold.boundary"
    assert asking(worker=b"x" * 32) == "hold.member"
    chain.seats[OPERATOR.address] = 1
    assert asking() == "hold.inside"
    assert member.asked == 0


@pytest.mark.parametrize("lie", ["piece", "manifest", "boundary", "silence"])
def test_a_member_that_lies_gets_no_signature(tmp_path: Path, lie: str) -> None:
    manifest, checkpoint = made()
    member = Member(checkpoint)
    asked = request(manifest)
    if lie == "piece":
        member.served[manifest.digest] = replace(checkpoint, pieces=(b"other",))
    elif lie == "manifest":
        member.served[manifest.digest] = made(8)[1]
    elif lie == "boundary":  # a quorum that signs a checkpoint of another boundary
        asked = request(replace(manifest, count=9))
        fields = (2, 9, manifest.head, manifest.root, manifest.digest)
        boundary = Boundary(compute_network_id(NETWORK), CLUSTER, *fields)
        signed = MEMBER.sign(boundary.digest(NETWORK.configuration.chain_id, CLUSTERS))
        asked = replace(asked, checkpoint=manifest.digest, signatures=(signed,))
    else:
        member.served.clear()
    one = holder(tmp_path, member)
    expected = {"boundary": "hold.manifest", "silence": "checkpoint.unknown"}
    assert refusal(lambda: asyncio.run(one.hold(asked))) == expected.get(lie, "checkpoint.other")
    assert one.find(manifest.digest) is None


def test_nothing_is_signed_that_the_disk_did_not_take(tmp_path: Path) -> None:
    class FullDisk(Disk):
        def replace(self, *arguments: Any, **options: Any) -> None:
            raise DiskFailed("disk.full", "no room")

    manifest, checkpoint = made()
    one = holder(tmp_path, Member(checkpoint), disk=FullDisk())
    assert refusal(lambda: asyncio.run(one.hold(request(manifest)))) == "disk.full"


def test_the_disk_is_bounded_and_what_the_chain_names_stays(tmp_path: Path) -> None:
    checkpoints = [made(count, b"%d" % count * 100) for count in range(1, KEPT_CHECKPOINTS + 3)]
    chain = Chain()
    chain.named = checkpoints[0][0].digest
    one = holder(tmp_path, Member(*(checkpoint for _, checkpoint in checkpoints)), chain)
    for manifest, _ in checkpoints:
        asyncio.run(one.hold(request(manifest)))
    found = [manifest.count for manifest, _ in checkpoints if one.find(manifest.digest)]
    assert found == [1, *range(3, KEPT_CHECKPOINTS + 3)]
    manifest, checkpoint = made(99)
    full = holder(tmp_path, Member(checkpoint), chain, most=100)
    assert refusal(lambda: asyncio.run(full.hold(request(manifest)))) == "hold.full"


def test_a_slow_fetch_goes_on_and_is_found_by_who_asks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, checkpoint = made()

    async def go() -> None:
        gate = asyncio.Event()

        class Slow(Member):
            async def get_bytes(self, url: str) -> bytes:
                await gate.wait()
                return await super().get_bytes(url)

        monkeypatch.setattr("coprocessor.host.holding.PATIENCE_SECONDS", 0.01)
        member = Slow(checkpoint)
        one = holder(tmp_path, member)
        for _ in range(2):
            with pytest.raises(PeerUnreachable) as caught:
                await one.hold(request(manifest))
            assert caught.value.code == "hold.fetching"
        gate.set()
        monkeypatch.setattr("coprocessor.host.holding.PATIENCE_SECONDS", 5.0)
        assert (await one.hold(request(manifest)))["ok"]
        assert member.asked == 2  # one fetch for all who asked

    asyncio.run(go())
