"""By when the older epochs of a cluster should be closed, and what is said after that (PROTOCOL 8.4)."""

from __future__ import annotations

from coprocessor.values.network import NetworkConfiguration

__all__ = ["CLOSING_SECONDS", "DEVELOPMENT_CLOSING_SECONDS", "closing_seconds"]

CLOSING_SECONDS = 30 * 86_400
"""How long after a new epoch began the one before may stay open without an alarm."""

DEVELOPMENT_CLOSING_SECONDS = 600
"""The same on networks whose configuration says that they are for development (PROTOCOL 1.4)."""


def closing_seconds(configuration: NetworkConfiguration) -> int:
    """The time for closing of a network, seconds."""
    return DEVELOPMENT_CLOSING_SECONDS if configuration.development else CLOSING_SECONDS
