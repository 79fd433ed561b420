"""The worker host: starts enclaves, one after the other, and serves HTTP for the one that lives.

It believes nothing and is believed by nobody; what it loses it can make again from the chain.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient
from coprocessor.chain.sender import TransactionSender
from coprocessor.host.enclave_process import EnclaveDied, EnclaveOptions, worker_enclave
from coprocessor.host.folder import locked_folder
from coprocessor.host.holding import Holder, HolderPlace
from coprocessor.host.http import PeerClient, serve_http
from coprocessor.host.progress import Progress
from coprocessor.host.store import Store
from coprocessor.host.trying import FreshEnclaveNeeded
from coprocessor.host.worker_life import WorkerLife
from coprocessor.host.worker_options import Surroundings, WorkerOptions, cluster_id, rpc_url, surroundings_of
from coprocessor.host.worker_server import WorkerServer
from coprocessor.protocol.genesis import compute_network_id

__all__ = ["WorkerHost", "run_until_signal", "run_worker"]

_log = logging.getLogger("coprocessor.host")

LONGEST_RESTART_PAUSE = 30.0
"""Seconds between enclaves that keep ending."""


class WorkerHost:
    """One worker: its enclaves' host.

    Args:
        options: what it was told.
        enclave: how enclaves are started; None for the real one.
    """

    def __init__(self, options: WorkerOptions, enclave: EnclaveOptions | None = None) -> None:
        self._options = options
        self._command = enclave or worker_enclave(options.platform_folder(), options.allow_simulated)

    async def run(self, on_ready: Callable[[str], None] | None = None) -> None:
        """Runs until cancelled. ``on_ready`` is called with the endpoint once HTTP is served.

        Raises:
            CallerMisuse, MalformedInput: the options cannot work.
            DiskFailed: the folder cannot be written.
        """
        options = self._options
        network, hints = options.parsed()
        with locked_folder(options.data):
            async with contextlib.AsyncExitStack() as stack:
                rpc = await stack.enter_async_context(RpcClient(rpc_url(options, hints)))
                peers = PeerClient()
                stack.push_async_callback(peers.close)
                network_id = compute_network_id(network)
                cluster = cluster_id(options, hints)
                store = Store(options.data / "cache.sqlite", network_id, cluster, disk=options.disk)
                stack.enter_context(store)
                node = Node(rpc)
                sender = TransactionSender(node, options.operator)
                around = surroundings_of(options, node, sender, peers, store, Progress("worker"))
                place = HolderPlace(options.data / "held", options.disk, options.operator)
                server = WorkerServer(around, Holder(network, around.contracts, peers, place))
                host, port = options.listen
                port = await stack.enter_async_context(serve_http(server.routes(), host, port))
                server.endpoint = options.endpoint or f"http://{host}:{port}"
                if on_ready is not None:
                    on_ready(server.endpoint)
                await self._live_again(around, server)

    async def _live_again(self, around: Surroundings, server: WorkerServer) -> None:
        pause = 0.5
        while True:
            life = server.life = WorkerLife(around, self._command)
            started = asyncio.get_running_loop().time()
            try:
                await life.live(server.endpoint)
            except EnclaveDied as error:
                around.progress.wait_for("enclave", error)
            except FreshEnclaveNeeded as reason:
                _log.info("worker: a fresh enclave is needed (%s)", reason)
            server.life = None
            around.progress.enter("starting")
            if asyncio.get_running_loop().time() - started > 2 * LONGEST_RESTART_PAUSE:
                pause = 0.5
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RESTART_PAUSE)


def run_worker(options: WorkerOptions, on_ready: Callable[[str], None] | None = None) -> None:
    """Runs a worker host until SIGTERM or SIGINT. Raises as ``WorkerHost.run``."""
    run_until_signal(lambda: WorkerHost(options).run(on_ready))


def run_until_signal(start: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs the coroutine that ``start`` makes until it ends or a signal asks to stop; then it is cancelled."""

    async def main() -> None:
        task = asyncio.create_task(start())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            _log.info("stopped by a signal")

    asyncio.run(main())
