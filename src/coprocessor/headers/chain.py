"""The verified chain: what an enclave or client holds of the finalised headers (PROTOCOL 2.1 to 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from coprocessor.headers.header import Header, parse_header
from coprocessor.headers.sealed import SealedSource
from coprocessor.values.errors import EvidenceRefused, MalformedInput

__all__ = ["KEPT_HEADERS", "MAX_SEGMENT", "VerifiedChain"]

KEPT_HEADERS = 1024
"""Finalised headers remembered for freshness challenges; older ones are forgotten."""

MAX_SEGMENT = 1024
"""Headers in one segment."""


class VerifiedChain:
    """The newest finalised header and its remembered ancestors; it only moves forward."""

    def __init__(self, source: SealedSource) -> None:
        self._source = source
        self._headers: dict[int, Header] = {}
        self._head: Header | None = None

    @property
    def head(self) -> Header | None:
        """The newest finalised header, or None before the first."""
        return self._head

    def header(self, number: int) -> Header | None:
        """The remembered finalised header at ``number``, or None."""
        return self._headers.get(number)

    def extend(self, raw_headers: Sequence[bytes], seals: Sequence[bytes]) -> Header:
        """Takes a segment of headers that link up by parent hash and whose last one is sealed.

        Headers at or below the present head are skipped after comparing them with what is known; a gap between the
        head and the segment is allowed (the seal, not ancestry, makes a header final), and then older headers are
        forgotten.

        Returns:
            The new head.

        Raises:
            MalformedInput: not headers, or too many.
            EvidenceRefused: links or seals do not hold, the chain would go back or fork.
        """
        if not 0 < len(raw_headers) <= MAX_SEGMENT:
            raise MalformedInput("headers.segment", f"a segment has 1 to {MAX_SEGMENT} headers, not {len(raw_headers)}")
        headers = [parse_header(raw) for raw in raw_headers]
        for parent, child in pairwise(headers):
            if child.number != parent.number + 1 or child.parent_hash != parent.hash:
                raise EvidenceRefused(
                    "headers.broken_link", f"block {child.number} does not follow block {parent.number} by parent hash"
                )
        self._source.verify(headers[-1], seals)
        self._check_against_known(headers)
        head = self._head
        if head is not None and headers[-1].number <= head.number:
            return head
        if head is not None and headers[0].number > head.number + 1:
            self._headers.clear()
        for header in headers:
            self._headers[header.number] = header
        for number in range(headers[-1].number - KEPT_HEADERS - len(headers), headers[-1].number - KEPT_HEADERS + 1):
            self._headers.pop(number, None)
        self._head = headers[-1]
        return headers[-1]

    def _check_against_known(self, headers: Sequence[Header]) -> None:
        for header in headers:
            known = self._headers.get(header.number)
            if known is not None and known.hash != header.hash:
                raise _fork(header.number)
        head = self._head
        if head is not None and headers[0].number == head.number + 1 and headers[0].parent_hash != head.hash:
            raise _fork(headers[0].number)


def _fork(number: int) -> EvidenceRefused:
    return EvidenceRefused(
        "headers.fork",
        f"two finalised chains disagree at block {number}",
        "the sealers signed both, or the node shows a forged chain",
        "stop and compare the chain with other nodes; nothing is executed meanwhile",
    )
