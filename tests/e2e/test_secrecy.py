"""What must stay secret is nowhere, and what was sealed for one is worthless to all others, across real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from coprocessor import connect
from coprocessor.chain.development import development_keys
from coprocessor.client.calls import CallOutcome
from coprocessor.client.network import AsyncNetwork, aconnect
from coprocessor.client.settled import fetch_settled_output, find_settled_receipt
from coprocessor.codec import abi
from coprocessor.protocol.items import encode_items
from coprocessor.protocol.outputs import Status, open_output
from coprocessor.values.errors import EvidenceRefused
from tests.support.live import LiveNetwork, wait_until
from tests.support.node import RpcClient

CANARY = "canary-4f1c9b7e-of-the-input"
ALICE, MALLORY, RELAYER = development_keys()[2:5]


def forms(secret: bytes) -> list[bytes]:
    """The ways in which bytes could lie somewhere."""
    return [secret, secret.hex().encode(), secret.hex().upper().encode()]


def everything(network: LiveNetwork) -> dict[str, bytes]:
    """All that the network's processes keep, log and publish, by name."""
    found = {str(path): path.read_bytes() for path in network.folder.rglob("*") if path.is_file()}
    log = network.folder.with_name(network.folder.name + ".log")
    found[str(log)] = log.read_bytes()
    rpc = RpcClient(network.hints["rpc"])
    for number in range(int(rpc.call("eth_blockNumber"), 16) + 1):
        block = rpc.call("eth_getBlockByNumber", hex(number), True)
        for transaction in block["transactions"]:
            found[f"transaction {transaction['hash']}"] = bytes.fromhex(transaction["input"][2:])
    logs = rpc.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    found["logs"] = b"".join(bytes.fromhex(entry["data"][2:]) for entry in logs)
    return found


def test_planted_canaries_are_found_nowhere(network: LiveNetwork) -> None:
    with connect(str(network.folder)) as net:
        program = net.deploy(Path(__file__).with_name("vault.py"))
        assert program.call("keep", CANARY).result(90) == "output-" + CANARY
        assert program.query("show") == CANARY[::-1] + "-in-state"
        key = bytes.fromhex(program.call("own_key").result(60))
        public = bytes.fromhex(program.id[2:])
    secrets = {
        "input": CANARY.encode(),
        "state": CANARY[::-1].encode(),
        "output": ("output-" + CANARY).encode(),
        "key": key,
    }
    places = everything(network)
    assert any(public in content for content in places.values())  # the search finds what is there
    for name, secret in secrets.items():
        for place, content in places.items():
            for form in forms(secret):
                assert form not in content, f"the {name} lies in {place}"


async def _submit(net: AsyncNetwork, sender: Any, kind: str, *items: Any) -> int:
    """Sends items through an entry point as anybody could; returns the link's index."""
    inbox = net.session.contracts["Inbox"]
    payload = encode_items([item.clear for item in items])
    fuel = sum(item.clear.fuel_limit for item in items)
    fee = sum(item.clear.fee_limit for item in items)
    cluster = items[0].record.cluster
    if kind == "submit":
        types = ["bytes32", "uint256", "uint256", "bytes"]
        data = inbox.encode("submit", cluster, fuel, fee, payload)
        assert data[4:] == abi.encode(types, [cluster, fuel, fee, payload])
    else:
        data = inbox.encode("submit_batch", cluster, len(items), fuel, fee, payload)
    sent = await net.session.sender(sender).send(inbox.address, data)
    return int(inbox.events(sent.logs, "Link")[0]["index"])


async def _statuses(net: AsyncNetwork, cluster: Any, link: int, count: int) -> list[str]:
    for _ in range(300):
        receipt = await find_settled_receipt(net.session, cluster, link)
        if receipt is not None:
            break
        await asyncio.sleep(0.2)
    else:
        pytest.fail(f"link {link} is not settled")
    outputs = [await fetch_settled_output(net.session, cluster, receipt, link, position) for position in range(count)]
    served = [output.served for output in outputs]
    return [one.output.decode() if one.leaf.status == Status.VOID else Status(one.leaf.status).name for one in served]


async def _copies(network: LiveNetwork, counter: str) -> None:
    async with await aconnect(str(network.folder)) as net:
        program = await net.program(counter)
        cluster = program.record.cluster
        item = await program.seal("add", 1, author=ALICE, relayer=RELAYER.address)
        stolen_batch = await _submit(net, MALLORY, "batch", item)
        stolen_single = await _submit(net, MALLORY, "submit", item)
        twice = await _submit(net, RELAYER, "batch", item, item)
        later = await _submit(net, RELAYER, "batch", item)
        assert await _statuses(net, cluster, stolen_batch, 1) == ["void.sealed"]
        assert await _statuses(net, cluster, stolen_single, 1) == ["void.sealed"]
        assert await _statuses(net, cluster, twice, 2) == ["OK", "void.replayed"]
        assert await _statuses(net, cluster, later, 1) == ["void.replayed"]


def test_copied_items_are_void_and_the_nonce_stays(network: LiveNetwork, counter: str) -> None:
    asyncio.run(_copies(network, counter))


async def _foreign_output(network: LiveNetwork, counter: str) -> None:
    async with await aconnect(str(network.folder)) as net:
        program = await net.program(counter)
        outcomes: list[CallOutcome] = []
        for author in (ALICE, MALLORY):
            batch = net.batch(RELAYER)
            await batch.add(program, "add", 1, author=author)
            (handle,) = await batch.submit()
            outcomes.append(await handle.outcome(60))
        theirs, mine = outcomes
        assert mine.keys is not None
        with pytest.raises(EvidenceRefused):
            open_output(theirs.settled.served.output, mine.keys, theirs.settled.served.leaf, net.session.network_id)


def test_another_authors_output_cannot_be_opened(network: LiveNetwork, counter: str) -> None:
    asyncio.run(_foreign_output(network, counter))


def test_a_restarted_worker_still_knows_what_was_spent(network: LiveNetwork, counter: str) -> None:
    async def replay() -> None:
        async with await aconnect(str(network.folder)) as net:
            program = await net.program(counter)
            item = await program.seal("add", 1, author=ALICE, relayer=RELAYER.address)
            first = await _submit(net, RELAYER, "batch", item)
            assert await _statuses(net, program.record.cluster, first, 1) == ["OK"]
            (worker,) = network.processes("worker")
            os.kill(worker["enclave_pid"], signal.SIGKILL)
            wait_until(lambda: network.processes("worker")[0]["enclave_pid"] not in (None, worker["enclave_pid"]), 120)
            again = await _submit(net, RELAYER, "batch", item)
            assert await _statuses(net, program.record.cluster, again, 1) == ["void.replayed"]

    asyncio.run(replay())
