"""Frozen dataclasses to deterministic CBOR and back, by their type hints.

A record is an array: its name, then its fields in order. Decoding refuses unknown names, missing or extra fields, and
values of another type, so each message has one form on the wire (DESIGN 5). Supported hints: ``int`` (and subclasses of
it), ``bool``, ``bytes``, ``str``, ``NewType`` over these, ``tuple[T, ...]``, other records, and ``T | None``.

Integers are whole numbers below 2**256: those that do not fit into 64 bits, such as wei, travel as big-endian bytes
without leading zeros.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from coprocessor.codec import cbor
from coprocessor.values.errors import CallerMisuse, MalformedInput

__all__ = ["RecordTable", "from_plain", "to_plain"]

R = TypeVar("R")

_WIDE = 1 << 64
_MAX_TYPES = 1024

_Decoder = Callable[[Any], Any]


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

    def extended(self, *records: type) -> RecordTable:
        """This table with further messages."""
        return RecordTable((*self._records.values(), *records), self._maximum)

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
    kind: type = type(record)
    return _encoder(kind)(record)


def from_plain(record: type[R], plain: Any) -> R:
    """The record of type ``record`` that the array stands for. Raises MalformedInput."""
    kind: type = record
    made: R = _decoder(kind)(plain)
    return made


# Hints are read once for each record type; what is kept are functions that know the shape.


@lru_cache(maxsize=_MAX_TYPES)
def _encoder(record: type) -> Callable[[Any], list[Any]]:
    name = record.__name__
    if not is_dataclass(record):
        raise CallerMisuse("records.foreign", f"{name} is no record")
    names = [field.name for field in fields(record)]
    return lambda value: [name, *[_plain(getattr(value, field)) for field in names]]


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is bytes or kind is str or kind is bool or value is None:
        return value
    if isinstance(value, int):
        return value if 0 <= value < _WIDE else _wide_bytes(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return _encoder(kind)(value) if is_dataclass(kind) else value


def _wide_bytes(value: int) -> bytes:
    if not 0 <= value < 1 << 256:
        raise CallerMisuse("records.integer", "an integer of a message lies in [0, 2**256)")
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


@lru_cache(maxsize=_MAX_TYPES)
def _decoder(record: type) -> _Decoder:
    hints = get_type_hints(record)
    name = record.__name__
    readers = [_reader(hints[field.name], f"{name}.{field.name}") for field in fields(record)]
    length = len(readers) + 1

    def decode(plain: Any) -> Any:
        if type(plain) is not list or len(plain) != length or plain[0] != name:
            raise MalformedInput("message.shape", f"{name} takes {length - 1} fields")
        return record(*[read(item) for read, item in zip(readers, plain[1:], strict=True)])

    return decode


def _reader(hint: Any, name: str) -> _Decoder:
    """What reads a value of this type; ``name`` stands in its errors."""
    if isinstance(hint, NewType):
        return _reader(hint.__supertype__, name)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        (chosen,) = [option for option in get_args(hint) if option is not type(None)]
        present = _reader(chosen, name)
        return lambda item: None if item is None else present(item)
    if origin is tuple:
        return _tuple_reader(_reader(get_args(hint)[0], name), name)
    if is_dataclass(hint):
        return _decoder(hint)  # type: ignore[arg-type]
    if hint is bool or hint is bytes or hint is str:
        return _plain_reader(hint, name)
    if isinstance(hint, type) and issubclass(hint, int):
        return lambda item: _integer(hint, item, name)
    raise CallerMisuse("records.hint", f"{name} has a hint without an encoding: {hint!r}")


def _tuple_reader(read: _Decoder, name: str) -> _Decoder:
    def read_tuple(item: Any) -> Any:
        if type(item) is not list:
            raise MalformedInput("message.type", f"{name} must be an array")
        return tuple([read(part) for part in item])

    return read_tuple


def _plain_reader(kind: type, name: str) -> _Decoder:
    def read_plain(item: Any) -> Any:
        if type(item) is not kind:
            raise MalformedInput("message.type", f"{name} must be {kind.__name__}, not {type(item).__name__}")
        return item

    return read_plain


def _integer(hint: type[int], item: Any, name: str) -> int:
    if hint is int and type(item) is int and item >= 0:
        return item
    number = item
    if type(item) is bytes and 8 < len(item) <= 32 and item[0]:
        number = int.from_bytes(item, "big")
    if type(number) is not int or number < 0:
        raise MalformedInput("message.type", f"{name} must be a whole number, not {type(item).__name__}")
    try:
        return hint(number)
    except ValueError as error:
        raise MalformedInput("message.type", f"{name} cannot be {number}", str(error)) from error
