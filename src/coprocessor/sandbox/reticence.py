"""How a process of the measured boundary dies: without a core dump, and without the text of what it was doing.

Memory holds keys, state and private code; so do messages of exceptions. What is left of a crash is the kind of error,
its stable code, and the places in this package's own code.
"""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from coprocessor.values.errors import CoprocessorError

__all__ = ["describe_crash", "keep_silent"]


def keep_silent() -> None:
    """Forbids core dumps to this process and its children, and hides what exceptions say from stderr.

    A limit of one byte rather than none: the kernel then also skips handlers that dumps are piped to (``core(5)``).
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = 0 if hard == 0 else 1
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
    sys.excepthook = _tell
    threading.excepthook = lambda failure: _tell(failure.exc_type, failure.exc_value, failure.exc_traceback)
    sys.unraisablehook = lambda failure: _tell(failure.exc_type, failure.exc_value, failure.exc_traceback)


def describe_crash(error: BaseException | None, trace: TracebackType | None) -> str:
    """A crash without its words: kind, code where it is ours, and the places, innermost last."""
    code = f" {error.code}" if isinstance(error, CoprocessorError) else ""
    lines = [f"  {name}:{line} in {function}" for name, line, function in _places(trace)]
    return "\n".join([f"{type(error).__name__}{code}; its words are withheld", *lines]) + "\n"


def _places(trace: TracebackType | None) -> Iterator[tuple[str, int, str]]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield code.co_filename, trace.tb_lineno, code.co_name
        trace = trace.tb_next


def _tell(_: Any, error: BaseException | None, trace: TracebackType | None) -> None:
    sys.stderr.write(describe_crash(error, trace))
