"""From Python type hints to schemas; what has no canonical form is refused with the hint to use instead."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

from phat import schema
from phat.errors import Refused
from phat.types import Address, Digest, Width

__all__ = ["resolve_hints", "schema_of"]

_SIMPLE: dict[Any, Callable[[], schema.Schema]] = {
    None: schema.NullSchema,
    type(None): schema.NullSchema,
    bool: schema.BoolSchema,
    int: schema.IntSchema,
    float: schema.FloatSchema,
    str: schema.StrSchema,
    bytes: schema.BytesSchema,
}

_INSTEAD = {
    set: "use list[...] or a Map[..., bool] field",
    frozenset: "use list[...]",
    list: "say what is inside: list[int]",
    dict: "say what is inside: dict[str, int]",
    tuple: "say what is inside: tuple[int, str]",
    bytearray: "use bytes",
    complex: "use tuple[float, float]",
    object: "name the type of the value",
    Any: "name the type of the value",
}


def resolve_hints(owner: Any, where: str) -> dict[str, Any]:
    """The hints of a class or function, with forward references resolved.

    Raises:
        Refused: if a hint names something that is not there.
    """
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise Refused(f"{where}: a type hint cannot be resolved: {error}") from None


def schema_of(hint: Any, where: str) -> schema.Schema:
    """The schema of one hint.

    Args:
        hint: resolved, as ``resolve_hints`` gives it.
        where: what the hint belongs to, for the message.

    Raises:
        Refused: if the hint has no canonical form.
    """
    return _make(hint, where, ())


def _make(hint: Any, where: str, outer: tuple[type, ...]) -> schema.Schema:
    try:
        simple = _SIMPLE.get(hint)
    except TypeError:  # an unhashable hint, for example a list
        simple = None
    if simple is not None:
        return simple()
    if get_origin(hint) is None and isinstance(hint, type):
        return _make_class(hint, where, outer)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        for note in hint.__metadata__:
            if isinstance(note, Width) and arguments[0] is int:
                return schema.IntSchema(note.bits, note.is_signed)
        return _make(arguments[0], where, outer)
    if origin is typing.Union or origin is types.UnionType:
        return _make_optional(hint, arguments, where, outer)
    if origin is list:
        return schema.ListSchema(_make(arguments[0], where, outer))
    if origin is tuple:
        if not arguments or Ellipsis in arguments:
            raise Refused(f"{where}: {_spell(hint)} is not supported: use list[...] for any number of values")
        return schema.TupleSchema(tuple(_make(item, where, outer) for item in arguments))
    if origin is dict:
        if arguments[0] is not str:
            raise Refused(f"{where}: {_spell(hint)} is not supported: keys must be str; a field may be a Map")
        return schema.DictSchema(_make(arguments[1], where, outer))
    raise _refuse(hint, where)


def _make_class(kind: type, where: str, outer: tuple[type, ...]) -> schema.Schema:
    if issubclass(kind, Address):
        return schema.FixedBytesSchema(kind, "address")
    if issubclass(kind, Digest):
        return schema.FixedBytesSchema(kind, "bytes32")
    if issubclass(kind, Enum):
        if not len(kind):
            raise Refused(f"{where}: the enum {kind.__name__} has no members")
        return schema.EnumSchema(kind)
    if dataclasses.is_dataclass(kind):
        return _make_struct(kind, where, outer)
    raise _refuse(kind, where)


def _make_struct(kind: type, where: str, outer: tuple[type, ...]) -> schema.Schema:
    if kind in outer:
        raise Refused(f"{where}: {kind.__name__} contains itself, and such values have no fixed form")
    hints = resolve_hints(kind, kind.__name__)
    fields = []
    for field in dataclasses.fields(kind):
        if not field.init:
            raise Refused(f"{where}: {kind.__name__}.{field.name} has init=False, so it cannot be read back")
        inner = _make(hints[field.name], f"{kind.__name__}.{field.name}", (*outer, kind))
        fields.append(schema.StructField(field.name, inner))
    parameters: Any = vars(kind)["__dataclass_params__"]
    return schema.StructSchema(kind, tuple(fields), is_frozen=bool(parameters.frozen))


def _make_optional(hint: Any, arguments: tuple[Any, ...], where: str, outer: tuple[type, ...]) -> schema.Schema:
    rest = [argument for argument in arguments if argument is not type(None)]
    if len(rest) != 1 or len(arguments) != 2:
        raise Refused(f"{where}: {_spell(hint)} is not supported: a union may only be T | None")
    inner = _make(rest[0], where, outer)
    if isinstance(inner, schema.OptionalSchema):
        return inner
    return schema.OptionalSchema(inner)


def _refuse(hint: Any, where: str) -> Refused:
    instead = _INSTEAD.get(hint, "use int, bool, str, bytes, float, Address, Digest, Uint8 to Uint256, list, tuple, "
                                 "dict[str, T], T | None, a dataclass or an Enum")  # fmt: skip
    return Refused(f"{where}: the type {_spell(hint)} is not supported: {instead}")


def _spell(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else str(hint)
