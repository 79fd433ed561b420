"""What was said of a network's policy so far: the data alone (``audit.policies`` judges)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from coprocessor.protocol.terms import compute_version, has_ended
from coprocessor.values.identities import Digest

__all__ = ["PolicyHistory", "Refresh"]

@dataclass(frozen=True, slots=True)
class Refresh:
    """One refresh of collateral: its block, until when its pins count (seconds since 1970), and the pins."""

    block: int
    until: int
    pins: frozenset[Digest]


@dataclass(slots=True)
class PolicyHistory:
    """What was said so far.

    Args:
        announced: by measurement: version, since when and from when it counts, seconds.
        minimum_version: the least; 0 while none was set.
        evaluations: block and least evaluation number of each raise, oldest first.
        refreshes: of collateral, oldest first.
    """

    announced: dict[Digest, tuple[int, int, int]] = field(default_factory=dict)
    minimum_version: int = 0
    evaluations: list[tuple[int, int]] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)

    def version(self, measurement: Digest, listed: Set[Digest], now: int) -> int:
        """The version of a measurement, 0 where it does not count."""
        version, _, counts_from = self.announced.get(measurement, (0, 0, 0))
        return compute_version(version, counts_from, now, listed=measurement in listed)

    def evaluation_at(self, block: int) -> int:
        """The least evaluation number after a block."""
        return max((number for at, number in self.evaluations if at <= block), default=0)

    def may_take(self, collateral: Digest, first: int, now: int) -> bool:
        """Whether collateral was free of pins, or pinned, by any policy that was in force in block ``first`` or later.

        Args:
            collateral: its digest.
            first: the oldest block by whose policy gatekeepers may have judged.
            now: chain time, seconds, at the end of that span: pins that are over by then may have been over before.
        """
        later = [one for one in self.refreshes if one.block > first]
        before = self.refreshes[: len(self.refreshes) - len(later)]
        in_force = [*before[-1:], *later]
        return not before or any(collateral in one.pins or has_ended(one.until, now) for one in in_force)
