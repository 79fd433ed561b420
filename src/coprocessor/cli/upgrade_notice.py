"""How commands tell that a program may soon run other code (PROTOCOL 12)."""

from __future__ import annotations

from typing import Any

from coprocessor.cli.screen import Screen
from coprocessor.client.programs import ProgramRecord
from coprocessor.client.versions import warning_of

__all__ = ["upgrade_fields", "warn_of_upgrade"]


def warn_of_upgrade(screen: Screen, record: ProgramRecord) -> None:
    """Says on stderr, before anything is sent, what who uses the program should know."""
    warning = warning_of(record)
    if warning:
        screen.note(warning)


def upgrade_fields(record: ProgramRecord) -> dict[str, Any]:
    """The same for scripts; nothing where no upgrade is announced."""
    if record.announced is None:
        return {}
    waiting = record.announced
    return {
        "upgrade_announced": {
            "code_hash": waiting.code_hash,
            "ready": waiting.ready,
            "expires": waiting.expires,
            "fuel": waiting.fuel_limit,
        }
    }
