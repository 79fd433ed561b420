"""Receipts and transactions of a block against the roots in its header; py-trie and pyrlp are the oracle."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import rlp
from trie import HexaryTrie

from coprocessor.crypto.hashing import keccak256
from coprocessor.headers.blocks import bloom_bits, may_emit, parse_roots, read_receipts, read_transactions
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Digest
from tests.headers.block_samples import ADDRESS, BLOCK, BLOOM, RECEIPTS, TOPIC, TRANSACTIONS, make_header_of


def root_of(items: Sequence[bytes]) -> Digest:
    trie = HexaryTrie({})
    for at, item in enumerate(items):
        trie[rlp.encode(at)] = item
    return Digest(trie.root_hash)


def test_events_and_calls_come_out() -> None:
    events = read_receipts(root_of(RECEIPTS), RECEIPTS)
    assert [(one.address, one.topics, one.data, one.transaction) for one in events] == [
        (ADDRESS, (TOPIC,), b"first", 0),
        (ADDRESS, (), b"second", 2),
        (bytes(20), (TOPIC, TOPIC), b"", 2),
    ]
    sent = read_transactions(root_of(TRANSACTIONS), BLOCK)
    assert [(one.to, one.data) for one in sent] == [
        (ADDRESS, b"legacy"),
        (ADDRESS, b"typed"),
        (b"", b"init"),
        (b"", b""),
    ]


def test_a_dropped_reordered_or_forged_one_is_refused() -> None:
    root = root_of(RECEIPTS)
    for wrong in (RECEIPTS[:-1], RECEIPTS[::-1], [*RECEIPTS[:-1], RECEIPTS[0]], [], [*RECEIPTS, RECEIPTS[0]]):
        with pytest.raises(EvidenceRefused) as caught:
            read_receipts(root, wrong)
        assert caught.value.code == "block.receipts"
    with pytest.raises(EvidenceRefused) as caught:
        read_transactions(root, BLOCK)
    assert caught.value.code == "block.transactions"


@pytest.mark.parametrize("items", [[b""], [b"\x05"], [rlp.encode([b"", b"", b""])], [rlp.encode([b"", b"", b"", b""])]])
def test_what_is_no_receipt(items: list[bytes]) -> None:
    with pytest.raises(MalformedInput):
        read_receipts(root_of([item or b"x" for item in items]), items)


@pytest.mark.parametrize("block", [b"", b"\x05", rlp.encode([b"", b""]), rlp.encode([b"", [b""]]), rlp.encode([b""])])
def test_what_is_no_block(block: bytes) -> None:
    with pytest.raises(MalformedInput):
        read_transactions(root_of([]), block)


def test_roots_of_a_header() -> None:
    roots = parse_roots(make_header_of(root_of(TRANSACTIONS), root_of(RECEIPTS)))
    assert (roots.transactions, roots.receipts, roots.bloom) == (root_of(TRANSACTIONS), root_of(RECEIPTS), BLOOM)
    for wrong in (b"", rlp.encode([b""] * 7), rlp.encode([b"", b"", b"", b"", b"", b"", [b""]])):
        with pytest.raises(MalformedInput):
            parse_roots(wrong)


def test_the_bloom_never_misses_an_event_and_passes_over_most_others() -> None:
    assert may_emit(BLOOM, [bloom_bits(ADDRESS)])
    others = [bloom_bits(keccak256(bytes((at,)))[:20]) for at in range(200)]
    assert sum(may_emit(BLOOM, [other]) for other in others) < 5
    assert not may_emit(bytes(256), [bloom_bits(ADDRESS)])
