"""What was said of a network's policy so far: the data alone (``audit.policies`` judges)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Final

from coprocessor.values.identities import Digest

__all__ = ["GENESIS_VERSION", "PolicyHistory"]

GENESIS_VERSION: Final = 1
"""Of measurements that the genesis lists."""


@dataclass(slots=True)
class PolicyHistory:
    """What was said so far.

    Args:
        announced: by measurement: version, since when and from when it counts, seconds.
        minimum_version: the least; 0 while none was set.
        evaluations: block and least evaluation number of each raise, oldest first.
        refresh, pinned_until, pins: of the newest refresh of collateral.
    """

    announced: dict[Digest, tuple[int, int, int]] = field(default_factory=dict)
    minimum_version: int = 0
    evaluations: list[tuple[int, int]] = field(default_factory=list)
    refresh: int = 0
    pinned_until: int = 0
    pins: tuple[Digest, ...] = ()

    def version(self, measurement: Digest, listed: Set[Digest], now: int) -> int:
        """The version of a measurement, 0 where it does not count."""
        if measurement in listed:
            return GENESIS_VERSION
        version, _, counts_from = self.announced.get(measurement, (0, 0, 0))
        return version if counts_from <= now else 0

    def evaluation_at(self, block: int) -> int:
        """The least evaluation number after a block."""
        return max((number for at, number in self.evaluations if at <= block), default=0)
