"""Clocks that jump by hours and years, back and forth: the chain's time goes on, and deadlines are the chain's."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient
from coprocessor.client.sealing import DEADLINE_SECONDS
from coprocessor.client.session import Session
from coprocessor.devnode.chain import Chain, Dropped
from coprocessor.devnode.database import Database
from coprocessor.devnode.options import NodeOptions
from coprocessor.protocol.commands import MAX_DEADLINE_AHEAD
from tests.support.node import run_dev_node

YEAR = 365 * 86_400
START = 1_700_000_000


class JumpingClock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now: float = START

    def __call__(self) -> float:
        return self.now


def test_block_times_rise_whatever_the_clock_does(tmp_path: Path) -> None:
    """Through restarts, reorganisations and shifts of the chain's own clock too."""
    rng, clock = random.Random(7), JumpingClock()
    database = Database(tmp_path / "chain.sqlite")
    chain = Chain(database, NodeOptions(tmp_path, finality_lag=2), clock)
    latest_clock = 0.0
    for _ in range(200):
        clock.now = max(0.0, clock.now + rng.choice((-30 * YEAR, -YEAR, -3600, -1, 0, 0.25, 1, 3600, YEAR)))
        latest_clock = max(latest_clock, clock.now)
        match rng.randrange(8):
            case 0:
                database.close()
                database = Database(tmp_path / "chain.sqlite")
                chain = Chain(database, NodeOptions(tmp_path, finality_lag=2), clock)
            case 1 if chain.head.header.number - chain.finalized_number >= 2:
                chain.reorganise(2, Dropped.POOL)
            case _:
                chain.mine()
        assert chain.pending_header().timestamp > chain.head.header.timestamp
    headers = [chain.get_header(number) for number in range(chain.head.header.number + 1)]
    times = [header.timestamp for header in headers if header is not None]
    assert times == sorted(set(times))
    assert times[-1] <= latest_clock + len(times) + 200
    database.close()


def test_a_clock_that_comes_back_is_followed_again(tmp_path: Path) -> None:
    clock = JumpingClock()
    database = Database(tmp_path / "chain.sqlite")
    chain = Chain(database, NodeOptions(tmp_path), clock)
    clock.now = START + 3600
    chain.mine()
    clock.now = START + 100
    assert chain.mine().header.timestamp == START + 3601
    clock.now = START + 5000
    assert chain.mine().header.timestamp == START + 5000
    database.close()


def test_deadlines_follow_the_chain_and_not_the_author_s_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """An author whose clock is off by years makes commands that are neither late nor too far ahead (PROTOCOL 4.2)."""
    real = time.time

    async def go(url: str) -> list[int]:
        async with RpcClient(url) as rpc:
            told = []
            for jump in (-20 * YEAR, -7200, 0, 2 * MAX_DEADLINE_AHEAD, 20 * YEAR):
                monkeypatch.setattr(time, "time", lambda by=jump: real() + by)
                told.append(await Session.now(SimpleNamespace(node=Node(rpc))))  # type: ignore[arg-type]
                monkeypatch.undo()
            return told

    with run_dev_node() as node:
        node.call("evm_increaseTime", 1_000_000)
        told = asyncio.run(go(node.url))
        node.call("evm_mine")
        mined = int(node.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    assert all(now <= mined <= now + DEADLINE_SECONDS for now in told)
    assert all(now + DEADLINE_SECONDS <= mined + MAX_DEADLINE_AHEAD for now in told)
