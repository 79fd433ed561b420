"""Threads whose native stack is ample for every guest.

The deterministic depth limit holds only if it is met before the native stack ends, so guests run on threads whose
stack is NATIVE_STACK_FACTOR times what the limit can ask for, plus room for the host's own frames between nested
programs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from coprocessor.sandbox.instrumentation import DEPTH_LIMIT
from coprocessor.values.errors import CallerMisuse

__all__ = [
    "GUEST_STACK_BYTES",
    "NATIVE_STACK_FACTOR",
    "THREAD_STACK_BYTES",
    "require_guest_stack",
    "run_on_guest_stack",
]

NATIVE_STACK_FACTOR: Final = 2
"""How much larger the guests' part of the native stack is than DEPTH_LIMIT, itself an upper bound."""

GUEST_STACK_BYTES: Final = NATIVE_STACK_FACTOR * DEPTH_LIMIT
"""What the engine lets one guest use; meeting it is a fault of this machine or a bug, never an outcome."""

_HOST_BYTES: Final = 32 * 1024 * 1024
THREAD_STACK_BYTES: Final = GUEST_STACK_BYTES + _HOST_BYTES
"""Reserved address space; only pages that are really used cost memory."""

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_current = threading.local()


def require_guest_stack() -> None:
    """Raises CallerMisuse unless the calling thread was made by ``run_on_guest_stack``."""
    if not getattr(_current, "is_ample", False):
        raise CallerMisuse(
            "sandbox.native_stack",
            "a guest cannot run on this thread",
            why="its native stack may be smaller than what the deterministic depth limit allows",
            next="wrap the outermost call in coprocessor.sandbox.native_stack.run_on_guest_stack",
        )


def run_on_guest_stack(
    function: Callable[_Parameters, _Result], *args: _Parameters.args, **kwargs: _Parameters.kwargs
) -> _Result:
    """Calls ``function`` on a thread with THREAD_STACK_BYTES of stack and waits for it.

    Runs in place where the calling thread is such a thread already. Whatever ``function`` raises comes out here.
    """
    if getattr(_current, "is_ample", False):
        return function(*args, **kwargs)
    results: list[_Result] = []
    errors: list[BaseException] = []
    is_restored = threading.Event()

    def run() -> None:
        is_restored.wait()
        _current.is_ample = True
        try:
            results.append(function(*args, **kwargs))
        except BaseException as error:
            errors.append(error)

    with _thread_size_lock:
        previous = threading.stack_size(THREAD_STACK_BYTES)
        try:
            thread = threading.Thread(target=run, name="guest", daemon=True)
            thread.start()
        finally:
            threading.stack_size(previous)
    is_restored.set()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


_thread_size_lock = threading.Lock()
"""``threading.stack_size`` is a setting of the process: set, start and restore must not interleave."""
