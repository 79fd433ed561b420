"""What an audit reads, and what it says.

A record is one block of the verified chain with the events of the network's contracts in it. Whoever makes records MUST
have checked that header follows header, and that the events are all there are (``headers.blocks``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coprocessor.headers.header import Header
from coprocessor.values.errors import CoprocessorError, EvidenceRefused
from coprocessor.values.identities import NetworkId

__all__ = ["FALSE", "HOLDS", "NOTHING", "Call", "Event", "Line", "Record", "Report", "falsehood"]

HOLDS: Final = "holds"
FALSE: Final = "FALSE"
NOTHING: Final = "none"


@dataclass(frozen=True, slots=True)
class Call:
    """The transaction behind an event, where it calls one of the network's contracts itself.

    Args:
        contract: its name.
        function: of it.
        arguments: by name.
    """

    contract: str
    function: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one of the network's contracts; ``call`` is None where another contract made it happen."""

    contract: str
    name: str
    fields: Mapping[str, Any]
    call: Call | None = None

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


@dataclass(frozen=True, slots=True)
class Record:
    """A block of the verified chain, and the network's events in it, in order."""

    header: Header
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """What was found about one subject.

    Args:
        subject: one of ``replay.SUBJECTS``.
        count: how many there are.
        checked: what was checked of each.
        verdict: ``HOLDS``, ``FALSE``, or ``NOTHING`` where there is none.
        simulated: how many of them rest on simulated hardware.
        rests_on: what is believed and not checked; empty where nothing is.
    """

    subject: str
    count: int
    checked: str
    verdict: str
    simulated: int = 0
    rests_on: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """An audit's outcome.

    Args:
        network: 32 bytes, the id that the description has.
        anchored: that id was pinned by whoever asked.
        block: the newest one that was looked at.
        lines: by subject, up to the first falsehood.
        simulated: the network accepts simulated hardware.
        error: the first falsehood, or None.
        warnings: what is true and should be known.
    """

    network: NetworkId
    anchored: bool
    block: int
    lines: tuple[Line, ...]
    simulated: bool
    error: CoprocessorError | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Nothing false was found, and the network is the one that was pinned."""
        return self.error is None and self.anchored


def falsehood(code: str, what: str, why: str, next: str = "") -> EvidenceRefused:
    """An error that says what the record shows, which rule that breaks, and what to do."""
    advice = next or "do not use this network; show others this report, anybody can repeat it"
    return EvidenceRefused(code, what, why, advice)
