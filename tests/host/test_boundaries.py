"""Checkpoints on a host's disk, whole or not there, never without the one that the chain names; from whom they come."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.crypto.hashing import sha256
from coprocessor.durable.disk import PLAIN_DISK
from coprocessor.enclave.checkpoint import Manifest
from coprocessor.host.boundaries import Boundaries
from coprocessor.host.checkpoints import KEPT_CHECKPOINTS, CheckpointFolder, KeptCheckpoint
from coprocessor.host.gatekeepers import Gatekeepers
from coprocessor.host.http import PeerClient
from coprocessor.values.errors import PeerUnreachable
from coprocessor.values.identities import ClusterId, Digest, StateRoot

CLUSTER = ClusterId(b"c" * 32)


def checkpoint(count: int) -> tuple[bytes, KeptCheckpoint]:
    pieces = (b"first of %d" % count, b"second")
    digests = tuple(sha256(piece) for piece in pieces)
    manifest = Manifest(CLUSTER, 2, count, Digest(b"h" * 32), StateRoot(b"r" * 32), digests)
    return manifest.digest, KeptCheckpoint(manifest.encode(), pieces)


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints", PLAIN_DISK)


def keep(folder: CheckpointFolder, count: int) -> bytes:
    digest, kept = checkpoint(count)
    folder.keep(digest, kept)
    os.utime(folder._path(digest), (count, count))  # files of one instant have no order
    return digest


def test_the_newest_are_kept_and_the_one_that_the_chain_names(folder: CheckpointFolder) -> None:
    digests = [keep(folder, 1)]
    folder.named = digests[0]
    digests += [keep(folder, count) for count in range(2, 4 + KEPT_CHECKPOINTS)]
    assert [digest for digest in digests if folder.find(digest)] == [digests[0], *digests[-KEPT_CHECKPOINTS:]]


def test_a_damaged_checkpoint_is_not_there(folder: CheckpointFolder) -> None:
    digest = keep(folder, 1)
    path = folder._path(digest)
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert folder.find(digest) is None
        path.write_bytes(whole[:at])
        assert folder.find(digest) is None
    path.write_bytes(whole)
    assert folder.find(digest) == checkpoint(1)[1]


class _Peers:
    """Answers as several hosts do, by the name in their URL."""

    def __init__(self, answers: dict[str, KeptCheckpoint]) -> None:
        self._answers = answers

    async def get_bytes(self, url: str) -> bytes:
        name = url.split("/")[2]
        if name not in self._answers:
            raise PeerUnreachable("peer.unreachable", f"{url} did not answer")
        kept = self._answers[name]
        return kept.pieces[int(url.rsplit("=", 1)[1])] if "&piece=" in url else kept.manifest


class _NoNode:
    """A chain without events."""

    async def block(self, tag: str) -> None:
        return None

    async def logs(self, *arguments: object) -> list[object]:
        return []


def fetch(
    answers: dict[str, KeptCheckpoint], digest: bytes, tmp_path: Path, gatekeepers: tuple[str, ...] = ()
) -> KeptCheckpoint:
    """From the members that ``answers`` names, then from the gatekeepers among them."""

    async def read(name: str, worker: bytes) -> str:
        return f"http://{worker.decode()}"

    async def members() -> list[bytes]:
        return [name.encode() for name in answers if name not in gatekeepers]

    async def listed() -> list[str]:
        return [f"http://{name}" for name in gatekeepers]

    registry = SimpleNamespace(
        read=read, address=b"", interface=SimpleNamespace(event=lambda name: SimpleNamespace(topic=b""))
    )
    registry.events = lambda logs, name: []
    around: Any = SimpleNamespace(
        options=SimpleNamespace(data=tmp_path, disk=PLAIN_DISK),
        contract=lambda name: registry,
        peers=_Peers(answers),
        gatekeepers=Gatekeepers(PeerClient(), listed),
        node=_NoNode(),
    )
    boundaries = Boundaries(around, None, None, None)  # type: ignore[arg-type]
    boundaries._ever_joined = members  # type: ignore[assignment, method-assign]
    return asyncio.run(boundaries._fetch(digest))


def test_a_member_that_lies_is_passed_over(tmp_path: Path) -> None:
    digest, true = checkpoint(1)
    lies = {"other": checkpoint(2)[1], "pieces": KeptCheckpoint(true.manifest, (true.pieces[0], b"false"))}
    assert fetch({**lies, "honest": true}, digest, tmp_path) == true
    with pytest.raises(PeerUnreachable) as caught:
        fetch(lies, digest, tmp_path)
    assert caught.value.code == "checkpoint.nowhere"


def test_holders_are_asked_where_no_member_has_it(tmp_path: Path) -> None:
    digest, true = checkpoint(1)
    answers = {"liar": checkpoint(2)[1], "gone": checkpoint(3)[1], "keeper": true}
    assert fetch(answers, digest, tmp_path, ("keeper",)) == true
    assert fetch({"keeper": true}, digest, tmp_path, ("silent", "keeper")) == true
