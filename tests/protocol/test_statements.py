"""EIP-712 statements against eth_account, as wallets and contracts compute them."""

from __future__ import annotations

from dataclasses import astuple, fields, replace
from typing import Any

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol.statements import (
    ROLE_WORKER,
    Admission,
    GenesisRecord,
    HandoverRecord,
    InputKeyRecord,
    MasterKeyRecord,
)
from tests.protocol.samples import AUTHOR, CHAIN_ID, CLUSTER, INBOX, NETWORK, PROGRAM, STRANGER
from tests.support.typed_data import typed_data_digest

Members = list[tuple[str, str]]

ADMISSION = Admission(
    operator=STRANGER.address,
    platform=keccak256(b"platform"),
    role=ROLE_WORKER,
    signer=AUTHOR.address,
    sealing_key=b"\x07" * 32,
    evidence_digest=keccak256(b"evidence"),
    measurement=keccak256(b"measurement"),
    root=keccak256(b"root"),
    level=2,
    simulated=True,
    configuration=keccak256(b"configuration"),
    block_number=100,
    block_hash=keccak256(b"block"),
    expires=1_700_000_000,
)
INPUT_KEY = InputKeyRecord(NETWORK, CLUSTER, PROGRAM, 3, b"\x08" * 32)
GENESIS = GenesisRecord(NETWORK, 2, keccak256(b"members"))
HANDOVER = HandoverRecord(keccak256(b"session"))
MASTER_KEY = MasterKeyRecord(NETWORK, keccak256(b"master"), keccak256(b"shares"))

CASES: list[tuple[str, Members, Any]] = [
    (
        "Admission",
        [
            ("address", "operator"),
            ("bytes32", "platform"),
            ("uint8", "role"),
            ("address", "signer"),
            ("bytes32", "sealing_key"),
            ("bytes32", "evidence_digest"),
            ("bytes32", "measurement"),
            ("bytes32", "root"),
            ("uint8", "level"),
            ("bool", "simulated"),
            ("bytes32", "configuration"),
            ("uint64", "block_number"),
            ("bytes32", "block_hash"),
            ("uint64", "expires"),
        ],
        ADMISSION,
    ),
    (
        "InputKey",
        [
            ("bytes32", "network"),
            ("bytes32", "cluster"),
            ("bytes32", "program"),
            ("uint64", "epoch"),
            ("bytes32", "key"),
        ],
        INPUT_KEY,
    ),
    (
        "Genesis",
        [("bytes32", "genesis"), ("uint256", "threshold"), ("bytes32", "membersHash")],
        GENESIS,
    ),
    ("Handover", [("bytes32", "session")], HANDOVER),
    (
        "MasterKey",
        [("bytes32", "session"), ("bytes32", "masterKeyHash"), ("bytes32", "shareKeysHash")],
        MASTER_KEY,
    ),
]


@pytest.mark.parametrize(("name", "members", "statement"), CASES, ids=[name for name, _, _ in CASES])
def test_digests_are_eip_712(name: str, members: Members, statement: Any) -> None:
    expected = typed_data_digest(name, members, list(astuple(statement)), CHAIN_ID, INBOX)
    assert statement.digest(CHAIN_ID, INBOX) == expected


@pytest.mark.parametrize("statement", [case[2] for case in CASES], ids=[case[0] for case in CASES])
def test_every_field_is_signed(statement: Any) -> None:
    digests = {statement.digest(CHAIN_ID, INBOX), statement.digest(1, INBOX)}
    for field in fields(statement):
        old = getattr(statement, field.name)
        if isinstance(old, bool):
            new: Any = not old
        else:
            new = old + 1 if isinstance(old, int) else keccak256(old)[: len(old)]
        digests.add(replace(statement, **{field.name: new}).digest(CHAIN_ID, INBOX))
    assert len(digests) == len(fields(statement)) + 2
