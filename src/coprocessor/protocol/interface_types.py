"""The types of a program's interface: checked on the author's side before anything is sealed.

The grammar (``docs/specification/interface.md``): a name, or an object with one telling key.

    "null" "bool" "int" "float" "str" "bytes" "address" "bytes32" "uint8" … "uint256" "int8" … "int256"
    {"list": T}  {"tuple": [T, …]}  {"dict": T}  {"optional": T}
    {"struct": name, "fields": [{"name", "type"}, …]}  {"enum": name, "members": [name, …]}

Each type turns a Python value into its canonical JSON form and back, and reads a value from the text of a command line.
Byte strings are ``0x``-prefixed hexadecimal in JSON; a struct is a ``dict`` here, an enum its member's name.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeAlias

from coprocessor.codec import strict_json
from coprocessor.values.errors import MalformedInput

__all__ = ["MAX_INTEGER_BITS", "MAX_TYPE_DEPTH", "Json", "Mismatch", "Type", "parse_type", "shown"]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_TYPE_DEPTH = 16
"""Levels that a type may nest."""

MAX_INTEGER_BITS = 8192
"""Bits of an ``int``, which has no width of its own."""

_FIXED_BYTES = {"address": 20, "bytes32": 32}
_WIDTHS = (8, 16, 32, 64, 128, 256)


class Mismatch(Exception):
    """A value that does not fit its type; ``where`` leads to it from the outside."""

    def __init__(self, expected: str, got: str, where: str = "") -> None:
        super().__init__(expected, got, where)
        self.expected = expected
        self.got = got
        self.where = where

    def inside(self, step: str) -> Mismatch:
        """The same mismatch, seen from one level further out."""
        return Mismatch(self.expected, self.got, step + self.where)


class Type(ABC):
    """One type of the grammar."""

    @property
    @abstractmethod
    def label(self) -> str:
        """How the type is called in messages."""

    @abstractmethod
    def encode(self, value: Any) -> Json:
        """The canonical JSON form of a Python value. Raises Mismatch."""

    def decode(self, raw: Json) -> Any:
        """The Python value of a JSON form. Raises Mismatch."""
        return self.encode(raw)

    def read(self, text: str) -> Any:
        """The value that a word of a command line stands for: JSON, unless the type says otherwise. Raises Mismatch."""
        try:
            return self.decode(strict_json.loads(text))
        except MalformedInput as error:
            raise Mismatch(f"{self.label} as JSON", shown(text)) from error


@dataclass(frozen=True, slots=True)
class _Null(Type):
    @property
    def label(self) -> str:
        return "null"

    def encode(self, value: Any) -> Json:
        if value is not None:
            raise Mismatch("null", shown(value))
        return None


@dataclass(frozen=True, slots=True)
class _Bool(Type):
    @property
    def label(self) -> str:
        return "bool"

    def encode(self, value: Any) -> Json:
        if not isinstance(value, bool):
            raise Mismatch("bool", shown(value))
        return value


@dataclass(frozen=True, slots=True)
class _Int(Type):
    name: str
    low: int | None
    high: int | None

    @property
    def label(self) -> str:
        return self.name

    def encode(self, value: Any) -> Json:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Mismatch(self.label, shown(value))
        if value.bit_length() > MAX_INTEGER_BITS:
            raise Mismatch(f"{self.label} of at most {MAX_INTEGER_BITS} bits", "a longer one")
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            raise Mismatch(f"{self.label} ({self.low} to {self.high})", shown(value))
        return value

    def read(self, text: str) -> Any:
        try:
            return self.encode(int(text, 0))
        except ValueError as error:
            raise Mismatch(self.label, shown(text)) from error


@dataclass(frozen=True, slots=True)
class _Float(Type):
    @property
    def label(self) -> str:
        return "float"

    def encode(self, value: Any) -> Json:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Mismatch("float", shown(value))
        try:
            number = float(value)
        except OverflowError as error:
            raise Mismatch("float", "an integer too large for it") from error
        if not math.isfinite(number) or number != value:
            raise Mismatch("a finite float", shown(value))
        return number


@dataclass(frozen=True, slots=True)
class _Str(Type):
    @property
    def label(self) -> str:
        return "str"

    def encode(self, value: Any) -> Json:
        if not isinstance(value, str):
            raise Mismatch("str", shown(value))
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Mismatch("str that UTF-8 can hold", shown(value)) from error
        return value

    def read(self, text: str) -> Any:
        return self.encode(text)


@dataclass(frozen=True, slots=True)
class _Bytes(Type):
    name: str
    length: int | None

    @property
    def label(self) -> str:
        return self.name

    def encode(self, value: Any) -> Json:
        raw = self._from_hex(value) if isinstance(value, str) else value
        if not isinstance(raw, (bytes, bytearray)):
            raise Mismatch(f"{self._expected()} or bytes", shown(value))
        if self.length is not None and len(raw) != self.length:
            raise Mismatch(self._expected(), f"{len(raw)} bytes")
        return "0x" + raw.hex()

    def decode(self, raw: Json) -> Any:
        """``bytes``; for fixed lengths the ``0x`` text, as people and other tools write addresses and digests."""
        text = self.encode(raw if isinstance(raw, str) else self._refuse(raw))
        assert isinstance(text, str)
        return bytes.fromhex(text[2:]) if self.length is None else text

    def read(self, text: str) -> Any:
        return self.decode(text)

    def _from_hex(self, text: str) -> bytes:
        if not text.startswith("0x") or not text.isascii() or any(character.isspace() for character in text):
            raise Mismatch(self._expected(), shown(text))
        try:
            return bytes.fromhex(text[2:])
        except ValueError as error:
            raise Mismatch(self._expected(), shown(text)) from error

    def _refuse(self, raw: Json) -> str:
        raise Mismatch(self._expected(), shown(raw))

    def _expected(self) -> str:
        digits = "hex digits" if self.length is None else f"{2 * self.length} hex digits"
        return f"{self.name} as 0x and {digits}"


@dataclass(frozen=True, slots=True)
class _List(Type):
    item: Type

    @property
    def label(self) -> str:
        return f"list[{self.item.label}]"

    def encode(self, value: Any) -> Json:
        if not isinstance(value, (list, tuple)):
            raise Mismatch(self.label, shown(value))
        return [_inside(f"[{at}]", self.item.encode, part) for at, part in enumerate(value)]

    def decode(self, raw: Json) -> Any:
        if not isinstance(raw, list):
            raise Mismatch(self.label, shown(raw))
        return [_inside(f"[{at}]", self.item.decode, part) for at, part in enumerate(raw)]


@dataclass(frozen=True, slots=True)
class _Tuple(Type):
    items: tuple[Type, ...]

    @property
    def label(self) -> str:
        return f"tuple[{', '.join(item.label for item in self.items)}]"

    def encode(self, value: Any) -> Json:
        if not isinstance(value, (list, tuple)) or len(value) != len(self.items):
            raise Mismatch(self.label, shown(value))
        pairs = zip(self.items, value, strict=True)
        return [_inside(f"[{at}]", item.encode, part) for at, (item, part) in enumerate(pairs)]

    def decode(self, raw: Json) -> Any:
        if not isinstance(raw, list) or len(raw) != len(self.items):
            raise Mismatch(self.label, shown(raw))
        pairs = zip(self.items, raw, strict=True)
        return tuple(_inside(f"[{at}]", item.decode, part) for at, (item, part) in enumerate(pairs))


@dataclass(frozen=True, slots=True)
class _Dict(Type):
    item: Type

    @property
    def label(self) -> str:
        return f"dict[str, {self.item.label}]"

    def encode(self, value: Any) -> Json:
        self._check(value)
        return {key: _inside(f".{key}", self.item.encode, part) for key, part in value.items()}

    def decode(self, raw: Json) -> Any:
        self._check(raw)
        assert isinstance(raw, dict)
        return {key: _inside(f".{key}", self.item.decode, part) for key, part in raw.items()}

    def _check(self, value: Any) -> None:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise Mismatch(self.label, shown(value))


@dataclass(frozen=True, slots=True)
class _Optional(Type):
    inner: Type

    @property
    def label(self) -> str:
        return f"{self.inner.label} | None"

    def encode(self, value: Any) -> Json:
        return None if value is None else self.inner.encode(value)

    def decode(self, raw: Json) -> Any:
        return None if raw is None else self.inner.decode(raw)

    def read(self, text: str) -> Any:
        return None if text == "null" else self.inner.read(text)


@dataclass(frozen=True, slots=True)
class _Struct(Type):
    name: str
    fields: tuple[tuple[str, Type], ...]

    @property
    def label(self) -> str:
        return self.name

    def encode(self, value: Any) -> Json:
        self._check(value)
        return {name: _inside(f".{name}", kind.encode, value[name]) for name, kind in self.fields}

    def decode(self, raw: Json) -> Any:
        self._check(raw)
        assert isinstance(raw, dict)
        return {name: _inside(f".{name}", kind.decode, raw[name]) for name, kind in self.fields}

    def _check(self, value: Any) -> None:
        names = [name for name, _ in self.fields]
        if not isinstance(value, dict) or set(value) != set(names):
            raise Mismatch(f"{self.name}: an object with exactly {', '.join(names)}", shown(value))


@dataclass(frozen=True, slots=True)
class _Enum(Type):
    name: str
    members: tuple[str, ...]

    @property
    def label(self) -> str:
        return self.name

    def encode(self, value: Any) -> Json:
        if not isinstance(value, str) or value not in self.members:
            raise Mismatch(f"one of {', '.join(self.members)}", shown(value))
        return value

    def read(self, text: str) -> Any:
        return self.encode(text)


def parse_type(raw: Json, depth: int = 0) -> Type:
    """The type that an interface describes.

    Raises:
        MalformedInput: outside the grammar.
    """
    if depth > MAX_TYPE_DEPTH:
        raise _malformed(f"types nest deeper than {MAX_TYPE_DEPTH}")
    if isinstance(raw, str):
        return _parse_name(raw)
    if not isinstance(raw, dict):
        raise _malformed(f"{shown(raw)} is no type")
    match raw:
        case {"list": inner, **rest} if not rest:
            return _List(parse_type(inner, depth + 1))
        case {"tuple": [*inners], **rest} if not rest:
            return _Tuple(tuple(parse_type(inner, depth + 1) for inner in inners))
        case {"dict": inner, **rest} if not rest:
            return _Dict(parse_type(inner, depth + 1))
        case {"optional": inner, **rest} if not rest:
            return _Optional(parse_type(inner, depth + 1))
        case {"struct": str(name), "fields": [*fields], **rest} if not rest:
            return _Struct(name, tuple(_parse_field(field, depth) for field in fields))
        case {"enum": str(name), "members": [*members], **rest} if not rest:
            if not all(isinstance(member, str) for member in members):
                raise _malformed(f"{name[:80]!r} has members that are no names")
            return _Enum(name, tuple(str(member) for member in members))
    raise _malformed(f"{shown(raw)} is no type")


def _parse_field(raw: Json, depth: int) -> tuple[str, Type]:
    match raw:
        case {"name": str(name), "type": kind, **rest} if not rest:
            return name, parse_type(kind, depth + 1)
    raise _malformed(f"{shown(raw)} is no field")


def _parse_name(name: str) -> Type:
    simple: dict[str, Type] = {
        "null": _Null(),
        "bool": _Bool(),
        "int": _Int("int", None, None),
        "float": _Float(),
        "str": _Str(),
        "bytes": _Bytes("bytes", None),
    }
    if name in simple:
        return simple[name]
    if name in _FIXED_BYTES:
        return _Bytes(name, _FIXED_BYTES[name])
    for bits in _WIDTHS:
        if name == f"uint{bits}":
            return _Int(name, 0, (1 << bits) - 1)
        if name == f"int{bits}":
            return _Int(name, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    raise _malformed(f"{name[:80]!r} is no type")


def _inside(step: str, convert: Any, value: Any) -> Any:
    try:
        return convert(value)
    except Mismatch as mismatch:
        raise mismatch.inside(step) from None


def shown(value: object) -> str:
    """A value as messages show it: its type, and its text where that is short."""
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python writes
        return type(value).__name__
    return f"{type(value).__name__} {text}" if len(text) <= 60 else type(value).__name__


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("interface.malformed", "the program's interface is not one", why)
