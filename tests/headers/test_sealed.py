"""The sealed header source and the chain that it makes final (PROTOCOL 2.1, 2.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.headers.chain import KEPT_HEADERS, MAX_SEGMENT, VerifiedChain
from coprocessor.headers.header import parse_header
from coprocessor.headers.sealed import MAX_SEALERS, SealedSource
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address
from tests.headers.material import CHAIN_ID, SEALERS, make_chain, make_header, seal

RAW = make_header(9)
HEADER = parse_header(RAW)


def _source(count: int) -> SealedSource:
    return SealedSource(CHAIN_ID, tuple(key.address for key in SEALERS[:count]))


@pytest.mark.parametrize(("sealers", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5)])
def test_more_than_two_thirds_are_needed(sealers: int, needed: int) -> None:
    source, seals = _source(sealers), seal(RAW)
    count = source.verify(HEADER, seals[:needed])
    assert count.signed == source.sealers[:needed]
    assert count.missing == source.sealers[needed:]
    with pytest.raises(EvidenceRefused) as caught:
        source.verify(HEADER, seals[: needed - 1])
    assert caught.value.code == "headers.not_final"


def test_a_sealer_counts_once() -> None:
    seals = seal(RAW, SEALERS[:2])
    with pytest.raises(EvidenceRefused) as caught:
        _source(4).verify(HEADER, [*seals, *seals, seals[0]])
    assert caught.value.code == "headers.not_final"


def test_the_order_of_seals_does_not_matter() -> None:
    source = _source(4)
    assert source.verify(HEADER, seal(RAW, SEALERS[3::-1])) == source.verify(HEADER, seal(RAW, SEALERS[:4]))


@pytest.mark.parametrize(
    "seals",
    [
        seal(RAW, (*SEALERS[:3], PrivateKey(b"\x44" * 32))),
        seal(RAW, SEALERS[:4], chain_id=1),
        seal(make_header(9, branch=1), SEALERS[:4]),
        seal(make_header(10), SEALERS[:4]),
    ],
    ids=["stranger", "other chain", "other hash", "other number"],
)
def test_foreign_seals_are_refused(seals: list[bytes]) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        _source(4).verify(HEADER, seals)
    assert caught.value.code == "headers.foreign_seal"


def test_malformed_seals_are_refused() -> None:
    seals = seal(RAW, SEALERS[:4])
    for bad in (b"", bytes(65), seals[0][:64], seals[0] + b"\0"):
        with pytest.raises(EvidenceRefused):
            _source(4).verify(HEADER, [*seals, bad])
    with pytest.raises(MalformedInput):
        _source(4).verify(HEADER, seals[:1] * (MAX_SEALERS + 1))


@given(st.data())
def test_one_changed_bit_of_a_seal_is_refused(data: st.DataObject) -> None:
    seals = seal(RAW, SEALERS[:3])
    changed = bytearray(seals[0])
    changed[data.draw(st.integers(0, 64))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(EvidenceRefused):
        _source(3).verify(HEADER, [bytes(changed), *seals[1:]])


@pytest.mark.parametrize(
    "sealers",
    [(), (Address(bytes(20)),) * 2, tuple(Address(bytes(18) + bytes(divmod(n, 256))) for n in range(MAX_SEALERS + 1))],
    ids=["none", "doubled", "too many"],
)
def test_a_source_needs_distinct_sealers(sealers: tuple[Address, ...]) -> None:
    with pytest.raises(MalformedInput):
        SealedSource(CHAIN_ID, sealers)


# ----- the chain


def _chain(*segments: list[bytes]) -> VerifiedChain:
    chain = VerifiedChain(_source(3))
    for segment in segments:
        chain.extend(segment, seal(segment[-1], SEALERS[:3]))
    return chain


def _extend(chain: VerifiedChain, segment: list[bytes]) -> None:
    chain.extend(segment, seal(segment[-1], SEALERS[:3]))


def test_headers_are_known_once_the_last_of_them_is_sealed() -> None:
    blocks = make_chain(0, 12)
    chain = _chain(blocks[:1], blocks[1:7], blocks[7:])
    assert chain.head == parse_header(blocks[-1])
    for raw in blocks:
        header = parse_header(raw)
        assert chain.header(header.number) == header
    assert chain.header(12) is None


def test_an_empty_chain_knows_nothing() -> None:
    chain = _chain()
    assert chain.head is None
    assert chain.header(0) is None


def test_a_segment_must_link_up() -> None:
    blocks, fork = make_chain(0, 6), make_chain(0, 6, branch=1)
    for segment in ([blocks[0], blocks[2]], [blocks[0], fork[1]], [blocks[1], blocks[0]], [blocks[0], blocks[0]]):
        with pytest.raises(EvidenceRefused) as caught:
            _extend(_chain(), segment)
        assert caught.value.code == "headers.broken_link"


def test_only_the_last_header_of_a_segment_may_be_the_sealed_one() -> None:
    blocks = make_chain(0, 4)
    with pytest.raises(EvidenceRefused):
        _chain().extend(blocks, seal(blocks[0], SEALERS[:3]))


def test_known_headers_may_come_again() -> None:
    blocks = make_chain(0, 8)
    chain = _chain(blocks[:6])
    _extend(chain, blocks[2:5])
    assert chain.head == parse_header(blocks[5])
    _extend(chain, blocks[4:])
    assert chain.head == parse_header(blocks[7])


def _fork(blocks: list[bytes], at: int, count: int) -> list[bytes]:
    return make_chain(at, count, keccak256(blocks[at - 1]), branch=1)


def test_a_fork_below_at_and_above_the_head_is_refused_and_changes_nothing() -> None:
    blocks = make_chain(0, 8)
    for fork in (_fork(blocks, 2, 2), _fork(blocks, 5, 1), _fork(blocks, 5, 4), make_chain(6, 3, branch=1)):
        chain = _chain(blocks[:6])
        with pytest.raises(EvidenceRefused) as caught:
            _extend(chain, fork)
        assert caught.value.code == "headers.fork"
        assert chain.head == parse_header(blocks[5])
        assert [chain.header(number) for number in range(9)] == [
            *(parse_header(raw) for raw in blocks[:6]), None, None, None
        ]  # fmt: skip


def test_a_gap_is_bridged_by_the_seal_and_forgets_what_came_before() -> None:
    blocks = make_chain(0, 20)
    chain = _chain(blocks[:3], blocks[15:])
    assert chain.head == parse_header(blocks[-1])
    assert chain.header(2) is None
    assert chain.header(15) == parse_header(blocks[15])


def test_the_head_never_goes_back() -> None:
    blocks = make_chain(0, 20)
    chain = _chain(blocks[10:])
    _extend(chain, blocks[:5])
    assert chain.head == parse_header(blocks[-1])
    assert chain.header(4) is None


def test_only_recent_headers_are_kept() -> None:
    blocks = make_chain(0, KEPT_HEADERS + 300)
    chain = _chain(*(blocks[at : at + 100] for at in range(0, len(blocks), 100)))
    assert chain.header(299) is None
    assert chain.header(300) == parse_header(blocks[300])
    assert sum(chain.header(number) is not None for number in range(len(blocks))) == KEPT_HEADERS


def test_segments_have_bounds() -> None:
    with pytest.raises(MalformedInput):
        _chain().extend([], [])
    with pytest.raises(MalformedInput):
        _chain().extend([RAW] * (MAX_SEGMENT + 1), seal(RAW))
    _chain(make_chain(0, MAX_SEGMENT))


@given(st.lists(st.binary(max_size=60), max_size=3), st.lists(st.binary(max_size=70), max_size=3))
def test_random_bytes_raise_only_documented_errors(headers: list[bytes], seals: list[bytes]) -> None:
    with pytest.raises(CoprocessorError):
        _chain().extend(headers, seals)
