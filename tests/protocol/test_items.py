"""Framing of items: exactly the items that the link claims, or a void link (PROTOCOL 3.1, 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.protocol.items import GROUP_HEADER, ITEM_HEADER, MAX_ITEM, ClearItem, decode_items, encode_items
from coprocessor.protocol.links import MAX_ITEMS, Link
from coprocessor.values.errors import CallerMisuse, MalformedInput
from tests.protocol.samples import make_link

# Few distinct handles and limits, so that groups form.
items = st.builds(
    ClearItem,
    st.sampled_from([0, 1, 2**32 - 1]),
    st.sampled_from([0, 5, 2**64 - 1]),
    st.sampled_from([0, 7, 2**96 - 1]),
    st.binary(max_size=12),
)
lists = st.lists(items, min_size=1, max_size=8)


def _link(entries: Sequence[ClearItem]) -> Link:
    fuel, fee = sum(item.fuel_limit for item in entries), sum(item.fee_limit for item in entries)
    return make_link(encode_items(entries), len(entries), fuel, fee)


@given(lists)
def test_round_trip(entries: list[ClearItem]) -> None:
    assert list(decode_items(_link(entries))) == entries


@given(lists, st.integers(-1, 1), st.integers(-1, 1), st.integers(-1, 1))
def test_counts_and_sums_must_be_those_of_the_link(entries: list[ClearItem], count: int, fuel: int, fee: int) -> None:
    link = _link(entries)
    changed = replace(
        link, item_count=link.item_count + count, fuel_limit=link.fuel_limit + fuel, fee_limit=link.fee_limit + fee
    )
    if changed == link:
        return
    with pytest.raises(MalformedInput) as caught:
        decode_items(changed)
    assert caught.value.code == "void.framing"


@given(lists, st.data())
def test_a_payload_cut_anywhere_or_with_more_behind_it_is_void(entries: list[ClearItem], data: st.DataObject) -> None:
    link = _link(entries)
    cut = data.draw(st.integers(0, len(link.payload) - 1))
    more = data.draw(st.binary(min_size=1, max_size=GROUP_HEADER))
    for payload in (link.payload[:cut], link.payload + more):
        with pytest.raises(MalformedInput):
            decode_items(replace(link, payload=payload))


@given(st.binary(max_size=120), st.integers(0, 4))
def test_random_payloads_raise_only_the_documented_error(payload: bytes, count: int) -> None:
    try:
        found = decode_items(make_link(payload, count))
    except MalformedInput:
        return
    assert len(found) == count
    assert sum(item.fuel_limit + item.fee_limit for item in found) == 0


def test_an_empty_group_is_void() -> None:
    with pytest.raises(MalformedInput):
        decode_items(make_link(bytes(GROUP_HEADER), 0))


def test_a_link_holds_at_most_its_maximum() -> None:
    most = [ClearItem(1, 0, 0, b"")] * MAX_ITEMS
    assert len(decode_items(_link(most))) == MAX_ITEMS
    payload = encode_items(most) + encode_items(most[:1])
    with pytest.raises(MalformedInput):
        decode_items(make_link(payload, MAX_ITEMS + 1))
    for count in (0, MAX_ITEMS + 1):
        with pytest.raises(CallerMisuse):
            encode_items(most[:1] * count)


@pytest.mark.parametrize(
    "item",
    [
        ClearItem(2**32, 0, 0, b""),
        ClearItem(0, 2**64, 0, b""),
        ClearItem(0, 0, 2**96, b""),
        ClearItem(-1, 0, 0, b""),
        ClearItem(0, 0, 0, bytes(MAX_ITEM + 1)),
    ],
)
def test_what_does_not_fit_is_refused(item: ClearItem) -> None:
    with pytest.raises(CallerMisuse):
        encode_items([item])


def test_items_of_one_program_share_the_clear_header() -> None:
    entries = [ClearItem(1, 2, 3, bytes(10))] * 5
    assert len(encode_items(entries)) == GROUP_HEADER + 5 * (ITEM_HEADER + 10)
