"""Decoding of transactions, against eth-account as the independent signer."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import rlp
from coprocessor.devnode.transactions import (
    MAX_TRANSACTION_BYTES,
    Transaction,
    decode_transaction,
    sign_dynamic_fee_transaction,
)
from coprocessor.values.errors import MalformedInput
from tests.devnode.contract import ACCOUNTS

KEY = ACCOUNTS[0].key
SIGNER = Account.from_key(KEY.secret)
TO = "0x" + "11" * 20
COMMON: dict[str, Any] = {"nonce": 3, "gas": 50_000, "to": TO, "value": 17, "data": b"\x01\x00\x02", "chainId": 31337}
FEES = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 5}
ACCESS_LIST = [{"address": "0x" + "22" * 20, "storageKeys": ["0x" + "00" * 31 + "07", "0x" + "ff" * 32]}]


def signed(fields: dict[str, Any]) -> bytes:
    return bytes(SIGNER.sign_transaction(fields).raw_transaction)


def set_code_transaction() -> bytes:
    authorization = SIGNER.sign_authorization({"chainId": 31337, "address": "0x" + "33" * 20, "nonce": 4})
    return signed({**COMMON, **FEES, "type": 4, "authorizationList": [authorization], "gas": 200_000})


KINDS = {
    0: signed({**COMMON, "gasPrice": 10**9}),
    1: signed({**COMMON, "type": 1, "gasPrice": 10**9, "accessList": ACCESS_LIST}),
    2: signed({**COMMON, **FEES, "type": 2, "accessList": ACCESS_LIST}),
    4: set_code_transaction(),
}


@pytest.mark.parametrize("type_id", KINDS)
def test_every_type_is_read(type_id: int) -> None:
    raw = KINDS[type_id]
    transaction = decode_transaction(raw)
    assert transaction.type_id == type_id
    assert transaction.sender == KEY.address
    assert transaction.chain_id == 31337
    assert (transaction.nonce, transaction.value, transaction.data) == (3, 17, b"\x01\x00\x02")
    assert transaction.to == bytes.fromhex(TO[2:])
    assert transaction.raw == raw
    if type_id in (1, 2):
        assert transaction.access_list == ((bytes.fromhex("22" * 20), (7, 2**256 - 1)),)
    if type_id == 4:
        assert transaction.authorization_list[0].address == bytes.fromhex("33" * 20)


def test_hash_is_that_of_the_signer() -> None:
    transaction = SIGNER.sign_transaction({**COMMON, **FEES, "type": 2})
    assert decode_transaction(bytes(transaction.raw_transaction)).hash == bytes(transaction.hash)


def test_own_signatures_are_those_of_eth_account() -> None:
    ours = sign_dynamic_fee_transaction(
        KEY,
        chain_id=31337,
        nonce=3,
        max_priority_fee_per_gas=5,
        max_fee_per_gas=10**10,
        gas=50_000,
        to=bytes.fromhex(TO[2:]),
        value=17,
        data=b"\x01\x00\x02",
    )
    assert ours == signed({**COMMON, **FEES, "type": 2})


def test_legacy_without_replay_protection_has_no_chain_id() -> None:
    fields = {key: value for key, value in COMMON.items() if key != "chainId"}
    transaction = decode_transaction(signed({**fields, "gasPrice": 10**9}))
    assert transaction.chain_id is None
    assert transaction.sender == KEY.address


def test_gas_of_the_parts() -> None:
    transaction = decode_transaction(KINDS[2])
    assert transaction.intrinsic_gas == 21_000 + 2 * 16 + 4 + 2_400 + 2 * 1_900
    assert transaction.floor_gas == 21_000 + 10 * (2 * 4 + 1)
    assert decode_transaction(KINDS[4]).intrinsic_gas == 21_000 + 2 * 16 + 4 + 25_000
    creation = Transaction(2, 1, 0, 0, 0, 10**6, b"", 0, b"\0" * 33, KEY.address)
    assert creation.intrinsic_gas == 21_000 + 32_000 + 33 * 4
    assert creation.minimum_gas == creation.intrinsic_gas + 2 * 2


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "empty"),
        (b"\x03" + KINDS[2][1:], "blob"),
        (b"\x05" + KINDS[2][1:], "type 5"),
        (KINDS[2] + b"\0", "decode"),
        (KINDS[2][:-1], "decode"),
        (b"\x02" + rlp.encode([b"\x01"] * 11), "12 fields"),
        (rlp.encode([b"\x01"] * 8), "9 fields"),
        (b"\x00" * (MAX_TRANSACTION_BYTES + 1), "oversized"),
    ],
)
def test_malformed_bytes_are_refused(raw: bytes, why: str) -> None:
    with pytest.raises(MalformedInput, match=why):
        decode_transaction(raw)


@pytest.mark.parametrize(
    ("position", "value", "why"),
    [
        (1, b"\x00\x01", "nonce"),
        (1, b"\x01" + bytes(8), "nonce"),
        (2, b"\xff" * 32, "priority"),
        (5, b"\x11" * 19, "20 bytes"),
        (6, b"\x01" + bytes(32), "value"),
        (8, [[b"\x22" * 20]], "access list"),
        (9, b"\x02", "parity"),
        (11, b"\xff" * 32, "signature"),
        (10, b"", "signature"),
    ],
)
def test_each_field_has_its_range(position: int, value: rlp.Item, why: str) -> None:
    items = rlp.decode(KINDS[2][1:])
    assert isinstance(items, list)
    items[position] = value
    with pytest.raises(MalformedInput, match=why):
        decode_transaction(b"\x02" + rlp.encode(items))


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 2000), st.integers(1, 255))
def test_a_changed_byte_never_keeps_the_sender(type_id: int, position: int, change: int) -> None:
    raw = bytearray(KINDS[type_id])
    raw[position % len(raw)] ^= change
    try:
        transaction = decode_transaction(bytes(raw))
    except MalformedInput:
        return
    assert transaction.sender != KEY.address


@given(st.binary(max_size=300))
def test_random_bytes_raise_only_the_documented_error(data: bytes) -> None:
    try:
        decode_transaction(data)
    except MalformedInput:
        return
    raise AssertionError("random bytes passed for a transaction")
