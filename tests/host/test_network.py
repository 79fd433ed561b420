"""Worker and gatekeeper hosts over real enclaves and a real node: two workers, a quorum of two."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coprocessor.chain.development import development_keys
from coprocessor.chain.sender import TransactionSender
from coprocessor.client.network import aconnect
from coprocessor.codec import cbor
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.host import worker_life
from coprocessor.host.http import PeerRefused
from coprocessor.protocol.commands import method_selector
from coprocessor.protocol.outputs import Leaf, OutputProof, Status, verify_output
from coprocessor.protocol.receipts import Receipt
from coprocessor.values.identities import Digest, from_hex, to_hex
from tests.host.running import FIRST_WORKER, RunningHosts, running_hosts
from tests.support.node import run_dev_node

COUNTER = Path(__file__).parents[2] / "examples" / "c_counter" / "counter.wasm"
CALLBACK_GAS = 50_000


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHosts]:
    folder = tmp_path_factory.mktemp("hosts")
    with run_dev_node(data=folder / "chain") as node, running_hosts(folder, node.url, workers=2, quorum=2) as running:
        yield running


async def settled_output(hosts: RunningHosts, url: str, link: int) -> dict[str, Any]:
    await hosts.until(url, settled=link + 1)
    return dict(await hosts.peers.get_json(f"{url}/v1/output?link={link}&position=0"))


def test_a_link_is_settled_under_two_signatures_and_served_with_its_proof(hosts: RunningHosts) -> None:
    async def go() -> None:
        link = await hosts.submit(b"no item")
        served = await settled_output(hosts, hosts.workers[0], link)
        other = await settled_output(hosts, hosts.workers[1], link)
        assert served == other  # every replica makes the same bytes (PROTOCOL 6.1)
        assert served["leaf"]["status"] == Status.VOID
        number = served["receipt"]
        settled = await hosts.contracts["Settlement"].read("receipts", hosts.cluster, number)
        values = {name: value if isinstance(value, int) else from_hex(value) for name, value in served["leaf"].items()}
        place = served["place"]
        proof = OutputProof(place["index"], place["count"], tuple(Digest(from_hex(one)) for one in place["siblings"]))
        verify_output(Digest(settled[2]), Leaf(**values), proof)

        answer = await hosts.peers.get_json(f"{hosts.workers[0]}/v1/receipt?number={number}")
        assert answer == await hosts.peers.get_json(f"{hosts.workers[0]}/v1/receipt?link={link}")
        plain = answer["receipt"]
        receipt = Receipt(*(value if isinstance(value, int) else from_hex(value) for value in plain.values()))
        settlement = hosts.contracts["Settlement"].address
        digest = receipt.digest(hosts.network.configuration.chain_id, settlement)
        signers = [recover_address(digest, from_hex(signature)) for signature in answer["signatures"]]
        assert len(signers) == 2
        assert signers == sorted(signers)
        workers = {await hosts.contracts["Registry"].read("worker_of", signer) for signer in signers}
        assert workers == {from_hex((await hosts.status(url))["worker"]) for url in hosts.workers}

    hosts.run(go())


def test_program_query_and_delivery(hosts: RunningHosts) -> None:
    async def go() -> None:
        async with await aconnect(hosts.file) as net:
            program = await net.deploy(COUNTER, start=4)
            assert await program.query("get") == 4
            assert await (await program.call("add", 3)).result() == 7
            consumer = TransactionSender(hosts.node, development_keys()[3])
            inbox, settlement = hosts.contracts["Inbox"], hosts.contracts["Settlement"]
            question = program.record.program, method_selector("add"), 10**7, 0, CALLBACK_GAS, (5).to_bytes(8, "big")
            call = inbox.encode("request", *question)
            receipt = await consumer.send(inbox.address, call)
            (asked,) = inbox.events(receipt.logs, "Requested")
            while not await settlement.read("is_delivered", asked["request"]):
                await asyncio.sleep(0.05)
            output = await settled_output(hosts, hosts.workers[0], asked["link"])
            assert (output["public"], from_hex(output["leaf"]["request"])) == (True, asked["request"])
            epoch = 1
            key = await hosts.contracts["Programs"].read("input_keys", program.record.program, epoch)
            for url in hosts.workers:
                where = f"{url}/v1/input-key?program={to_hex(program.record.program)}&epoch={epoch}"
                assert from_hex((await hosts.peers.get_json(where))["key"]) == key

    hosts.run(go())


def test_a_private_program_under_a_key_that_two_operators_signed(hosts: RunningHosts) -> None:
    async def go() -> None:
        async with await aconnect(hosts.file) as net:
            program = await net.deploy(COUNTER, private=True, start=4)
            assert program.deployment is not None
            assert program.deployment.epoch == 1
            assert await (await program.call("add", 3)).result() == 7
            key = await net.session.programs.code_key(hosts.cluster)
            for url in hosts.workers:
                where = f"{url}/v1/input-key?program={to_hex(hosts.cluster)}&epoch={key.epoch}"
                assert from_hex((await hosts.peers.get_json(where))["key"]) == key.key
            published = (await net.session.programs.published(program.record)).private
            assert published is not None
            assert published.owner == net.author.address
            assert "init" not in program.record.interface.methods

    hosts.run(go())


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("output?link=0&position=7", "output.unknown"),
        ("output?link=999999&position=0", "output.unknown"),
        ("output?link=x&position=0", "http.parameter"),
        ("output?link=0&position=0&cluster=0x00", "value.hex"),
        ("output?link=0&position=0&cluster=0x" + "00" * 32, "output.cluster"),
        ("receipt?number=999999", "receipt.unknown"),
        ("input-key?program=0x" + "00" * 32 + "&epoch=1", "keys.unknown"),
        ("input-key?program=zz&epoch=1", "value.hex"),
    ],
)
def test_questions_without_an_answer(hosts: RunningHosts, path: str, code: str) -> None:
    with pytest.raises(PeerRefused) as caught:
        hosts.run(hosts.peers.get_json(f"{hosts.workers[0]}/v1/{path}"))
    assert caught.value.code == code


def test_bodies_that_are_no_questions(hosts: RunningHosts) -> None:
    worker, gatekeeper = hosts.workers[0], hosts.gatekeeper
    foreign = m.WORKER_REQUESTS.encode(m.RequestTicket())
    cases = [
        (f"{worker}/v1/query", b"", "cbor.malformed"),
        (f"{worker}/v1/query", cbor.dumps([b"short", b""]), "query.body"),
        (f"{worker}/v1/query", cbor.dumps([bytes(32), b"junk"]), "query.program"),
        (f"{worker}/v1/receipt", foreign, "receipt.request"),
        (f"{gatekeeper}/v1/ticket", b"\xff", "cbor.malformed"),
        (f"{gatekeeper}/v1/admit", m.GATEKEEPER_REQUESTS.encode(m.GiveTicket(bytes(32), 0)), "gatekeeper.request"),
        (f"{gatekeeper}/v1/release", m.GATEKEEPER_REQUESTS.encode(m.Release(b"")), "cbor.malformed"),
    ]

    async def go() -> None:
        for url, body, code in cases:
            with pytest.raises(PeerRefused) as caught:
                await hosts.peers._exchange("POST", url, body)
            assert caught.value.code == code, url

    hosts.run(go())


def test_genesis_is_held_once(hosts: RunningHosts) -> None:
    async def go() -> None:
        first = await hosts.peers.get_json(f"{hosts.gatekeeper}/v1/genesis")
        again = await hosts.peers.post_record(
            f"{hosts.gatekeeper}/v1/genesis", m.Genesis(1, ()), m.GATEKEEPER_REQUESTS
        )
        assert again == first
        own = await hosts.peers.get_record(f"{hosts.gatekeeper}/v1/evidence", m.GATEKEEPER_REQUESTS)
        assert to_hex(own.signer) == (await hosts.status(hosts.gatekeeper))["signer"]

    hosts.run(go())
    kept = hosts.folder / "gatekeeper" / "gatekeeper.json"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_killed_enclaves_are_replaced_and_history_goes_on(hosts: RunningHosts) -> None:
    """Gatekeeper and worker enclaves die; the gatekeeper comes back with its share, the worker with new keys."""

    async def go() -> None:
        before = [await hosts.status(url) for url in (hosts.gatekeeper, hosts.workers[1])]
        for status in before:
            os.kill(status["enclave_pid"], signal.SIGKILL)
        link = await hosts.submit(b"while they are away")
        await settled_output(hosts, hosts.workers[1], link)
        after = [await hosts.status(url) for url in (hosts.gatekeeper, hosts.workers[1])]
        assert all(new["enclave_pid"] != old["enclave_pid"] for new, old in zip(after, before, strict=True))
        assert after[0]["signer"] == before[0]["signer"]
        assert after[1]["worker"] == before[1]["worker"]
        roots = {(await hosts.until(url, executed=link + 1))["state_root"] for url in hosts.workers}
        assert len(roots) == 1

    hosts.run(go())


def test_an_admission_is_renewed_before_its_end(hosts: RunningHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A successor that looks all the time and finds seven days too short renews at once, with the same key."""
    monkeypatch.setattr(worker_life, "RENEWAL_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(worker_life, "RENEW_SECONDS", 30 * 86_400)

    async def go() -> None:
        first = await hosts.status(hosts.workers[0])
        os.kill(first["enclave_pid"], signal.SIGKILL)
        second = first
        while second["enclave_pid"] == first["enclave_pid"]:
            second = await hosts.until(hosts.workers[0], step="running", has_keys=True)
        worker, registry = from_hex(first["worker"]), hosts.contracts["Registry"]
        before = await registry.read("workers", worker)
        while (after := await registry.read("workers", worker))[9] == before[9]:
            await asyncio.sleep(0.05)
        assert after[3] == before[3]
        monkeypatch.undo()
        link = await hosts.submit(b"afterwards")
        await settled_output(hosts, hosts.workers[0], link)

    hosts.run(go())


def test_settlement_can_be_held_back_for_demonstrations(hosts: RunningHosts) -> None:
    """A third worker that holds back settles nothing by itself; without it the others go on."""

    async def go() -> None:
        url, task = await hosts.start_worker("holding", FIRST_WORKER - 2, hold_settlement_after=0)
        await hosts.until(url, step="running")
        link = await hosts.submit(b"held by one")
        await settled_output(hosts, hosts.workers[0], link)
        await hosts.until(url, settled=link + 1)
        hosts.tasks.remove(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    hosts.run(go())


def test_status_of_both(hosts: RunningHosts) -> None:
    async def go() -> None:
        worker = await hosts.until(hosts.workers[0], step="running")
        assert (worker["role"], worker["simulated"], worker["has_keys"]) == ("worker", True, True)
        assert from_hex(worker["cluster"]) == hosts.cluster
        gatekeeper = await hosts.status(hosts.gatekeeper)
        assert (gatekeeper["role"], gatekeeper["has_share"], gatekeeper["state"]) == ("gatekeeper", True, "running")

    hosts.run(go())


