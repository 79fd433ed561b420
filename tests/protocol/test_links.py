"""The inbox's head formula (PROTOCOL 3.1)."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import eth_abi
import pytest
from eth_utils.crypto import keccak

from coprocessor.protocol.links import MAX_LINK_PAYLOAD, LinkKind, compute_genesis_head, compute_head
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Address, ClusterId, Digest
from tests.protocol.samples import CHAIN_ID, CLUSTER, INBOX, make_link

LINK = make_link(b"payload", 2, 3, 4, index=5)
HEAD = Digest(b"\x09" * 32)


def test_head_is_the_hash_that_the_rule_names() -> None:
    tag = keccak(b"coprocessor/v1/inbox-link")
    types = ["bytes32", "bytes32", "uint256", "uint256", "address", "address"]
    types += ["uint256"] * 5 + ["bytes32", "bytes32"]
    values = [tag, HEAD, 5, int(LinkKind.BATCH), LINK.origin, LINK.payer, 2, 3, 4, 100, LINK.timestamp]
    values += [LINK.prevrandao, keccak(b"payload")]
    assert compute_head(HEAD, LINK) == keccak(eth_abi.encode(types, values))


def test_genesis_head_is_the_hash_that_the_rule_names() -> None:
    types = ["bytes32", "uint256", "address", "bytes32"]
    encoded = eth_abi.encode(types, [keccak(b"coprocessor/v1/inbox-genesis"), CHAIN_ID, INBOX, CLUSTER])
    assert compute_genesis_head(CHAIN_ID, INBOX, CLUSTER) == keccak(encoded)


def test_genesis_heads_of_chains_contracts_and_clusters_differ() -> None:
    heads = {
        compute_genesis_head(CHAIN_ID, INBOX, CLUSTER),
        compute_genesis_head(1, INBOX, CLUSTER),
        compute_genesis_head(CHAIN_ID, Address(bytes(20)), CLUSTER),
        compute_genesis_head(CHAIN_ID, INBOX, ClusterId(bytes(32))),
    }
    assert len(heads) == 4


@pytest.mark.parametrize("name", [field.name for field in fields(LINK)])
def test_every_field_of_a_link_counts(name: str) -> None:
    old: Any = getattr(LINK, name)
    changed = replace(LINK, **{name: old + 1 if isinstance(old, int) else bytes(len(old))})
    assert compute_head(HEAD, changed) != compute_head(HEAD, LINK)


def test_the_previous_head_counts() -> None:
    assert compute_head(Digest(bytes(32)), LINK) != compute_head(HEAD, LINK)


def test_payloads_have_a_maximum() -> None:
    make_link(bytes(MAX_LINK_PAYLOAD))
    with pytest.raises(MalformedInput):
        make_link(bytes(MAX_LINK_PAYLOAD + 1))
