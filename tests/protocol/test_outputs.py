"""Outputs: the same bytes from every replica, opened by their author alone, proven under a receipt (PROTOCOL 6)."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol.commands import derive_reply_secret
from coprocessor.protocol.outputs import (
    MAX_OUTPUT_PROOF,
    Leaf,
    OutputProof,
    Status,
    compute_outputs_root,
    derive_output_keys,
    open_output,
    prove_output,
    public_plaintext_hash,
    seal_output,
    verify_output,
)
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput
from coprocessor.values.identities import ZERO_DIGEST, Digest, NetworkId, ProgramId, RequestId
from tests.protocol.samples import AUTHOR, NETWORK, PROGRAM, STRANGER

SECRET = derive_reply_secret(AUTHOR, NETWORK, PROGRAM, 7)
LINK_HASH = keccak256(b"link")
KEYS = derive_output_keys(SECRET, NETWORK, LINK_HASH, 3)
BLANK = Leaf(5, 3, PROGRAM, RequestId(ZERO_DIGEST), Status.OK, 1000, ZERO_DIGEST, ZERO_DIGEST)


def _leaves(count: int) -> list[Leaf]:
    return [replace(BLANK, position=position) for position in range(count)]


@given(st.binary(max_size=5000))
def test_round_trip_and_equal_bytes_from_every_replica(plaintext: bytes) -> None:
    sealed, leaf = seal_output(plaintext, KEYS, BLANK, NETWORK)
    assert (sealed, leaf) == seal_output(plaintext, KEYS, BLANK, NETWORK)
    assert open_output(sealed, KEYS, leaf, NETWORK) == plaintext
    assert len(plaintext) < 8 or plaintext not in sealed


def test_other_content_under_the_same_keys_has_another_nonce() -> None:
    nonces = {seal_output(bytes((number,)), KEYS, BLANK, NETWORK)[0][:12] for number in range(100)}
    assert len(nonces) == 100


def test_keys_differ_by_secret_network_link_and_position() -> None:
    keys = [
        KEYS,
        derive_output_keys(derive_reply_secret(STRANGER, NETWORK, PROGRAM, 7), NETWORK, LINK_HASH, 3),
        derive_output_keys(SECRET, NetworkId(bytes(32)), LINK_HASH, 3),
        derive_output_keys(SECRET, NETWORK, keccak256(b"other"), 3),
        derive_output_keys(SECRET, NETWORK, LINK_HASH, 4),
    ]
    parts = [part for key in keys for part in (key.key, key.nonce_key, key.salt)]
    assert len(set(parts)) == 15


def test_another_author_cannot_open() -> None:
    sealed, leaf = seal_output(b"result", KEYS, BLANK, NETWORK)
    other = derive_output_keys(derive_reply_secret(STRANGER, NETWORK, PROGRAM, 7), NETWORK, LINK_HASH, 3)
    with pytest.raises(EvidenceRefused):
        open_output(sealed, other, leaf, NETWORK)


@pytest.mark.parametrize("name", [field.name for field in fields(BLANK)])
def test_every_field_of_the_leaf_is_bound_to_the_output(name: str) -> None:
    sealed, leaf = seal_output(b"result", KEYS, BLANK, NETWORK)
    with pytest.raises(EvidenceRefused):
        open_output(sealed, KEYS, _changed(leaf, name), NETWORK)
    assert _changed(leaf, name).digest() != leaf.digest()


def _changed(leaf: Leaf, name: str) -> Leaf:
    old: Any = getattr(leaf, name)
    return replace(leaf, **{name: old + 1 if isinstance(old, int) else keccak256(old)})


@given(st.data())
def test_altered_outputs_are_refused(data: st.DataObject) -> None:
    sealed, leaf = seal_output(b"result", KEYS, BLANK, NETWORK)
    changed = bytearray(sealed)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(EvidenceRefused) as caught:
        open_output(bytes(changed), KEYS, leaf, NETWORK)
    assert caught.value.code == "output.ciphertext"
    with pytest.raises(EvidenceRefused):
        open_output(bytes(changed), KEYS, replace(leaf, ciphertext_hash=keccak256(bytes(changed))), NETWORK)
    with pytest.raises(EvidenceRefused):
        open_output(b"", KEYS, replace(leaf, ciphertext_hash=keccak256(b"")), NETWORK)


def test_a_readable_output_can_be_shown_to_a_contract() -> None:
    sealed, leaf = seal_output(b"result", KEYS, BLANK, NETWORK)
    assert leaf.plaintext_hash == keccak256(KEYS.salt + b"result")
    assert leaf.ciphertext_hash == keccak256(sealed)
    assert public_plaintext_hash(b"result") == keccak256(bytes(32) + b"result")


def test_keys_print_redacted() -> None:
    assert repr(KEYS) == "OutputKeys(redacted)"


# ----- the tree over a receipt's leaves


@pytest.mark.parametrize("count", [*range(1, 18), 31, 33, 100])
def test_every_leaf_is_proven_and_no_other(count: int) -> None:
    leaves = _leaves(count)
    digests = [leaf.digest() for leaf in leaves]
    root = compute_outputs_root(digests)
    for index, leaf in enumerate(leaves):
        proof = prove_output(digests, index)
        assert len(proof.siblings) <= (count - 1).bit_length()
        verify_output(root, leaf, proof)
        with pytest.raises(EvidenceRefused):
            verify_output(root, replace(leaf, fuel=leaf.fuel + 1), proof)


@given(st.integers(1, 40), st.data())
def test_a_forged_proof_shows_nothing_else(count: int, data: st.DataObject) -> None:
    leaves = _leaves(count)
    digests = [leaf.digest() for leaf in leaves]
    index = data.draw(st.integers(0, count - 1))
    proof = prove_output(digests, index)
    siblings = list(proof.siblings)
    change = data.draw(st.sampled_from(["index", "count", "drop", "add", "swap", "digest"]))
    if change == "index":
        proof = replace(proof, index=data.draw(st.integers(-1, count)))
    elif change == "count":
        proof = replace(proof, count=data.draw(st.integers(0, 80)))
    elif change == "add":
        proof = replace(proof, siblings=(*siblings, keccak256(b"more")))
    elif change == "drop":
        proof = replace(proof, siblings=tuple(siblings[1:]))
    elif change == "swap":
        proof = replace(proof, siblings=tuple(siblings[::-1]))
    elif siblings:
        proof = replace(proof, siblings=(keccak256(siblings[0]), *siblings[1:]))
    if proof == prove_output(digests, index):
        return
    with pytest.raises((EvidenceRefused, MalformedInput)):
        verify_output(compute_outputs_root(digests), leaves[index], proof)


def test_an_inner_node_is_no_leaf() -> None:
    """A leaf is hashed over more bytes than an inner node, so a pair of hashes never passes for one."""
    digests = [leaf.digest() for leaf in _leaves(4)]
    parents = [keccak256(b"\x01" + digests[0] + digests[1]), keccak256(b"\x01" + digests[2] + digests[3])]
    assert compute_outputs_root(digests) != compute_outputs_root([Digest(parent) for parent in parents])


def test_roots_depend_on_number_and_order() -> None:
    digests = [leaf.digest() for leaf in _leaves(3)]
    roots = {compute_outputs_root(part) for part in (digests, digests[::-1], digests[:2], digests[:1], [])}
    assert len(roots) == 5


@pytest.mark.parametrize("index", [-1, 3])
def test_only_leaves_that_are_there_are_proven(index: int) -> None:
    with pytest.raises(CallerMisuse):
        prove_output([leaf.digest() for leaf in _leaves(3)], index)


def test_proofs_have_bounds() -> None:
    for proof in (
        OutputProof(0, 0, ()),
        OutputProof(1, 1, ()),
        OutputProof(-1, 1, ()),
        OutputProof(0, 2, (ZERO_DIGEST,) * (MAX_OUTPUT_PROOF + 1)),
    ):
        with pytest.raises(MalformedInput):
            verify_output(ZERO_DIGEST, BLANK, proof)


def test_programs_are_separated() -> None:
    assert replace(BLANK, program=ProgramId(bytes(32))).digest() != BLANK.digest()
