"""Habits that a reader relies on: docstrings, named exports, frozen state, files that fit a screen or two."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import ROOT, Module, modules

LONGEST = 500
# Longer files, each with the reason.
LONG_FILES = {
    "src/coprocessor/enclave/messages.py": "one table: every message between host and enclave, each with its docstring",
}

ALL = (*modules(), *modules("phat"))
IDS = [module.path for module in ALL]
_MUTABLE_CALLS = {"dict", "list", "set", "bytearray", "defaultdict", "deque", "OrderedDict", "Counter"}


@pytest.mark.parametrize("module", ALL, ids=IDS)
def test_a_module_opens_with_a_docstring(module: Module) -> None:
    assert ast.get_docstring(module.tree), f"{module.path} says nothing of its purpose"


@pytest.mark.parametrize("module", ALL, ids=IDS)
def test_annotations_are_not_evaluated(module: Module) -> None:
    has_code = any(not isinstance(node, ast.Expr) for node in module.tree.body)
    first = [node.module for node in module.tree.body if isinstance(node, ast.ImportFrom)]
    assert not has_code or "__future__" in first, f"{module.path} lacks 'from __future__ import annotations'"


def _public_without_docstring(node: ast.AST, prefix: str = "") -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or child.name.startswith("_"):
            continue
        if not ast.get_docstring(child) and not _is_told_elsewhere(child):
            yield prefix + child.name
        if isinstance(child, ast.ClassDef) and not _bases_document(child):
            yield from _public_without_docstring(child, f"{prefix}{child.name}.")


def _is_told_elsewhere(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Overrides and overloads, and members of a Protocol whose class says what they are (their body is ``...``)."""
    names = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
    return bool(names & {"overload", "override", "setter"}) or ast.unparse(node.body[-1]) == "..."


def _bases_document(node: ast.ClassDef) -> bool:
    """A class that fills in another's methods says of itself what differs; its methods are documented there."""
    return any(ast.unparse(base).split("[")[0] not in ("Protocol", "ABC", "Generic", "object") for base in node.bases)


@pytest.mark.parametrize("module", ALL, ids=IDS)
def test_public_names_have_docstrings(module: Module) -> None:
    missing = list(_public_without_docstring(module.tree))
    assert not missing, f"{module.path}: {', '.join(missing)}"


def _exports(module: Module) -> list[str] | None:
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def _defined(module: Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
    return names


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.path)
def test_exports_are_named_and_exist(module: Module) -> None:
    public = [
        node.name
        for node in module.tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    ]
    exports = _exports(module)
    if exports is None:
        is_program = module.path.endswith("__main__.py")
        assert not public or is_program, f"{module.path} defines {public[0]} but has no __all__"
        return
    assert len(set(exports)) == len(exports)
    assert set(exports) <= _defined(module), f"{module.path} exports {set(exports) - _defined(module)}"
    assert set(public) <= set(exports), f"{module.path} hides {set(public) - set(exports)} without an underscore"


def _mutable_globals(module: Module) -> Iterator[str]:
    for node in module.tree.body:
        if isinstance(node, ast.AnnAssign):
            name, value, note = ast.unparse(node.target), node.value, ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign):
            name, value, note = ast.unparse(node.targets[0]), node.value, ""
        else:
            continue
        is_constant = name.lstrip("_").isupper() or note.split("[")[0].split(".")[-1] == "Final"
        if value is not None and _is_mutable(value) and not is_constant and not name.startswith("__"):
            yield name


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
        return True
    return isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in _MUTABLE_CALLS


@pytest.mark.parametrize("module", ALL, ids=IDS)
def test_modules_hold_no_state(module: Module) -> None:
    found = list(_mutable_globals(module))
    assert not found, f"{module.path} keeps {', '.join(found)}: name it as a constant or pass it along"
    changed = [node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Global)]
    assert not changed, f"{module.path} writes globals in lines {changed}"


@pytest.mark.parametrize("module", ALL, ids=IDS)
def test_constants_are_not_changed(module: Module) -> None:
    """A constant's methods that change it, and assignments into it, are as good as a global statement."""
    changers = {"append", "extend", "insert", "pop", "clear", "update", "setdefault", "add", "discard", "remove"}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in changers:
            owner = node.func.value
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            owner = node.value
        else:
            continue
        is_constant = isinstance(owner, ast.Name) and owner.id.lstrip("_").isupper() and len(owner.id) > 1
        assert not is_constant, f"{module.path}:{node.lineno} changes {ast.unparse(owner)}"


@pytest.mark.parametrize("module", ALL, ids=IDS)
def test_files_are_short(module: Module) -> None:
    lines = len((ROOT / module.path).read_text("utf-8").splitlines())
    assert lines <= LONGEST or module.path in LONG_FILES, f"{module.path} has {lines} lines: divide it or give a reason"


def test_no_exception_outlives_its_reason() -> None:
    for path, reason in LONG_FILES.items():
        assert reason
        assert len((ROOT / path).read_text("utf-8").splitlines()) > LONGEST
