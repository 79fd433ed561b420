"""Frozen dataclasses to deterministic CBOR and back, by their type hints.

A record is an array: its name, then its fields in order. Decoding refuses unknown names, missing or extra fields, and
values of another type, so each message has one form on the wire (DESIGN 5). Supported hints: ``int`` (and subclasses of
it), ``bool``, ``bytes``, ``str``, ``NewType`` over these, ``tuple[T, ...]``, other records, and ``T | None``.

Integers are whole numbers below 2**256: those that do not fit into 64 bits, such as wei, travel as big-endian bytes
without leading zeros.
"""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from coprocessor.codec import cbor
from coprocessor.values.errors import CallerMisuse, MalformedInput

__all__ = ["RecordTable", "from_plain", "to_plain"]

R = TypeVar("R")

_WIDE = 1 << 64


class RecordTable:
    """The messages that one side of a conversation accepts.

    Args:
        records: dataclasses with distinct names.
        maximum: greatest length of an encoded message, bytes.
    """

    def __init__(self, records: tuple[type, ...], maximum: int) -> None:
        self._records = {record.__name__: record for record in records}
        self._maximum = maximum
        if len(self._records) != len(records):
            raise CallerMisuse("records.names", "two records have one name")

    @property
    def names(self) -> frozenset[str]:
        """Names of the accepted messages."""
        return frozenset(self._records)

    def encode(self, record: Any) -> bytes:
        """The wire form of ``record``. Raises CallerMisuse for a record outside the table or too long."""
        if self._records.get(type(record).__name__) is not type(record):
            raise CallerMisuse("records.foreign", f"{type(record).__name__} is no message of this table")
        data = cbor.dumps(to_plain(record))
        if len(data) > self._maximum:
            raise CallerMisuse("records.too_long", f"a message of {len(data)} bytes, the limit is {self._maximum}")
        return data

    def decode(self, data: bytes) -> Any:
        """The record that ``data`` encodes. Raises MalformedInput."""
        plain = cbor.loads(data, self._maximum)
        name = plain[0] if isinstance(plain, list) and plain else None
        if not isinstance(name, str) or name not in self._records:
            raise MalformedInput("message.unknown", "the message's name is not one of those accepted here")
        return from_plain(self._records[name], plain)


def to_plain(record: Any) -> list[Any]:
    """The array that stands for ``record``."""
    return [type(record).__name__, *(_plain(getattr(record, field.name)) for field in fields(record))]


def from_plain(record: type[R], plain: Any) -> R:
    """The record of type ``record`` that the array stands for. Raises MalformedInput."""
    kind: type = record
    hints = _hints(kind)
    if not isinstance(plain, list) or len(plain) != len(hints) + 1 or plain[0] != record.__name__:
        raise MalformedInput("message.shape", f"{record.__name__} takes {len(hints)} fields")
    pairs = zip(hints, plain[1:], strict=True)
    return record(*[_value(hint, item, f"{record.__name__}.{name}") for (name, hint), item in pairs])


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_plain(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not 0 <= value < _WIDE:
        return _wide_bytes(value)
    return value


def _wide_bytes(value: int) -> bytes:
    if not 0 <= value < 1 << 256:
        raise CallerMisuse("records.integer", "an integer of a message lies in [0, 2**256)")
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


@lru_cache(maxsize=512)
def _hints(record: type) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(record)
    return tuple((field.name, hints[field.name]) for field in fields(record))


def _value(hint: Any, item: Any, name: str) -> Any:
    if isinstance(hint, NewType):
        return _value(hint.__supertype__, item, name)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        chosen = [option for option in get_args(hint) if option is not type(None)]
        return None if item is None else _value(chosen[0], item, name)
    if origin is tuple:
        if not isinstance(item, list):
            raise MalformedInput("message.type", f"{name} must be an array")
        return tuple(_value(get_args(hint)[0], part, name) for part in item)
    if is_dataclass(hint):
        return from_plain(hint, item)  # type: ignore[arg-type]
    if hint is bool or hint is bytes or hint is str:
        if type(item) is not hint:
            raise MalformedInput("message.type", f"{name} must be {hint.__name__}, not {type(item).__name__}")
        return item
    if isinstance(hint, type) and issubclass(hint, int):
        return _integer(hint, item, name)
    raise CallerMisuse("records.hint", f"{name} has a hint without an encoding: {hint!r}")


def _integer(hint: type[int], item: Any, name: str) -> int:
    number = item
    if type(item) is bytes and 8 < len(item) <= 32 and item[0]:
        number = int.from_bytes(item, "big")
    if type(number) is not int or number < 0:
        raise MalformedInput("message.type", f"{name} must be a whole number, not {type(item).__name__}")
    try:
        return hint(number)
    except ValueError as error:
        raise MalformedInput("message.type", f"{name} cannot be {number}", str(error)) from error
