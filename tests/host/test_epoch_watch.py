"""The alarm about epochs that nobody closes, and new keys after a removal, over contracts that answer as told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.chain.errors import TransactionReverted
from coprocessor.host import epoch_watch
from coprocessor.host.epoch_watch import EpochWatch
from coprocessor.host.progress import Progress
from coprocessor.protocol.closing import CLOSING_SECONDS, DEVELOPMENT_CLOSING_SECONDS
from coprocessor.values.errors import PeerUnreachable
from coprocessor.values.identities import WorkerId

WORKERS = [WorkerId(bytes([at]) * 32) for at in range(3)]
RAISED = 1_000_000


@dataclass
class Chain:
    """Clusters, Registry, node and sender of a cluster in its second epoch, whose first one is open."""

    now: int = RAISED
    first_open: int = 1
    quorum: int = 1
    exposed: bool = False
    revoked: set[bytes] = field(default_factory=set)
    contained: list[list[bytes]] = field(default_factory=list)
    refusal: str = ""
    address: bytes = b""

    async def read(self, name: str, *arguments: Any) -> Any:
        match name:
            case "clusters":
                return [b"", 2, self.quorum, self.quorum, 0, True, b"", 3, self.first_open]
            case "epochs":
                return [5, 1, 1, b"", RAISED]
            case "is_exposed":
                return self.exposed
            case "workers":
                return [b"", b"", 1, arguments[0]]
            case "standing":
                return [b"", b"", b"", 0, arguments[0] in self.revoked]
        raise AssertionError(name)

    def encode(self, name: str, *arguments: Any) -> Any:
        assert name == "contain"
        return arguments

    async def block(self, tag: str) -> Any:
        return SimpleNamespace(timestamp=self.now)

    async def send(self, address: bytes, call: Any) -> None:
        if self.refusal:
            raise TransactionReverted("contain", self.refusal)
        self.contained.append(call[1])


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_SECONDS", "GATHERING_SECONDS", "TURN_SECONDS"):
        monkeypatch.setattr(epoch_watch, name, 0.0)


def watching(chain: Chain, development: bool = True, worker: WorkerId = WORKERS[0]) -> tuple[EpochWatch, Progress]:
    progress = Progress("worker")
    around: Any = SimpleNamespace(
        cluster=b"c" * 32,
        network=SimpleNamespace(configuration=SimpleNamespace(development=development)),
        contract=lambda name: chain,
        node=chain,
        sender=chain,
        progress=progress,
    )
    links: Any = SimpleNamespace(members=set(WORKERS))
    missing = PeerUnreachable("boundary.holders", "0 operators hold it, 1 is needed")
    return EpochWatch(around, links, worker, lambda: missing), progress


def look(watch: EpochWatch) -> bool:
    return asyncio.run(watch.step())


@pytest.mark.parametrize(("development", "closing"), [(True, DEVELOPMENT_CLOSING_SECONDS), (False, CLOSING_SECONDS)])
def test_an_epoch_that_nobody_closes_in_time_is_an_alarm(development: bool, closing: int) -> None:
    chain = Chain(now=RAISED + closing)
    watch, progress = watching(chain, development)
    look(watch)
    assert watch.ending is not None
    assert (watch.ending.due, watch.ending.is_overdue) == (RAISED + closing, False)
    assert progress.waiting() is None
    chain.now += 1
    look(watch)
    waiting = progress.waiting()
    assert waiting is not None
    assert waiting["code"] == "epoch.overdue"
    assert waiting["why"] == "boundary.holders: 0 operators hold it, 1 is needed"
    chain.first_open = 2
    look(watch)
    assert watch.ending is None
    assert progress.waiting() is None


def test_revoked_members_are_shut_out_and_keys_raised_by_who_stays() -> None:
    chain = Chain(revoked={WORKERS[1]})
    watch, _ = watching(chain)
    assert look(watch)
    assert chain.contained == [[WORKERS[1]]]
    assert not look(watching(chain, worker=WORKERS[1])[0]), "a revoked member does nothing"


def test_keys_are_raised_after_a_removal() -> None:
    chain = Chain()
    watch, _ = watching(chain)
    assert not look(watch)
    chain.exposed = True
    assert look(watch)
    assert chain.contained == [[]]


def test_people_decide_where_fewer_than_a_quorum_would_stay() -> None:
    chain = Chain(revoked={WORKERS[1], WORKERS[2]}, quorum=2)
    assert not look(watching(chain)[0])
    chain.quorum = 1
    assert look(watching(chain)[0])


@pytest.mark.parametrize("reason", ["clusters: raiser", "clusters: not a member", "clusters: epochs"])
def test_who_comes_second_goes_on(reason: str) -> None:
    chain = Chain(exposed=True, refusal=reason)
    assert not look(watching(chain)[0])
    chain.refusal = "clusters: cluster"
    with pytest.raises(TransactionReverted):
        look(watching(chain)[0])
