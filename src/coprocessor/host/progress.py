"""How a host is doing: the step it is at, and what each part waits for. Read by ``/v1/status`` and by people."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from coprocessor.values.errors import CoprocessorError

__all__ = ["Progress"]

_log = logging.getLogger("coprocessor.host")


@dataclass(slots=True)
class Progress:
    """The state of a host's parts.

    Args:
        role: of the host, for the log.
        step: what it is at, for example ``admission`` or ``running``.
        cause: the part whose failure explains the others'.
    """

    role: str
    step: str = "starting"
    cause: str = ""
    _waiting: dict[str, CoprocessorError] = field(default_factory=dict)

    def enter(self, step: str) -> None:
        """A new step begins."""
        if step != self.step:
            self.step = step
            _log.info("%s: %s", self.role, step)

    def wait_for(self, part: str, error: CoprocessorError) -> None:
        """A part failed and will try again; the same failure is logged once."""
        known = self._waiting.get(part)
        if known is None or (known.code, known.what) != (error.code, error.what):
            _log.warning("%s: %s waits: %s", self.role, part, error)
        self._waiting[part] = error

    def clear(self, part: str) -> None:
        """A part goes on."""
        if self._waiting.pop(part, None) is not None:
            _log.info("%s: %s goes on", self.role, part)

    def clear_all(self) -> None:
        """Everything begins anew."""
        self._waiting.clear()

    def waiting(self) -> dict[str, str] | None:
        """The failure that matters most (that of the cause, or of the first part that failed), or None."""
        part = self.cause if self.cause in self._waiting else next(iter(self._waiting), None)
        return None if part is None else {"part": part, **self._waiting[part].to_dict()}

    def state(self) -> str:
        """``running``, the step, or ``waiting: <code> <what>``."""
        failure = self.waiting()
        return self.step if failure is None else f"waiting: {failure['code']} {failure['what']}"
