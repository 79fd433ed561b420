"""Ethereum contract ABI: encoding and strict decoding by type names.

Covers what our contracts use: ``uintN``, ``intN``, ``bool``, ``address``, ``bytesN``, ``bytes``, ``string``, ``T[]``,
``T[k]`` and tuples ``(T,U)``. Decoding refuses dirty padding, out-of-range values, offsets that are not where an
encoder puts them, and bytes left over, so that one value has one encoding.

**Source:** Solidity documentation, "Contract ABI Specification".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import CallerMisuse, MalformedInput

__all__ = ["decode", "encode", "encode_call", "selector", "split_types"]

_WORD = 32
_MAX_ITEMS = 65_536


def selector(signature: str) -> bytes:
    """First four bytes of Keccak-256 of ``name(type,…)``."""
    return keccak256(signature.encode("ascii"))[:4]


def encode_call(signature: str, *values: Any) -> bytes:
    """Call data for a function given as ``name(type,…)``."""
    types = split_types(signature[signature.index("(") :])
    return selector(signature) + encode(types, values)


def encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """The values as one tuple of the types.

    Args:
        types: type names, for example ``["uint256", "bytes32[]"]``.
        values: ints, bools, bytes (addresses are 20 bytes), str, sequences.

    Raises:
        CallerMisuse: a value does not fit its type.
    """
    if len(types) != len(values):
        raise CallerMisuse("abi.count", f"{len(types)} types for {len(values)} values")
    head_size = sum(_static_size(kind) for kind in types)
    heads, tails, offset = [], [], head_size
    for kind, value in zip(types, values, strict=True):
        encoded = _encode_one(kind, value)
        if _is_dynamic(kind):
            heads.append(offset.to_bytes(_WORD, "big"))
            tails.append(encoded)
            offset += len(encoded)
        else:
            heads.append(encoded)
    return b"".join(heads) + b"".join(tails)


def decode(types: Sequence[str], data: bytes) -> list[Any]:
    """The values that ``data`` encodes; sequences come back as lists, addresses as 20 bytes.

    Raises:
        MalformedInput: not exactly the encoding of such values.
    """
    values, used = _decode_tuple(tuple(types), data, 0)
    if used != len(data):
        raise _malformed(f"{len(data) - used} bytes after the values")
    return values


def split_types(text: str) -> list[str]:
    """The member types of a parenthesised list, ``(a,(b,c)[],d)``."""
    if not (text.startswith("(") and text.endswith(")")):
        raise CallerMisuse("abi.type", f"{text!r} is not a list of types")
    parts, depth, start = [], 0, 1
    for at, char in enumerate(text):
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        if (char == "," and depth == 1) or (char == ")" and depth == 0):
            if text[start:at]:
                parts.append(text[start:at])
            start = at + 1
    return parts


@lru_cache(maxsize=1024)
def _array(kind: str) -> tuple[str, int | None] | None:
    """Element type and length (None for dynamic) of an array type, or None for other types."""
    if not kind.endswith("]"):
        return None
    base, _, size = kind[:-1].rpartition("[")
    return base, (int(size) if size else None)


@lru_cache(maxsize=1024)
def _is_dynamic(kind: str) -> bool:
    array = _array(kind)
    if array is not None:
        return array[1] is None or _is_dynamic(array[0])
    if kind.startswith("("):
        return any(_is_dynamic(part) for part in split_types(kind))
    return kind in ("bytes", "string")


@lru_cache(maxsize=1024)
def _static_size(kind: str) -> int:
    if _is_dynamic(kind):
        return _WORD
    array = _array(kind)
    if array is not None:
        return _static_size(array[0]) * (array[1] or 0)
    if kind.startswith("("):
        return sum(_static_size(part) for part in split_types(kind))
    return _WORD


def _encode_one(kind: str, value: Any) -> bytes:
    array = _array(kind)
    if array is not None:
        base, size = array
        items = list(value)
        if size is not None and size != len(items):
            raise CallerMisuse("abi.value", f"{kind} takes {size} items, not {len(items)}")
        body = encode([base] * len(items), items)
        return body if size is not None else len(items).to_bytes(_WORD, "big") + body
    if kind.startswith("("):
        return encode(split_types(kind), value)
    if kind in ("bytes", "string"):
        raw = value.encode("utf-8") if kind == "string" else value
        if not isinstance(raw, bytes):
            raise CallerMisuse("abi.value", f"{kind} takes bytes, not {type(value).__name__}")
        return len(raw).to_bytes(_WORD, "big") + raw + bytes(-len(raw) % _WORD)
    return _encode_word(kind, value)


def _encode_word(kind: str, value: Any) -> bytes:
    if kind == "bool":
        return int(bool(value)).to_bytes(_WORD, "big")
    if kind == "address":
        if not isinstance(value, bytes) or len(value) != 20:
            raise CallerMisuse("abi.value", "an address takes 20 bytes")
        return bytes(12) + value
    if kind.startswith("bytes"):
        size = int(kind[5:])
        if not isinstance(value, bytes) or len(value) != size:
            raise CallerMisuse("abi.value", f"{kind} takes {size} bytes")
        return value + bytes(_WORD - size)
    low, high = _integer_range(kind)
    if not isinstance(value, int) or not low <= value <= high:
        raise CallerMisuse("abi.value", f"{kind} cannot hold {value!r}")
    return (value % (1 << 256)).to_bytes(_WORD, "big")


@lru_cache(maxsize=256)
def _integer_range(kind: str) -> tuple[int, int]:
    for name in ("uint", "int"):
        if kind.startswith(name) and kind[len(name) :].isdigit():
            bits = int(kind[len(name) :])
            if name == "uint":
                return 0, (1 << bits) - 1
            return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    raise CallerMisuse("abi.type", f"{kind!r} is not a type of the ABI")


def _decode_tuple(types: tuple[str, ...], data: bytes, base: int) -> tuple[list[Any], int]:
    at, tail = base, base + sum(_static_size(kind) for kind in types)
    values = []
    for kind in types:
        if _is_dynamic(kind):
            offset = base + int.from_bytes(_word(data, at), "big")
            if offset != tail:
                raise _malformed("an offset is not where an encoder puts it")
            value, tail = _decode_one(kind, data, tail)
            at += _WORD
        else:
            value, at = _decode_one(kind, data, at)
        values.append(value)
    return values, tail


def _decode_one(kind: str, data: bytes, at: int) -> tuple[Any, int]:
    array = _array(kind)
    if array is not None:
        base, size = array
        if size is None:
            size = int.from_bytes(_word(data, at), "big")
            at += _WORD
        if size > _MAX_ITEMS or size > len(data):
            raise _malformed(f"an array claims {size} items")
        return _decode_tuple((base,) * size, data, at)
    if kind.startswith("("):
        values, end = _decode_tuple(tuple(split_types(kind)), data, at)
        return tuple(values), end
    if kind in ("bytes", "string"):
        return _decode_bytes(kind, data, at)
    return _decode_word(kind, _word(data, at)), at + _WORD


def _decode_bytes(kind: str, data: bytes, at: int) -> tuple[Any, int]:
    size = int.from_bytes(_word(data, at), "big")
    start = at + _WORD
    end = start + size + (-size % _WORD)
    if end > len(data):
        raise _malformed("a byte string is longer than the data")
    if any(data[start + size : end]):
        raise _malformed("padding is not zero")
    raw = data[start : start + size]
    if kind == "bytes":
        return raw, end
    try:
        return raw.decode("utf-8"), end
    except UnicodeDecodeError as error:
        raise _malformed("a string is not UTF-8") from error


def _decode_word(kind: str, word: bytes) -> Any:
    if kind == "bool":
        if any(word[:31]) or word[31] > 1:
            raise _malformed("a bool is neither 0 nor 1")
        return word[31] == 1
    if kind == "address":
        if any(word[:12]):
            raise _malformed("an address has dirty padding")
        return word[12:]
    if kind.startswith("bytes"):
        size = int(kind[5:])
        if any(word[size:]):
            raise _malformed(f"{kind} has dirty padding")
        return word[:size]
    low, high = _integer_range(kind)
    value = int.from_bytes(word, "big", signed=low < 0)
    if not low <= value <= high:
        raise _malformed(f"a value is out of the range of {kind}")
    return value


def _word(data: bytes, at: int) -> bytes:
    word = data[at : at + _WORD]
    if len(word) != _WORD:
        raise _malformed("ends inside a word")
    return word


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("abi.malformed", "the bytes are not the ABI encoding of these types", why)
