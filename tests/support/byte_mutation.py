"""Mutated bytes: blind changes to any input, and changes to the structure of those that are CBOR, JSON or RLP.

All of it is a function of the input and a seed, so that a test draws the same bytes each time.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from coprocessor.codec import cbor, rlp, strict_json
from coprocessor.values.errors import CoprocessorError

__all__ = ["join_parts", "mutate", "split_parts"]

_TELLING_BYTES = bytes.fromhex("00017f80bfc0f6f7f8fffe1b3b5b7b9bbbdb5f7f9fbf") + b'"[]{}\\,:-0e'
_LENGTHS = (b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff")
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63 - 1, 2**64 - 1, b"", b"\0", bytes(20), b"\xff" * 32, bytes(33), bytes(65),
    "", "x", "é", "0x", "a" * 300, [], {}, [[]], {"x": 1}, {0: 0},
)  # fmt: skip
_JSON_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 0.5, 1e308, 2**53, 2**64, 2**300, "", "0x", "0x0", "0xzz", "\0", "\udc80", "a" * 300, [], {},
    [[]], {"": None}, "0x" + "ff" * 32, "0x" + "00" * 20,
)  # fmt: skip
_RLP_VALUES: tuple[Any, ...] = (b"", b"\0", b"\x01", bytes(32), b"\xff" * 32, b"\xff" * 33, bytes(20), [], [b""], [[]])
_PREFIX = 3


def mutate(data: bytes, seed: int) -> bytes:
    """``data`` changed in one to four ways."""
    source = random.Random(seed)
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        kind = source.randrange(3)
        data = (_structural(data, source) or _blind(data, source)) if kind == 0 else _blind(data, source)
    return data


def join_parts(parts: Sequence[bytes]) -> bytes:
    """Byte strings as one: each behind its length in three bytes."""
    return b"".join(len(part).to_bytes(_PREFIX, "big") + part for part in parts)


def split_parts(data: bytes) -> list[bytes]:
    """Byte strings of any bytes: inverse of ``join_parts``; lengths that reach too far end with the data."""
    parts, at = [], 0
    while at < len(data):
        end = at + _PREFIX + int.from_bytes(data[at : at + _PREFIX], "big")
        parts.append(data[at + _PREFIX : end])
        at = end
    return parts


def _blind(data: bytes, source: random.Random) -> bytes:
    out = bytearray(data)
    at, other = source.randrange(len(out) + 1), source.randrange(len(out) + 1)
    first, last = min(at, other), max(at, other)
    kind = source.randrange(9)
    if kind == 0 and out:
        out[at % len(out)] ^= 1 << source.randrange(8)
    elif kind == 1 and out:
        out[at % len(out)] = source.choice(_TELLING_BYTES)
    elif kind == 2:
        out[at:at] = source.randbytes(source.randrange(1, 9))
    elif kind == 3:
        del out[first : min(last, first + 64)]
    elif kind == 4:
        del out[first:]
    elif kind == 5:
        out[at:at] = out[first : min(last, first + 64)]
    elif kind == 6:
        length = source.choice(_LENGTHS)
        out[at : at + len(length)] = length
    elif kind == 7:
        out += source.randbytes(source.randrange(1, 40))
    else:
        out[first : first + 8] = out[last : last + 8]
    return bytes(out)


def _structural(data: bytes, source: random.Random) -> bytes | None:
    """Another value in the place of one node, where the input is of a format that is known here."""
    parts = split_parts(data)
    if len(parts) > 1 and parts[-1:] != [b""] and join_parts(parts) == data:
        return join_parts(_edited_parts(parts, source))
    try:
        return cbor.dumps(_edited(cbor.loads(data), source, _VALUES))
    except CoprocessorError:
        pass
    try:
        return json.dumps(_edited(strict_json.loads(data), source, _JSON_VALUES)).encode()
    except (ValueError, CoprocessorError):
        pass
    try:
        item = rlp.decode(data)
        return rlp.encode(_edited(item, source, _RLP_VALUES)) if isinstance(item, list) else None
    except CoprocessorError:
        return None


def _edited_parts(parts: list[bytes], source: random.Random) -> list[bytes]:
    at = source.randrange(len(parts))
    kind = source.randrange(8)
    if kind == 0:
        return parts[:at] + parts[at + 1 :]
    if kind == 1:
        return [*parts, parts[at]]
    changed = _structural(parts[at], source) if kind < 6 else None
    return [*parts[:at], changed or _blind(parts[at], source), *parts[at + 1 :]]


def _edited(node: Any, source: random.Random, values: Sequence[Any]) -> Any:
    if isinstance(node, dict) and node and source.random() < 0.9:
        name = source.choice(sorted(node, key=repr))
        rest = {key: value for key, value in node.items() if key != name}
        kind = source.randrange(6)
        if kind == 0:
            return rest
        if kind == 1:
            return {**node, "unknown": source.choice(values)}
        return {**rest, name: _edited(node[name], source, values)}
    if isinstance(node, list) and node and source.random() < 0.9:
        at = source.randrange(len(node))
        kind = source.randrange(8)
        if kind == 0:
            return node[:at] + node[at + 1 :]
        if kind == 1:
            return [*node, source.choice(node)]
        if kind == 2:
            return [*node[:at], node[source.randrange(len(node))], *node[at + 1 :]]
        return [*node[:at], _edited(node[at], source, values), *node[at + 1 :]]
    if isinstance(node, (bytes, str)) and node and source.random() < 0.5:
        return _text_or_bytes(node, source)
    if isinstance(node, int) and not isinstance(node, bool) and source.random() < 0.4:
        return max(0, node + source.choice((-1, 1, 256)))
    return source.choice(values)


def _text_or_bytes(node: bytes | str, source: random.Random) -> bytes | str:
    at = source.randrange(len(node))
    kind = source.randrange(4)
    if kind == 0:
        return node[:at]
    if kind == 1:
        return node + node[:1]
    if isinstance(node, bytes):
        return node[:at] + bytes((node[at] ^ (1 << source.randrange(8)),)) + node[at + 1 :]
    return node[:at] + source.choice("0fg \0é") + node[at + 1 :]
