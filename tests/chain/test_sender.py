"""Transactions: nonces under concurrency, reverts, stuck and forgotten transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from coprocessor.chain.artifacts import load_artifact
from coprocessor.chain.development import development_keys
from coprocessor.chain.errors import TransactionFailed, TransactionReverted
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient
from coprocessor.chain.sender import SenderOptions, TransactionSender, calldata_floor
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.identities import Address, Digest
from tests.support.node import DevNode, run_dev_node

from .conftest import connected

ACCOUNT = Address(b"\x99" * 20)


def test_calldata_floor_is_that_of_eip_7623() -> None:
    assert calldata_floor(b"") == 21_000
    assert calldata_floor(b"\0\0\x01") == 21_000 + 20 + 40


def test_many_tasks_share_one_account(dev_node: DevNode, run: Callable[..., Any]) -> None:
    async def go() -> None:
        async with connected(dev_node.url) as node:
            before = await node.balance(ACCOUNT)
            senders = [TransactionSender(node, development_keys()[3]) for _ in range(2)]  # two processes, one account
            receipts = await asyncio.gather(*(senders[at % 2].send(ACCOUNT, b"", value=1) for at in range(12)))
            assert len({receipt.hash for receipt in receipts}) == 12
            assert await node.balance(ACCOUNT) == before + 12

    run(go)


def test_estimate_covers_large_call_data(dev_node: DevNode, run: Callable[..., Any]) -> None:
    async def go() -> None:
        async with connected(dev_node.url) as node:
            receipt = await TransactionSender(node, development_keys()[3]).send(ACCOUNT, b"\x01" * 50_000)
            assert receipt.gas_used == calldata_floor(b"\x01" * 50_000)

    run(go)


def test_reverts_are_told_before_and_after_sending(dev_node: DevNode, run: Callable[..., Any]) -> None:
    artifact = load_artifact("Directory")

    async def go() -> None:
        async with connected(dev_node.url) as node:
            owner, stranger = (TransactionSender(node, development_keys()[at]) for at in (3, 4))
            directory = (await owner.send(None, artifact.init_code(owner.address))).contract_address
            assert directory is not None
            assert await node.code(directory) == artifact.runtime_code(owner.address)
            call = artifact.interface.function("seal").encode()
            nonce = await node.transaction_count(stranger.address)
            with pytest.raises(TransactionReverted) as estimated:
                await stranger.send(directory, call)
            assert await node.transaction_count(stranger.address) == nonce
            with pytest.raises(TransactionReverted) as mined:
                await stranger.send(directory, call, gas=100_000)
            assert await node.transaction_count(stranger.address) == nonce + 1
            assert estimated.value.reason == mined.value.reason == "directory: owner"

    run(go)


def test_an_empty_account_cannot_pay(dev_node: DevNode, run: Callable[..., Any]) -> None:
    async def go() -> None:
        async with connected(dev_node.url) as node:
            with pytest.raises(TransactionFailed) as caught:
                await TransactionSender(node, PrivateKey(b"\x42" * 32)).send(ACCOUNT, b"", value=1, gas=21_000)
            assert caught.value.code == "chain.out_of_funds"

    run(go)


class Counting(Node):
    """Tells when a second transaction was handed in."""

    def __init__(self, rpc: RpcClient) -> None:
        super().__init__(rpc)
        self.sent: list[bytes] = []
        self.twice = asyncio.Event()

    async def send_raw(self, raw: bytes) -> Digest:
        self.sent.append(await super().send_raw(raw))
        if len(self.sent) == 2:
            self.twice.set()
        return Digest(self.sent[-1])


def test_a_stuck_transaction_is_replaced_by_a_dearer_one(run: Callable[..., Any]) -> None:
    async def go(node_process: DevNode) -> None:
        options = SenderOptions(poll=0.01, replace_after=0.05)
        async with connected(node_process.url) as node:
            counting = Counting(node.rpc)
            sender = TransactionSender(counting, development_keys()[0], options)
            task = asyncio.create_task(sender.send(ACCOUNT, b"", value=1))
            await counting.twice.wait()
            await node.rpc.call("evm_mine")
            receipt = await task
            assert receipt.hash in counting.sent[1:]
            assert await node.transaction_count(sender.address) == 1

    with run_dev_node() as process:
        process.call("evm_setAutomine", False)
        run(lambda: asyncio.wait_for(go(process), 20))


def test_giving_up(run: Callable[..., Any]) -> None:
    async def go(url: str) -> None:
        options = SenderOptions(poll=0.01, replace_after=10, give_up_after=0.05)
        async with connected(url) as node:
            with pytest.raises(TransactionFailed) as caught:
                await TransactionSender(node, development_keys()[0], options).send(ACCOUNT, b"", value=1)
            assert caught.value.code == "chain.transaction_stuck"

    with run_dev_node() as process:
        process.call("evm_setAutomine", False)
        run(lambda: go(process.url))


def test_what_a_reorganisation_dropped_is_sent_again(run: Callable[..., Any]) -> None:
    """Both transfers end up on the chain although the first one's block was replaced and its transaction dropped."""

    async def go(process: DevNode) -> None:
        async with connected(process.url) as node:
            sender = TransactionSender(node, development_keys()[0], SenderOptions(poll=0.01))
            await sender.send(ACCOUNT, b"", value=5)
            process.call("coproc_reorg", 1, "drop")
            assert await node.balance(ACCOUNT) == 0
            await sender.send(ACCOUNT, b"", value=7)
            assert await node.balance(ACCOUNT) == 12

    with run_dev_node(finality_lag=3) as process:
        run(lambda: asyncio.wait_for(go(process), 20))
