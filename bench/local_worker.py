"""A worker whose host, enclave core and executor run in this process, one step at a time, so that steps can be timed.

All parts are the real ones: the chain feed, the link feed, enrolment and settlement of ``host``, the worker's core,
the executor's core. Only the channels between the processes are replaced; each message is still encoded and decoded.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from bench.points import CORE_CHANNEL, ENCLAVE_CHANNEL, EXECUTOR_CHANNEL
from bench.spans import Spans
from coprocessor.attestation.evidence import encode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.attesters.detect import open_attester
from coprocessor.chain.code import fetch_code
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient
from coprocessor.chain.sender import TransactionSender
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave import messages as m
from coprocessor.enclave.surroundings import WorkerSurroundings
from coprocessor.enclave.worker import WorkerCore
from coprocessor.host import slots
from coprocessor.host.courier import Courier
from coprocessor.host.enclave_process import EnclaveProcess, EnclaveRefused
from coprocessor.host.enrolment import Enrolment
from coprocessor.host.feed import ChainFeed
from coprocessor.host.http import PeerClient
from coprocessor.host.link_feed import LinkFeed
from coprocessor.host.progress import Progress
from coprocessor.host.settled_index import SettledIndex
from coprocessor.host.settler import Settler
from coprocessor.host.store import Store
from coprocessor.host.worker_options import WorkerOptions, cluster_id, rpc_url, surroundings_of
from coprocessor.protocol.genesis import compute_network_id
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.executor_messages import EXECUTOR_REPLIES, EXECUTOR_REQUESTS
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.sandbox.python_guest import load_guest_wasm
from coprocessor.sandbox.runtime import Runtime, release_runtimes
from coprocessor.values.identities import Address

__all__ = ["LocalWorker", "local_worker"]

R = TypeVar("R")

_EVIDENCE_TIME = 1_800_000_000


class _Port:
    """The executor's core behind its messages, without its process."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._executor = Executor(Engine())
        self._reply = b""

    def send(self, request: Any) -> None:
        """Handles the request at once; ``receive`` gives the reply."""
        with self._spans.span(CORE_CHANNEL):
            data = EXECUTOR_REQUESTS.encode(request)
        with self._spans.span(EXECUTOR_CHANNEL):
            reply = run_on_guest_stack(self._executor.handle, EXECUTOR_REQUESTS.decode(data))
            self._reply = EXECUTOR_REPLIES.encode(reply)

    def receive(self) -> Any:
        """The reply to the last request."""
        with self._spans.span(CORE_CHANNEL):
            return EXECUTOR_REPLIES.decode(self._reply)

    def restart(self, runtime: Runtime) -> None:
        """A new, empty executor of this runtime."""
        self._executor = Executor(Engine(), rules=runtime.rules)


class _Enclave:
    """What ``EnclaveProcess`` is to a host, with the core in this process."""

    def __init__(self, platform: Path, spans: Spans) -> None:
        self._spans = spans
        self._attester = open_attester(platform, simulated=True)
        verdict = verify_evidence(self._attester.quote(bytes(64), _EVIDENCE_TIME), _EVIDENCE_TIME)
        self.core = WorkerCore(
            WorkerSurroundings(
                entropy=os.urandom,
                executor=_Port(spans),
                guest_wasm=lambda digest: load_guest_wasm(),
                runtimes=release_runtimes(),
                seal_key=self._attester.seal_key(b"code-cache"),
                platform=verdict.platform_id,
                simulated=True,
            )
        )
        self.notices: list[Any] = []

    async def request(self, message: Any, reply: type[R]) -> R:
        """As ``EnclaveProcess.request``."""
        with self._spans.span(ENCLAVE_CHANNEL):
            decoded = m.WORKER_REQUESTS.decode(m.WORKER_REQUESTS.encode(message))
            answers = [self._attest()] if isinstance(decoded, m.Attest) else self.core.handle(decoded)
            answer, *notices = self._carry(answers)
        self.notices += notices
        if isinstance(answer, m.Failure):
            raise EnclaveRefused(answer)
        assert isinstance(answer, reply)
        return answer

    def work(self) -> list[Any]:
        """Notices of one unit of work; nothing where there is none."""
        with self._spans.span(ENCLAVE_CHANNEL):
            return self._carry(self.core.work())

    def _carry(self, answers: list[Any]) -> list[Any]:
        return [m.WORKER_REPLIES.decode(m.WORKER_REPLIES.encode(answer)) for answer in answers]

    def _attest(self) -> m.Attested:
        claims = self.core.claims()
        evidence = encode_evidence(self._attester.quote(claims.compute(), self.core.chain_time()))
        return m.Attested(evidence, claims.checkpoint_hash, claims.block_number, claims.block_hash)


class LocalWorker:
    """A member of a network's cluster that acts when it is told to."""

    def __init__(self, around: Any, spans: Spans) -> None:
        self._around = around
        self._spans = spans
        self._local = _Enclave(around.options.platform_folder(), spans)
        enclave = cast(EnclaveProcess, self._local)
        self._feed = ChainFeed(around.node, around.network.configuration, enclave)
        self._enrolment = Enrolment(around, enclave, self._feed)
        self._links = LinkFeed(around, enclave)
        self._settled = SettledIndex(around)
        self.executed: list[m.LinkExecuted] = []
        """Links executed since the start."""

    async def enrol(self) -> None:
        """The whole way to the cluster's keys, then the interpreter."""
        await self._enrolment.boot()
        await self._enrolment.admit()
        await self._enrolment.announce("http://127.0.0.1:9")
        await self._enrolment.join()
        await self._enrolment.take_open_keys()
        signer = Address(self._enrolment.booted.signer)
        enclave = cast(EnclaveProcess, self._local)
        self._settler = Settler(self._around, enclave, self._links, self._enrolment.worker, signer)
        self._courier = Courier(self._around, self._local, self._links, self._enrolment.worker)
        await self._local.request(m.PrepareGuest("python", release_runtimes().first.id, b""), m.Ready)

    async def follow(self) -> int:
        """Looks at the chain and executes what is new; links executed."""
        with self._spans.span("host: rest"):
            before = len(self.executed)
            head = await self._feed.advance()
            wanted = slots.progress(self._around.cluster, self._courier.unproven())
            proofs = await self._feed.prove(wanted, head.number)
            self._courier.note_proofs(proofs)
            await self._links.feed(head.number, slots.proven_links(self._around.cluster, proofs))
            await self._settled.update(head.number)
            await self._work()
            return len(self.executed) - before

    async def settle(self) -> bool:
        """Publishes input keys and settles one receipt, where that is due."""
        await self._courier.publish_keys()
        self._settler.executed = len(self.executed)
        return await self._settler.step()

    async def _work(self) -> None:
        while notices := self._local.work():
            for notice in notices:
                await self._take(notice)

    async def _take(self, notice: Any) -> None:
        if isinstance(notice, m.LinkExecuted):
            self._around.store.add_link(notice)
            self.executed.append(notice)
        elif isinstance(notice, m.NeedCode):
            head = await self._around.node.block("finalized")
            programs = self._around.contract("Programs")
            chunks = await fetch_code(self._around.node, programs, notice.code_hash, head.number)
            await self._local.request(m.Code(notice.code_hash, chunks), m.Ready)
        elif isinstance(notice, m.InputKeySigned):
            self._courier.note_key(notice)
        elif isinstance(notice, m.Halted):
            raise EnclaveRefused(m.Failure(notice.code, notice.what, notice.why, notice.next))


@asynccontextmanager
async def local_worker(network: str, operator: PrivateKey, data: Path, spans: Spans) -> AsyncIterator[LocalWorker]:
    """A worker for the network with this description; ``operator`` must have funds, ``data`` is a new folder."""
    data.mkdir(parents=True)
    options = WorkerOptions(network=network, operator=operator, data=data)
    parsed, hints = options.parsed()
    peers = PeerClient()
    try:
        async with RpcClient(rpc_url(options, hints)) as rpc:
            node = Node(rpc)
            network_id = compute_network_id(parsed)
            with Store(data / "cache.sqlite", network_id, cluster_id(options, hints)) as store:
                sender = TransactionSender(node, operator)
                yield LocalWorker(surroundings_of(options, node, sender, peers, store, Progress("worker")), spans)
    finally:
        await peers.close()
