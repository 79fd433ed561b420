"""A worker's and a gatekeeper's HTTP over cores in this process: all that a request can reach, without processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import web

from coprocessor.chain.development import development_keys
from coprocessor.chain.errors import TransactionReverted
from coprocessor.crypto.hashing import sha256
from coprocessor.durable.disk import PLAIN_DISK
from coprocessor.enclave import messages as m
from coprocessor.enclave.checkpoint import Manifest
from coprocessor.host.checkpoints import CheckpointFolder, KeptCheckpoint
from coprocessor.host.enclave_process import EnclaveRefused
from coprocessor.host.gatekeeper import GatekeeperHost
from coprocessor.host.gatekeeper_options import GatekeeperOptions
from coprocessor.host.holding import Hold, Holder, HolderPlace
from coprocessor.host.http import PeerClient, serve_http
from coprocessor.host.progress import Progress
from coprocessor.host.store import Store
from coprocessor.host.worker_server import WorkerServer
from coprocessor.protocol.genesis import network_from_json
from coprocessor.values.identities import Address, Digest, NetworkId, StateRoot
from coprocessor.values.network import Network
from tests.fuzz.targets_enclave import Scene
from tests.host.test_store import executed, receipt
from tests.support.fake_chain import CLUSTER

_DIGEST = b"\x11" * 32

__all__ = ["Hosts", "hold_example", "kept_checkpoint", "served_gatekeeper", "served_worker"]


@dataclass
class CoreEnclave:
    """What a host sees of an enclave, over a core in this process."""

    core: Any
    is_alive: bool = True
    pid: int = 1

    async def request(self, message: Any, kind: type) -> Any:
        reply = self.core.handle(message)[0]
        if isinstance(reply, m.Failure):
            raise EnclaveRefused(reply)
        assert isinstance(reply, kind), reply
        return reply

    async def query(self, program: bytes, sealed: bytes, deadline_ms: int) -> bytes:
        answer = self.core.handle(m.Query(1, program, sealed, deadline_ms))[0]
        if answer.failure is not None:
            raise EnclaveRefused(answer.failure)
        return bytes(answer.reply)


class NoNews:
    """A life in which nothing new comes."""

    def __init__(self, enclave: CoreEnclave) -> None:
        self.enclave = enclave
        self.enrolment = self.links = self.watch = None
        self.courier = SimpleNamespace(signed_key=lambda program, epoch: (bytes(32), bytes(65)) if epoch == 1 else None)
        self.settled = SimpleNamespace(links=5, receipts=1)
        reached = m.BoundaryReached(2, 5, bytes(32), bytes(32), _DIGEST, b"manifest", bytes(65))
        digest, kept = kept_checkpoint()
        self.boundaries = SimpleNamespace(
            signed=lambda epoch, count: reached if (epoch, count) == (2, 5) else None,
            checkpoint=lambda asked: kept if asked == digest else None,
        )

    async def wait_for_news(self, seconds: float) -> None:
        return None


@dataclass
class Hosts:
    """Where a host serves, and its routes."""

    url: str
    routes: list[web.RouteDef] = field(default_factory=list)


@asynccontextmanager
async def served_worker(scene: Scene, folder: Path) -> AsyncIterator[Hosts]:
    """A worker that has executed a link, with an output and a receipt in its store."""
    network = NetworkId(bytes(32))
    with Store(folder / "cache.sqlite", network, CLUSTER) as store:
        store.add_link(executed(5))
        store.add_receipt(receipt(0, 5, 6))
        around: Any = SimpleNamespace(
            options=SimpleNamespace(network="{}"),
            network_id=network,
            cluster=CLUSTER,
            operator=bytes(20),
            store=store,
            progress=Progress("worker"),
        )
        held = Holder(network_of(scene), FakeContracts(), PeerClient(), place(folder))  # type: ignore[arg-type]
        server = WorkerServer(around, held)
        server.life = NoNews(CoreEnclave(scene.worker.core))  # type: ignore[assignment]
        async with serve_http(server.routes(), "127.0.0.1", 0) as port:
            yield Hosts(f"http://127.0.0.1:{port}", server.routes())


def kept_checkpoint() -> tuple[bytes, KeptCheckpoint]:
    """One with a single piece, and its digest."""
    piece = b"sealed piece"
    manifest = Manifest(CLUSTER, 2, 5, Digest(bytes(32)), StateRoot(bytes(32)), (sha256(piece),))
    return manifest.digest, KeptCheckpoint(manifest.encode(), (piece,))


def keep_checkpoint(folder: Path) -> None:
    """As a holder would have."""
    CheckpointFolder(folder / "held" / CLUSTER.hex(), PLAIN_DISK).keep(*kept_checkpoint())


def hold_example() -> Hold:
    """A request of the right shape."""
    return Hold(bytes(32), CLUSTER, 2, 5, bytes(32), bytes(32), _DIGEST, (bytes(65),))


def place(folder: Path) -> HolderPlace:
    """Where a host under test holds checkpoints."""
    return HolderPlace(folder / "held", PLAIN_DISK, development_keys()[0])


def network_of(scene: Scene) -> Network:
    """The scene's."""
    return network_from_json(scene.stage.chain.network_json())[0]


class FakeContracts:
    """Contracts that know nobody."""

    address = Address(bytes(20))

    def __getitem__(self, name: str) -> FakeContracts:
        return self

    async def read(self, function: str, *arguments: Any, tag: Any = "latest") -> Any:
        if function == "check_signatures":
            raise TransactionReverted("check_signatures", "clusters: signer")
        known = {"member_count": 1, "next_count": 0, "endpoints": "", "revoked": 0}
        if function in known:
            return known[function]
        if function in ("members", "next_members"):
            return [bytes(20), bytes(20), bytes(32), bytes(32)]
        return [0] * 3 + [bytes(20)] + [0] * 9


class StillFeed:
    """A feed whose chain stands still."""

    def __init__(self, scene: Scene) -> None:
        chain = scene.stage.chain
        self.head = SimpleNamespace(number=chain.number, hash=chain.block_hash(), timestamp=chain.timestamp)

    async def advance(self) -> Any:
        return self.head

    async def prove(self, wanted: Any, number: int) -> tuple[Any, ...]:
        return ()


class StillBeacon:
    """A courier of the beacon whose chain stands still: the enclave is asked."""

    def __init__(self, enclave: CoreEnclave) -> None:
        self._enclave = enclave

    async def sign(self, height: int) -> Any:
        return await self._enclave.request(m.SignBeacon(height), m.BeaconSigned)


@asynccontextmanager
async def served_gatekeeper(scene: Scene, folder: Path) -> AsyncIterator[Hosts]:
    """A gatekeeper whose genesis is over."""
    options = GatekeeperOptions(scene.stage.chain.network_json(), development_keys()[0], folder)
    host = GatekeeperHost(options)
    host._network = network_from_json(scene.stage.chain.network_json())[0]
    host._enclave = CoreEnclave(scene.stage.gatekeeper)  # type: ignore[assignment]
    host._feed = StillFeed(scene)  # type: ignore[assignment]
    host._beacon = StillBeacon(host._enclave)  # type: ignore[assignment,arg-type]
    host._contracts = FakeContracts  # type: ignore[assignment,method-assign]
    host._booted = scene.stage.committee.booted[0]
    host._checkpoint = SimpleNamespace(number=0)  # type: ignore[assignment]
    host._pads = host._make_pad_courier(host._enclave)  # type: ignore[arg-type]
    keep_checkpoint(folder)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve_http(host._routes(), "127.0.0.1", 0))
        yield Hosts(f"http://127.0.0.1:{port}", host._routes())
