"""Events: named records in a call's output."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, dataclass_transform

from phat import canonical
from phat.hints import schema_of
from phat.plain import to_plain
from phat.schema import Mismatch, StructSchema

__all__ = ["Event", "encode_event", "event_schema"]


@dataclass_transform(frozen_default=True)
class Event:
    """Base of typed events; a subclass is a frozen dataclass of its hints.

    ``class Sold(Event): item: str; price: Uint256`` is emitted by ``self.emit(Sold(item="x", price=3))``.
    """

    _schema: ClassVar[StructSchema | None] = None

    def __init_subclass__(cls) -> None:
        cls._schema = None
        dataclasses.dataclass(frozen=True)(cls)


def event_schema(kind: type[Event]) -> StructSchema:
    """The schema of a typed event, made on first use.

    Raises:
        Refused: if a hint has no canonical form.
    """
    if kind._schema is None:
        made = schema_of(kind, f"event {kind.__name__}")
        assert isinstance(made, StructSchema)
        kind._schema = made
    return kind._schema


def encode_event(event: Event | str, fields: dict[str, Any]) -> tuple[str, bytes]:
    """Name and canonical JSON of an event."""
    if isinstance(event, str):
        return event, canonical.encode(to_plain(fields))
    kind = type(event)
    if fields:
        raise TypeError(f"{kind.__name__} has its fields already: emit({kind.__name__}(...))")
    try:
        return kind.__name__, canonical.encode(event_schema(kind).encode(event))
    except Mismatch as mismatch:
        raise TypeError(mismatch.explain(kind.__name__)) from None
