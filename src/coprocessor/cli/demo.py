"""``phat demo``: a sealed-bid auction from bids to a smart contract, through the death of the worker that runs it.

1. a network starts: chain, gatekeeper, one worker; the auction's program and the contract that sells are deployed;
2. fifty authors seal two hundred bids; a relayer brings them in batches;
3. the worker is killed when a batch is final in the inbox and executed, but not settled; its folder is deleted;
4. a successor with another operator joins with the network's description alone, replays, and settles the rest;
5. the contract asks for the result and gets it by a proven callback;
6. every bid is counted against the chain; a receipt is verified offline, and a forged one refused.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from coprocessor.chain.artifacts import load_artifact
from coprocessor.chain.contract import Contract
from coprocessor.chain.development import development_keys
from coprocessor.cli.demo_bids import Bid, best_bid, make_bids
from coprocessor.cli.demo_network import DemoWorker, fresh_folder, running_network, start_worker
from coprocessor.cli.screen import Screen
from coprocessor.client.calls import CallOutcome
from coprocessor.client.deployment import DeployOptions, deploy, open_package
from coprocessor.client.network import AsyncHandle, AsyncNetwork, AsyncProgram, aconnect
from coprocessor.client.sealing import CallOptions
from coprocessor.durable.disk import PLAIN_DISK
from coprocessor.durable.points import PersistPoint
from coprocessor.host.supervisor import Summary
from coprocessor.protocol import layout
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.receipt_verdict import verify_receipt
from coprocessor.sandbox.package import CodePackage
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, PeerUnreachable
from coprocessor.values.identities import Address, ClusterId, to_hex

__all__ = ["DemoOptions", "run_demo"]

_FUEL = 1_000_000_000
_CALLBACK_GAS = 150_000
_WAIT_SECONDS = 240.0
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What is demonstrated: folder, authors, bids of each, bids in a batch, path of the auction's program."""

    data: Path
    program: Path
    authors: int = 50
    rounds: int = 4
    batch: int = 50


@dataclass(frozen=True, slots=True)
class _Sale:
    """The auction's program, the contract that sells, and its proven cluster."""

    program: AsyncProgram
    house: Contract


@dataclass(frozen=True, slots=True)
class _Bidding:
    """What became of the bids: handles in order, times, gas, and the recovery."""

    handles: list[AsyncHandle]
    seconds: float
    batch_gas: int
    killed_at: int
    recovery_seconds: float
    recovered_root: str
    settled_root: str


async def run_demo(options: DemoOptions, screen: Screen) -> dict[str, Any]:
    """Runs the demonstration; the object of its last line.

    Raises:
        CoprocessorError: something did not go as it must.
    """
    began = time.monotonic()
    folder = fresh_folder(options.data)
    screen.say("starting a network: chain, gatekeeper, worker (SIMULATED TEE)")
    packaging = asyncio.create_task(asyncio.to_thread(open_package, options.program))
    workers: list[DemoWorker] = []
    async with running_network(folder) as summary, await aconnect(folder) as net:
        try:
            first = await start_worker(summary, "worker-a", lambda to: _fund(net, to), *_hold(options))
            workers.append(first)
            await first.until(_is_running, "run")
            screen.say(f"ready after {time.monotonic() - began:.0f} s; deploying the auction")
            sale = await _deploy(net, await packaging)
            bids = make_bids(options.authors, options.rounds)
            bidding = await _bid(net, summary, sale, bids, options, workers, screen)
            await _sell(net, sale, bids, screen)
            await _count(net, sale, bids, bidding.handles, screen)
            receipt = await _prove(net, sale, folder, screen)
            return await _report(net, summary, bidding, receipt)
        finally:
            packaging.cancel()
            for worker in workers:
                await worker.stop()


def _hold(options: DemoOptions) -> tuple[str, ...]:
    """The first worker settles no link after the first batch: epoch, member, program, appointment, one batch."""
    return ("--hold-settlement-after", "5") if options.rounds > 1 else ()


def _is_running(status: dict[str, Any]) -> bool:
    return status.get("step") == "running"


async def _fund(net: AsyncNetwork, account: Address) -> None:
    await net.session.sender(development_keys()[1]).send(account, b"", value=10**19)


# ---- setting up


async def _deploy(net: AsyncNetwork, package: CodePackage) -> _Sale:
    """The program, the contract that sells, and the program's word who that is."""
    done = await deploy(net.session, package, net.author, {"minimum": 1}, DeployOptions())
    program = await net.program(done.program)
    artifact = load_artifact("AuctionHouse")
    addresses = [net.session.contracts[name].address for name in ("Inbox", "Fees", "Settlement")]
    created = await net.session.sender(net.author).send(None, artifact.init_code(*addresses, done.program))
    assert created.contract_address is not None
    await (await program.call("appoint", to_hex(created.contract_address))).result()
    return _Sale(program, Contract(net.session.node, created.contract_address, artifact.interface))


# ---- bidding, and the worker's death


async def _bid(
    net: AsyncNetwork,
    summary: Summary,
    sale: _Sale,
    bids: Sequence[Bid],
    options: DemoOptions,
    workers: list[DemoWorker],
    screen: Screen,
) -> _Bidding:
    parts = [bids[at : at + options.batch] for at in range(0, len(bids), options.batch)]
    screen.say(f"{len(bids)} sealed bids of {options.authors} authors, in {len(parts)} batches")
    began = time.monotonic()
    handles = await _submit(net, sale, parts[0]) + await _submit(net, sale, parts[1])
    killed_at = handles[-1].handle.place.link
    await workers[-1].until(lambda status: int(status["executed"]) > killed_at, "execute the second batch")
    await handles[0].handle.settled(_WAIT_SECONDS)
    if (await _settled(net, summary.clusters[0]))[0] > killed_at:
        raise CallerMisuse("demo.timing", f"link {killed_at} was settled before the worker could be killed")
    await workers.pop().kill()
    died = time.monotonic()
    screen.say(f"killed the worker: link {killed_at} is final and executed, but not settled; its folder is deleted")
    successor = await start_worker(summary, "worker-b", lambda to: _fund(net, to))
    workers.append(successor)
    for part in parts[2:]:  # the inbox takes bids whether a worker lives or not
        handles += await _submit(net, sale, part)
    screen.say("a successor starts from the network's description alone; bidding goes on meanwhile")
    await handles[options.batch].handle.settled(_WAIT_SECONDS)
    recovery = time.monotonic() - died
    await handles[-1].handle.settled(_WAIT_SECONDS)
    seconds = time.monotonic() - began
    screen.say(f"recovered after {recovery:.1f} s; all bids settled, {len(bids) / seconds:.1f} commands a second")
    count, settled_root = await _settled(net, summary.clusters[0])
    status = await successor.until(lambda status: int(status["executed"]) == count, "execute all links")
    transactions = {handle.handle.transaction: handle.handle.gas_used for handle in handles}
    roots = str(status["state_root"]), settled_root
    return _Bidding(handles, seconds, sum(transactions.values()), killed_at, recovery, *roots)


async def _submit(net: AsyncNetwork, sale: _Sale, bids: Sequence[Bid]) -> list[AsyncHandle]:
    batch = net.batch(development_keys()[2])
    for bid in bids:
        await batch.add(sale.program, "bid", bid.amount, author=bid.author, options=CallOptions(fuel=_FUEL))
    return await batch.submit()


async def _settled(net: AsyncNetwork, cluster: ClusterId) -> tuple[int, str]:
    """How many links are settled, and the state root after them, proven."""
    count, root = layout.settled(cluster, "count"), layout.settled(cluster, "root")
    proven = await net.session.chain.prove({"Settlement": [count, root]})
    return proven.value("Settlement", count), to_hex(proven.digest("Settlement", root))


# ---- the result


async def _sell(net: AsyncNetwork, sale: _Sale, bids: list[Bid], screen: Screen) -> None:
    """The contract asks, and must learn the winner and the price."""
    seller = net.session.sender(net.author)
    await seller.send(sale.house.address, sale.house.encode("close", _FUEL, 0, _CALLBACK_GAS))
    deadline = time.monotonic() + _WAIT_SECONDS
    while not await sale.house.read("closed"):
        if time.monotonic() > deadline:
            waited = f"waited {_WAIT_SECONDS:.0f} s"
            raise PeerUnreachable("demo.callback", "the contract did not get its result", waited)
        await asyncio.sleep(0.1)
    best = best_bid(bids)
    found = await sale.house.read("winner"), await sale.house.read("price")
    if found != (best.author.address, best.amount):
        raise EvidenceRefused("demo.winner", f"the contract names {found}, which is not the best bid")
    screen.say(f"the contract knows the winner {to_hex(best.author.address)} and the price {best.amount} wei")


async def _count(
    net: AsyncNetwork, sale: _Sale, bids: Sequence[Bid], handles: Sequence[AsyncHandle], screen: Screen
) -> None:
    """None lost, none doubled: the inbox, the receipts, each author's own output and the program agree."""
    inbox, settlement, node = net.session.contracts["Inbox"], net.session.contracts["Settlement"], net.session.node
    head = (await net.session.chain.refresh()).header.number
    links = inbox.events(await node.logs([inbox.address], [inbox.interface.event("Link").topic], 0, head), "Link")
    carried = sum(int(link["item_count"]) for link in links if link["kind"] == 2)
    settled = settlement.interface.event("Settled").topic
    receipts = settlement.events(await node.logs([settlement.address], [settled], 0, head), "Settled")
    ranges = [(int(receipt["first"]), int(receipt["to"])) for receipt in receipts]
    are_joined = all(before[1] == after[0] for before, after in pairwise(ranges))
    gate = asyncio.Semaphore(_AT_ONCE)

    async def outcome(handle: AsyncHandle) -> CallOutcome:
        async with gate:
            return await handle.outcome(_WAIT_SECONDS)

    outcomes = await asyncio.gather(*(outcome(handle) for handle in handles))
    taken = [json.loads(one.events[0].data)["amount"] for one in outcomes if one.status is Status.OK]
    status = await sale.program.query("status")
    authors = len({bid.author.address for bid in bids})
    if not (
        carried == len(bids) == len({one.place for one in outcomes})
        and ranges[0][0] == 0
        and are_joined
        and ranges[-1][1] == len(links)
        and taken == [bid.amount for bid in bids]
        and status["bids"] == authors
    ):
        raise EvidenceRefused("demo.count", f"{len(bids)} bids were sent, {carried} carried, {len(taken)} taken")
    screen.say(f"counted: {carried} bids in the inbox, {len(taken)} outputs opened by their authors, none twice")


async def _prove(net: AsyncNetwork, sale: _Sale, folder: Path, screen: Screen) -> Path:
    """A receipt of the auction's result, and the refusal of a forged one, both judged offline."""
    inbox = net.session.contracts["Inbox"]
    head = (await net.session.chain.refresh()).header.number
    logs = await net.session.node.logs([inbox.address], [inbox.interface.event("Requested").topic], 0, head)
    link = int(inbox.events(logs, "Requested")[-1]["link"])
    text = await net.receipt(sale.program, link)
    path = folder / "receipt.json"
    PLAIN_DISK.replace(PersistPoint.CLIENT_RECEIPT, path, text.encode("utf-8"), mode=0o644)
    network = net.session.target.network
    forged = json.loads(text)
    opened = forged["opened"]["plaintext"]
    forged["opened"]["plaintext"] = opened[:-1] + ("0" if opened[-1] != "0" else "1")
    refused = verify_receipt(json.dumps(forged), network)
    if not verify_receipt(text, network).ok or refused.ok:
        raise EvidenceRefused("demo.receipt", "the receipt does not verify, or a forged one does")
    screen.say(f"verified offline: {path}; a forged one is refused: {refused.code}")
    return path


async def _report(net: AsyncNetwork, summary: Summary, bidding: _Bidding, receipt: Path) -> dict[str, Any]:
    commands = len(bidding.handles)
    settling = await _gas_of_events(net, "Settled", bidding.handles[0].handle.place.link)
    delivering = await _gas_of_events(net, "Delivered", 0)
    _, state_root = await _settled(net, summary.clusters[0])
    return {
        "ok": bidding.recovered_root == bidding.settled_root,
        "commands": commands,
        "commands_per_second": round(commands / bidding.seconds, 2),
        "gas_per_command": round(bidding.batch_gas / commands),
        "gas_total_per_command": round((bidding.batch_gas + settling + delivering) / commands),
        "killed_at_index": bidding.killed_at,
        "recovered_root": bidding.recovered_root,
        "settled_root": bidding.settled_root,
        "recovery_seconds": round(bidding.recovery_seconds, 2),
        "state_root": state_root,
        "receipt": str(receipt),
        "simulated": summary.simulated,
    }


async def _gas_of_events(net: AsyncNetwork, name: str, first_link: int) -> int:
    """Gas of all transactions in which ``Settlement`` said so, of receipts that end after ``first_link``."""
    settlement, node = net.session.contracts["Settlement"], net.session.node
    event = settlement.interface.event(name)
    head = (await net.session.chain.refresh()).header.number
    logs = await node.logs([settlement.address], [event.topic], 0, head)
    wanted = [log for log in logs if name != "Settled" or int(event.decode(log)["to"]) > first_link]
    transactions = dict.fromkeys(log.transaction_hash for log in wanted)
    receipts = [await node.receipt(transaction) for transaction in transactions]
    return sum(receipt.gas_used for receipt in receipts if receipt is not None)
