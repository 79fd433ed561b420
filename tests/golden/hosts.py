"""Executors to play on: in this process, with any engine."""

from __future__ import annotations

from typing import Any

from coprocessor.sandbox.engine import Engine, EngineOptions
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.executor_messages import GuestLoaded, LoadGuest
from tests.support.python_guest import compiled_python_guest

__all__ = ["LocalHost"]


class LocalHost:
    """An executor in this process. Must be used on a guest stack.

    Args:
        options: of its engine.
        has_python: give it the CPython guest.
    """

    def __init__(self, options: EngineOptions | None = None, has_python: bool = True) -> None:
        self.engine = Engine(options)
        self._executor = Executor(self.engine)
        if has_python:
            compiled = compiled_python_guest(self.engine).serialize()
            reply = self.ask(LoadGuest("python", b"", compiled))
            assert isinstance(reply, GuestLoaded), reply

    def ask(self, request: Any) -> Any:
        """Its reply to one request."""
        return self._executor.handle(request)
