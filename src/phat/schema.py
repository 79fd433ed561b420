"""Type hints as data: how values of a hint are checked, written as JSON, read back, and described.

A schema is made once, when a contract is loaded. Its ``encode`` and ``decode`` work per call.

**Source:** docs/specification/interface.md, sections "Types" and "Values".
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from phat.canonical import Json
from phat.types import FixedBytes

__all__ = [
    "BoolSchema", "BytesSchema", "DictSchema", "EnumSchema", "FixedBytesSchema", "FloatSchema", "IntSchema",
    "ListSchema", "Mismatch", "NullSchema", "OptionalSchema", "Schema", "StrSchema", "StructSchema", "TupleSchema",
    "found",
]  # fmt: skip


class Mismatch(Exception):
    """A value that does not fit its type hint.

    Attributes:
        path: where inside the value, outermost first; filled in from the inside out.
    """

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got
        self.path: list[str] = []

    def inside(self, step: str) -> Mismatch:
        self.path.insert(0, step)
        return self

    def explain(self, subject: str) -> str:
        """``subject`` with its path, what was expected there and what was got."""
        return f"{subject}{''.join(self.path)}: expected {self.expected}, got {self.got}"


def found(value: object) -> str:
    """How a value is shown in a message: its type, and its text when that is short."""
    text = repr(value)
    name = type(value).__name__
    return f"{name} {text}" if len(text) <= 40 else name


class Schema(ABC):
    """How values of one type hint are written and read.

    Attributes:
        label: the hint as it is spelt in messages.
        is_mutable: whether a value can change in place, so that it must be compared before it is dropped.
    """

    __slots__ = ("is_mutable", "label")

    label: str
    is_mutable: bool

    def __init__(self, label: str, is_mutable: bool = False) -> None:
        self.label = label
        self.is_mutable = is_mutable

    @abstractmethod
    def encode(self, value: Any) -> Json:
        """The JSON form of ``value``. Raises ``Mismatch``."""

    @abstractmethod
    def decode(self, raw: Json) -> Any:
        """The value of a JSON form. Raises ``Mismatch``."""

    def describe(self) -> Json:
        """The type in the grammar of the interface."""
        return self.label


class NullSchema(Schema):
    """``None``: a method that returns nothing."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("null")

    def encode(self, value: Any) -> Json:
        if value is not None:
            raise Mismatch("None", found(value))
        return None

    def decode(self, raw: Json) -> None:
        if raw is not None:
            raise Mismatch("null", found(raw))


class BoolSchema(Schema):
    """``bool``."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("bool")

    def encode(self, value: Any) -> Json:
        if value is True or value is False:
            return bool(value)
        raise Mismatch("bool", found(value))

    def decode(self, raw: Json) -> Any:
        return self.encode(raw)


class IntSchema(Schema):
    """``int``, or an integer of a fixed width."""

    __slots__ = ("bits", "high", "low")

    low: int | None
    high: int | None

    def __init__(self, bits: int = 0, is_signed: bool = True) -> None:
        self.bits = bits
        if not bits:
            super().__init__("int")
            self.low, self.high = None, None
        elif is_signed:
            super().__init__(f"int{bits}")
            self.low, self.high = -(1 << bits - 1), (1 << bits - 1) - 1
        else:
            super().__init__(f"uint{bits}")
            self.low, self.high = 0, (1 << bits) - 1

    def encode(self, value: Any) -> Json:
        if type(value) is not int:
            if not isinstance(value, int) or isinstance(value, (bool, Enum)):
                raise Mismatch(self.label, found(value))
            value = int(value)
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            raise Mismatch(f"{self.label} ({self.low} to 2**{self.high.bit_length()}-1)", found(value))
        number: int = value
        return number

    def decode(self, raw: Json) -> Any:
        return self.encode(raw)


class FloatSchema(Schema):
    """``float``, finite; an integer that a float holds exactly is taken too."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("float")

    def encode(self, value: Any) -> Json:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Mismatch("float", found(value))
        try:
            number = float(value)
        except OverflowError:
            raise Mismatch("float", "an integer too large for it") from None
        if not math.isfinite(number) or number != value:
            raise Mismatch("a finite float", found(value))
        return number

    def decode(self, raw: Json) -> Any:
        return self.encode(raw)


class StrSchema(Schema):
    """``str`` without lone surrogates, since it must have a UTF-8 form."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("str")

    def encode(self, value: Any) -> Json:
        if type(value) is str:
            return value
        if not isinstance(value, str) or isinstance(value, Enum):
            raise Mismatch("str", found(value))
        return str(value)

    def decode(self, raw: Json) -> Any:
        return self.encode(raw)


class BytesSchema(Schema):
    """``bytes``, written as ``0x`` and hex digits."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("bytes")

    def encode(self, value: Any) -> Json:
        if not isinstance(value, bytes):
            raise Mismatch("bytes", found(value))
        return "0x" + value.hex()

    def decode(self, raw: Json) -> Any:
        if not isinstance(raw, str) or not raw.startswith("0x"):
            raise Mismatch("bytes as '0x…' hex text", found(raw))
        digits = raw[2:]
        try:
            value = bytes.fromhex(digits)
        except ValueError:
            raise Mismatch("bytes as '0x…' hex text", found(raw)) from None
        if len(digits) != 2 * len(value):  # fromhex skips spaces
            raise Mismatch("bytes as '0x…' hex text", found(raw))
        return value


class FixedBytesSchema(Schema):
    """``Address`` or ``Digest``."""

    __slots__ = ("kind",)

    def __init__(self, kind: type[FixedBytes], label: str) -> None:
        super().__init__(label)
        self.kind = kind

    def encode(self, value: Any) -> Json:
        if not isinstance(value, self.kind):
            raise Mismatch(f"{self.kind.__name__}", found(value))
        return "0x" + value.hex()

    def decode(self, raw: Json) -> Any:
        expected = f"{self.label} as '0x' and {2 * self.kind.LENGTH} hex digits"
        if not isinstance(raw, str) or not raw.startswith("0x") or " " in raw:
            raise Mismatch(expected, found(raw))
        try:
            return self.kind(raw)
        except ValueError:
            raise Mismatch(expected, found(raw)) from None


class ListSchema(Schema):
    """``list[T]``."""

    __slots__ = ("item",)

    def __init__(self, item: Schema) -> None:
        super().__init__(f"list[{item.label}]", is_mutable=True)
        self.item = item

    def encode(self, value: Any) -> Json:
        if not isinstance(value, (list, tuple)):
            raise Mismatch(self.label, found(value))
        return _each(self.item.encode, value)

    def decode(self, raw: Json) -> Any:
        if not isinstance(raw, list):
            raise Mismatch(self.label, found(raw))
        return _each(self.item.decode, raw)

    def describe(self) -> Json:
        return {"list": self.item.describe()}


class TupleSchema(Schema):
    """``tuple[A, B]``: a fixed number of values, each of its own type."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[Schema, ...]) -> None:
        label = f"tuple[{', '.join(item.label for item in items)}]"
        super().__init__(label, is_mutable=any(item.is_mutable for item in items))
        self.items = items

    def encode(self, value: Any) -> Json:
        if not isinstance(value, tuple) or len(value) != len(self.items):
            raise Mismatch(self.label, found(value))
        return [_at(index, item.encode, value[index]) for index, item in enumerate(self.items)]

    def decode(self, raw: Json) -> Any:
        if not isinstance(raw, list) or len(raw) != len(self.items):
            raise Mismatch(self.label, found(raw))
        return tuple(_at(index, item.decode, raw[index]) for index, item in enumerate(self.items))

    def describe(self) -> Json:
        return {"tuple": [item.describe() for item in self.items]}


class DictSchema(Schema):
    """``dict[str, T]``."""

    __slots__ = ("item",)

    def __init__(self, item: Schema) -> None:
        super().__init__(f"dict[str, {item.label}]", is_mutable=True)
        self.item = item

    def encode(self, value: Any) -> Json:
        if not isinstance(value, dict):
            raise Mismatch(self.label, found(value))
        result: dict[str, Json] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise Mismatch("a str key", found(key))
            result[str(key)] = _at(key, self.item.encode, item)
        return result

    def decode(self, raw: Json) -> Any:
        if not isinstance(raw, dict):
            raise Mismatch(self.label, found(raw))
        return {key: _at(key, self.item.decode, item) for key, item in raw.items()}

    def describe(self) -> Json:
        return {"dict": self.item.describe()}


class OptionalSchema(Schema):
    """``T | None``."""

    __slots__ = ("inner",)

    def __init__(self, inner: Schema) -> None:
        super().__init__(f"{inner.label} | None", is_mutable=inner.is_mutable)
        self.inner = inner

    def encode(self, value: Any) -> Json:
        return None if value is None else self.inner.encode(value)

    def decode(self, raw: Json) -> Any:
        return None if raw is None else self.inner.decode(raw)

    def describe(self) -> Json:
        return {"optional": self.inner.describe()}


@dataclass(frozen=True, slots=True)
class StructField:
    """A field of a dataclass."""

    name: str
    schema: Schema


class StructSchema(Schema):
    """A dataclass, written as an object with all of its fields."""

    __slots__ = ("fields", "kind")

    def __init__(self, kind: type, fields: tuple[StructField, ...], is_frozen: bool) -> None:
        is_mutable = not is_frozen or any(field.schema.is_mutable for field in fields)
        super().__init__(kind.__name__, is_mutable)
        self.kind = kind
        self.fields = fields

    def encode(self, value: Any) -> Json:
        if type(value) is not self.kind:
            raise Mismatch(self.label, found(value))
        return {field.name: _at(field.name, field.schema.encode, getattr(value, field.name)) for field in self.fields}

    def decode(self, raw: Json) -> Any:
        if not isinstance(raw, dict):
            raise Mismatch(f"an object with the fields of {self.label}", found(raw))
        if len(raw) != len(self.fields) or any(field.name not in raw for field in self.fields):
            names = ", ".join(field.name for field in self.fields)
            raise Mismatch(f"{self.label} with exactly the fields {names}", ", ".join(raw) or "none")
        values = {field.name: _at(field.name, field.schema.decode, raw[field.name]) for field in self.fields}
        return self.kind(**values)

    def describe(self) -> Json:
        fields: list[Json] = [{"name": field.name, "type": field.schema.describe()} for field in self.fields]
        return {"struct": self.label, "fields": fields}


class EnumSchema(Schema):
    """An ``Enum``, written as the name of the member."""

    __slots__ = ("kind", "members")

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__(kind.__name__)
        self.kind = kind
        self.members: Sequence[Enum] = tuple(kind)

    def encode(self, value: Any) -> Json:
        if type(value) is not self.kind:
            raise Mismatch(self.label, found(value))
        name: str = value.name
        return name

    def decode(self, raw: Json) -> Any:
        if isinstance(raw, str):
            for member in self.members:
                if member.name == raw:
                    return member
        raise Mismatch(f"one of {', '.join(member.name for member in self.members)}", found(raw))

    def describe(self) -> Json:
        members: list[Json] = [member.name for member in self.members]
        return {"enum": self.label, "members": members}


def _at(step: object, convert: Any, value: Any) -> Any:
    try:
        return convert(value)
    except Mismatch as mismatch:
        raise mismatch.inside(f".{step}" if isinstance(step, str) else f"[{step}]") from None


def _each(convert: Any, values: Sequence[Any]) -> list[Any]:
    result: list[Any] = []
    try:
        for value in values:
            result.append(convert(value))
    except Mismatch as mismatch:
        raise mismatch.inside(f"[{len(result)}]") from None
    return result
