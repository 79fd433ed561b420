"""Merkle Patricia proofs: mainnet's own, py-trie as oracle, and forgeries."""

from __future__ import annotations

from typing import Any

import pytest
import rlp as oracle_rlp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from coprocessor.codec import rlp
from coprocessor.crypto.hashing import keccak256
from coprocessor.headers.proofs import (
    EMPTY_CODE_HASH,
    MAX_NODE_LENGTH,
    MAX_PROOF_NODES,
    Account,
    verify_account,
    verify_slot,
    verify_value,
)
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Digest
from tests.headers import material

EMPTY_ROOT = keccak256(b"\x80")


def _bytes(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text[2:]) for text in texts]


@material.needs_material
@pytest.mark.parametrize("name", ["proof.json", "block_miner_proof.json"])
def test_mainnet_accounts_and_slots(name: str) -> None:
    given_proof, root = material.read(name), bytes.fromhex(material.read("block.json")["stateRoot"][2:])
    address = bytes.fromhex(given_proof["address"][2:])
    account = verify_account(root, address, _bytes(given_proof["accountProof"]))
    assert account == Account(
        int(given_proof["nonce"], 16),
        int(given_proof["balance"], 16),
        Digest(bytes.fromhex(given_proof["storageHash"][2:])),
        Digest(bytes.fromhex(given_proof["codeHash"][2:])),
    )
    for slot in given_proof["storageProof"]:
        key = int(slot["key"], 16).to_bytes(32, "big")
        assert verify_slot(account.storage_root, key, _bytes(slot["proof"])) == int(slot["value"], 16)
        with pytest.raises(CoprocessorError):
            verify_slot(account.storage_root, bytes(31) + b"\x63", _bytes(slot["proof"]))


@material.needs_material
def test_a_mainnet_proof_of_another_address_or_block_is_refused() -> None:
    given_proof, root = material.read("proof.json"), bytes.fromhex(material.read("block.json")["stateRoot"][2:])
    address, nodes = bytes.fromhex(given_proof["address"][2:]), _bytes(given_proof["accountProof"])
    for wrong in (
        (keccak256(root), address, nodes),
        (root, bytes(20), nodes),
        (root, address, nodes[:-1]),
        (root, address, nodes[1:]),
        (root, address, [*nodes, nodes[-1]]),
        (root, address, nodes[::-1]),
        (root, address, []),
    ):
        with pytest.raises(EvidenceRefused):
            verify_account(*wrong)


# Keys as a trie has them, without the hash before: short shared prefixes make extensions, branches with values of
# short leaves make embedded nodes.
keys = st.one_of(
    st.binary(min_size=3, max_size=3),
    st.integers(0, 300).map(lambda number: number.to_bytes(3, "big")),
    st.integers(0, 3).map(lambda number: b"\x11\x11" + bytes((number,))),
)
values = st.binary(min_size=1, max_size=4) | st.binary(min_size=30, max_size=60)
maps = st.dictionaries(keys, values, min_size=1, max_size=16)


def _prove(entries: dict[bytes, bytes], key: bytes) -> tuple[bytes, list[bytes]]:
    """Root and proof by py-trie; embedded nodes stand inside their parents, as nodes hand them out."""
    trie = HexaryTrie({})
    for path, value in entries.items():
        trie[path] = value
    nodes = [oracle_rlp.encode(node) for node in trie.get_proof(key)]
    return trie.root_hash, [node for index, node in enumerate(nodes) if index == 0 or len(node) >= 32]


@settings(max_examples=300)
@given(maps, keys)
def test_agreement_with_py_trie(entries: dict[bytes, bytes], other: bytes) -> None:
    for key in (*entries, other):
        root, proof = _prove(entries, key)
        assert verify_value(root, key, proof) == entries.get(key)


@settings(max_examples=500)
@given(maps, keys, st.data())
def test_a_proof_never_shows_what_does_not_stand_there(
    entries: dict[bytes, bytes], other: bytes, data: st.DataObject
) -> None:
    """Whatever one changes in a proof, it says the truth or is refused."""
    asked = data.draw(st.sampled_from(sorted(entries)) | st.just(other))
    root, proof = _prove(entries, data.draw(st.sampled_from(sorted(entries)) | st.just(other)))
    forged = _forge(proof, data)
    try:
        shown = verify_value(root, asked, forged)
    except (EvidenceRefused, MalformedInput):
        return
    assert shown == entries.get(asked)


def _forge(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    at = data.draw(st.integers(0, len(proof) - 1))
    change = data.draw(st.sampled_from(["bit", "drop", "double", "swap", "none"]))
    if change == "bit":
        node = bytearray(proof[at])
        node[data.draw(st.integers(0, len(node) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        return [*proof[:at], bytes(node), *proof[at + 1 :]]
    if change == "drop":
        return proof[:at] + proof[at + 1 :]
    if change == "double":
        return proof[: at + 1] + proof[at:]
    return proof[::-1] if change == "swap" else proof


slots = st.dictionaries(st.integers(0, 50), st.integers(1, 2**256 - 1), max_size=12)


@given(slots, st.integers(0, 60))
def test_slots_and_accounts_of_a_made_up_state(storage: dict[int, int], asked: int) -> None:
    address, slot = b"\x22" * 20, asked.to_bytes(32, "big")
    trie, state = HexaryTrie({}), HexaryTrie({})
    for number, value in storage.items():
        trie[keccak256(number.to_bytes(32, "big"))] = rlp.encode(rlp.encode_integer(value))
    account = [b"\1", rlp.encode_integer(10**18), trie.root_hash, EMPTY_CODE_HASH]
    state[keccak256(address)] = rlp.encode(account)
    state[keccak256(b"\x23" * 20)] = rlp.encode(account)

    proof = [oracle_rlp.encode(node) for node in state.get_proof(keccak256(address))]
    found = verify_account(state.root_hash, address, proof)
    assert found == Account(1, 10**18, Digest(trie.root_hash), EMPTY_CODE_HASH)
    proof = [oracle_rlp.encode(node) for node in trie.get_proof(keccak256(slot))]
    assert verify_slot(found.storage_root, slot, proof) == storage.get(asked, 0)


def test_an_absent_account_is_refused_by_name() -> None:
    state = HexaryTrie({})
    state[keccak256(b"\x23" * 20)] = rlp.encode([b"", b"", EMPTY_ROOT, EMPTY_CODE_HASH])
    proof = [oracle_rlp.encode(node) for node in state.get_proof(keccak256(bytes(20)))]
    with pytest.raises(EvidenceRefused) as caught:
        verify_account(state.root_hash, bytes(20), proof)
    assert caught.value.code == "proof.no_account"


@pytest.mark.parametrize("proof", [[], [b"\x80"]])
def test_an_empty_trie_holds_nothing(proof: list[bytes]) -> None:
    assert verify_slot(EMPTY_ROOT, bytes(32), proof) == 0
    with pytest.raises(EvidenceRefused):
        verify_slot(EMPTY_ROOT, bytes(32), [*proof, b"\xc0"])


def _single(value: Any, path: bytes | None = None) -> tuple[bytes, list[bytes]]:
    """Root and proof of a trie whose one node leads to slot 0 (or has another ``path``)."""
    node = rlp.encode([b"\x20" + keccak256(bytes(32)) if path is None else path, value])
    return keccak256(node), [node]


BAD_NODES = {
    "value with leading zero": _single(rlp.encode(b"\0\1")),
    "value of 33 bytes": _single(rlp.encode(b"\1" * 33)),
    "value that is a list": _single(rlp.encode([b"\1"])),
    "value that is not RLP": _single(b"\xb8"),
    "value that is a node": _single([b"\1"]),
    "path of an unknown kind": _single(b"\1", b"\x40" + keccak256(bytes(32))),
    "even path with a dirty nibble": _single(b"\1", b"\x21" + keccak256(bytes(32))),
    "empty path": _single(b"\1", b""),
    "extension without path": _single(keccak256(b""), b"\x00"),
    "extension to no reference": _single(b"\1", bytes((0x10 | keccak256(bytes(32))[0] >> 4,))),
}


@pytest.mark.parametrize("case", BAD_NODES.values(), ids=list(BAD_NODES))
def test_nodes_that_no_chain_makes_are_refused(case: tuple[bytes, list[bytes]]) -> None:
    root, proof = case
    with pytest.raises(CoprocessorError):
        verify_slot(root, bytes(32), proof)


def test_a_slot_that_is_kept_although_it_is_zero() -> None:
    """Ethereum deletes such slots; anvil keeps them in its tries."""
    root, proof = _single(rlp.encode(b""))
    assert verify_slot(root, bytes(32), proof) == 0


def test_proofs_have_bounds() -> None:
    root, proof = _single(rlp.encode(b"\1"))
    assert verify_slot(root, bytes(32), proof) == 1
    for long in (proof * (MAX_PROOF_NODES + 1), [*proof, bytes(MAX_NODE_LENGTH + 1)]):
        with pytest.raises(MalformedInput) as caught:
            verify_slot(root, bytes(32), long)
        assert caught.value.code == "proof.size"


@given(st.binary(min_size=32, max_size=32), st.lists(st.binary(max_size=60), max_size=4))
def test_random_nodes_raise_only_documented_errors(root: bytes, proof: list[bytes]) -> None:
    assume(root != EMPTY_ROOT)
    with pytest.raises(CoprocessorError):
        verify_slot(root, bytes(32), proof)


@given(st.binary(max_size=80))
def test_random_bytes_under_their_own_root_raise_only_documented_errors(node: bytes) -> None:
    try:
        verify_slot(keccak256(node), bytes(32), [node])
    except CoprocessorError:
        return
