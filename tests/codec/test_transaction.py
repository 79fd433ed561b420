"""EIP-1559 transactions against eth_account, byte for byte."""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_utils.address import to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.codec.transaction import Transaction
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.identities import Address

transactions = st.builds(
    Transaction,
    chain_id=st.integers(1, 2**32),
    nonce=st.integers(0, 2**32),
    gas_limit=st.integers(21_000, 2**32),
    max_fee_per_gas=st.integers(0, 2**64),
    max_priority_fee_per_gas=st.integers(0, 2**64),
    to=st.none() | st.binary(min_size=20, max_size=20).map(Address),
    value=st.integers(0, 2**128),
    data=st.binary(max_size=100),
)


@settings(max_examples=200)
@given(transactions, st.integers(1, 2**128))
def test_signed_transactions_equal_those_of_eth_account(transaction: Transaction, secret: int) -> None:
    key = secret.to_bytes(32, "big")
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "gas": transaction.gas_limit,
        "maxFeePerGas": transaction.max_fee_per_gas,
        "maxPriorityFeePerGas": transaction.max_priority_fee_per_gas,
        "value": transaction.value,
        "data": transaction.data,
    }
    if transaction.to is not None:
        fields["to"] = to_checksum_address(transaction.to)
    expected = Account.from_key(key).sign_transaction(fields)
    signed = transaction.sign(PrivateKey(key))
    assert signed.raw == bytes(expected.raw_transaction)
    assert signed.hash == bytes(expected.hash)
    assert Account.recover_transaction(signed.raw).lower() == "0x" + PrivateKey(key).address.hex()
