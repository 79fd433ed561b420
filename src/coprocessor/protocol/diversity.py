"""Shares of one operator, and of one hardware vendor, stay below the threshold of a committee (PROTOCOL 8.9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

__all__ = ["compute_most_seats", "find_excess"]

Holder = TypeVar("Holder")


def compute_most_seats(threshold: int) -> int:
    """Seats that one operator, or one vendor, may have; none where the threshold is 1."""
    return threshold - 1


def find_excess(holders: Iterable[Holder], threshold: int) -> tuple[Holder, int] | None:
    """Who has too many of a committee's seats, and how many; None where nobody has.

    Args:
        holders: one entry a seat: its operator, or its vendor.
        threshold: t of the committee.
    """
    seats = Counter(holders).most_common(1)
    return seats[0] if seats and seats[0][1] > compute_most_seats(threshold) else None
