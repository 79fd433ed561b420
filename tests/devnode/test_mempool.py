"""Admission, replacement and order of waiting transactions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.devnode import mempool
from coprocessor.devnode.errors import RpcError
from coprocessor.devnode.mempool import MAX_TRANSACTION_GAS, Pool, check_static_rules
from coprocessor.devnode.state import Account
from coprocessor.devnode.transactions import Transaction
from coprocessor.values.identities import Address

ALICE, BOB = Address(b"\xa1" * 20), Address(b"\xb0" * 20)
RICH = Account(balance=10**30)
GAS_LIMIT = 36_000_000


def transaction(
    sender: Address = ALICE, nonce: int = 0, tip: int = 10, fee: int = 1000, **other: object
) -> Transaction:
    identity = keccak256(repr((sender, nonce, tip, fee, other)).encode())
    made = Transaction(2, 31337, nonce, tip, fee, 21_000, b"\x01" * 20, 0, b"", sender, hash=identity)
    return replace(made, **other)  # type: ignore[arg-type]


def order(pool: Pool, base_fee: int = 100, nonces: dict[Address, int] | None = None) -> list[Transaction]:
    selection = pool.select(base_fee, lambda sender: (nonces or {}).get(sender, 0))
    chosen = []
    while (best := selection.pop()) is not None:
        chosen.append(best)
        selection.accept(best)
    return chosen


def test_nonces_go_in_order_and_gaps_wait() -> None:
    pool = Pool()
    third, first = transaction(nonce=2), transaction(nonce=0)
    pool.add(third, RICH)
    pool.add(first, RICH)
    assert order(pool) == [first]
    second = transaction(nonce=1)
    pool.add(second, RICH)
    assert order(pool) == [first, second, third]
    assert pool.next_nonce(ALICE, 0) == 3


def test_best_tip_goes_first_then_first_come() -> None:
    pool = Pool()
    poor, rich = transaction(ALICE, tip=1), transaction(BOB, tip=9)
    later = transaction(Address(b"\xcc" * 20), tip=9)
    for one in (poor, rich, later):
        pool.add(one, RICH)
    assert order(pool) == [rich, later, poor]


def test_too_cheap_for_the_base_fee_waits() -> None:
    pool = Pool()
    pool.add(transaction(fee=50, tip=1), RICH)
    assert order(pool, base_fee=51) == []
    assert len(order(pool, base_fee=50)) == 1


def test_a_sender_that_was_passed_over_does_not_come_up_again() -> None:
    pool = Pool()
    pool.add(transaction(nonce=0), RICH)
    pool.add(transaction(nonce=1), RICH)
    selection = pool.select(1, lambda sender: 0)
    assert selection.pop() is not None
    assert selection.pop() is None


def test_replacement_needs_a_tenth_more_of_both_fees() -> None:
    pool = Pool()
    old = transaction(tip=100, fee=1000)
    pool.add(old, RICH)
    for tip, fee in ((110, 1099), (109, 1100)):
        with pytest.raises(RpcError, match="underpriced"):
            pool.add(transaction(tip=tip, fee=fee), RICH)
    new = transaction(tip=110, fee=1100)
    assert pool.add(new, RICH) == [old.hash]
    assert order(pool) == [new]
    assert pool.get(old.hash) is None


@pytest.mark.parametrize(
    ("account", "why"),
    [
        (Account(balance=10**30, nonce=1), "nonce too low: next nonce 1, tx nonce 0"),
        (Account(balance=20_999_999), "insufficient funds .* overshot 1"),
    ],
)
def test_what_an_account_cannot_do_is_refused(account: Account, why: str) -> None:
    pool = Pool()
    with pytest.raises(RpcError, match=why):
        pool.add(transaction(), account)
    assert len(pool) == 0


def test_the_same_transaction_is_known() -> None:
    pool = Pool()
    pool.add(transaction(), RICH)
    with pytest.raises(RpcError, match="already known"):
        pool.add(transaction(), RICH)


def test_limits_of_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mempool, "MAX_TRANSACTIONS_PER_SENDER", 2)
    monkeypatch.setattr(mempool, "MAX_POOL_TRANSACTIONS", 3)
    pool = Pool()
    pool.add(transaction(nonce=0), RICH)
    pool.add(transaction(nonce=1), RICH)
    with pytest.raises(RpcError, match="of this sender"):
        pool.add(transaction(nonce=2), RICH)
    pool.add(transaction(BOB), RICH)
    with pytest.raises(RpcError, match="txpool is full: 3"):
        pool.add(transaction(Address(b"\xcc" * 20)), RICH)
    pool.add(transaction(BOB, tip=20, fee=2000), RICH)  # a replacement needs no room


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"chain_id": 1}, "invalid chain id for signer: have 1 want 31337"),
        ({"gas": MAX_TRANSACTION_GAS + 1}, "EIP-7825"),
        ({"gas": 20_999}, "intrinsic gas too low: gas 20999, minimum needed 21000"),
        ({"data": b"\x01" * 100, "gas": 21_000 + 100 * 40 - 1}, "minimum needed 25000"),
        ({"to": b"", "data": b"\x01" * 49_153, "gas": 10**7}, "max initcode size"),
    ],
)
def test_static_rules(change: dict[str, object], why: str) -> None:
    with pytest.raises(RpcError, match=why):
        check_static_rules(transaction(**change), 31337, GAS_LIMIT)


def test_static_rules_let_the_bounds_pass() -> None:
    check_static_rules(transaction(gas=MAX_TRANSACTION_GAS), 31337, GAS_LIMIT)
    check_static_rules(transaction(chain_id=None), 31337, GAS_LIMIT)
    check_static_rules(transaction(data=b"\x01" * 100, gas=25_000), 31337, GAS_LIMIT)
    with pytest.raises(RpcError, match="exceeds block gas limit"):
        check_static_rules(transaction(gas=2), 31337, 1)
