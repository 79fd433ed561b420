"""Wire records with every field made wrong, found by walking the records themselves: a new field is a new case."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, NewType, Union, get_args, get_origin, get_type_hints

from coprocessor.codec.records import to_plain

__all__ = ["extremes", "ill_typed", "records_in", "sample"]

_FIXED = {("LoadProgram", "language"): "wasm"}
"""Fields that a record's own checks bind to certain values."""

_WRONG: tuple[Any, ...] = (None, True, -1, 2**64 - 1, "text", b"bytes", [], [[]], {}, {"a": 1}, ["Unknown", 1])
_INTEGERS = (0, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**96, 2**128, 2**255, 2**256 - 1)
_BYTES = (b"", b"\0", bytes(19), bytes(31), bytes(33), b"\xff" * 32, b"\xff" * 65, b"\x80" * 5000)
_TEXTS = ("", "\0", "x" * 5000, "é\u202e", "python", '{"a": 1}', "[" * 2000)


def sample(hint: Any, owner: str = "", name: str = "") -> Any:
    """A value that the hint takes."""
    if (owner, name) in _FIXED:
        return _FIXED[owner, name]
    if isinstance(hint, NewType):
        return sample(hint.__supertype__)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return sample(next(option for option in get_args(hint) if option is not type(None)))
    if origin is tuple:
        return (sample(get_args(hint)[0]),)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(*[sample(hints[f.name], hint.__name__, f.name) for f in fields(hint)])  # type: ignore[operator]
    return {int: 1, bytes: bytes(32), str: "text", bool: True}.get(hint) or hint(1)


def records_in(record: type) -> Iterator[type]:
    """A record and those inside it."""
    yield record
    for hint in get_type_hints(record).values():
        for part in (hint, *get_args(hint)):
            if is_dataclass(part):
                yield from records_in(part)  # type: ignore[arg-type]


def ill_typed(plain: list[Any], record: type) -> Iterator[tuple[str, Any]]:
    """(what was done, the array): fields of another type, missing and unknown fields, other names."""
    hints = [(f.name, get_type_hints(record)[f.name]) for f in fields(record)]
    yield f"{record.__name__} with an unknown field", [*plain, 1]
    yield f"{record.__name__} by another name", ["Unknown", *plain[1:]]
    yield f"{record.__name__} without a name", plain[1:]
    yield f"{record.__name__} as a map", {name: value for (name, _), value in zip(hints, plain[1:], strict=True)}
    if hints:
        yield f"{record.__name__} without its last field", plain[:-1]
    for at, (name, hint) in enumerate(hints, start=1):
        for what, value in _wrong(hint, plain[at], f"{record.__name__}.{name}"):
            yield what, [*plain[:at], value, *plain[at + 1 :]]


def _wrong(hint: Any, plain: Any, name: str) -> Iterator[tuple[str, Any]]:
    is_optional = get_origin(hint) in (Union, types.UnionType)
    hint = _plain_hint(hint)
    origin = get_origin(hint)
    for value in _WRONG:
        if (value is None and is_optional) or _fits(hint, origin, value):
            continue
        yield f"{name}: {value!r}", value
    if origin is tuple and plain:
        for what, value in _wrong(get_args(hint)[0], plain[0], f"{name}[0]"):
            yield what, [value, *plain[1:]]
    elif is_dataclass(hint) and plain is not None:
        yield from ((f"{name}: {what}", value) for what, value in ill_typed(plain, hint))  # type: ignore[arg-type]


def _plain_hint(hint: Any) -> Any:
    """What a hint comes down to: without names of its own and without None."""
    while True:
        if isinstance(hint, NewType):
            hint = hint.__supertype__
        elif get_origin(hint) in (Union, types.UnionType):
            hint = next(option for option in get_args(hint) if option is not type(None))
        else:
            return hint


def _fits(hint: Any, origin: Any, value: Any) -> bool:
    if origin is tuple:
        return value == []
    if hint in (bool, bytes, str):
        return type(value) is hint
    return isinstance(hint, type) and issubclass(hint, int) and type(value) is int and value >= 0


def extremes(plain: list[Any], record: type) -> Iterator[tuple[str, Any]]:
    """(what was done, the array): well-typed values of every length and size, at every depth."""
    hints = get_type_hints(record)
    for at, field in enumerate(fields(record), start=1):
        for what, value in _extreme(hints[field.name], plain[at], f"{record.__name__}.{field.name}"):
            yield what, [*plain[:at], value, *plain[at + 1 :]]


def _extreme(hint: Any, plain: Any, name: str) -> Iterator[tuple[str, Any]]:
    if get_origin(hint) in (Union, types.UnionType):
        yield f"{name}: nothing", None
        plain = sample_plain(hint) if plain is None else plain
    hint = _plain_hint(hint)
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        yield f"{name}: empty", []
        one = plain[0] if plain else sample_plain(inner)
        yield f"{name}: one twice", [*plain, one]
        yield f"{name}: many", [one] * 1500
        for what, value in _extreme(inner, one, f"{name}[0]"):
            yield what, [value, *plain[1:]]
    elif is_dataclass(hint):
        yield from ((f"{name}: {what}", value) for what, value in extremes(plain, hint))  # type: ignore[arg-type]
    elif hint is bool:
        yield f"{name}: the other", not plain
    elif hint is bytes:
        near = (plain[:-1], plain + b"\0", plain[:-1] + b"\x01", bytes(len(plain)))
        yield from ((f"{name}: {len(data)} bytes", data) for data in (*_BYTES, *near))
    elif hint is str:
        yield from ((f"{name}: {text[:10]!r}", text) for text in (*_TEXTS, plain + " ", plain[:-1]))
    else:
        present = plain if isinstance(plain, int) else int.from_bytes(plain, "big")
        for number in (*_INTEGERS, present + 1, max(0, present - 1)):
            yield (
                f"{name}: {number}",
                number if number < 1 << 64 else number.to_bytes((number.bit_length() + 7) // 8, "big"),
            )


def sample_plain(hint: Any) -> Any:
    """The wire form of a value that the hint takes."""
    value = sample(hint)
    return to_plain(value) if is_dataclass(value) else value
