"""Replaces what a program cannot have - time, entropy, files, network, threads - by errors that say so.

This is courtesy, not confinement: the module imports nothing but guest ABI v1, so without these guards the same
calls would end in a trap. With them an author reads what to use instead.
"""

# Replacing attributes of modules and classes is this module's purpose.
# mypy: disable-error-code="attr-defined, method-assign"

from __future__ import annotations

import builtins
import datetime
import gc
import io
import logging
import os
import queue
import random
import secrets
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from phat.errors import Unavailable, UnavailableFile

_TIME = "replicas share no clock: use self.env.timestamp"
_ENTROPY = "replicas must draw alike: use self.env.random() or self.env.random_bytes(n)"
_FILES = "a program has no files: keep state in fields, and ship data with the program for phat.read_data(path)"
_SYSTEM = "a program has no operating system, so no files, processes or environment"
_THREADS = "a call runs alone, without threads"
_WAITS = "a call runs alone, so nobody would ever end this wait"

_CLOCKS = [
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time",
    "process_time_ns", "sleep", "clock_gettime", "clock_gettime_ns", "thread_time", "thread_time_ns", "get_clock_info",
]  # fmt: skip
_OS_KEPT = {"fspath", "fsencode", "fsdecode", "PathLike", "strerror", "error", "stat_result", "terminal_size"}
_RANDOM_KEPT = {"Random", "SystemRandom"}


def install() -> None:
    """Puts all guards in place; called once, while the guest is built."""
    _guard_time()
    _guard_entropy()
    _guard_files()
    _refuse(threading.Thread, ["start"], _THREADS, "threading.Thread")
    _refuse(sys.modules["_thread"], ["start_new_thread", "start_new", "start_joinable_thread"], _THREADS, "_thread")
    _guard_waits()
    _still_logging()
    _refuse(builtins, ["input", "breakpoint"], _SYSTEM, "")
    _refuse(sys, ["_baserepl", "_debugmallocstats"], _SYSTEM, "sys")
    _replace_aliases()


def _refusal(name: str, reason: str, kind: type[Unavailable] = Unavailable) -> Callable[..., NoReturn]:
    def refuse(*arguments: Any, **keywords: Any) -> NoReturn:
        raise kind(f"{name} is not available: {reason}")

    refuse.__name__ = refuse.__qualname__ = name.rpartition(".")[2]
    return refuse


_refused: list[tuple[object, Callable[..., NoReturn]]] = []
"""What was replaced, and by what."""


def _refuse(owner: Any, names: list[str], reason: str, prefix: str, kind: type[Unavailable] = Unavailable) -> None:
    for name in names:
        if hasattr(owner, name):
            refusal = _refusal(f"{prefix}.{name}".lstrip("."), reason, kind)
            _refused.append((getattr(owner, name), refusal))
            setattr(owner, name, refusal)


def _replace_aliases() -> None:
    """Modules that took a function by name before it was replaced, as ``queue`` takes ``time.monotonic``."""
    replaced = {id(original): (original, refusal) for original, refusal in _refused}
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            original, refusal = replaced.get(id(value), (None, None))
            if refusal is not None and value is original:
                setattr(module, name, refusal)
    _refused.clear()


def _guard_time() -> None:
    _refuse(time, _CLOCKS, _TIME, "time")
    for name in ("localtime", "gmtime", "ctime"):
        setattr(time, name, _needs_argument(name, getattr(time, name), 1))
    time.asctime = _needs_argument("asctime", time.asctime, 1)
    time.strftime = _needs_argument("strftime", time.strftime, 2)
    # datetime's classes are immutable from outside, and replacing them would break isinstance.
    _patch_type(
        datetime.datetime,
        {name: classmethod(_refusal(f"datetime.{name}", _TIME)) for name in ("now", "utcnow", "today")},
    )
    _patch_type(datetime.date, {"today": classmethod(_refusal("date.today", _TIME))})


def _guard_waits() -> None:
    """Locks and queues work as long as nobody has to wait; a wait would have no end."""
    lock = type(sys.modules["_thread"].allocate_lock())
    take, get = lock.acquire, queue.SimpleQueue.get

    def acquire(self: Any, blocking: bool = True, timeout: float = -1) -> bool:
        if take(self, False):
            return True
        if blocking:
            raise Unavailable(f"waiting for a lock is not available: {_WAITS}")
        return False

    def get_item(self: Any, block: bool = True, timeout: float | None = None) -> Any:
        if block and self.empty():
            raise Unavailable(f"waiting for a queue is not available: {_WAITS}")
        return get(self, False)

    _patch_type(lock, dict.fromkeys(("acquire", "acquire_lock", "__enter__"), acquire))
    _patch_type(queue.SimpleQueue, {"get": get_item})


def _still_logging() -> None:
    """``logging`` works, with the start of 1970 as the time of every record."""
    logging.time = types.SimpleNamespace(
        time=lambda: 0.0, time_ns=lambda: 0, localtime=time.gmtime, gmtime=time.gmtime, strftime=time.strftime
    )
    logging._startTime = 0
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = logging.logAsyncioTasks = False


def _needs_argument(name: str, original: Callable[..., Any], count: int) -> Callable[..., Any]:
    def guarded(*arguments: Any) -> Any:
        if len(arguments) < count or arguments[count - 1] is None:
            raise Unavailable(f"time.{name} without a time is not available: {_TIME}")
        return original(*arguments)

    guarded.__name__ = guarded.__qualname__ = name
    return guarded


def _patch_type(kind: type, members: dict[str, Any]) -> None:
    """Writes into the dictionary of a built-in type; its subclasses and instances keep working."""
    (namespace,) = (each for each in gc.get_referents(kind.__dict__) if isinstance(each, dict))
    namespace.update(members)
    sys._clear_internal_caches()
    sys._clear_type_cache()


def _guard_entropy() -> None:
    original_seed = random.Random.seed

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None:
            raise Unavailable(f"random.Random() without a seed is not available: {_ENTROPY}")
        original_seed(self, a, version)

    random.Random.seed = seed
    sys.modules["_random"].Random = random.Random
    module_functions = [name for name in random.__all__ if name not in _RANDOM_KEPT]
    _refuse(random, module_functions, _ENTROPY, "random")
    _refuse(random.SystemRandom, ["random", "getrandbits", "randbytes", "seed"], _ENTROPY, "random.SystemRandom")
    _refuse(
        secrets,
        [name for name in secrets.__all__ if name not in ("SystemRandom", "compare_digest")],
        _ENTROPY,
        "secrets",
    )
    _refuse(uuid, ["uuid1", "uuid4", "uuid6", "uuid7", "getnode"], _ENTROPY, "uuid")
    _refuse(os, ["urandom", "getrandom"], _ENTROPY, "os")


def _guard_files() -> None:
    for owner in (builtins, io, sys.modules["_io"]):
        owner.open = _refusal("open", _FILES, UnavailableFile)
    for owner in (io, sys.modules["_io"]):
        _refuse(owner, ["open_code"], _FILES, "io", UnavailableFile)
        owner.FileIO = type("FileIO", (owner.FileIO,), {"__new__": _refusal("io.FileIO", _FILES, UnavailableFile)})
    os.environ.clear()
    for module in (os, sys.modules["posix"]):
        _refuse(module, _system_calls(module), _SYSTEM, "os", UnavailableFile)


def _system_calls(module: ModuleType) -> list[str]:
    """Functions of ``os`` and ``posix`` that reach the operating system: all built-in ones, and what wraps them."""
    wrappers = {"walk", "fwalk", "makedirs", "removedirs", "renames", "fdopen", "popen", "get_exec_path", "putenv",
                "unsetenv", "getenvb"}  # fmt: skip
    posix = vars(sys.modules["posix"])
    return [
        name
        for name, value in vars(module).items()
        if callable(value) and name not in _OS_KEPT and not isinstance(value, type)
        and (name in wrappers or name in posix) and name != "urandom" and (name == "_exit" or not name.startswith("_"))
    ]  # fmt: skip
