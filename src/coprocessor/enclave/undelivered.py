"""Outputs of smart contracts' requests that may not be delivered yet, as a checkpoint keeps them (PROTOCOL 8.4).

Whether ``Settlement.deliver`` was called is no part of the inbox, so it is no function of history, and members that
must make equal checkpoints cannot tell. What is kept is therefore a window: the newest links that can still hold
something undelivered, with the leaves of all their outputs, since a delivery proves its output among all that its
receipt covers. Whoever begins at the checkpoint asks the chain which of them are delivered.

Rules enforced:
1. what is kept is a function of the links alone, the same for an old member and for one that began at a checkpoint;
2. it is bounded: so many links, leaves and results; where no request is among them, nothing is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from coprocessor.enclave.messages import ItemOutput
from coprocessor.values.identities import ZERO_DIGEST, Digest

__all__ = ["KEPT_LEAVES", "KEPT_LINKS", "KEPT_RESULTS", "LEADING_LINKS", "KeptLink", "Undelivered", "result_of"]

KEPT_LINKS = 4096
"""Newest links in the window."""

KEPT_LEAVES = 65_536
"""Leaves of them all, 32 bytes each."""

KEPT_RESULTS = 1024
"""Results of requests, each of at most 4,096 bytes."""

LEADING_LINKS = 256
"""Links that are kept before the oldest request: those that its receipt may cover too."""


@dataclass(frozen=True, slots=True)
class KeptLink:
    """A link's hash, the leaves of its outputs by position, and the result where it is a request's."""

    index: int
    head: Digest
    leaves: tuple[Digest, ...]
    result: ItemOutput | None


class Undelivered:
    """The window of one cluster."""

    def __init__(self) -> None:
        self._links: deque[KeptLink] = deque()
        self._leaves = self._results = 0

    def note(self, link: KeptLink) -> None:
        """A link was executed, or comes from a checkpoint; what no longer fits is dropped."""
        self._links.append(link)
        self._leaves += len(link.leaves)
        self._results += link.result is not None
        while len(self._links) > KEPT_LINKS or self._leaves > KEPT_LEAVES or self._results > KEPT_RESULTS:
            dropped = self._links.popleft()
            self._leaves -= len(dropped.leaves)
            self._results -= dropped.result is not None

    def restore(self, links: Iterable[KeptLink]) -> None:
        """Begins with what a checkpoint kept."""
        for link in links:
            self.note(link)

    def kept(self) -> tuple[KeptLink, ...]:
        """From some links before the oldest request on; nothing where there is none."""
        first = next((at for at, link in enumerate(self._links) if link.result is not None), None)
        return () if first is None else tuple(self._links)[max(0, first - LEADING_LINKS) :]


def result_of(outputs: Iterable[ItemOutput]) -> ItemOutput | None:
    """The output of a request among a link's outputs, or None."""
    return next((output for output in outputs if output.request != ZERO_DIGEST), None)
