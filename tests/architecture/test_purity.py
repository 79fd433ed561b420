"""Bytes in, bytes out and nothing else: no socket, clock, entropy, environment, thread or file (DESIGN 5)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import Module, imports, modules, rooms

# Modules whose very import means reaching the world.
WORLD = frozenset(
    (
        "aiohttp",
        "asyncio",
        "concurrent",
        "ctypes",
        "fcntl",
        "ftplib",
        "getpass",
        "http",
        "importlib",
        "io",
        "locale",
        "logging",
        "mmap",
        "multiprocessing",
        "os",
        "pathlib",
        "platform",
        "queue",
        "random",
        "readline",
        "requests",
        "resource",
        "sched",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "site",
        "socket",
        "socketserver",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "sysconfig",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
        "webbrowser",
    )
)
# Calls of modules that are otherwise harmless, and built-in functions.
CALLS = frozenset(
    (
        "breakpoint",
        "exec",
        "eval",
        "input",
        "open",
        "print",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
    )
)

# The edges, and what each of them may use, with the reason.
EDGES: dict[str, tuple[frozenset[str], str]] = {
    "src/coprocessor/enclave/loop.py": (frozenset({"select", "socket"}), "the thin loop speaks to host and executor"),
    "src/coprocessor/enclave/process.py": (
        frozenset({"os", "pathlib", "signal", "socket", "time"}),
        "reads clock and entropy inside the measured boundary (PROTOCOL 2.5)",
    ),
    "src/coprocessor/enclave/worker_main.py": (frozenset({"os"}), "entry point"),
    "src/coprocessor/enclave/gatekeeper_main.py": (frozenset({"os"}), "entry point"),
    "src/coprocessor/sandbox/executor_process.py": (
        frozenset({"os", "socket", "sys", "threading", "time"}),
        "entry point of the executor; ends with its parent",
    ),
    "src/coprocessor/sandbox/reticence.py": (
        frozenset({"resource", "sys", "threading"}),
        "no core dump and no words from the processes of the measured boundary",
    ),
    "src/coprocessor/sandbox/framing.py": (frozenset({"socket"}), "messages between core and executor"),
    "src/coprocessor/sandbox/supervisor.py": (
        frozenset({"socket", "subprocess", "sys"}),
        "starts the executor and ends a query that takes too long",
    ),
    "src/coprocessor/sandbox/native_stack.py": (frozenset({"threading"}), "a guest's stack of its own is a thread"),
    "src/coprocessor/sandbox/fast_path.py": (
        frozenset({"ctypes", "mmap"}),
        "reaches the engine's C interface in place",
    ),
    "src/coprocessor/sandbox/images.py": (frozenset({"os"}), "snapshots lie in anonymous memory files"),
    "src/coprocessor/sandbox/engine.py": (frozenset({"sys"}), "the word size and byte order of this machine"),
    "src/coprocessor/sandbox/python_guest.py": (frozenset({"importlib", "pathlib"}), "reads the packed guest once"),
    "src/coprocessor/sandbox/runtime.py": (frozenset({"importlib"}), "the engine's version is part of the runtime id"),
    "src/coprocessor/sandbox/project.py": (
        frozenset({"pathlib"}),
        "reads an author's folder; never loaded by an enclave",
    ),
}

PURE = [
    module
    for module in modules()
    if module.package and (rooms()[module.package].level <= 3 or module.package in ("enclave", "audit"))
]


def _reaches(module: Module) -> Iterator[tuple[str, int]]:
    """Names from the world, with their lines."""
    for item in imports(module):
        top = item.target.split(".")[0]
        if top in WORLD:
            yield top, item.line
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
            yield ast.unparse(node.func), node.lineno


@pytest.mark.parametrize("module", PURE, ids=[module.path for module in PURE])
def test_pure_packages_do_not_touch_the_world(module: Module) -> None:
    allowed, _ = EDGES.get(module.path, (frozenset(), ""))
    reached = [f"{name} in line {line}" for name, line in _reaches(module) if name not in allowed]
    assert not reached, f"{module.path} reaches {', '.join(reached)}"


def test_no_exception_outlives_its_reason() -> None:
    used = {module.path: {name for name, _ in _reaches(module)} for module in PURE}
    for path, (allowed, reason) in EDGES.items():
        assert reason
        assert allowed == used.get(path), f"{path} is allowed more than it uses, or is gone"


@pytest.mark.parametrize(
    "text",
    [
        "import time",
        "from os import urandom",
        "import os.path",
        "def f():\n    import secrets",
        "import datetime\nnow = datetime.datetime.now()",
        "data = open('file')",
        "import importlib.resources",
    ],
)
def test_an_impure_module_would_be_seen(text: str) -> None:
    assert list(_reaches(Module("coprocessor.values.sample", "sample.py", ast.parse(text))))


def test_a_pure_module_is_let_through() -> None:
    text = "import datetime\nimport json\nwhen = datetime.datetime.fromisoformat('2026-01-01')\nreply = key.open(b'')"
    assert not list(_reaches(Module("coprocessor.values.sample", "sample.py", ast.parse(text))))
