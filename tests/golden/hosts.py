"""Executors to play on: in this process with any engine, or a process of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from coprocessor.sandbox.engine import Engine, EngineOptions
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.executor_messages import GuestLoaded, LoadGuest
from coprocessor.sandbox.supervisor import ExecutorHandle
from tests.golden.play import Host
from tests.support.python_guest import compiled_python_guest

__all__ = ["LocalHost", "give_python", "started_process"]


class LocalHost:
    """An executor in this process. Must be used on a guest stack.

    Args:
        options: of its engine.
        has_python: give it the CPython guest.
    """

    def __init__(self, options: EngineOptions | None = None, has_python: bool = True) -> None:
        engine = Engine(options)
        self._executor = Executor(engine)
        if has_python:
            give_python(self, engine)

    def ask(self, request: Any) -> Any:
        """Its reply to one request."""
        return self._executor.handle(request)


def give_python(host: Host, engine: Engine | None = None) -> None:
    """Gives an executor the CPython guest, as it was compiled for an engine with the same options."""
    compiled = compiled_python_guest(engine or Engine()).serialize()
    reply = host.ask(LoadGuest("python", b"", compiled))
    assert isinstance(reply, GuestLoaded), reply


@contextlib.contextmanager
def started_process(hash_seed: str) -> Iterator[ExecutorHandle]:
    """An executor process with that seed of the host's own hashes, and with the CPython guest."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONHASHSEED", hash_seed)
        handle = ExecutorHandle()
    with handle:
        give_python(handle)
        yield handle
