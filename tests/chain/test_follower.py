"""Following blocks through reorganisations, and logs through nodes that bear little."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from coprocessor.chain.errors import ResponseMalformed, RpcError
from coprocessor.chain.follower import BlockFollower, LogReader
from coprocessor.chain.node import Block, Log
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST
from tests.support.node import run_dev_node

from .conftest import connected


class FakeChain:
    """Blocks by number that a test rewrites, behind the one method that the follower uses."""

    def __init__(self) -> None:
        self.chain: list[Block] = []
        self.final = 0
        self.extend("a", 1)

    def extend(self, salt: str, count: int) -> None:
        for _ in range(count):
            number = len(self.chain)
            parent = self.chain[-1].hash if self.chain else ZERO_DIGEST
            block_hash = keccak256(parent + salt.encode())
            self.chain.append(Block(number, block_hash, parent, number, ZERO_DIGEST, 0))

    async def block(self, tag: int | str) -> Block | None:
        number = {"latest": len(self.chain) - 1, "finalized": self.final}.get(str(tag), tag)
        assert isinstance(number, int)
        return self.chain[number] if number < len(self.chain) else None


def poll(follower: BlockFollower) -> Any:
    return asyncio.run(follower.poll())


def test_new_blocks_come_in_order_and_once() -> None:
    chain = FakeChain()
    follower = BlockFollower(chain)  # type: ignore[arg-type]
    assert poll(follower).added == ()
    chain.extend("a", 3)
    assert [block.number for block in poll(follower).added] == [1, 2, 3]
    assert poll(follower).added == ()
    chain.final = 2
    update = poll(follower)
    assert (update.finalized.number, update.dropped) == (2, ())


def test_a_reorganisation_names_what_was_dropped() -> None:
    chain = FakeChain()
    follower = BlockFollower(chain)  # type: ignore[arg-type]
    chain.extend("a", 5)
    chain.final = 2
    poll(follower)
    old = chain.chain[4:]
    del chain.chain[4:]
    chain.extend("b", 3)
    update = poll(follower)
    assert update.dropped == tuple(reversed(old))
    assert [block.number for block in update.added] == [4, 5, 6]
    del chain.chain[6:]  # shorter now
    update = poll(follower)
    assert ([block.number for block in update.dropped], update.added) == ([6], ())


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_finalised_block_that_changes_is_refused(cut: int) -> None:
    chain = FakeChain()
    follower = BlockFollower(chain)  # type: ignore[arg-type]
    chain.extend("a", 5)
    chain.final = 3
    poll(follower)
    del chain.chain[cut:]
    chain.extend("b", 6)
    with pytest.raises(EvidenceRefused) as caught:
        poll(follower)
    assert caught.value.code == "chain.finalized_reorg"
    chain.final = 4
    with pytest.raises(EvidenceRefused):
        poll(follower)


def test_a_finalised_cursor_that_goes_back_is_refused() -> None:
    chain = FakeChain()
    follower = BlockFollower(chain)  # type: ignore[arg-type]
    chain.extend("a", 5)
    chain.final = 3
    poll(follower)
    chain.final = 2
    with pytest.raises(EvidenceRefused):
        poll(follower)


def test_reorganisation_of_a_real_node(run: Callable[..., Any]) -> None:
    async def go(process: Any) -> None:
        async with connected(process.url) as node:
            follower = BlockFollower(node)
            await follower.poll()
            for _ in range(5):
                process.call("evm_mine")
            assert [block.number for block in (await follower.poll()).added] == [1, 2, 3, 4, 5]
            process.call("coproc_reorg", 2)
            update = await follower.poll()
            assert [block.number for block in update.dropped] == [5, 4]
            assert [block.number for block in update.added][:2] == [4, 5]
            assert update.finalized.number <= 3

    with run_dev_node(finality_lag=2) as process:
        run(lambda: go(process))


class Meagre:
    """A node that answers only a few blocks at once."""

    def __init__(self, most: int, error: Exception) -> None:
        self.most, self.error, self.ranges = most, error, list[tuple[int, int]]()

    async def logs(self, addresses: Any, topics: Any, first: int, last: int) -> list[Log]:
        if last - first + 1 > self.most:
            raise self.error
        self.ranges.append((first, last))
        return [
            Log(ZERO_ADDRESS, (), b"", number, ZERO_DIGEST, ZERO_DIGEST, 0) for number in range(first, last + 1)
        ]


@pytest.mark.parametrize("error", [RpcError("eth_getLogs", -32005, "too many"), ResponseMalformed("m", "too long")])
@pytest.mark.parametrize("most", [1, 7, 100_000])
def test_log_ranges_adapt(most: int, error: Exception) -> None:
    node = Meagre(most, error)

    async def go() -> list[int]:
        found = []
        async for _, logs in LogReader(node).read([], [], 3, 900):  # type: ignore[arg-type]
            found += [log.block_number for log in logs]
        return found

    assert asyncio.run(go()) == list(range(3, 901))
    assert all(last - first < 4096 for first, last in node.ranges)


def test_a_node_that_refuses_even_one_block() -> None:
    async def go() -> None:
        async for _ in LogReader(Meagre(0, RpcError("m", 1, "no"))).read([], [], 0, 9):  # type: ignore[arg-type]
            raise AssertionError("nothing can come")

    with pytest.raises(RpcError):
        asyncio.run(go())
