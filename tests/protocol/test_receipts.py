"""Receipts: what an enclave signs, and quorums that count distinct operators (PROTOCOL 7.1)."""

from __future__ import annotations

from dataclasses import astuple, fields, replace
from typing import Any

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.receipts import MAX_SIGNATURES, Receipt, SignerCount, verify_signers
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import Address
from tests.protocol.samples import CHAIN_ID, SETTLEMENT, STRANGER, make_receipt
from tests.support.typed_data import typed_data_digest

MEMBERS = [
    ("bytes32", "network"),
    ("bytes32", "cluster"),
    ("uint64", "epoch"),
    ("bytes32", "runtime"),
    ("uint64", "from"),
    ("uint64", "to"),
    ("bytes32", "inboxHead"),
    ("bytes32", "previousRoot"),
    ("bytes32", "newRoot"),
    ("bytes32", "outputsRoot"),
    ("uint64", "blockNumber"),
    ("bytes32", "blockHash"),
]
RECEIPT = make_receipt()
WORKERS = [PrivateKey(bytes((number,)) * 32) for number in range(10, 14)]
OPERATORS = [Address(bytes((number,)) * 20) for number in (1, 2, 3)]
# The third operator runs two workers.
PLACES = {worker.address: OPERATORS[min(index, 2)] for index, worker in enumerate(WORKERS)}


def _sign(*keys: PrivateKey, receipt: Receipt = RECEIPT, chain_id: int = CHAIN_ID) -> list[bytes]:
    return [key.sign(receipt.digest(chain_id, SETTLEMENT)) for key in keys]


def _verify(signatures: list[bytes], quorum: int = 2, receipt: Receipt = RECEIPT) -> SignerCount:
    return verify_signers(receipt, signatures, PLACES, quorum, CHAIN_ID, SETTLEMENT)


def test_digest_is_eip_712() -> None:
    values = list(astuple(RECEIPT))
    assert RECEIPT.digest(CHAIN_ID, SETTLEMENT) == typed_data_digest("Receipt", MEMBERS, values, CHAIN_ID, SETTLEMENT)


@pytest.mark.parametrize("name", [field.name for field in fields(RECEIPT)])
def test_every_field_is_signed(name: str) -> None:
    old: Any = getattr(RECEIPT, name)
    changed = replace(RECEIPT, **{name: old + 1 if isinstance(old, int) else keccak256(old)})
    assert changed.digest(CHAIN_ID, SETTLEMENT) != RECEIPT.digest(CHAIN_ID, SETTLEMENT)
    with pytest.raises(EvidenceRefused) as caught:
        _verify(_sign(WORKERS[0]), receipt=changed)
    assert caught.value.code == "receipt.signer"


def test_distinct_operators_are_counted_and_named() -> None:
    assert _verify([]) == SignerCount((), 2)
    assert _verify(_sign(WORKERS[0])) == SignerCount((WORKERS[0].address,), 1)
    both = tuple(worker.address for worker in WORKERS[:2])
    assert _verify(_sign(*WORKERS[:2])) == SignerCount(both, 0)
    assert _verify(_sign(*WORKERS[:3])).missing == 0


@pytest.mark.parametrize("pair", [(0, 0), (2, 3)], ids=["one worker twice", "two workers of one operator"])
def test_an_operator_counts_once(pair: tuple[int, int]) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        _verify(_sign(*(WORKERS[index] for index in pair)))
    assert caught.value.code == "receipt.operator_twice"


def test_strangers_other_chains_and_broken_signatures_are_refused() -> None:
    for signatures in (
        _sign(WORKERS[0], STRANGER),
        _sign(WORKERS[0], chain_id=1),
        [RECEIPT.digest(CHAIN_ID, SETTLEMENT)],
        [WORKERS[0].sign(RECEIPT.digest(CHAIN_ID, Address(bytes(20))))],
        [*_sign(WORKERS[0]), bytes(65)],
    ):
        with pytest.raises(EvidenceRefused):
            _verify(signatures)


def test_signatures_have_a_maximum() -> None:
    with pytest.raises(EvidenceRefused) as caught:
        _verify(_sign(WORKERS[0]) * (MAX_SIGNATURES + 1))
    assert caught.value.code == "receipt.signatures"
