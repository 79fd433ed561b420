"""One life of a worker's enclave: from its start through enrolment to its end; everything in it is lost with it.

Tasks run side by side. One follows the chain: headers, proofs, links. One acts on it: receipts, deliveries, input keys.
One renews the admission in time: what refuses that is told, and stops nothing until the admission ends. A step that
fails is reported and tried again with growing pauses; only the enclave's end, or a refusal that only a fresh enclave
gets over, ends the life.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from coprocessor.chain.code import fetch_code
from coprocessor.durable.errors import DiskFailed
from coprocessor.durable.points import PersistPoint
from coprocessor.enclave import messages as m
from coprocessor.host import slots
from coprocessor.host.account_signers import AccountSigners
from coprocessor.host.boundaries import Boundaries
from coprocessor.host.courier import Courier
from coprocessor.host.enclave_process import EnclaveOptions, EnclaveProcess, EnclaveRefused
from coprocessor.host.enrolment import RENEW_SECONDS, Enrolment
from coprocessor.host.epoch_watch import EpochWatch
from coprocessor.host.feed import ChainFeed
from coprocessor.host.link_feed import LinkFeed
from coprocessor.host.runtime_watch import RuntimeWatch
from coprocessor.host.settled_index import SettledIndex
from coprocessor.host.settler import Settler
from coprocessor.host.trying import FreshEnclaveNeeded, Trying, until_first_ends, wait_for_event
from coprocessor.host.worker_options import Surroundings
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.sandbox.sealed_cache import cache_name
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import Address, RuntimeId

__all__ = ["WorkerLife"]

_log = logging.getLogger("coprocessor.host")

RENEWAL_LOOK_SECONDS = 60.0
"""Between looks at the end of the worker's admission."""

MAX_CACHE_BYTES = 256 * 1024 * 1024
"""Bytes of sealed native code that are read back."""

_RUNTIME = 6  # field of Clusters.clusters
_CACHE_NAME = re.compile(r"[a-z0-9-]{1,64}")


class WorkerLife:
    """One enclave of a worker host.

    Args:
        around: the host's shared parts.
        command: how the enclave is started.
    """

    def __init__(self, around: Surroundings, command: EnclaveOptions) -> None:
        self._around = around
        self._command = command
        self._trying = Trying(around.progress, around.options.poll_seconds)
        self._wake = asyncio.Event()
        self._codes: asyncio.Queue[bytes] = asyncio.Queue()
        self._epochs: asyncio.Queue[int] = asyncio.Queue()
        self._enclave: EnclaveProcess | None = None
        self._proven_block = self._indexed_block = -1
        self._must_prove = True
        self._next_renewal_look = 0.0
        self._halted: CoprocessorError | None = None
        self.links: LinkFeed | None = None
        self.settler: Settler | None = None
        self.courier: Courier | None = None
        self.account_signers: AccountSigners | None = None
        self.boundaries: Boundaries | None = None
        self.watch: EpochWatch | None = None
        self.enrolment: Enrolment | None = None
        self.settled = SettledIndex(around)
        self.executed = 0
        self._news = asyncio.Event()

    @property
    def enclave(self) -> EnclaveProcess | None:
        """The process, while it lives."""
        return self._enclave

    async def live(self, endpoint: str) -> None:
        """Runs until the enclave ends.

        Raises:
            EnclaveDied: it ended.
            FreshEnclaveNeeded: another one should be started.
        """
        enclave = await EnclaveProcess.start(self._command, self._on_notice)
        self._enclave = enclave
        try:
            await until_first_ends(self._work(enclave, endpoint), self._watch(enclave))
        finally:
            self._enclave = None
            await enclave.close()

    async def _watch(self, enclave: EnclaveProcess) -> None:
        raise await enclave.wait_for_death()

    async def _work(self, enclave: EnclaveProcess, endpoint: str) -> None:
        around = self._around
        feed = ChainFeed(around.node, around.network.configuration, enclave)
        enrolment = self.enrolment = Enrolment(around, enclave, feed)
        await self._enter("boot", enrolment.boot)
        around.progress.clear("enclave")
        self.links = LinkFeed(around, enclave)
        signer = Address(enrolment.booted.signer)
        self.settler = Settler(around, enclave, self.links, enrolment.worker, signer)
        self.courier = Courier(around, enclave, self.links, enrolment.worker)
        self.account_signers = AccountSigners(around, self.courier)
        boundaries = self.boundaries = Boundaries(around, enclave, self.links, enrolment.worker)
        self.watch = EpochWatch(around, self.links, enrolment.worker, lambda: boundaries.missing)
        await self._enter("admission", enrolment.admit)
        await self._enter("endpoint", lambda: enrolment.announce(endpoint))
        await self._enter("membership", enrolment.join)
        await self._enter("keys", enrolment.take_open_keys)
        await self._enter("interpreters", lambda: self._prepare(enclave))
        await self._enter("checkpoint", lambda: self._restore(boundaries, feed))
        around.progress.enter("running")
        await until_first_ends(
            self._trying.for_ever("chain", lambda: self._follow(feed)),
            self._trying.for_ever("settlement", self._act, self._wake),
            self._trying.for_ever("keys after removals", self.watch.step),
            self._trying.for_ever("runtimes", RuntimeWatch(around).step),
            self._trying.for_ever("renewal", self._renew_in_time),
            self._serve_code(enclave),
            self._serve_keys(enrolment),
        )

    async def _enter(self, step: str, act: Callable[[], Awaitable[None]]) -> None:
        self._around.progress.enter(step)
        await self._trying.until_done(step, act)

    async def _restore(self, boundaries: Boundaries, feed: ChainFeed) -> None:
        self.executed = await boundaries.restore(feed)

    # ---- following

    async def _follow(self, feed: ChainFeed) -> bool:
        """One look at the chain; whether there was anything new."""
        assert self.links is not None
        assert self.courier is not None
        head = await feed.advance()
        if head.number == self._proven_block and not self._must_prove:
            return False
        self._must_prove, self._proven_block = False, -1  # a failure on the way makes the next look do all again
        wanted = slots.progress(self._around.cluster, self.courier.unproven())
        proofs = await feed.prove(wanted, head.number)
        self._must_prove = self.courier.note_proofs(proofs) or self._must_prove
        await self.links.feed(head.number, slots.proven_links(self._around.cluster, proofs))
        await self.settled.update(head.number)
        self._proven_block = self._indexed_block = head.number
        self._tell()
        return True

    async def wait_for_news(self, seconds: float) -> None:
        """Returns after the next look at the chain or the next thing that the enclave says, at most so many seconds."""
        await wait_for_event(self._news, seconds)

    def _tell(self) -> None:
        self._wake.set()
        self._news.set()
        self._news = asyncio.Event()

    # ---- acting

    async def _act(self) -> bool:
        """Settles, delivers, publishes what is due; whether anything was settled."""
        assert self.settler is not None
        assert self.courier is not None
        assert self.boundaries is not None
        if self._halted is not None:
            raise self._halted
        store = self._around.store
        if store.is_damaged:
            store.make_anew()
            raise FreshEnclaveNeeded("disk.damaged")  # it replays the inbox, which fills the cache again
        store.save()  # what is settled can be served: settling waits for the disk
        if await self.courier.publish_keys():
            self._must_prove = True  # queries wait until the enclave has seen the record (PROTOCOL 4.4)
        assert self.account_signers is not None
        await self.account_signers.publish()
        self.settler.executed = self.executed
        has_settled = await self.settler.step()
        await self.courier.deliver(self.settled.links, self._indexed_block)
        has_ended = await self.boundaries.step(self.executed, self._indexed_block)
        return has_settled or has_ended

    async def _renew_in_time(self) -> bool:
        """Renews the admission where its end is near; whether it did."""
        now = time.monotonic()
        if now < self._next_renewal_look or self.enrolment is None:
            return False
        standing = await self.enrolment.standing()
        block = await self._around.node.block("latest")
        is_due = block is not None and standing.expires - block.timestamp < RENEW_SECONDS
        if is_due:
            await self.enrolment.renew()
            _log.info("worker: the admission is renewed")
        self._next_renewal_look = now + RENEWAL_LOOK_SECONDS
        return is_due

    # ---- notices

    def _on_notice(self, notice: Any) -> None:
        """Takes what the enclave says unasked; called by the reader of its channel."""
        match notice:
            case m.LinkExecuted():
                self._around.store.add_link(notice)
                self.executed = notice.index + 1
            case m.OutputsKept():
                self._around.store.add_kept(notice)
            case m.NeedCode():
                self._codes.put_nowait(notice.code_hash)
            case m.CheckpointPiece():
                if self.boundaries is not None:
                    self.boundaries.note_piece(notice)
            case m.BoundaryReached():
                if self.boundaries is not None:
                    self.boundaries.note_reached(notice)
            case m.NeedKeys():
                self._epochs.put_nowait(notice.epoch)
            case m.InputKeySigned():
                if self.courier is not None:
                    self.courier.note_key(notice)
            case m.KeepCache():
                if _CACHE_NAME.fullmatch(notice.name):
                    self._keep(self._cache_path(notice.name), notice.sealed)
            case m.NeedRuntime():
                failure = EnclaveRefused(notice.failure)
                self._around.progress.wait_for(f"link {notice.link}, where epoch {notice.epoch} begins", failure)
            case m.Halted():
                self._halted = EnclaveRefused(m.Failure(notice.code, notice.what, notice.why, notice.next))
        self._tell()

    async def _serve_code(self, enclave: EnclaveProcess) -> None:
        """Hands the enclave the code packages that it asks for."""
        while True:
            code_hash = await self._codes.get()

            async def hand_over(wanted: bytes = code_hash) -> None:
                around = self._around
                head = await around.node.block("finalized")
                last = 0 if head is None else head.number
                chunks = await fetch_code(around.node, around.contract("Programs"), wanted, last)
                await enclave.request(m.Code(wanted, chunks), m.Ready)

            await self._trying.until_done("code", hand_over)

    async def _serve_keys(self, enrolment: Enrolment) -> None:
        """Fetches the keys of epochs that begin (PROTOCOL 8.3)."""
        while True:
            epoch = await self._epochs.get()

            async def take(wanted: int = epoch) -> None:
                await enrolment.take_keys(wanted)

            await self._trying.until_done("keys", take)

    async def _prepare(self, enclave: EnclaveProcess) -> None:
        """Makes interpreters ready ahead of their first program; the first start compiles them for this machine."""
        around = self._around
        cluster: Any = await around.contract("Clusters").read("clusters", around.cluster)
        runtimes = release_runtimes()
        runtime = runtimes.find(RuntimeId(cluster[_RUNTIME])) or runtimes.first
        for language in around.options.interpreters:
            cached = self._cached(cache_name(language, runtime.id))
            await enclave.request(m.PrepareGuest(language, runtime.id, cached), m.Ready)

    def _cached(self, name: str) -> bytes:
        """What was kept, or nothing; the enclave makes it again where it is damaged (PROTOCOL 5.8)."""
        try:
            with self._cache_path(name).open("rb") as file:
                data = file.read(MAX_CACHE_BYTES + 1)
        except OSError:
            return b""
        return data if len(data) <= MAX_CACHE_BYTES else b""

    def _keep(self, path: Path, data: bytes) -> None:
        """Keeps native code, in place of that of runtimes which this release does not carry; where the disk does not
        take it, the next start compiles again."""
        disk = self._around.options.disk
        try:
            disk.replace(PersistPoint.WORKER_NATIVE_CODE, path, data)
            for stale in path.parent.glob("guest-*"):
                if not stale.name.endswith(tuple(runtime[:8].hex() for runtime in release_runtimes().ids)):
                    disk.remove(stale)
        except DiskFailed as error:
            _log.warning("worker: native code is not kept: %s", error)

    def _cache_path(self, name: str) -> Path:
        return self._around.options.data / "cache" / name
