"""Mutated bytes, judged by our decoders and by other people's: neither may take what the other shows to be wrong."""

from __future__ import annotations

import cbor2
import eth_abi
import pytest
import rlp as other_rlp
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.codec import abi, cbor, rlp
from coprocessor.codec.transaction import Transaction
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.devnode.transactions import decode_transaction
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Address
from tests.support.byte_mutation import mutate

KEY = PrivateKey(b"\x07" * 32)
seeds = st.integers(0, 2**32)

CBOR_SEEDS = [
    cbor.dumps(value) for value in ({"a": [1, b"x", -5], "b": None}, [2**40, "é", [], {}], b"x" * 30, {1: {2: True}})
]
RLP_SEEDS = [rlp.encode(item) for item in ([b"a", [b"b" * 60, []]], b"x" * 70, [b"\x01"] * 60, [[[[]]]])]
ABI_TYPES = ["uint256", "bytes", "address[]", "(bool,int64)"]
ABI_SEED = abi.encode(ABI_TYPES, [7, b"abc", [b"\x01" * 20, b"\x02" * 20], (True, -3)])


def ours(decode: object, data: bytes) -> tuple[bool, object]:
    """(taken, value) by one of our decoders."""
    try:
        return True, decode(data)  # type: ignore[operator]
    except MalformedInput:
        return False, None


def as_lists(item: object) -> object:
    return [as_lists(part) for part in item] if isinstance(item, (list, tuple)) else item


def is_in_subset(value: object) -> bool:
    """Whether our CBOR has a form for the value at all."""
    if isinstance(value, (bool, bytes, str)) or value is None:
        return True
    if isinstance(value, int):
        return -(2**64) <= value < 2**64
    if isinstance(value, list):
        return all(is_in_subset(part) for part in value)
    if isinstance(value, dict):
        keys = all(isinstance(key, (int, str)) and not isinstance(key, bool) for key in value)
        return keys and all(is_in_subset(part) for part in (*value, *value.values()))
    return False


@settings(max_examples=400)
@given(st.sampled_from(CBOR_SEEDS), seeds)
def test_cbor_is_taken_exactly_where_it_is_canonical(seed: bytes, number: int) -> None:
    data = mutate(seed, number)
    taken, value = ours(cbor.loads, data)
    try:
        other = cbor2.loads(data)
        is_canonical = is_in_subset(other) and cbor.dumps(other) == data
    except Exception:  # cbor2 raises many kinds
        is_canonical = False
    assert taken == is_canonical
    if taken:
        assert value == other


@settings(max_examples=400)
@given(st.sampled_from(RLP_SEEDS), seeds)
def test_rlp_is_taken_by_both_or_by_none(seed: bytes, number: int) -> None:
    data = mutate(seed, number)
    taken, value = ours(rlp.decode, data)
    try:
        other, is_taken = as_lists(other_rlp.decode(data, strict=True)), True
    except Exception:
        other, is_taken = None, False
    assert taken == is_taken
    assert value == other


@settings(max_examples=400)
@given(seeds)
def test_what_our_abi_takes_others_read_alike(number: int) -> None:
    data = mutate(ABI_SEED, number)
    taken, value = ours(lambda raw: abi.decode(ABI_TYPES, raw), data)
    if not taken:
        return
    number_, raw, addresses, pair = eth_abi.decode(ABI_TYPES, data)
    assert value == [number_, raw, [bytes.fromhex(address[2:]) for address in addresses], pair]
    assert eth_abi.encode(ABI_TYPES, (number_, raw, addresses, pair)) == data


@settings(max_examples=300)
@given(seeds)
def test_transactions_that_are_taken_have_the_same_sender_everywhere(number: int) -> None:
    signed = Transaction(31337, 1, 10**6, 10**9, 1, Address(b"\x01" * 20), 5, b"data").sign(KEY)
    data = mutate(signed.raw, number)
    taken, value = ours(decode_transaction, data)
    if taken:
        assert bytes.fromhex(Account.recover_transaction(data)[2:]) == value.sender  # type: ignore[attr-defined]


@pytest.mark.parametrize("data", [*CBOR_SEEDS, *RLP_SEEDS])
def test_the_seeds_are_valid(data: bytes) -> None:
    assert ours(cbor.loads, data)[0] or ours(rlp.decode, data)[0]
