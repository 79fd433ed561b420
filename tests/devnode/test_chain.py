"""The chain in process, under a clock of our own: mining, time, finality, reorganisation, durability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coprocessor.devnode import builder
from coprocessor.devnode.builder import compute_next_base_fee
from coprocessor.devnode.chain import Chain, Dropped
from coprocessor.devnode.database import Database, LogFilter
from coprocessor.devnode.errors import RpcError
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.mempool import MAX_TRANSACTION_GAS
from coprocessor.devnode.options import NodeOptions
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Address, Digest
from tests.devnode.contract import call_data, deployment, wallet

START = 1_800_000_000
TARGET = "0x" + "77" * 20
EVERYTHING = LogFilter(0, 2**62)


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


class Bench:
    """A chain that can be closed and opened again."""

    def __init__(self, folder: Path, lag: int) -> None:
        self.clock = Clock()
        self._folder = folder
        self.open(lag)

    def open(self, lag: int) -> None:
        self.database = Database(self._folder / "chain.sqlite")
        self.chain = Chain(self.database, NodeOptions(data=self._folder, finality_lag=lag), self.clock)

    def reopen(self, lag: int) -> None:
        """Without saying goodbye: what was not committed is gone."""
        self.database.close()
        self.open(lag)

    def send(self, raw: str) -> Digest:
        digest = self.chain.submit(bytes.fromhex(raw[2:])).hash
        self.chain.mine_waiting()
        return digest

    def logs(self) -> list[bytes]:
        return list(self.database.iterate_logs(EVERYTHING, 1000))

    @property
    def height(self) -> int:
        return self.chain.head.header.number


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, lag=2)
    yield bench
    bench.database.close()


def test_waiting_transactions_share_blocks_up_to_the_gas_limit(bench: Bench) -> None:
    sender = wallet(0)
    for _ in range(5):
        bench.chain.submit(bytes.fromhex(sender.sign(TARGET, gas=10_000_000)[2:]))
    bench.chain.mine_waiting()
    # 36 M: three of 10 M are admitted beside little real use, then a fourth, since unused gas comes back.
    assert sum(len(bench.database.get_transactions(n)) for n in range(1, bench.height + 1)) == 5
    assert len(bench.chain.pool) == 0
    assert bench.height == 1


def test_a_block_never_exceeds_its_gas_limit(bench: Bench) -> None:
    sender = wallet(0)
    contract = bench.chain.submit(bytes.fromhex(sender.sign(None, deployment(1), gas=3_000_000)[2:]))
    bench.chain.mine_waiting()
    address = contract.contract_address()
    assert address is not None
    for _ in range(5):
        data = call_data("burn(uint256)", 10**6)  # runs out of gas: all of it is used
        bench.chain.submit(bytes.fromhex(sender.sign("0x" + address.hex(), data, gas=200_000)[2:]))
    small = BlockHeader.decode(bench.chain.head.header.encode())
    object.__setattr__(small, "gas_limit", 500_000)
    bench.chain.head = type(bench.chain.head)(small, bench.chain.head.hash)
    bench.chain.mine_waiting()
    counts = [len(bench.database.get_transactions(n)) for n in range(2, bench.height + 1)]
    assert counts == [2, 2, 1]


def test_time_follows_the_clock_and_never_stands(bench: Bench) -> None:
    assert bench.chain.head.header.timestamp == START
    assert bench.chain.mine().header.timestamp == START + 1
    bench.clock.now += 100
    assert bench.chain.mine().header.timestamp == START + 100
    assert bench.chain.increase_time(1000) == 1000
    assert bench.chain.mine().header.timestamp == START + 1100
    bench.chain.set_next_timestamp(START + 5000)
    assert bench.chain.mine().header.timestamp == START + 5000
    bench.clock.now += 10
    assert bench.chain.mine().header.timestamp == START + 5010
    with pytest.raises(RpcError, match="not above"):
        bench.chain.set_next_timestamp(START + 5010)
    bench.reopen(lag=2)
    bench.clock.now += 10
    assert bench.chain.mine().header.timestamp == START + 5020


def test_safe_and_finalized_lag_and_never_fall(bench: Bench) -> None:
    seen = []
    for _ in range(6):
        bench.chain.mine()
        seen.append((bench.height, bench.chain.safe_number, bench.chain.finalized_number))
    assert seen == [(1, 0, 0), (2, 0, 0), (3, 1, 0), (4, 2, 0), (5, 3, 1), (6, 4, 2)]
    bench.reopen(lag=100)
    bench.chain.mine()
    assert (bench.chain.safe_number, bench.chain.finalized_number) == (2, 2)


def test_without_a_lag_everything_is_final(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lag=0)
    bench.chain.mine()
    assert (bench.chain.safe_number, bench.chain.finalized_number) == (1, 1)
    with pytest.raises(RpcError, match="take back finalized block 1"):
        bench.chain.reorganise(1, Dropped.DROP)
    bench.database.close()


@pytest.mark.parametrize("dropped", Dropped)
def test_reorganisation_replaces_blocks_and_rewinds_the_index(bench: Bench, dropped: Dropped) -> None:
    sender = wallet(0)
    contract = bench.chain.submit(bytes.fromhex(sender.sign(None, deployment(1), gas=3_000_000)[2:]))
    bench.chain.mine_waiting()
    address = contract.contract_address()
    assert address is not None
    kept_logs, kept_root = bench.logs(), bench.chain.head.header.state_root
    note = call_data("note(uint256,bytes32,bytes,uint256)", 1, bytes(32), b"x", 2)
    mined = [bench.send(sender.sign("0x" + address.hex(), note)) for _ in range(2)]
    old_hashes = [bench.database.get_block_hash(n) for n in (1, 2, 3)]
    old_logs = bench.logs()
    assert len(old_logs) == 6

    bench.chain.reorganise(2, dropped)

    new_hashes = [bench.database.get_block_hash(n) for n in (1, 2, 3)]
    assert new_hashes[0] == old_hashes[0]
    assert all(new != old for new, old in zip(new_hashes[1:], old_hashes[1:], strict=True))
    assert all(bench.database.get_block_number(old) is None for old in old_hashes[1:] if old)
    nonce = bench.chain.states.get_account(bench.chain.head.header.state_root, sender.key.address).nonce
    if dropped is Dropped.REMINE:
        assert nonce == 3
        assert len(bench.logs()) == 6
        assert bench.logs() != old_logs  # other blocks, so other block hashes inside
        assert len(bench.database.get_transactions(2)) == 2
    else:
        assert nonce == 1
        assert bench.logs() == kept_logs
        assert bench.database.get_transaction(mined[0]) is None
        assert len(bench.chain.pool) == (2 if dropped is Dropped.POOL else 0)
        kept = bench.chain.states.get_account(kept_root, address)
        assert bench.chain.states.get_account(bench.chain.head.header.state_root, address) == kept
    bench.reopen(lag=2)
    assert len(bench.chain.pool) == (2 if dropped is Dropped.POOL else 0)
    bench.chain.mine()
    if dropped is Dropped.POOL:
        row = bench.database.get_transaction(mined[1])
        assert row is not None
        assert row.block == 4


def test_reorganisation_stops_at_finality(bench: Bench) -> None:
    for _ in range(6):
        bench.chain.mine()
    before = bench.chain.head
    with pytest.raises(RpcError, match="take back finalized block 2: latest is 6, finalized is 2"):
        bench.chain.reorganise(5, Dropped.POOL)
    with pytest.raises(RpcError, match="below 1"):
        bench.chain.reorganise(0, Dropped.POOL)
    assert bench.chain.head == before
    bench.chain.reorganise(4, Dropped.POOL)
    assert bench.height == 6
    assert bench.chain.head != before


def test_two_reorganisations_make_three_different_blocks(bench: Bench) -> None:
    hashes = {bench.chain.mine().hash}
    for _ in range(2):
        bench.chain.set_next_timestamp(bench.chain.head.header.timestamp + 1)
        hashes.add(bench.chain.reorganise(1, Dropped.DROP)[0].hash)
    assert len(hashes) == 3


def test_the_pool_is_durable_once_saved(bench: Bench) -> None:
    sender = wallet(0)
    first = bench.chain.submit(bytes.fromhex(sender.sign(TARGET, gas=21_000)[2:]))
    bench.chain.save()
    bench.chain.submit(bytes.fromhex(sender.sign(TARGET, gas=21_000)[2:]))  # never saved, never acknowledged
    bench.reopen(lag=2)
    assert [entry.transaction for entry in bench.chain.pool] == [first]
    bench.chain.mine()
    assert len(bench.chain.pool) == 0
    bench.reopen(lag=2)
    assert len(bench.chain.pool) == 0
    row = bench.database.get_transaction(first.hash)
    assert row is not None
    assert row.raw == first.raw


def test_a_replaced_transaction_is_gone_from_disk_too(bench: Bench) -> None:
    sender = wallet(0)
    bench.chain.submit(bytes.fromhex(sender.sign(TARGET, gas=21_000)[2:]))
    bench.chain.save()
    dearer = wallet(0).sign(TARGET, gas=21_000, max_priority_fee_per_gas=2 * 10**9, max_fee_per_gas=200 * 10**9)
    replacement = bench.chain.submit(bytes.fromhex(dearer[2:]))
    bench.chain.save()
    bench.reopen(lag=2)
    assert [entry.transaction.hash for entry in bench.chain.pool] == [replacement.hash]


def test_a_transaction_that_crashes_the_machine_is_taken_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = wallet(0), wallet(1)
    poison = bench.chain.submit(bytes.fromhex(bad.sign("0x" + "66" * 20, gas=21_000)[2:]))
    fine = bench.chain.submit(bytes.fromhex(good.sign(TARGET, gas=21_000)[2:]))
    real = builder.Execution.apply

    def crash(self: builder.Execution, transaction: object) -> object:
        if transaction == poison:
            raise RuntimeError("a bug of the machine")
        return real(self, transaction)  # type: ignore[arg-type]

    monkeypatch.setattr(builder.Execution, "apply", crash)
    block = bench.chain.mine()
    assert [row.hash for row in block.transactions] == [fine.hash]
    assert len(bench.chain.pool) == 0


def test_a_failed_block_leaves_everything_as_it_was(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = bench.chain.submit(bytes.fromhex(wallet(0).sign(TARGET, gas=21_000)[2:]))
    before = bench.chain.head

    def fail(self: Database, rows: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(Database, "add_logs", fail)
        with pytest.raises(OSError, match="disk full"):
            bench.chain.mine()
    assert bench.chain.head == before
    assert bench.database.get_head_number() == 0
    assert [entry.transaction for entry in bench.chain.pool] == [transaction]
    assert len(bench.chain.mine().transactions) == 1


def test_funds_that_vanished_do_not_make_empty_blocks(bench: Bench) -> None:
    spender = wallet(3)
    whole = 10_000 * 10**18
    poor = bench.chain.submit(bytes.fromhex(spender.sign(TARGET, gas=21_000, nonce=1, value=whole // 2)[2:]))
    bench.send(spender.sign(TARGET, gas=21_000, nonce=0, value=whole // 2 + 10**18))
    height = bench.height
    bench.chain.mine_waiting()
    assert bench.height == height
    assert bench.chain.pool.get(poor.hash) is not None


def test_submissions_are_checked(bench: Bench) -> None:
    with pytest.raises(MalformedInput):
        bench.chain.submit(b"\x02\xc0")
    with pytest.raises(RpcError, match="less than block base fee"):
        bench.chain.submit(bytes.fromhex(wallet(0).sign(TARGET, max_fee_per_gas=1, max_priority_fee_per_gas=0)[2:]))
    with pytest.raises(RpcError, match="EIP-7825"):
        bench.chain.submit(bytes.fromhex(wallet(0).sign(TARGET, gas=MAX_TRANSACTION_GAS + 1)[2:]))
    raw = bytes.fromhex(wallet(0).sign(TARGET, gas=21_000)[2:])
    bench.chain.submit(raw)
    bench.chain.mine()
    with pytest.raises(RpcError, match="already known"):
        bench.chain.submit(raw)


def test_base_fee_follows_eip_1559() -> None:
    def parent(used: int) -> BlockHeader:
        return BlockHeader(
            parent_hash=Digest(bytes(32)),
            coinbase=Address(bytes(20)),
            state_root=Digest(bytes(32)),
            number=1,
            timestamp=1,
            gas_limit=30_000_000,
            gas_used=used,
            base_fee_per_gas=1_000_000_000,
        )

    assert compute_next_base_fee(parent(15_000_000)) == 1_000_000_000
    assert compute_next_base_fee(parent(0)) == 875_000_000
    assert compute_next_base_fee(parent(30_000_000)) == 1_125_000_000
    assert compute_next_base_fee(parent(15_000_001)) == 1_000_000_008
