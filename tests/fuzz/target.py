"""One parser or verifier under attack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from tests.support.error_codes import LISTED_CODES

__all__ = ["MALFORMED", "REFUSED", "Target", "Unsound"]

MALFORMED = (MalformedInput,)
"""What a parser may raise."""

REFUSED = (MalformedInput, EvidenceRefused)
"""What a verifier may raise."""


class Unsound(AssertionError):
    """A target took what it must not take, or gave what it must not give."""


@dataclass(frozen=True)
class Target:
    """What is attacked, with what, and how it may answer.

    Args:
        name: of the target and of its folder under ``corpus``.
        run: takes any bytes; raises ``Unsound`` where the code under test is wrong beyond raising.
        seeds: makes valid inputs; each must pass without an error.
        errors: documented errors; everything else that is raised is a finding.
        covers: public functions that the target drives: ``package.module.name`` or ``….Class.name``.
        examples: examples of the everyday test.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    errors: tuple[type[CoprocessorError], ...] = MALFORMED
    covers: tuple[str, ...] = field(default=())
    examples: int = 60

    def attack(self, data: bytes) -> bool:
        """Whether ``data`` was accepted; an undocumented error comes through, and so does an unlisted code."""
        try:
            self.run(data)
        except self.errors as error:
            if error.code not in LISTED_CODES:
                raise Unsound(f"code {error.code} is not listed in docs/errors.md") from error
            return False
        return True
