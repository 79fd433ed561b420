"""Keys of a ``Map`` as bytes whose order is the order of the keys.

| key | bytes |
|---|---|
| ``str`` | UTF-8, so by code points |
| ``bytes``, ``Address``, ``Digest`` | as they are |
| ``int``, ``Uint…``, ``bool`` | 0x80 + length, big-endian; negative: 0x80 - length, complement |
| ``Enum`` | the member's name |
| ``tuple`` | its elements; text and bytes in it end with 0x00 0x00, and 0x00 inside becomes 0x00 0xff |

**Source:** docs/specification/interface.md, section "State".
"""

from __future__ import annotations

from typing import Any

from phat import schema
from phat.errors import Refused
from phat.schema import Mismatch, Schema

__all__ = ["KeyCodec", "key_codec_of"]

_MAX_INTEGER_BYTES = 64


class KeyCodec:
    """Writes and reads the keys of one map."""

    __slots__ = ("_is_tuple", "_parts", "label")

    def __init__(self, key: Schema) -> None:
        self.label = key.label
        self._is_tuple = isinstance(key, schema.TupleSchema)
        self._parts = key.items if isinstance(key, schema.TupleSchema) else (key,)

    def encode(self, key: Any) -> bytes:
        """The bytes of a key. Raises ``Mismatch``."""
        if not self._is_tuple:
            return _encode_part(self._parts[0], key)
        if not isinstance(key, tuple) or len(key) != len(self._parts):
            raise Mismatch(self.label, schema.found(key))
        return b"".join(
            _terminate(part, _encode_part(part, value)) for part, value in zip(self._parts, key, strict=True)
        )

    def decode(self, data: bytes) -> Any:
        """The key of bytes that ``encode`` gave."""
        if not self._is_tuple:
            return _decode_part(self._parts[0], data)
        values, position = [], 0
        for part in self._parts:
            encoded, position = _split(part, data, position)
            values.append(_decode_part(part, encoded))
        return tuple(values)


def key_codec_of(key: Schema, where: str) -> KeyCodec:
    """The codec of a map's keys.

    Raises:
        Refused: if the type has no order that bytes can keep.
    """
    parts = key.items if isinstance(key, schema.TupleSchema) else (key,)
    for part in parts:
        if not isinstance(part, _POSSIBLE):
            raise Refused(
                f"{where}: {key.label} cannot be the key of a Map: use str, int, bool, bytes, Address, Digest, "
                "an Enum, or a tuple of them"
            )
    return KeyCodec(key)


_TEXTUAL = (schema.StrSchema, schema.BytesSchema, schema.EnumSchema)
_BINARY = (schema.BytesSchema, schema.FixedBytesSchema)
_POSSIBLE = (*_TEXTUAL, schema.IntSchema, schema.BoolSchema, schema.FixedBytesSchema)


def _encode_part(part: Schema, key: Any) -> bytes:
    raw = part.encode(key)
    if isinstance(part, _BINARY):
        return bytes(key)
    if isinstance(raw, str):
        return raw.encode()
    assert isinstance(raw, int)
    return _encode_integer(int(raw))


def _decode_part(part: Schema, data: bytes) -> Any:
    if isinstance(part, schema.BytesSchema):
        return data
    if isinstance(part, schema.FixedBytesSchema):
        return part.kind(data)
    if isinstance(part, schema.BoolSchema):
        return bool(_decode_integer(data))
    if isinstance(part, schema.IntSchema):
        return _decode_integer(data)
    return part.decode(data.decode())


def _encode_integer(value: int) -> bytes:
    length = (abs(value).bit_length() + 7) // 8
    if length > _MAX_INTEGER_BYTES:
        raise Mismatch(f"an int of at most {_MAX_INTEGER_BYTES} bytes as key", f"one of {length} bytes")
    if value >= 0:
        return bytes([0x80 + length]) + value.to_bytes(length)
    return bytes([0x80 - length]) + (value + (1 << 8 * length) - 1).to_bytes(length)


def _decode_integer(data: bytes) -> int:
    if data[0] >= 0x80:
        return int.from_bytes(data[1:])
    return int.from_bytes(data[1:]) - (1 << 8 * (len(data) - 1)) + 1


def _terminate(part: Schema, encoded: bytes) -> bytes:
    if isinstance(part, _TEXTUAL):
        return encoded.replace(b"\0", b"\0\xff") + b"\0\0"
    return encoded


def _split(part: Schema, data: bytes, position: int) -> tuple[bytes, int]:
    """One element of a tuple, unescaped, and where the next starts."""
    if isinstance(part, schema.FixedBytesSchema):
        end = position + part.kind.LENGTH
        return data[position:end], end
    if not isinstance(part, _TEXTUAL):
        end = position + 1 + abs(data[position] - 0x80)
        return data[position:end], end
    end = data.index(b"\0\0", position)  # inside, every zero byte is followed by 0xff
    return data[position:end].replace(b"\0\xff", b"\0"), end + 2
