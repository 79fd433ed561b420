"""The SDK's objects, asynchronous: a network, its programs, batches. ``sync`` wraps them for everybody else."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from coprocessor.client.arguments import checked
from coprocessor.client.calls import RESULT_SECONDS, CallHandle, CallOutcome, submit, submit_together
from coprocessor.client.deployment import Deployment, DeployOptions, deploy, open_package
from coprocessor.client.keys import choose_key, default_key
from coprocessor.client.programs import ProgramRecord
from coprocessor.client.queries import QueryResult, ask
from coprocessor.client.receipts import make_receipt
from coprocessor.client.sealing import CallOptions, SealedItem, SealingContext
from coprocessor.client.session import Session, open_session
from coprocessor.client.settled import SettledOutput, fetch_settled_output, find_settled_receipt
from coprocessor.client.target import load_target
from coprocessor.client.upgrades import UPGRADE_FUEL, announce, execute, known_policy, publish_next, withdraw
from coprocessor.client.versions import Lineage, look_at_versions, present_record, warning_of
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.commands import derive_reply_secret
from coprocessor.protocol.interface import Method
from coprocessor.protocol.items import GROUP_HEADER, ITEM_HEADER
from coprocessor.protocol.links import MAX_ITEMS, MAX_LINK_PAYLOAD
from coprocessor.protocol.outputs import derive_output_keys, open_output
from coprocessor.protocol.receipt_file import Opened
from coprocessor.values.errors import CallerMisuse, PeerUnreachable
from coprocessor.values.identities import ZERO_DIGEST, Address, ClusterId, ProgramId, checked_digest, from_hex, to_hex

__all__ = [
    "AsyncBatch",
    "AsyncHandle",
    "AsyncNetwork",
    "AsyncProgram",
    "UpgradeAnnounced",
    "aconnect",
    "split_batch",
]


RECEIPT_PATIENCE = 10.0
"""Seconds in which workers that do not serve an old output are asked again for a receipt."""


@checked
async def aconnect(
    target: str | Path,
    *,
    key: PrivateKey | str | Path | None = None,
    rpc: str | None = None,
    pinned: str | None = None,
) -> AsyncNetwork:
    """Connects to a network.

    Args:
        target: folder with a ``network.json``, such a file, or its URL.
        key: the author's key or its file; on development networks account 0 of the chain where None.
        rpc: URL of a node; the one that the file hints at where None.
        pinned: network id that ``target`` must have; give it where ``target`` is a URL that you do not trust.

    Raises:
        CoprocessorError: the description, the key or the node is not usable.
    """
    found = load_target(target, pinned)
    author = choose_key(key, found.network)
    return AsyncNetwork(await open_session(found, rpc), author)


class UpgradeAnnounced(UserWarning):
    """A program that is used may run other code soon: who does not want that leaves until then (PROTOCOL 12)."""


class AsyncNetwork:
    """A network as its user sees it. ``async with await aconnect(...) as net``, or ``close`` it."""

    def __init__(self, session: Session, author: PrivateKey | None) -> None:
        self.session = session
        self._author = author

    async def __aenter__(self) -> AsyncNetwork:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections."""
        await self.session.close()

    @property
    def id(self) -> str:
        """The network's id, 0x-prefixed: all that anybody need pin."""
        return to_hex(self.session.network_id)

    @property
    def simulated(self) -> bool:
        """The network accepts simulated hardware: nothing on it is secret."""
        return self.session.target.network.configuration.allow_simulated

    @property
    def author(self) -> PrivateKey:
        """Who acts unless a call says otherwise. Raises CallerMisuse where nobody was named (``key.required``)."""
        return self._author if self._author is not None else default_key(self.session.target.network)

    @checked
    async def deploy(
        self, path: str | Path, *, private: bool = False, options: DeployOptions | None = None, **init: Any
    ) -> AsyncProgram:
        """Deploys the program at ``path`` with its constructor's arguments, and waits until it runs.

        With ``private`` code and arguments are sealed to the cluster; callers see methods and their types alone.

        Raises:
            GuestFailed: it does not load, or its constructor fails (``deploy.failed``).
            CallerMisuse: no such file, or arguments that do not fit.
        """
        package = await asyncio.to_thread(open_package, path)
        chosen = options or DeployOptions()
        if private:
            chosen = replace(chosen, private=True)
        deployment = await deploy(self.session, package, self.author, init, chosen)
        return AsyncProgram(self, await present_record(self.session, deployment.program), deployment)

    @checked
    async def program(self, program: str | bytes) -> AsyncProgram:
        """The deployed program with this id. Raises CallerMisuse where there is none (``program.unknown``)."""
        raw = from_hex(program, 32, "program id") if isinstance(program, str) else program
        known = ProgramId(checked_digest(raw, "program id"))
        return AsyncProgram(self, await present_record(self.session, known), None)

    @checked
    def batch(self, relayer: PrivateKey | None = None) -> AsyncBatch:
        """An empty batch; ``relayer`` pays and is trusted for timeliness alone."""
        return AsyncBatch(self, relayer or self.author)

    @checked
    async def receipt(
        self,
        program: AsyncProgram,
        link: int,
        position: int = 0,
        author: PrivateKey | None = None,
        opened: bool = True,
    ) -> str:
        """The receipt file of any settled output of ``program``.

        It holds the readable output where ``opened`` is asked for and the author's journal knows the item.

        Raises:
            CallerMisuse: the item is of another program (``receipt.other_program``).
            PeerUnreachable: not settled yet (``receipt.not_settled``), or no worker serves the output.
        """
        if not 0 <= link < 1 << 63 or not 0 <= position < MAX_ITEMS:
            raise CallerMisuse("client.argument", f"receipt: there is no item {link}.{position} in any inbox")
        cluster = program.record.cluster
        receipt = await find_settled_receipt(self.session, cluster, link)
        if receipt is None:
            raise PeerUnreachable(
                "receipt.not_settled", f"link {link} is not settled yet", next="try again when it is: see `phat status`"
            )
        output = await fetch_settled_output(self.session, cluster, receipt, link, position, RECEIPT_PATIENCE)
        if output.served.leaf.program != program.record.program:
            raise CallerMisuse(
                "receipt.other_program",
                f"item {link}.{position} is of program {to_hex(output.served.leaf.program)}",
                next="give that program, or another index",
            )
        plain = self._open(cluster, output, author or self._author) if opened else None
        return await make_receipt(self.session, cluster, output, plain)

    def _open(self, cluster: ClusterId, output: SettledOutput, author: PrivateKey | None) -> Opened | None:
        served, leaf = output.served, output.served.leaf
        if author is None or leaf.ciphertext_hash == ZERO_DIGEST:
            return None
        nonce = self.session.journal(author).find(cluster, leaf.link, leaf.position)
        if nonce is None:
            return None
        secret = derive_reply_secret(author, self.session.network_id, leaf.program, nonce)
        keys = derive_output_keys(secret, self.session.network_id, served.link_hash, leaf.position)
        return Opened(keys.salt, open_output(served.output, keys, leaf, self.session.network_id))


class AsyncProgram:
    """A deployed program."""

    def __init__(self, network: AsyncNetwork, record: ProgramRecord, deployment: Deployment | None) -> None:
        self.network = network
        self.record = record
        self.deployment = deployment

    @property
    def id(self) -> str:
        """0x-prefixed, 32 bytes."""
        return to_hex(self.record.program)

    async def refresh(self) -> None:
        """Looks for another version and for an announced upgrade, and warns of one (``UpgradeAnnounced``); asks nobody
        where the program is frozen. ``call``, ``query`` and whatever seals do it by themselves."""
        if not self.record.may_change:
            return
        self.record = await present_record(self.network.session, self.record.program)
        if self.record.announced is not None:
            warnings.warn(warning_of(self.record), UpgradeAnnounced, stacklevel=3)

    @checked
    async def lineage(self) -> Lineage:
        """Every version, who may change the code, and the upgrade that waits."""
        return await look_at_versions(self.network.session, self.record)

    @checked
    async def announce(
        self, path: str | Path, *, private: bool = False, fuel: int = UPGRADE_FUEL, author: PrivateKey | None = None
    ) -> int:
        """Publishes the code at ``path`` and announces it as the next version; from when on it can be executed, seconds
        since 1970. For the owner of a program whose policy is a timelock.

        Raises:
            CallerMisuse: the program is frozen (``upgrade.frozen``), or its method ``upgrade`` takes arguments.
            TransactionReverted: somebody else's program, or another upgrade waits.
        """
        session, key = self.network.session, author or self.network.author
        await known_policy(session, self.record)
        package = await asyncio.to_thread(open_package, path)
        code_hash = await publish_next(session, self.record, package, key, private)
        return await announce(session, self.record, code_hash, fuel, key)

    @checked
    async def withdraw(self, *, author: PrivateKey | None = None) -> None:
        """Takes the announced upgrade back. Raises as ``announce``."""
        await withdraw(self.network.session, self.record, author or self.network.author)

    @checked
    async def execute(self, *, author: PrivateKey | None = None, timeout: float = RESULT_SECONDS) -> int:
        """Has the announced upgrade take effect; the link at which it did. Anybody may.

        Raises:
            TransactionReverted: none waits, or it is too early or too late.
            GuestFailed: the cluster refused the code and goes on with the present one (``upgrade.refused``).
        """
        session = self.network.session
        done = await execute(session, self.record, author or self.network.author, timeout)
        self.record = await present_record(session, self.record.program)
        return done.link

    @checked
    async def call(
        self,
        method: str,
        /,
        *arguments: Any,
        author: PrivateKey | None = None,
        options: CallOptions | None = None,
        **named: Any,
    ) -> AsyncHandle:
        """Submits a command; the handle waits for its result.

        Raises:
            CallerMisuse: no such command, or arguments that do not fit.
        """
        item = await self.seal(method, *arguments, author=author, options=options, **named)
        return AsyncHandle(self.network, await submit(self.network.session, item))

    @checked
    async def query(self, method: str, /, *arguments: Any, caller: PrivateKey | None = None, **named: Any) -> Any:
        """The verified answer of a worker. Raises as ``ask``."""
        return (await self.ask(method, *arguments, caller=caller, **named)).value

    @checked
    async def ask(self, method: str, /, *arguments: Any, caller: PrivateKey | None = None, **named: Any) -> QueryResult:
        """As ``query``, with the block, root and worker that it holds for.

        Raises:
            GuestFailed: the program refused.
            EvidenceRefused: the reply does not hold.
            PeerUnreachable: no worker answers.
        """
        await self.refresh()
        described = self.record.interface.method(method, "query")
        encoded = described.encode_arguments(arguments, named)
        return await ask(self.network.session, self.record, described, encoded, caller)

    @checked
    async def seal(
        self,
        method: str,
        /,
        *arguments: Any,
        author: PrivateKey | None = None,
        relayer: Address | None = None,
        options: CallOptions | None = None,
        **named: Any,
    ) -> SealedItem:
        """A sealed command, for the author's own submission or for a relayer (20 bytes) to bring in a batch."""
        await self.refresh()
        described = self.record.interface.method(method, "command")
        encoded = described.encode_arguments(arguments, named)
        context = await self.sealing_context()
        return self.seal_encoded(described, encoded, context, author, relayer, options)

    async def sealing_context(self) -> SealingContext:
        """The proven input key and the chain's time: good for sealing many commands within minutes."""
        session = self.network.session
        return SealingContext(await session.programs.input_key(self.record), await session.now())

    def seal_encoded(
        self,
        method: Method,
        arguments: bytes,
        context: SealingContext,
        author: PrivateKey | None = None,
        relayer: Address | None = None,
        options: CallOptions | None = None,
    ) -> SealedItem:
        """As ``seal``, with encoded arguments and a context that was looked up before; asks nobody."""
        return self.network.session.sealer.seal(
            self.record, method, arguments, context, author or self.network.author, relayer, options or CallOptions()
        )


class AsyncHandle:
    """A command on its way."""

    def __init__(self, network: AsyncNetwork, handle: CallHandle) -> None:
        self._network = network
        self.handle = handle

    @property
    def index(self) -> str:
        """``LINK.POSITION`` in the cluster's inbox."""
        return self.handle.place.index

    @checked
    async def result(self, timeout: float = RESULT_SECONDS) -> Any:
        """The result, once a final receipt proves it. Raises as ``CallHandle.result``."""
        return await self.handle.result(timeout)

    @checked
    async def outcome(self, timeout: float = RESULT_SECONDS) -> CallOutcome:
        """All about the settled command, failed or not."""
        return await self.handle.outcome(timeout)

    @checked
    async def receipt(self, timeout: float = RESULT_SECONDS, opened: bool = True) -> str:
        """The text of a one-file receipt, with the readable output unless ``opened`` is false."""
        outcome = await self.handle.outcome(timeout)
        plain = None
        if opened and outcome.keys is not None:
            served, session = outcome.settled.served, self._network.session
            plaintext = open_output(served.output, outcome.keys, served.leaf, session.network_id)
            plain = Opened(outcome.keys.salt, plaintext)
        return await make_receipt(self._network.session, outcome.place.cluster, outcome.settled, plain)


class AsyncBatch:
    """Commands of any authors that one relayer brings together, as few links as they fit in."""

    def __init__(self, network: AsyncNetwork, relayer: PrivateKey) -> None:
        self._network = network
        self._relayer = relayer
        self._items: list[SealedItem] = []
        self._contexts: dict[ProgramId, SealingContext] = {}

    def __len__(self) -> int:
        return len(self._items)

    @property
    def relayer(self) -> Address:
        """Whom authors seal for, 20 bytes."""
        return self._relayer.address

    @checked
    async def add(
        self,
        program: AsyncProgram,
        method: str,
        /,
        *arguments: Any,
        author: PrivateKey | None = None,
        options: CallOptions | None = None,
        **named: Any,
    ) -> None:
        """Seals a command for this batch's relayer and adds it."""
        if program.record.program not in self._contexts:
            await program.refresh()
        described = program.record.interface.method(method, "command")
        encoded = described.encode_arguments(arguments, named)
        if program.record.program not in self._contexts:
            self._contexts[program.record.program] = await program.sealing_context()
        context = self._contexts[program.record.program]
        self.add_sealed(program.seal_encoded(described, encoded, context, author, self.relayer, options))

    @checked
    def add_sealed(self, item: SealedItem) -> None:
        """Adds a command that its author sealed for this relayer."""
        self._items.append(item)

    @checked
    async def submit(self) -> list[AsyncHandle]:
        """Submits everything and empties the batch; handles come in the order of ``add``."""
        items, self._items = self._items, []
        self._contexts.clear()
        handles: list[AsyncHandle] = []
        for part in split_batch(items):
            sent = await submit_together(self._network.session, part, self._relayer)
            handles += [AsyncHandle(self._network, handle) for handle in sent]
        return handles


def split_batch(items: Sequence[SealedItem]) -> list[list[SealedItem]]:
    """The items in order, cut where a link would hold too many, too much, or items of two clusters."""
    parts: list[list[SealedItem]] = []
    size = 0
    for item in items:
        body = ITEM_HEADER + len(item.clear.sealed)
        joins_group = bool(parts) and _group(parts[-1][-1]) == _group(item)
        needed = body if joins_group else GROUP_HEADER + body
        fits = (
            parts
            and len(parts[-1]) < MAX_ITEMS
            and size + needed <= MAX_LINK_PAYLOAD
            and parts[-1][0].record.cluster == item.record.cluster
        )
        if not fits:
            parts.append([])
            size, needed = 0, GROUP_HEADER + body
        parts[-1].append(item)
        size += needed
    return parts


def _group(item: SealedItem) -> tuple[int, int, int]:
    """What consecutive items share where they stand in one group (``protocol.items``)."""
    return item.clear.handle, item.clear.fuel_limit, item.clear.fee_limit
