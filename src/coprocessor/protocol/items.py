"""Framing of items inside a link's payload (PROTOCOL 3.1, 3.2, 4.3).

A payload is a sequence of groups of consecutive items that share program and limits, so the clear header costs each
item little:

    group = handle u32 || fuel limit u64 || fee limit u96 || item count u16 || item*
    item  = length u16 || sealed bytes

All integers are big-endian. The counts and sums must be exactly those of the link, or the whole link is void.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from coprocessor.protocol.links import MAX_ITEMS, Link
from coprocessor.values.errors import CallerMisuse, MalformedInput

__all__ = ["GROUP_HEADER", "ITEM_HEADER", "MAX_ITEM", "ClearItem", "decode_items", "encode_items"]

GROUP_HEADER = 4 + 8 + 12 + 2
ITEM_HEADER = 2
MAX_ITEM = 0xFFFF


@dataclass(frozen=True, slots=True)
class ClearItem:
    """What stands in clear about an item, and its sealed bytes.

    Args:
        handle: the program's short name inside the cluster, below 2**32.
        fuel_limit: fuel that it may burn.
        fee_limit: wei that it may cost.
        sealed: HPKE message to the program's input key.
    """

    handle: int
    fuel_limit: int
    fee_limit: int
    sealed: bytes


def encode_items(items: Iterable[ClearItem]) -> bytes:
    """The payload of a link that holds ``items`` in this order.

    Raises:
        CallerMisuse: none or too many items, or a number or length that its field cannot hold.
    """
    listed = list(items)
    if not 0 < len(listed) <= MAX_ITEMS:
        raise CallerMisuse("items.count", f"a link holds 1 to {MAX_ITEMS} items, not {len(listed)}")
    out = bytearray()
    for key, members in groupby(listed, key=lambda item: (item.handle, item.fuel_limit, item.fee_limit)):
        group = list(members)
        handle, fuel, fee = key
        try:
            out += handle.to_bytes(4, "big") + fuel.to_bytes(8, "big") + fee.to_bytes(12, "big")
            out += len(group).to_bytes(2, "big")
            for item in group:
                out += len(item.sealed).to_bytes(2, "big") + item.sealed
        except OverflowError as error:
            raise CallerMisuse("items.range", "a handle, limit, count or length does not fit", str(error)) from error
    return bytes(out)


def decode_items(link: Link) -> Sequence[ClearItem]:
    """The items of a submitted link.

    Raises:
        MalformedInput: the payload is not exactly the claimed items: the link is void.
    """
    items: list[ClearItem] = []
    data, at = link.payload, 0
    while at < len(data):
        handle = _integer(data, at, 4)
        fuel = _integer(data, at + 4, 8)
        fee = _integer(data, at + 12, 12)
        count = _integer(data, at + 24, 2)
        at += GROUP_HEADER
        if count == 0 or len(items) + count > MAX_ITEMS:
            raise _void("a group is empty or the link holds too many items")
        for _ in range(count):
            length = _integer(data, at, 2)
            at += ITEM_HEADER
            sealed = data[at : at + length]
            if len(sealed) != length:
                raise _void("an item is longer than the payload")
            items.append(ClearItem(handle, fuel, fee, sealed))
            at += length
    claimed = (link.item_count, link.fuel_limit, link.fee_limit)
    found = (len(items), sum(item.fuel_limit for item in items), sum(item.fee_limit for item in items))
    if claimed != found:
        raise _void(f"count, fuel and fee are {found}, the link says {claimed}")
    return items


def _integer(data: bytes, at: int, size: int) -> int:
    raw = data[at : at + size]
    if len(raw) != size:
        raise _void("the payload ends inside a header")
    return int.from_bytes(raw, "big")


def _void(why: str) -> MalformedInput:
    return MalformedInput("void.framing", "the payload does not parse to the items that its link claims", why)
