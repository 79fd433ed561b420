"""The simple types of raw WebAssembly programs: values one after the other, little-endian, without tags.

    u8 u16 u32 u64 u128  i8 … i128    that many bits, little-endian
    bool                              one byte, 0 or 1
    address bytes32                   20 and 32 bytes
    bytes str                         the rest of the arguments: only as the last parameter, or as a result
    null                              nothing

**Source:** ``docs/specification/interface.md``, section "Raw WebAssembly".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coprocessor.protocol.interface_types import Json, Mismatch, shown
from coprocessor.values.errors import MalformedInput

__all__ = ["PackedType", "decode_packed", "encode_packed", "parse_packed_type"]

_INTEGERS = {f"{sign}{bits}": bits // 8 for sign in "ui" for bits in (8, 16, 32, 64, 128)}
_FIXED = {"address": 20, "bytes32": 32}
_NAMES = frozenset((*_INTEGERS, *_FIXED, "bool", "bytes", "str", "null"))


@dataclass(frozen=True, slots=True)
class PackedType:
    """One of the names above."""

    label: str

    @property
    def is_open(self) -> bool:
        """Whether it takes all the bytes that are left."""
        return self.label in ("bytes", "str")

    def encode(self, value: Any) -> bytes:
        """The bytes of a Python value. Raises Mismatch."""
        if self.label in _INTEGERS:
            return self._encode_integer(value)
        if self.label == "bool":
            return bytes((self._checked(value, bool),))
        if self.label == "str":
            return str(self._checked(value, str)).encode("utf-8")
        if self.label == "null":
            return b"" if value is None else self._refuse(value)
        raw = _from_hex(self.label, value) if isinstance(value, str) else value
        if not isinstance(raw, bytes) or (self.label in _FIXED and len(raw) != _FIXED[self.label]):
            self._refuse(value)
        return bytes(raw)

    def decode(self, data: bytes) -> Any:
        """The Python value of exactly these bytes. Raises Mismatch."""
        if self.label in _INTEGERS:
            if len(data) != _INTEGERS[self.label]:
                self._refuse(data)
            return int.from_bytes(data, "little", signed=self.label[0] == "i")
        if self.label == "bool":
            if data not in (b"\0", b"\1"):
                self._refuse(data)
            return data == b"\1"
        if self.label == "str":
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                self._refuse(data)
        if self.label == "null":
            return None if not data else self._refuse(data)
        if self.label in _FIXED:
            return "0x" + data.hex() if len(data) == _FIXED[self.label] else self._refuse(data)
        return data

    def read(self, text: str) -> Any:
        """The value that a word of a command line stands for. Raises Mismatch."""
        if self.label in _INTEGERS:
            try:
                return int(text, 0)
            except ValueError:
                self._refuse(text)
        if self.label == "bool":
            return {"true": True, "false": False}[text] if text in ("true", "false") else self._refuse(text)
        return None if self.label == "null" and text == "null" else text

    def _encode_integer(self, value: Any) -> bytes:
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse(value)
        try:
            return int(value).to_bytes(_INTEGERS[self.label], "little", signed=self.label[0] == "i")
        except OverflowError as error:
            raise Mismatch(self.label, f"{value}, which does not fit") from error

    def _checked(self, value: Any, kind: type) -> Any:
        return value if isinstance(value, kind) else self._refuse(value)

    def _refuse(self, value: object) -> Any:
        raise Mismatch(self.label, shown(value))


def encode_packed(types: Sequence[PackedType], encoded: Sequence[bytes]) -> bytes:
    """The encoded parameters in order. Raises MalformedInput where an open type is not the last."""
    if any(kind.is_open for kind in types[:-1]):
        raise MalformedInput("interface.malformed", "only the last parameter of a raw program may be bytes or str")
    return b"".join(encoded)


def decode_packed(kind: PackedType, data: bytes) -> Any:
    """The result that ``data`` holds. Raises Mismatch."""
    return kind.decode(data)


def parse_packed_type(raw: Json) -> PackedType:
    """The type called ``raw``. Raises MalformedInput."""
    if not isinstance(raw, str) or raw not in _NAMES:
        raise MalformedInput("interface.malformed", f"{str(raw)[:80]!r} is no type of a raw program")
    return PackedType(raw)


def _from_hex(label: str, text: str) -> bytes:
    try:
        if not text.startswith("0x") or any(character.isspace() for character in text):
            raise ValueError(text)
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise Mismatch(f"{label} as 0x and hex digits", shown(text)) from error
