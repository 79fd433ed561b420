"""Roots, heads and leaves of executed links, for receipts; compared with what the chain has settled (PROTOCOL 7.1)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.protocol.outputs import compute_outputs_root
from coprocessor.values.errors import CallerMisuse, EvidenceRefused
from coprocessor.values.identities import Digest, StateRoot

__all__ = ["History"]


@dataclass(frozen=True, slots=True)
class _Step:
    root: StateRoot
    head: Digest
    leaves: tuple[Digest, ...]


class History:
    """What follows each count of links, since the last settled one.

    Args:
        root: before the first link.
        head: before the first link.
    """

    def __init__(self, root: StateRoot, head: Digest) -> None:
        self._steps: dict[int, _Step] = {0: _Step(root, head, ())}
        self._oldest = 0
        self._settled: tuple[int, StateRoot] | None = None
        self.count = 0
        """Links executed."""

    def restore(self, count: int, root: StateRoot, head: Digest) -> None:
        """Begins after ``count`` links. Raises EvidenceRefused where the chain settled another root for as many."""
        self._steps = {count: _Step(root, head, ())}
        self._oldest = self.count = count
        self._compare()

    @property
    def root(self) -> StateRoot:
        """The present state root."""
        return self._steps[self.count].root

    def append(self, root: StateRoot, head: Digest, leaves: tuple[Digest, ...]) -> None:
        """One more link was executed. Raises EvidenceRefused where the chain settled another root for it."""
        self.count += 1
        self._steps[self.count] = _Step(root, head, leaves)
        self._compare()

    def set_settled(self, count: int, root: StateRoot) -> None:
        """What the chain proves to be settled.

        Raises:
            EvidenceRefused: another root than this enclave computed for as many links.
        """
        self._settled = (count, root)
        self._compare()

    def range(self, first: int, to: int) -> tuple[StateRoot, StateRoot, Digest, Digest]:
        """Previous root, new root, inbox head and outputs root of a receipt over ``first`` to ``to`` links.

        Raises:
            CallerMisuse: not executed yet, empty, or settled long ago.
        """
        if not self._oldest <= first < to <= self.count:
            raise CallerMisuse(
                "receipt.range",
                f"links {first} to {to} were asked for, {self._oldest} to {self.count} are at hand",
                next="ask for a range that begins at the settled count and ends at the executed one",
            )
        leaves = [leaf for count in range(first + 1, to + 1) for leaf in self._steps[count].leaves]
        last = self._steps[to]
        return self._steps[first].root, last.root, last.head, compute_outputs_root(leaves)

    def _compare(self) -> None:
        if self._settled is None or self._settled[0] > self.count or self._settled[0] < self._oldest:
            return
        count, root = self._settled
        if self._steps[count].root != root:
            raise EvidenceRefused(
                "settlement.diverged",
                f"after {count} links the chain has settled root 0x{root.hex()}",
                f"this enclave computed 0x{self._steps[count].root.hex()}",
                "stop this worker and report it: two enclaves disagree about one history",
            )
        for old in range(self._oldest, count):
            del self._steps[old]
        self._oldest = count
