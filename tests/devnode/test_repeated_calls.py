"""``eth_call`` asked again in the same block is not executed again, and never answered with another block's state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coprocessor.devnode import rpc_state
from coprocessor.devnode.chain import Chain
from coprocessor.devnode.database import Database
from coprocessor.devnode.errors import RpcError
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.options import NodeOptions
from coprocessor.devnode.rpc_state import StateMethods
from coprocessor.devnode.transactions import Transaction

IDENTITY = "0x" + "00" * 19 + "04"
NUMBER = "0x4360005260206000f3"  # init code that answers with the number of its block
REVERT = "0x60006000fd"


class Counted:
    """A chain in process, and how often it executed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = Database(folder / "chain.sqlite")
        self.chain = Chain(self.database, NodeOptions(data=folder), lambda: 1_800_000_000)
        self.methods = StateMethods(self.chain, self.database)
        self.executed = 0
        simulate = Chain.simulate

        def count(chain: Chain, transaction: Transaction, header: BlockHeader) -> object:
            self.executed += 1
            return simulate(chain, transaction, header)

        monkeypatch.setattr(Chain, "simulate", count)


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    counted = Counted(tmp_path, monkeypatch)
    yield counted
    counted.database.close()


def test_the_same_call_in_the_same_block_runs_once(counted: Counted) -> None:
    answers = {counted.methods.call({"to": IDENTITY, "data": "0xabcd"}) for _ in range(3)}
    assert (answers, counted.executed) == ({"0xabcd"}, 1)
    assert counted.methods.call({"to": IDENTITY, "data": "0xabce"}) == "0xabce"
    assert counted.executed == 2


def test_another_block_is_another_question(counted: Counted) -> None:
    before = counted.methods.call({"data": NUMBER})
    counted.chain.mine()
    assert int(counted.methods.call({"data": NUMBER}), 16) == int(before, 16) + 1
    assert counted.methods.call({"data": NUMBER}, "0x0") == before


def test_a_refusal_is_a_refusal_each_time(counted: Counted) -> None:
    for _ in range(2):
        with pytest.raises(RpcError, match="revert"):
            counted.methods.call({"data": REVERT})
    assert counted.executed == 1


def test_little_is_kept(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_state, "_ANSWERS_KEPT", 2)
    monkeypatch.setattr(rpc_state, "_ANSWERED_BYTES", 4)
    for data in ("0x01", "0x02", "0x03", "0x02", "0x03", "0x01"):
        counted.methods.call({"to": IDENTITY, "data": data})
    assert counted.executed == 4
    for _ in range(2):
        counted.methods.call({"to": IDENTITY, "data": "0x0102030405"})
    assert counted.executed == 6
