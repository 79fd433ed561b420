"""No durable write bypasses the registry of persist points (``coprocessor.durable``): the syntax trees are searched."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from coprocessor.durable.points import PersistPoint
from tests.architecture.source import Module, imports, modules

# What single files may do beside the registry, with the reason.
EXCEPTIONS: dict[str, tuple[frozenset[str], str]] = {
    "src/coprocessor/attesters/gramine.py": (
        frozenset({"(self._folder / 'user_report_data').open"}),
        "a pseudo-file of the enclave's system: nothing lasts",
    ),
    "src/coprocessor/attesters/nitro.py": (frozenset({"self._path.open"}), "a device: nothing lasts"),
    "src/coprocessor/attesters/tsm.py": (
        frozenset({"(entry / 'inblob').open"}),
        "an attribute of the kernel's configfs: nothing lasts",
    ),
    "src/coprocessor/attesters/simulated.py": (
        frozenset({"os.open", "os.fdopen", "os.link", "draft.unlink"}),
        "inside the measured boundary, which imports nothing of the hosts; stands for hardware; has its own crash test",
    ),
    "src/coprocessor/cli/demo_network.py": (
        frozenset({"shutil.rmtree", "(folder / _MARKER).touch"}),
        "throws away an earlier demonstration, which holds nothing; the marker is empty",
    ),
    "src/coprocessor/cli/main.py": (frozenset({"os.open"}), "output that nobody reads goes to the null device"),
    "src/coprocessor/client/guest_cache.py": (frozenset({"path.parent.chmod"}), "makes its folder private"),
    "src/coprocessor/client/unfinished.py": (frozenset({"os.open"}), "a lock file is empty: only its owner counts"),
    "src/coprocessor/devnode/running.py": (frozenset({"os.open"}), "a lock file is empty: only its owner counts"),
    "src/coprocessor/host/checkpoints.py": (frozenset({"old.unlink"}), "checkpoints that newer ones replace"),
    "src/coprocessor/host/children.py": (frozenset({"self._log.open"}), "what processes say goes to log files"),
    "src/coprocessor/host/folder.py": (frozenset({"os.open"}), "a lock file is empty: only its owner counts"),
    "src/coprocessor/host/store.py": (
        frozenset({"path.with_name(path.name + suffix).unlink"}),
        "throws a damaged cache away",
    ),
    "src/coprocessor/host/up_state.py": (frozenset({"os.open"}), "a lock file is empty: only its owner counts"),
}

_METHODS = {"write_text", "write_bytes", "touch", "rename", "symlink_to", "hardlink_to", "unlink", "chmod"}
_FUNCTIONS = {
    f"{module}.{name}"
    for module, names in {
        "os": ("open", "replace", "rename", "link", "symlink", "remove", "unlink", "truncate"),
        "shutil": ("copy", "copy2", "copyfile", "copytree", "move", "rmtree"),
        "tempfile": ("NamedTemporaryFile", "mkstemp", "mkdtemp", "TemporaryFile", "TemporaryDirectory"),
        "json": ("dump",),
        "pickle": ("dump",),
    }.items()
    for name in names
}
_MODULES = {"sqlite3", "dbm", "shelve", "zipfile", "tarfile"}
_MODE_LETTERS = set("wax+")


def _writes(module: Module) -> Iterator[tuple[str, int]]:
    """Everything in a module that can change a file, with its line."""
    for item in imports(module):
        if item.target.split(".")[0] in _MODULES:
            yield f"import {item.target}", item.line
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and _is_write(node):
            yield ast.unparse(node.func), node.lineno


def _is_write(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    method = name.rpartition(".")[2]
    if name in _FUNCTIONS:
        return True
    if method in ("open", "fdopen"):
        texts = [node.value for node in (*call.args, *(word.value for word in call.keywords)) if _is_text(node)]
        return any(set(text) & _MODE_LETTERS and set(text) <= set("rwaxbt+U") for text in texts)
    if method == "replace" and isinstance(call.func, ast.Attribute):
        return len(call.args) == 1 and not call.keywords  # a path's: a text's takes two, a dataclass's takes names
    return method in _METHODS and isinstance(call.func, ast.Attribute)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


OUTSIDE = [module for module in modules() if module.package != "durable"]


@pytest.mark.parametrize("module", OUTSIDE, ids=[module.path for module in OUTSIDE])
def test_no_durable_write_bypasses_the_registry(module: Module) -> None:
    allowed, _ = EXCEPTIONS.get(module.path, (frozenset(), ""))
    found = [f"{name} in line {line}" for name, line in _writes(module) if name not in allowed]
    assert not found, f"{module.path}: {', '.join(found)}; write through durable.Disk"


def test_no_exception_outlives_its_reason() -> None:
    used = {module.path: {name for name, _ in _writes(module)} for module in OUTSIDE}
    for path, (allowed, reason) in EXCEPTIONS.items():
        assert reason
        assert allowed == used.get(path), f"{path} is allowed more than it does, or is gone"


@pytest.mark.parametrize("point", PersistPoint, ids=lambda point: point.value)
def test_every_point_is_written_somewhere(point: PersistPoint) -> None:
    used = {
        node.attr
        for module in OUTSIDE
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "PersistPoint"
    }
    assert point.name in used


@pytest.mark.parametrize(
    "text",
    [
        "open('file', 'w')",
        "open('file', mode='ab')",
        "path.open('x')",
        "path.write_text('x')",
        "path.write_bytes(b'x')",
        "draft.replace(path)",
        "os.replace(draft, path)",
        "os.open(path, os.O_WRONLY)",
        "os.fdopen(handle, 'wb')",
        "json.dump(value, file)",
        "tempfile.mkstemp()",
        "import sqlite3",
        "def f():\n    import sqlite3",
    ],
)
def test_a_write_beside_it_would_be_seen(text: str) -> None:
    assert list(_writes(Module("coprocessor.host.sample", "sample.py", ast.parse(text))))


@pytest.mark.parametrize(
    "text", ["open('file')", "path.open('rb')", "text.replace('a', 'b')", "replace(header, number=1)", "key.open(b'')"]
)
def test_reading_is_let_through(text: str) -> None:
    assert not list(_writes(Module("coprocessor.host.sample", "sample.py", ast.parse(text))))
