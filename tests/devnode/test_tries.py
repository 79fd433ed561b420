"""Own trie code against py-trie: ordered roots, lookups and proofs."""

from __future__ import annotations

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from coprocessor.codec.ordered_trie import EMPTY_TRIE_ROOT, compute_ordered_root
from coprocessor.crypto.hashing import keccak256
from coprocessor.devnode.state import EMPTY_CODE_HASH, Account, StateReader
from coprocessor.values.errors import InternalError
from coprocessor.values.identities import Address, Digest


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=300))
@settings(max_examples=40)
def test_ordered_root_is_that_of_the_general_trie(values: list[bytes]) -> None:
    trie = HexaryTrie({})
    for index, value in enumerate(values):
        trie[rlp.encode(index)] = value
    assert compute_ordered_root(values) == trie.root_hash


@given(st.dictionaries(st.integers(0, 400), st.integers(1, 2**256 - 1), max_size=120), st.integers(0, 400))
@settings(max_examples=40)
def test_storage_lookups_and_proofs(slots: dict[int, int], asked: int) -> None:
    nodes: dict[bytes, bytes] = {}
    trie = HexaryTrie(nodes)
    for slot, value in slots.items():
        trie[keccak256(slot.to_bytes(32, "big"))] = rlp.encode(value)
    account = Account(storage_root=Digest(trie.root_hash))
    value, proof = StateReader(nodes).prove_storage(account, asked)
    assert value == slots.get(asked, 0)
    key = keccak256(asked.to_bytes(32, "big"))
    proven = HexaryTrie.get_from_proof(trie.root_hash, key, [rlp.decode(node) for node in proof]) if proof else b""
    assert proven == (rlp.encode(value) if value else b"")


def test_accounts_present_and_absent() -> None:
    nodes: dict[bytes, bytes] = {keccak256(b"code"): b"code"}
    trie = HexaryTrie(nodes)
    for i in range(50):
        fields = [i, i * 10, EMPTY_TRIE_ROOT, keccak256(b"code") if i % 2 else EMPTY_CODE_HASH]
        trie[keccak256(bytes([i]) * 20)] = rlp.encode(fields)
    reader = StateReader(nodes)
    root = Digest(trie.root_hash)
    account = reader.get_account(root, Address(b"\x07" * 20))
    assert (account.nonce, account.balance, reader.get_code(account)) == (7, 70, b"code")
    absent, proof = reader.prove_account(root, Address(b"\xee" * 20))
    assert absent == Account()
    assert reader.get_code(absent) == b""
    key = keccak256(b"\xee" * 20)
    assert HexaryTrie.get_from_proof(root, key, [rlp.decode(node) for node in proof]) == b""


def test_a_missing_node_is_a_damaged_folder() -> None:
    with pytest.raises(InternalError, match="lacks node"):
        StateReader({}).get_account(Digest(b"\x01" * 32), Address(bytes(20)))
