"""What a private program's failure tells to others than its owner: that it failed, or what the program said on purpose.

The text of an uncaught exception may hold names, constants and lines of code. So of a Python program only the message
of ``phat.revert`` and of ``phat.Error`` itself passes, without its place in the code; the message of any other
exception becomes ``FAILED``. A raw program's message is its own words and passes, a trap does not. Limits and the two
refusals that the public interface explains (unknown method, bad arguments) stay as they are.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from coprocessor.sandbox.abi import ResultStatus
from coprocessor.sandbox.outcome import Outcome, OutcomeKind

__all__ = ["FAILED", "place_of", "withhold_reason"]

FAILED: Final = "the private program failed"

_SAID: Final = "Error: "
_PLACE: Final = re.compile(r" \([\w./-]+\.py:\d+\)\Z")
_TRAP: Final = "trap: "


def place_of(message: str) -> str:
    """Where in the code of a Python program a failure was, with a space before it; empty where that is not said."""
    found = _PLACE.search(message)
    return found.group() if found else ""


def withhold_reason(outcome: Outcome, is_interpreted: bool) -> Outcome:
    """The outcome as others than the owner may know it.

    Args:
        outcome: of a call to private code.
        is_interpreted: the program is Python.
    """
    if outcome.kind is not OutcomeKind.REVERTED or outcome.status is not ResultStatus.REVERTED:
        return outcome
    if not is_interpreted:
        return replace(outcome, message=FAILED) if outcome.message.startswith(_TRAP) else outcome
    if not outcome.message.startswith(_SAID):
        return replace(outcome, message=FAILED)
    return replace(outcome, message=_PLACE.sub("", outcome.message))
