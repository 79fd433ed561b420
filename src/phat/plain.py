"""Values without a type hint as canonical JSON, by what they are."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Any

from phat.canonical import Json

__all__ = ["to_plain"]


def to_plain(value: Any) -> Json:
    """The JSON form that a hint of the value's own type would give.

    Raises:
        TypeError: if the value has no such form.
    """
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a dict that leaves the program must have str keys")
        return {str(key): to_plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"a {type(value).__name__} cannot leave the program: use plain values, dataclasses or Enums")
