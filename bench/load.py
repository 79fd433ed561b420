"""Sealed token transfers in batches: prepared by authors, brought by a relayer, followed until they are settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.network import BenchNetwork, authors
from coprocessor.chain.development import development_keys
from coprocessor.client.calls import CallHandle, submit_together
from coprocessor.client.network import AsyncNetwork, AsyncProgram, split_batch
from coprocessor.client.sealing import CallOptions, SealedItem
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.outputs import Status
from coprocessor.values.identities import ClusterId

__all__ = ["BATCH", "Prepared", "fund_authors", "prepare", "send", "send_and_settle", "settled_links"]

AUTHORS = 20
BATCH = 600
"""Items of a link at most; fewer where their bytes do not fit into one (114,688)."""

FUEL = 2_000_000_000
SETTLE_SECONDS = 240.0
_POLL_SECONDS = 0.1
RELAYER = development_keys()[2]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Commands sealed for the relayer, in batches, and the seconds that sealing took."""

    batches: tuple[tuple[SealedItem, ...], ...]
    seconds: float

    @property
    def count(self) -> int:
        """Commands in all batches."""
        return sum(len(batch) for batch in self.batches)


def fund_authors(network: BenchNetwork) -> None:
    """Gives each author a part of the supply."""
    amount = 10**9
    calls = [(network.net.author, author.address, amount) for author in authors(AUTHORS)]
    prepared = network.run(seal(network.token, calls))
    network.run(_settle(network.net, prepared.batches))
    network.submitted += AUTHORS


def prepare(network: BenchNetwork, count: int, batch: int = BATCH) -> Prepared:
    """``count`` transfers of 1 to 9 tokens from author to author, sealed."""
    people = authors(AUTHORS)
    calls = [
        (people[at % AUTHORS], people[(at * 7 + 3) % AUTHORS].address, 1 + at % 9) for at in range(count)
    ]
    return network.run(seal(network.token, calls, batch))


async def seal(program: AsyncProgram, calls: Sequence[tuple[PrivateKey, bytes, int]], batch: int = BATCH) -> Prepared:
    """Transfers (author, recipient, amount), sealed for the relayer and divided into batches."""
    method = program.record.interface.method("transfer", "command")
    context = await program.sealing_context()
    options = CallOptions(fuel=FUEL)
    items = []
    began = time.perf_counter()
    for author, recipient, amount in calls:
        arguments = method.encode_arguments(("0x" + recipient.hex(), amount), {})
        items.append(program.seal_encoded(method, arguments, context, author, RELAYER.address, options))
    seconds = time.perf_counter() - began
    links = [link[at : at + batch] for link in split_batch(items) for at in range(0, len(link), batch)]
    return Prepared(tuple(tuple(link) for link in links), seconds)


def send(network: BenchNetwork, prepared: Prepared) -> list[CallHandle]:
    """Submits all batches one after the other; returns when the last is in a block."""
    handles = network.run(_submit(network.net, prepared.batches))
    network.submitted += prepared.count
    return handles


def send_and_settle(network: BenchNetwork, prepared: Prepared) -> tuple[float, float]:
    """Seconds from the first submission until all are in blocks, and until the last is settled on the chain.

    Raises:
        RuntimeError: the last command of a batch did not succeed: then nothing was measured.
    """
    times = network.run(_settle(network.net, prepared.batches))
    network.submitted += prepared.count
    return times


async def _submit(net: AsyncNetwork, batches: Sequence[Sequence[SealedItem]]) -> list[CallHandle]:
    """The handles of each batch's last command."""
    sent = await asyncio.gather(*(submit_together(net.session, batch, RELAYER) for batch in batches))
    return [handles[-1] for handles in sent]


async def _settle(net: AsyncNetwork, batches: Sequence[Sequence[SealedItem]]) -> tuple[float, float]:
    began = time.perf_counter()
    last = await _submit(net, batches)
    submitted = time.perf_counter() - began
    cluster = last[-1].place.cluster
    wanted = 1 + max(handle.place.link for handle in last)
    while await settled_links(net, cluster) < wanted:
        if time.perf_counter() - began > SETTLE_SECONDS:
            raise TimeoutError(f"links up to {wanted} were not settled within {SETTLE_SECONDS:.0f} s")
        await asyncio.sleep(_POLL_SECONDS)
    settled = time.perf_counter() - began
    for handle in last:
        outcome = await handle.outcome()
        if outcome.status is not Status.OK:
            raise RuntimeError(f"command {handle.place.index} ended as {outcome.status.name}: {outcome.message}")
    return submitted, settled


async def settled_links(net: AsyncNetwork, cluster: ClusterId) -> int:
    """Links of a cluster that are settled on the chain."""
    settled = await net.session.contracts["Settlement"].read("settled", cluster)
    return int(settled[0])
