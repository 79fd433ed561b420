"""Payloads of system links and identifiers, against another ABI implementation."""

from __future__ import annotations

import eth_abi
import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.protocol.system import (
    EpochChange,
    Instantiation,
    MemberChange,
    RequestPayload,
    compute_program_id,
    compute_request_id,
    compute_worker_id,
    decode_epoch,
    decode_instantiation,
    decode_member,
    decode_request,
)
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Address, CodeHash, ProgramId, RequestId, RuntimeId, WorkerId
from tests.protocol.samples import CHAIN_ID, CLUSTER, INBOX, PROGRAM, STRANGER

A, B, C, D = (bytes((number,)) * 32 for number in (1, 2, 3, 4))

EPOCH = eth_abi.encode(["uint256", "bytes32", "uint256", "uint256"], [2, A, 2, 3])
MEMBER = eth_abi.encode(["bytes32", "address", "bool", "uint256"], [A, STRANGER.address, True, 2])
INSTANTIATION = eth_abi.encode(
    ["bytes32", "uint256", "address", "bytes32", "bytes32", "uint256", "bytes32[]", "bytes"],
    [A, 7, STRANGER.address, B, C, 10**9, [D, A], b"init"],
)
REQUEST = eth_abi.encode(
    ["bytes32", "uint256", "bytes32", "bytes4", "uint256", "bytes"], [A, 7, B, b"clos", 200_000, b"arguments"]
)


def test_payloads_decode_as_the_contracts_encode_them() -> None:
    assert decode_epoch(EPOCH) == EpochChange(2, RuntimeId(A), 2, 3)
    assert decode_member(MEMBER) == MemberChange(WorkerId(A), STRANGER.address, True, 2)
    assert decode_instantiation(INSTANTIATION) == Instantiation(
        ProgramId(A), 7, STRANGER.address, CodeHash(B), C, 10**9, (ProgramId(D), ProgramId(A)), b"init"
    )
    assert decode_request(REQUEST) == RequestPayload(ProgramId(A), 7, RequestId(B), b"clos", 200_000, b"arguments")


DECODERS = [
    (decode_epoch, EPOCH),
    (decode_member, MEMBER),
    (decode_instantiation, INSTANTIATION),
    (decode_request, REQUEST),
]


@pytest.mark.parametrize(("decode", "payload"), DECODERS)
def test_payloads_of_another_shape_are_refused(decode, payload: bytes) -> None:  # type: ignore[no-untyped-def]
    for other in (b"", payload[:-1], payload[:-32], payload + bytes(32)):
        with pytest.raises(MalformedInput):
            decode(other)


@given(st.binary(max_size=400), st.sampled_from(DECODERS))
def test_random_payloads_raise_only_the_documented_error(payload: bytes, case) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MalformedInput):
        case[0](payload)


def test_identifiers_are_the_hashes_that_the_contracts_make() -> None:
    types = ["bytes32", "uint256", "address", "bytes32", "uint256"]
    values = [keccak(b"coprocessor/v1/request"), CHAIN_ID, INBOX, CLUSTER, 5]
    assert compute_request_id(CHAIN_ID, INBOX, CLUSTER, 5) == keccak(eth_abi.encode(types, values))

    types = ["bytes32", "uint256", "address", "address", "bytes32", "bytes32", "bytes32", "bytes32"]
    values = [keccak(b"coprocessor/v1/program"), CHAIN_ID, INBOX, STRANGER.address, A, CLUSTER, B, C]
    expected = keccak(eth_abi.encode(types, values))
    assert compute_program_id(CHAIN_ID, INBOX, STRANGER.address, CodeHash(A), CLUSTER, B, C) == expected

    expected = keccak(eth_abi.encode(["address", "bytes32"], [STRANGER.address, A]))
    assert compute_worker_id(STRANGER.address, A) == expected


def test_identifiers_differ_where_an_input_differs() -> None:
    other = Address(bytes(20))
    assert compute_request_id(CHAIN_ID, INBOX, CLUSTER, 5) != compute_request_id(CHAIN_ID, INBOX, CLUSTER, 6)
    assert compute_worker_id(STRANGER.address, A) != compute_worker_id(other, A)
    ids = {compute_program_id(CHAIN_ID, INBOX, owner, CodeHash(A), CLUSTER, B, C) for owner in (other, INBOX)}
    assert len(ids | {PROGRAM}) == 3
