"""Functions in processes of their own, which may be killed: forked from one that has loaded what they need."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_PRELOAD = ["tests.faults.scenarios", "coprocessor.devnode.node", "coprocessor.host.worker", "coprocessor.cli.main"]
SECONDS = 120.0


class ChildFailed(Exception):
    """The function raised; the text is its error."""


def run(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a process of its own, or ``None`` where that process was killed by SIGKILL."""
    _CONTEXT.set_forkserver_preload(_PRELOAD)
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    child = _CONTEXT.Process(target=_work, args=(theirs, function, arguments), daemon=True)
    child.start()
    theirs.close()
    try:
        kind, value = ours.recv()
    except EOFError:
        child.join(SECONDS)
        assert child.exitcode == -signal.SIGKILL, f"the child ended with {child.exitcode}"
        return None
    finally:
        ours.close()
    child.join(SECONDS)
    if kind == "error":
        raise ChildFailed(value)
    return value


def _work(answers: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        answers.send(("result", function(*arguments)))
    except BaseException as error:
        answers.send(("error", f"{type(error).__name__}: {error}"))
