"""The development chain, killed at fifty seeded instants under load: what it acknowledged or served stays.

Acknowledged: ``eth_sendRawTransaction`` was answered with a hash. Served: receipts, blocks and finalised hashes. A kill
ends a process, not the machine: that commits also survive the machine is SQLite's promise under ``synchronous=FULL``.
"""

from __future__ import annotations

import http.client
import itertools
import random
import threading
import urllib.error
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coprocessor.crypto.hashing import keccak256
from tests.devnode.contract import Wallet, wallet
from tests.support.forking_node import ForkedNode, ForkingNodes, forking_nodes
from tests.support.node import RpcClient, run_dev_node

KILLS = 50
SENDERS = 4
BATCH = 8
TARGET = "0x" + "77" * 20
LONGEST_LOAD = 0.15
"""Seconds of load before the latest kill."""
STARTUP = 0.12
"""Seconds in which a start is at its work: every fifth kill falls in here."""
_CUT = (OSError, http.client.HTTPException, urllib.error.URLError, ValueError)


@dataclass
class Promises:
    """What nodes have said so far, and what a later one must still say."""

    wallets: list[Wallet] = field(default_factory=lambda: [wallet(at) for at in range(SENDERS)])
    acknowledged: dict[str, tuple[int, int]] = field(default_factory=dict)  # hash -> (sender, nonce)
    receipts: dict[str, Any] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)  # block number -> hash
    finalised: int = 0
    head: int = 0
    counts: list[int] = field(default_factory=lambda: [0] * SENDERS)

    def note_block(self, block: dict[str, Any]) -> None:
        known = self.hashes.setdefault(block["number"], block["hash"])
        assert known == block["hash"], f"block {block['number']} has changed"


class Load:
    """Sends batches of signed transactions and reads what became of them, until the node is gone."""

    def __init__(self, node: ForkedNode, promises: Promises, rng: random.Random) -> None:
        self._node, self._promises, self._rng = node, promises, rng
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            while True:
                self._send()
                self._read()
        except _CUT:
            pass  # it was killed: what was not answered was not promised
        except BaseException as error:
            self.error = error

    def _send(self) -> None:
        at = self._rng.randrange(SENDERS)
        owner = self._promises.wallets[at]
        first = owner.nonce
        raws = [owner.sign(TARGET, value=1, gas=25_000) for _ in range(self._rng.randint(1, BATCH))]
        replies = self._node.batch([("eth_sendRawTransaction", [raw]) for raw in raws])
        for offset, reply in enumerate(replies):
            assert "result" in reply, reply
            self._promises.acknowledged[reply["result"]] = (at, first + offset)

    def _read(self) -> None:
        known = list(self._promises.acknowledged)[-BATCH:]
        calls: list[tuple[str, list[Any]]] = [("eth_getTransactionReceipt", [digest]) for digest in known]
        tags = ("latest", "finalized")
        *receipts, latest, finalised = [
            reply["result"]
            for reply in self._node.batch([*calls, *(("eth_getBlockByNumber", [tag, False]) for tag in tags)])
        ]
        promises = self._promises
        promises.receipts |= {receipt["transactionHash"]: receipt for receipt in receipts if receipt is not None}
        for block in (latest, finalised):
            promises.note_block(block)
        promises.head = max(promises.head, int(latest["number"], 16))
        promises.finalised = max(promises.finalised, int(finalised["number"], 16))


def ask(node: RpcClient, method: str, subjects: list[str], *more: Any) -> list[Any]:
    """The results of one method for many first parameters."""
    return [reply["result"] for reply in node.batch([(method, [one, *more]) for one in subjects])] if subjects else []


def check(node: RpcClient, promises: Promises, recent: int) -> None:
    """Holds a restarted node to what was promised of the newest so many transactions and blocks."""
    latest, finalised = (node.call("eth_getBlockByNumber", tag, False) for tag in ("latest", "finalized"))
    assert int(latest["number"], 16) >= promises.head
    assert int(finalised["number"], 16) >= promises.finalised
    known = list(promises.acknowledged)[-recent:]
    found = ask(node, "eth_getTransactionByHash", known)
    lost = [digest for digest, result in zip(known, found, strict=True) if result is None]
    assert not lost, f"{len(lost)} of {len(known)} acknowledged transactions are lost: {lost[:3]}"
    served = list(promises.receipts)[-recent:]
    assert ask(node, "eth_getTransactionReceipt", served) == [promises.receipts[digest] for digest in served]
    numbers = list(promises.hashes)[-recent:]
    blocks = ask(node, "eth_getBlockByNumber", numbers, False)
    assert [block["hash"] for block in blocks] == [promises.hashes[number] for number in numbers]
    check_nonces(node, promises)
    check_state(node, latest)


def check_nonces(node: RpcClient, promises: Promises) -> None:
    """Nonces never go back, and every wallet goes on where the node stands."""
    for at, owner in enumerate(promises.wallets):
        tags = ("latest", "pending")
        mined, waiting = (int(node.call("eth_getTransactionCount", owner.address, tag), 16) for tag in tags)
        promised = [nonce for sender, nonce in promises.acknowledged.values() if sender == at]
        assert waiting >= max(promised, default=-1) + 1
        assert mined >= promises.counts[at]
        promises.counts[at] = mined
        owner.nonce = waiting


def check_state(node: RpcClient, latest: dict[str, Any]) -> None:
    """The newest state is what the transactions of all blocks make of the genesis: each gave the target one wei."""
    head = latest["number"]
    wei, mined = int(node.call("eth_getBalance", TARGET, head), 16), 0
    for owner in (wallet(at) for at in range(SENDERS)):
        mined += int(node.call("eth_getTransactionCount", owner.address, head), 16)
    assert wei == mined
    assert node.call("eth_getProof", TARGET, [], head)["balance"] == hex(wei)
    first = max(0, int(head, 16) - 64)
    raw = [bytes.fromhex(one[2:]) for one in node.call("coproc_getRawHeaders", hex(first), head)]
    for parent, child in itertools.pairwise(raw):
        assert keccak256(parent) in child


def run_and_kill(nodes: ForkingNodes, folder: Path, promises: Promises, rng: random.Random, kill: int) -> None:
    """One node: started, held to what was promised, loaded, killed at a random instant."""
    timing = ["--block-time", "0.02"] if kill % 2 else []  # half of them keep transactions waiting
    node = nodes.start("--data", str(folder), "--port", "0", "--finality-lag", "1", *timing)
    if kill % 5 == 4:
        threading.Event().wait(rng.uniform(0, STARTUP))
        node.kill()
        return
    assert node.wait_until_ready()
    check(node, promises, recent=200)
    load = Load(node, promises, random.Random(rng.random()))
    threading.Event().wait(rng.uniform(0.01, LONGEST_LOAD))
    node.kill()
    load.join()


def test_fifty_kills_lose_nothing_that_was_promised(tmp_path: Path) -> None:
    rng, promises = random.Random(20_261_122), Promises()
    with forking_nodes() as nodes:
        for kill in range(KILLS):
            run_and_kill(nodes, tmp_path, promises, rng, kill)
    # The last word has a node that was started as people start it.
    with run_dev_node(data=tmp_path, finality_lag=1) as node:
        check(node, promises, recent=len(promises.acknowledged))
    assert len(promises.acknowledged) > KILLS
    assert len(promises.receipts) > KILLS
