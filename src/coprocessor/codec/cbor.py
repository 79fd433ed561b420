"""Deterministic CBOR: one value, one encoding.

The subset of RFC 8949 that satisfies section 4.2.1 (core deterministic encoding) and that this project needs:
integers of 64 bits, byte strings, UTF-8 text, arrays, maps with text or integer keys, booleans and null. No floats,
tags, or indefinite lengths. The decoder refuses every other encoding of the same value, duplicate keys, trailing
bytes, and anything deeper or longer than it was told.

**Source:** RFC 8949, sections 3 and 4.2.1.
"""

from __future__ import annotations

from typing import Any

from coprocessor.values.errors import CallerMisuse, MalformedInput

__all__ = ["MAX_DEPTH", "dumps", "loads"]

MAX_DEPTH = 32
"""Levels of arrays and maps that a value may nest."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _SIMPLE = 0, 1, 2, 3, 4, 5, 7
_FALSE, _TRUE, _NULL = 0xF4, 0xF5, 0xF6


def dumps(value: Any) -> bytes:
    """The encoding of ``value``.

    Args:
        value: None, bool, int in [-2**64, 2**64), bytes, str, list, tuple, or dict with str or int keys.

    Raises:
        CallerMisuse: a type or size outside the subset.
    """
    out = bytearray()
    _encode(value, out, 0)
    return bytes(out)


def loads(data: bytes, maximum: int | None = None) -> Any:
    """The value that ``data`` encodes; arrays come back as lists.

    Args:
        data: the whole encoding, nothing after it.
        maximum: greatest accepted length of ``data`` in bytes, or None.

    Raises:
        MalformedInput: not the deterministic encoding of a value of the subset, or too long or deep.
    """
    if maximum is not None and len(data) > maximum:
        raise MalformedInput("cbor.too_long", f"{len(data)} bytes, the limit is {maximum}")
    data = bytes(data)
    value, end = _decode(data, 0, 0)
    if end != len(data):
        raise _malformed(f"{len(data) - end} bytes after the value")
    return value


def _head(major: int, argument: int, out: bytearray) -> None:
    tag = major << 5
    if argument < 24:
        out.append(tag | argument)
    elif argument < 0x100:
        out += bytes((tag | 24, argument))
    elif argument < 0x10000:
        out.append(tag | 25)
        out += argument.to_bytes(2, "big")
    elif argument < 0x100000000:
        out.append(tag | 26)
        out += argument.to_bytes(4, "big")
    elif argument < 0x10000000000000000:
        out.append(tag | 27)
        out += argument.to_bytes(8, "big")
    else:
        raise CallerMisuse("cbor.integer", "an integer does not fit into 64 bits")


def _encode(value: Any, out: bytearray, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CallerMisuse("cbor.depth", f"nested deeper than {MAX_DEPTH}")
    if value is None:
        out.append(_NULL)
    elif value is True:
        out.append(_TRUE)
    elif value is False:
        out.append(_FALSE)
    elif isinstance(value, bytes):
        _head(_BYTES, len(value), out)
        out += value
    elif isinstance(value, int):
        if value >= 0:
            _head(_UNSIGNED, int(value), out)
        else:
            _head(_NEGATIVE, -1 - value, out)
    elif isinstance(value, str):
        _encode_text(value, out)
    elif isinstance(value, (list, tuple)):
        _head(_ARRAY, len(value), out)
        for item in value:
            _encode(item, out, depth + 1)
    elif isinstance(value, dict):
        _encode_map(value, out, depth)
    else:
        raise CallerMisuse("cbor.type", f"{type(value).__name__} has no encoding")


def _encode_text(value: str, out: bytearray) -> None:
    try:
        text = value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CallerMisuse("cbor.text", "a text holds a lone surrogate, which UTF-8 cannot carry") from error
    _head(_TEXT, len(text), out)
    out += text


def _encode_map(value: dict[Any, Any], out: bytearray, depth: int) -> None:
    entries = []
    for key, item in value.items():
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            raise CallerMisuse("cbor.key", f"map keys are text or integers, not {type(key).__name__}")
        encoded = bytearray()
        _encode(key, encoded, depth + 1)
        entries.append((bytes(encoded), item))
    entries.sort(key=lambda entry: entry[0])
    _head(_MAP, len(entries), out)
    for encoded_key, item in entries:
        out += encoded_key
        _encode(item, out, depth + 1)


def _decode(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise _malformed(f"nested deeper than {MAX_DEPTH}")
    try:
        first = data[at]
    except IndexError:
        raise _malformed("ends inside a value") from None
    major, info = first >> 5, first & 31
    at += 1
    if major == _SIMPLE:
        if first == _FALSE:
            return False, at
        if first == _TRUE:
            return True, at
        if first == _NULL:
            return None, at
        raise _malformed(f"initial byte 0x{first:02x} is outside the subset")
    argument, at = _argument(data, at, info)
    if major == _UNSIGNED:
        return argument, at
    if major == _NEGATIVE:
        return -1 - argument, at
    if major in (_BYTES, _TEXT):
        end = at + argument
        if end > len(data):
            raise _malformed("a string is longer than the data")
        if major == _BYTES:
            return data[at:end], end
        try:
            return data[at:end].decode("utf-8"), end
        except UnicodeDecodeError as error:
            raise _malformed("text is not UTF-8") from error
    if argument > len(data) - at:
        raise _malformed("a container has more entries than the data has bytes")
    if major == _ARRAY:
        items = []
        for _ in range(argument):
            item, at = _decode(data, at, depth + 1)
            items.append(item)
        return items, at
    if major == _MAP:
        return _decode_map(data, at, argument, depth)
    raise _malformed("tags are outside the subset")


def _argument(data: bytes, at: int, info: int) -> tuple[int, int]:
    if info < 24:
        return info, at
    if info > 27:
        raise _malformed("indefinite or reserved length")
    size: int = 1 << (info - 24)
    end = at + size
    if end > len(data):
        raise _malformed("ends inside a length")
    argument = int.from_bytes(data[at:end], "big")
    if argument < (24, 0x100, 0x10000, 0x100000000)[info - 24]:
        raise _malformed("an integer or length is not in its shortest form")
    return argument, end


def _decode_map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[Any, Any], int]:
    result: dict[Any, Any] = {}
    previous = b""
    for _ in range(count):
        start = at
        key, at = _decode(data, at, depth + 1)
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            raise _malformed("a map key is neither text nor integer")
        encoded = data[start:at]
        if encoded <= previous:
            raise _malformed("map keys are out of order or double")
        previous = encoded
        result[key], at = _decode(data, at, depth + 1)
    return result, at


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("cbor.malformed", "the bytes are not deterministic CBOR", why)
