"""``phat up``: a development network on one machine, kept running in the foreground.

It starts the public commands ``phat chain``, ``phat gatekeeper`` and ``phat worker`` as processes, deploys what is
missing, writes ``DIR/network.json``, and starts again whatever ends. Where it is started again on the same folder it
goes on.

    DIR/network.json          what clients pin; hints: rpc, cluster, gatekeepers, simulated
    DIR/state.json            first nonce of the deployment, ports, each worker's cluster
    DIR/genesis-network.json  the network before its gatekeepers
    DIR/keys/                 operators' keys, mode 0600
    DIR/chain/ DIR/gatekeeper-0/ DIR/worker-0/ ...   each process's own
    DIR/logs/                 what the processes say
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from coprocessor.attesters.detect import open_attester
from coprocessor.chain.deployment import NetworkContracts, deploy_contracts
from coprocessor.chain.development import development_keys
from coprocessor.chain.errors import RpcError
from coprocessor.chain.keyfile import write_key_file
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient, RpcOptions
from coprocessor.chain.sender import TransactionSender
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.points import PersistPoint
from coprocessor.enclave.own_pads import check_peers
from coprocessor.host import provision
from coprocessor.host.children import Child
from coprocessor.host.folder import locked_folder
from coprocessor.host.http import PeerClient
from coprocessor.host.up_state import UpState, choosing_ports
from coprocessor.host.worker import run_until_signal
from coprocessor.protocol.genesis import compute_network_id, network_from_json, network_to_json
from coprocessor.values.errors import CallerMisuse, CoprocessorError, PeerUnreachable
from coprocessor.values.identities import ZERO_DIGEST, Address, ClusterId, NetworkId, to_hex
from coprocessor.values.network import Custodian, Network, NetworkConfiguration

__all__ = ["DEPLOYER_INDEX", "Summary", "Supervisor", "UpOptions", "run_up"]

T = TypeVar("T")

DEPLOYER_INDEX = 9
"""The development account that deploys, so that the others are left to people."""

PREFERRED_PORT = 8545
MAX_GATEKEEPERS = 32
MAX_CLUSTERS = 16

START_SECONDS = 300.0
"""How long a process may take until it is ready: a worker's first start compiles the interpreter for the machine."""

_DISK = Custodian("file")
_PHAT = (sys.executable, "-m", "coprocessor.cli.main")


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What is to be started.

    Args:
        data: folder of everything.
        workers: how many; each stays in the cluster that it first came to.
        clusters: how many; workers are spread over them in turns.
        gatekeepers: how many.
        threshold: gatekeepers that must act together; None takes the greatest that so many allow (PROTOCOL 9.2).
        chain: ``embedded``, ``anvil``, or the URL of a node.
        allow_simulated: whether enclaves may run without TEE hardware.
        deployer: who deploys and owns the clusters; None takes a development account.
        finality_lag, block_time: of the embedded chain; see ``phat chain``.
        custodian: of the gatekeepers' shares (PROTOCOL 9.5).
        worker_arguments: further arguments of every ``phat worker``.
        phat: how the command ``phat`` is run.
        disk: where its own files are written.
    """

    data: Path
    workers: int = 1
    clusters: int = 1
    gatekeepers: int = 1
    threshold: int | None = None
    chain: str = "embedded"
    allow_simulated: bool = True
    deployer: PrivateKey | None = None
    finality_lag: int = 0
    block_time: float | None = None
    custodian: Custodian = _DISK
    worker_arguments: tuple[str, ...] = ()
    phat: tuple[str, ...] = _PHAT
    disk: Disk = PLAIN_DISK

    @property
    def committee(self) -> int:
        """t: gatekeepers that must act together."""
        return (self.gatekeepers + 1) // 2 if self.threshold is None else self.threshold


@dataclass(frozen=True, slots=True)
class Summary:
    """What a developer needs to know of a network that runs.

    Args:
        network: 32 bytes.
        clusters: 32 bytes each; programs are deployed to the first where nobody names another.
        file: ``network.json``.
        rpc: URL of the node.
        chain_id: of the chain.
        accounts: the development accounts; the last deploys.
        contracts: (name, address).
        gatekeepers, workers: URLs.
        threshold: gatekeepers that must act together.
        simulated: the hardware is simulated.
    """

    network: NetworkId
    clusters: tuple[ClusterId, ...]
    file: Path
    rpc: str
    chain_id: int
    accounts: tuple[Address, ...]
    contracts: tuple[tuple[str, Address], ...]
    gatekeepers: tuple[str, ...]
    workers: tuple[str, ...]
    threshold: int
    simulated: bool


class Supervisor:
    """Starts, watches and stops one development network.

    Args:
        options: what to start.
        on_event: told in words what happens.
    """

    def __init__(self, options: UpOptions, on_event: Callable[[str], None] = lambda text: None) -> None:
        self._options = options
        self._on_event = on_event
        self._children: list[Child] = []

    async def run(self, on_ready: Callable[[Summary], None]) -> None:
        """Runs until cancelled; ``on_ready`` is called once workers hold their keys.

        Raises:
            CallerMisuse: the options cannot work, for example ``attestation.simulated_refused``,
                ``up.threshold``, ``host.locked``.
            PeerUnreachable: ``up.child``: a process does not start.
        """
        self._check_options()
        with locked_folder(self._options.data):
            try:
                on_ready(await self._start())
                await asyncio.Event().wait()
            finally:
                await self._stop()

    def _check_options(self) -> None:
        options = self._options
        if not 1 <= options.gatekeepers <= MAX_GATEKEEPERS:
            raise CallerMisuse(
                "up.gatekeepers",
                f"{options.gatekeepers} gatekeepers were asked for",
                next=f"start 1 to {MAX_GATEKEEPERS}",
            )
        if not 1 <= options.committee <= (options.gatekeepers + 1) // 2:  # PROTOCOL 9.2
            raise CallerMisuse(
                "up.threshold",
                f"a threshold of {options.committee} does not suit {options.gatekeepers} gatekeepers",
                "t of n gatekeepers need n >= 2 t - 1, so that fewer than t can neither reveal nor block anything",
                f"choose 1 to {(options.gatekeepers + 1) // 2}",
            )
        if not 0 <= options.workers <= 16:
            raise CallerMisuse("up.workers", f"{options.workers} workers were asked for", next="start 0 to 16")
        if not 1 <= options.clusters <= MAX_CLUSTERS:
            raise CallerMisuse(
                "up.clusters", f"{options.clusters} clusters were asked for", next=f"start 1 to {MAX_CLUSTERS}"
            )
        check_peers(options.custodian, options.gatekeepers, options.committee)
        if not options.allow_simulated:
            open_attester(options.data / "platform", simulated=False)

    async def _start(self) -> Summary:
        options, state = self._options, UpState(self._options.data / "state.json", self._options.disk)
        async with contextlib.AsyncExitStack() as stack:
            peers = PeerClient()
            stack.push_async_callback(peers.close)
            url, rpc = await self._start_chain(state)
            await stack.enter_async_context(rpc)
            node = Node(rpc)
            sender = TransactionSender(node, self._deployer())
            configuration = await self._deploy(node, sender, state)
            operators = self._operators()
            await provision.fund(node, sender, [key.address for key, _ in operators.values()])
            gatekeepers = await self._start_gatekeepers(state, configuration, url, operators)
            for child, gatekeeper in gatekeepers:
                await self._until(child, lambda url=gatekeeper: _is_running(peers, url))  # type: ignore[misc]
            urls = [gatekeeper for _, gatekeeper in gatekeepers]
            network = await provision.hold_genesis(peers, urls, options.committee, sender, node, configuration)
            clusters = await provision.first_clusters(sender, node, configuration, options.clusters)
            await self._await_master_key(node, configuration, gatekeepers[0][0])
            hints = {"rpc": url, "cluster": to_hex(clusters[0]), "gatekeepers": urls, "simulated": True}
            file = options.data / "network.json"
            text = network_to_json(network, hints).encode("utf-8")
            options.disk.replace(PersistPoint.UP_NETWORK, file, text, mode=0o644)  # public: it is what others pin
            workers = [
                await self._start_worker(state, file, at, clusters, operators[f"worker-{at}"][1])
                for at in range(options.workers)
            ]
            for child, worker in workers:
                await self._until(child, lambda url=worker: _is_running(peers, url))  # type: ignore[misc]
            return Summary(
                network=compute_network_id(network),
                clusters=clusters,
                file=file,
                rpc=url,
                chain_id=configuration.chain_id,
                accounts=tuple(key.address for key in development_keys()),
                contracts=tuple((name, identity.address) for name, identity in configuration.contracts),
                gatekeepers=tuple(urls),
                workers=tuple(worker for _, worker in workers),
                threshold=options.committee,
                simulated=configuration.allow_simulated,
            )

    async def _stop(self) -> None:
        """In the order that lets each finish: workers, gatekeepers, chain."""
        while self._children:
            await self._children.pop().stop()

    # ---- chain

    async def _start_chain(self, state: UpState) -> tuple[str, RpcClient]:
        """A node that seals headers: the embedded one, or one in front of another node."""
        chain = self._options.chain
        if chain.startswith(("http://", "https://")):
            rpc = RpcClient(chain)
            if await _seals(Node(rpc)):
                return chain, rpc
            await rpc.close()
            return await self._start_node(state, ["--upstream", chain])
        if chain == "anvil":
            return await self._start_node(state, ["--upstream", await self._start_anvil(state)])
        if chain != "embedded":
            raise CallerMisuse("up.chain", f"{chain!r} is no chain", next="embedded, anvil, or the URL of a node")
        block_time = self._options.block_time
        arguments = ["--finality-lag", str(self._options.finality_lag)]
        return await self._start_node(state, arguments + (["--block-time", str(block_time)] if block_time else []))

    async def _start_node(self, state: UpState, arguments: list[str]) -> tuple[str, RpcClient]:
        folder = self._options.data / "chain"
        async with choosing_ports():  # until the node listens: two networks must never take one node for their own
            port = state.port("chain", PREFERRED_PORT)
            command = ["chain", "--data", str(folder), "--host", "127.0.0.1", "--port", str(port), *arguments]
            return await self._start_rpc("chain", [*self._options.phat, *command], port)

    async def _start_anvil(self, state: UpState) -> str:
        binary = shutil.which("anvil")
        if binary is None:
            raise CallerMisuse(
                "up.no_anvil", "there is no anvil on this machine", next="install it, or use --chain embedded"
            )
        port, file = state.port("anvil"), self._options.data / "anvil" / "state.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        timing = ["--block-time", "1", "--slots-in-an-epoch", "1", "--state", str(file), "--state-interval", "1"]
        url, rpc = await self._start_rpc("anvil", [binary, "--port", str(port), *timing], port)
        await rpc.close()
        return url

    async def _start_rpc(self, name: str, command: list[str], port: int) -> tuple[str, RpcClient]:
        url = f"http://127.0.0.1:{port}"
        child = await self._start_child(name, command)
        rpc = RpcClient(url, RpcOptions(attempts=1))
        try:
            await self._until(child, Node(rpc).chain_id)
        finally:
            await rpc.close()
        return url, RpcClient(url)

    # ---- network

    def _deployer(self) -> PrivateKey:
        return self._options.deployer or development_keys()[DEPLOYER_INDEX]

    async def _deploy(self, node: Node, sender: TransactionSender, state: UpState) -> NetworkConfiguration:
        nonce = state.get("deployer nonce")
        if nonce is None:
            nonce = state.keep("deployer nonce", await node.transaction_count(sender.address))
        options = await provision.development_options(node, sender.address, self._options.custodian)
        self._check_measurement(options.attestation.measurements)
        return await deploy_contracts(node, sender, nonce, options)

    def _check_measurement(self, measurements: tuple[bytes, ...]) -> None:
        """A network accepts the enclaves of the source that made it; another source is another network."""
        file = self._options.data / "network.json"
        if not file.exists():
            return
        network, _ = network_from_json(file.read_text("utf-8"))
        if network.configuration.attestation.measurements != measurements:
            raise CallerMisuse(
                "attestation.measurement_unknown",
                f"the network in {self._options.data} accepts the enclaves of another version of this software",
                "its measured source has changed since the network was made",
                "run the version that made it, or start a new network in another folder",
            )
        kind = network.configuration.custodian.kind
        if network.configuration.custodian != self._options.custodian:
            raise CallerMisuse(
                "up.custody",
                f"the network in {self._options.data} was made with the custodian {kind}",
                "its genesis covers it",
                "start it with the same --custody, or a new network in another folder",
            )

    def _operators(self) -> dict[str, tuple[PrivateKey, Path]]:
        """Key and key file of each process that sends transactions."""
        names = [f"gatekeeper-{at}" for at in range(self._options.gatekeepers)]
        names += [f"worker-{at}" for at in range(self._options.workers)]
        files = {name: self._options.data / "keys" / f"{name}.key" for name in names}
        return {name: (write_key_file(file, self._options.disk), file) for name, file in files.items()}

    async def _start_gatekeepers(
        self, state: UpState, configuration: NetworkConfiguration, rpc: str, keys: dict[str, tuple[PrivateKey, Path]]
    ) -> list[tuple[Child, str]]:
        file = self._options.data / "genesis-network.json"
        ports = {f"gatekeeper-{at}": state.port(f"gatekeeper-{at}") for at in range(self._options.gatekeepers)}
        urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
        hints = {"rpc": rpc, "gatekeepers": urls}  # they hold pieces of each other's pads from the genesis on
        text = network_to_json(Network(configuration, ()), hints).encode("utf-8")
        self._options.disk.replace(PersistPoint.UP_GENESIS, file, text)
        started = []
        for name, port in ports.items():
            child = await self._start_host(name, "gatekeeper", file, keys[name][1], port)
            started.append((child, f"http://127.0.0.1:{port}"))
        return started

    async def _await_master_key(self, node: Node, configuration: NetworkConfiguration, child: Child) -> None:
        """Until the gatekeepers' key ceremony has its outcome on the chain."""
        gatekeeping = NetworkContracts.of(node, configuration)["Gatekeeping"]

        async def look() -> None:
            if await gatekeeping.read("master_key_hash", tag="finalized") == ZERO_DIGEST:
                raise PeerUnreachable("up.ceremony", "the gatekeepers' key ceremony is under way")

        await self._until(child, look)

    async def _start_worker(
        self, state: UpState, file: Path, at: int, clusters: tuple[ClusterId, ...], key: Path
    ) -> tuple[Child, str]:
        name = f"worker-{at}"
        port, place = state.port(name), state.get(f"cluster {name}")
        if place is None or place >= len(clusters):  # a worker is a member of one cluster, and stays it
            place = state.keep(f"cluster {name}", at % len(clusters))
        more = ("--cluster", to_hex(clusters[place]), *self._options.worker_arguments)
        child = await self._start_host(name, "worker", file, key, port, *more)
        return child, f"http://127.0.0.1:{port}"

    async def _start_host(self, name: str, command: str, file: Path, key: Path, port: int, *more: str) -> Child:
        arguments = ["--network", str(file), "--operator", str(key), "--data", str(self._options.data / name)]
        return await self._start_child(
            name, [*self._options.phat, command, *arguments, "--listen", f"127.0.0.1:{port}", *more]
        )

    # ---- processes

    async def _start_child(self, name: str, command: list[str]) -> Child:
        child = Child(name, command, self._options.data / "logs" / f"{name}.log", self._on_event)
        self._children.append(child)
        await child.start()
        self._on_event(f"started the {name}")
        return child

    async def _until(self, child: Child, look: Callable[[], Awaitable[T]]) -> T:
        """The first answer of a process that was started. Raises PeerUnreachable where it keeps silent."""
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while True:
            try:
                return await look()
            except (PeerUnreachable, RpcError) as error:
                if child.has_failed or asyncio.get_running_loop().time() > deadline:
                    raise child.failure(error) from error
            await asyncio.sleep(0.1)


async def _is_running(peers: PeerClient, url: str) -> None:
    status: Any = await peers.get_json(f"{url}/v1/status")
    if not isinstance(status, dict) or status.get("step") not in ("running", "awaiting genesis"):
        said = status.get("state") if isinstance(status, dict) else status
        raise PeerUnreachable("up.not_running", f"{url} is not running yet: {said}")


async def _seals(node: Node) -> bool:
    try:
        return bool(await node.sealers())
    except CoprocessorError:
        return False


def run_up(
    options: UpOptions, on_ready: Callable[[Summary], None], on_event: Callable[[str], None] = lambda text: None
) -> None:
    """Runs a development network until SIGTERM or SIGINT. Raises as ``Supervisor.run``."""
    run_until_signal(lambda: Supervisor(options, on_event).run(on_ready))
