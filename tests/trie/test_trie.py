"""The authenticated map beside a dictionary: contents, root, proofs, forgeries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from coprocessor.crypto.hashing import sha256
from coprocessor.trie import EMPTY_ROOT, Proof, Trie, verify_proof
from coprocessor.trie.proofs import Sibling
from coprocessor.values.errors import EvidenceRefused, MalformedInput

# Few distinct bits, so that paths share long prefixes and part late as often as early.
paths = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 40).map(lambda number: number.to_bytes(32, "big")),
    st.integers(0, 255).map(lambda bit: (1 << bit).to_bytes(32, "big")),
    st.integers(0, 255).map(lambda bit: (2**256 - 1 ^ (1 << bit)).to_bytes(32, "big")),
)
values = st.integers(0, 5).map(lambda number: sha256(bytes((number,))))
maps = st.dictionaries(paths, values, max_size=24)


def _filled(entries: dict[bytes, bytes]) -> Trie:
    trie = Trie()
    for path, value in entries.items():
        trie.put(path, value)
    return trie


def _compute_root(entries: dict[bytes, bytes], bit: int = 0) -> bytes:
    """The root straight from its definition, as the oracle."""
    if not entries:
        return EMPTY_ROOT
    if len(entries) == 1:
        ((path, value),) = entries.items()
        return sha256(b"\x00" + path + value)
    while True:
        sides: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
        for path, value in entries.items():
            sides[path[bit // 8] >> (7 - bit % 8) & 1][path] = value
        if all(sides):
            roots = [_compute_root(side, bit + 1) for side in sides]
            return sha256(b"\x01" + bit.to_bytes(2, "big") + roots[0] + roots[1])
        bit += 1


class TrieBesideDictionary(RuleBasedStateMachine):
    """Random changes to both; everything that can be asked must agree."""

    used = Bundle("used")

    def __init__(self) -> None:
        super().__init__()
        self.trie = Trie()
        self.model: dict[bytes, bytes] = {}

    @rule(target=used, path=paths, value=values)
    def put(self, path: bytes, value: bytes) -> bytes:
        self.trie.put(path, value)
        self.model[path] = value
        return path

    @rule(path=used, value=values)
    def overwrite(self, path: bytes, value: bytes) -> None:
        self.trie.put(path, value)
        self.model[path] = value

    @rule(path=st.one_of(used, paths))
    def delete(self, path: bytes) -> None:
        assert self.trie.delete(path) == (self.model.pop(path, None) is not None)

    @rule(path=st.one_of(used, paths))
    def get_and_prove(self, path: bytes) -> None:
        assert self.trie.get(path) == self.model.get(path)
        assert verify_proof(self.trie.root(), path, self.trie.prove(path)) == self.model.get(path)

    @invariant()
    def agrees(self) -> None:
        assert len(self.trie) == len(self.model)
        assert self.trie.root() == _compute_root(self.model)
        assert list(self.trie.paths()) == sorted(self.model)


TestTrieBesideDictionary = TrieBesideDictionary.TestCase
TestTrieBesideDictionary.settings = settings(max_examples=60, stateful_step_count=30)


@given(maps, st.randoms(use_true_random=False))
def test_the_root_is_independent_of_order(entries: dict[bytes, bytes], random: object) -> None:
    shuffled = list(entries.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _filled(dict(shuffled)).root() == _filled(entries).root()


@given(maps, maps)
def test_deletion_restores_the_root(entries: dict[bytes, bytes], others: dict[bytes, bytes]) -> None:
    trie = _filled(entries)
    before = trie.root()
    for path, value in others.items():
        if path not in entries:
            trie.put(path, value)
            trie.root()
    for path in others:
        if path not in entries:
            assert trie.delete(path)
    assert trie.root() == before


@given(maps, paths)
def test_proofs_show_presence_and_absence(entries: dict[bytes, bytes], other: bytes) -> None:
    trie = _filled(entries)
    for path in (*entries, other):
        assert verify_proof(trie.root(), path, trie.prove(path)) == entries.get(path)


@given(maps, st.data())
def test_a_proof_never_shows_what_does_not_stand_there(entries: dict[bytes, bytes], data: st.DataObject) -> None:
    """Whatever one changes in a proof, it says the truth or is refused."""
    assume(entries)
    trie = _filled(entries)
    asked = data.draw(st.sampled_from(sorted(entries)) | paths)
    forged = _forge(trie.prove(data.draw(st.sampled_from(sorted(entries)) | paths)), data)
    try:
        shown = verify_proof(trie.root(), asked, forged)
    except (EvidenceRefused, MalformedInput):
        return
    assert shown == entries.get(asked)


def _forge(proof: Proof, data: st.DataObject) -> Proof:
    assert proof.leaf_path is not None
    assert proof.leaf_value is not None
    leaf, siblings = proof.leaf_path + proof.leaf_value, proof.siblings
    change = data.draw(st.sampled_from(["value", "path", "cut", "drop", "double", "bit", "digest", "empty", "none"]))
    if change == "value":
        return replace(proof, leaf_value=data.draw(values))
    if change == "path":
        return replace(proof, leaf_path=data.draw(paths))
    if change == "cut":
        cut = data.draw(st.integers(0, 64))
        return replace(proof, leaf_path=leaf[:cut], leaf_value=leaf[cut:])
    if change == "empty":
        return Proof((), None, None)
    if not siblings or change == "none":
        return proof
    at = data.draw(st.integers(0, len(siblings) - 1))
    if change == "drop":
        return replace(proof, siblings=siblings[:at] + siblings[at + 1 :])
    if change == "double":
        return replace(proof, siblings=siblings[: at + 1] + siblings[at:])
    changed = siblings[at]
    if change == "bit":
        changed = Sibling(data.draw(st.integers(-1, 300)), changed.digest)
    else:
        changed = Sibling(changed.bit, data.draw(values | st.binary(max_size=40)))
    return replace(proof, siblings=(*siblings[:at], changed, *siblings[at + 1 :]))


@pytest.mark.parametrize("cut", [0, 31, 33, 63, 64])
def test_moving_a_byte_between_path_and_value_does_not_hide_an_entry(cut: int) -> None:
    path, value = sha256(b"path"), sha256(b"value")
    trie = _filled({path: value})
    forged = Proof((), (path + value)[:cut], (path + value)[cut:])
    with pytest.raises(EvidenceRefused):
        verify_proof(trie.root(), path, forged)


def test_an_inner_node_is_no_leaf() -> None:
    entries = {sha256(bytes((number,))): sha256(b"value") for number in range(4)}
    trie = _filled(entries)
    path = next(iter(entries))
    top = trie.prove(path).siblings[0]
    for leaf_path, leaf_value in ((top.digest, trie.root()), (trie.root(), top.digest)):
        with pytest.raises(EvidenceRefused):
            verify_proof(trie.root(), path, Proof((), leaf_path, leaf_value))


def test_the_empty_map() -> None:
    trie, path = Trie(), bytes(32)
    assert trie.root() == EMPTY_ROOT == bytes(32)
    assert trie.get(path) is None
    assert not trie.delete(path)
    assert list(trie.paths()) == []
    assert verify_proof(EMPTY_ROOT, path, trie.prove(path)) is None
    trie.put(path, path)
    with pytest.raises(EvidenceRefused):
        verify_proof(trie.root(), path, Proof((), None, None))
    with pytest.raises(EvidenceRefused):
        verify_proof(EMPTY_ROOT, path, Proof((Sibling(0, bytes(32)),), None, None))


@pytest.mark.parametrize(("path", "value"), [(bytes(31), bytes(32)), (bytes(33), bytes(32)), (bytes(32), b"")])
def test_lengths_are_checked(path: bytes, value: bytes) -> None:
    with pytest.raises(MalformedInput):
        Trie().put(path, value)


def test_a_shorter_path_of_the_same_number_is_another_path() -> None:
    trie = _filled({(1).to_bytes(32, "big"): bytes(32)})
    assert trie.get(b"\x01") is None
    assert not trie.delete(b"\x01")
    assert len(trie) == 1
    with pytest.raises(MalformedInput):
        verify_proof(trie.root(), b"\x01", trie.prove(bytes(32)))
