"""Recursive Length Prefix: strict decoding, canonical encoding.

**Source:** Ethereum Yellow Paper, appendix B.
"""

from __future__ import annotations

from typing import TypeAlias

from coprocessor.values.errors import MalformedInput

__all__ = ["Item", "decode", "encode", "encode_integer"]

Item: TypeAlias = "bytes | list[Item]"

_MAX_DEPTH = 16


def encode(item: Item | tuple[Item, ...]) -> bytes:
    """The encoding of a byte string or of a (nested) list of them."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(len(item), 0x80) + item
    body = b"".join(encode(part) for part in item)
    return _prefix(len(body), 0xC0) + body


def encode_integer(value: int) -> bytes:
    """Big-endian bytes without leading zeros; empty for 0: the byte string that stands for an integer."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode(data: bytes) -> Item:
    """The item that ``data`` encodes.

    Raises:
        MalformedInput: not canonical, too deep, or bytes are missing or left over.
    """
    item, end = _decode(data, 0, 0)
    if end != len(data):
        raise _malformed(f"{len(data) - end} bytes after the item")
    return item


def _prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    size = encode_integer(length)
    return bytes((offset + 55 + len(size),)) + size


def _decode(data: bytes, at: int, depth: int) -> tuple[Item, int]:
    if depth > _MAX_DEPTH:
        raise _malformed("nested too deeply")
    if at >= len(data):
        raise _malformed("ends inside an item")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list = first >= 0xC0
    offset = 0xC0 if is_list else 0x80
    length, start = _length(data, at + 1, first - offset)
    end = start + length
    if end > len(data):
        raise _malformed("an item is longer than the data")
    if not is_list:
        if length == 1 and data[start] < 0x80:
            raise _malformed("a single byte is not in its shortest form")
        return data[start:end], end
    items: list[Item] = []
    at = start
    while at < end:
        item, at = _decode(data, at, depth + 1)
        items.append(item)
    if at != end:
        raise _malformed("a list's items do not fill it exactly")
    return items, end


def _length(data: bytes, at: int, code: int) -> tuple[int, int]:
    if code < 56:
        return code, at
    size = code - 55
    raw = data[at : at + size]
    if len(raw) != size or raw[0] == 0:
        raise _malformed("a length is cut off or has leading zeros")
    length = int.from_bytes(raw, "big")
    if length < 56:
        raise _malformed("a length is not in its shortest form")
    return length, at + size


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("rlp.malformed", "the bytes are not canonical RLP", why)
