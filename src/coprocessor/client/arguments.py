"""What people hand to the SDK, checked against what it says it takes, before anything is asked or sent.

The annotations are the table: a method that is marked with ``checked`` refuses values of another type with one code,
``client.argument``, naming the parameter. Lengths and ranges are checked where the values are used.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NewType, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from coprocessor.values.errors import CallerMisuse

__all__ = ["check_fields", "checked"]

P = ParamSpec("P")
R = TypeVar("R")

_LONGEST = 1_000_000_000
"""Seconds, or whatever else a float stands for."""

_NAMES = {int: "a whole number", float: "a number of seconds", bool: "True or False", str: "text", type(None): "None"}


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, whose arguments are compared with its annotations first.

    Raises (when called or, for coroutines, awaited):
        CallerMisuse: ``client.argument``.
    """
    signature = inspect.signature(function)

    def check(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        hints = _hints(function)
        bound = signature.bind(*arguments, **named)
        for name, value in bound.arguments.items():
            kind = signature.parameters[name].kind
            if name in hints and kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                _check(hints[name], value, f"{function.__name__}: {name}")

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def later(*arguments: P.args, **named: P.kwargs) -> Any:
            check(arguments, named)
            return await function(*arguments, **named)

        return later  # type: ignore[return-value]

    @functools.wraps(function)
    def now(*arguments: P.args, **named: P.kwargs) -> R:
        check(arguments, named)
        return function(*arguments, **named)

    return now


def check_fields(record: Any) -> None:
    """Compares a dataclass's fields with their annotations. Raises CallerMisuse as ``checked``."""
    kind: Any = type(record)
    hints = _hints(kind)
    for field in fields(record):
        _check(hints[field.name], getattr(record, field.name), f"{kind.__name__}: {field.name}")


@functools.lru_cache(maxsize=128)
def _hints(described: Any) -> dict[str, Any]:
    return get_type_hints(described)


def _check(hint: Any, value: Any, name: str) -> None:
    if not _fits(hint, value):
        raise CallerMisuse(
            "client.argument", f"{name} must be {_named(hint)}, not {type(value).__name__}{_shown(value)}"
        )


def _fits(hint: Any, value: Any) -> bool:
    if hint is Any or isinstance(hint, TypeVar):
        return True
    if isinstance(hint, NewType):
        return _fits(hint.__supertype__, value)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(option, value) for option in get_args(hint))
    if origin is not None and issubclass(origin, Sequence):
        is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        return is_list and all(_fits(get_args(hint)[0], item) for item in value)
    if hint is float:
        return type(value) in (int, float) and 0 <= value <= _LONGEST
    if hint is int:
        return type(value) is int
    return isinstance(value, origin or hint)


def _named(hint: Any) -> str:
    if isinstance(hint, NewType):
        return _named(hint.__supertype__)
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_named(option) for option in get_args(hint))
    if get_origin(hint) is not None:
        return f"a list of {_named(get_args(hint)[0])}"
    return _NAMES.get(hint) or f"{hint.__name__}"


def _shown(value: Any) -> str:
    """The value of numbers alone: everything else may be long, or a secret."""
    return f" {value!r:.40}" if isinstance(value, float) else ""
