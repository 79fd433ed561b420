"""The source as syntax trees: modules, packages, imports, and the table of ARCHITECTURE.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "coprocessor"

_ROW = re.compile(r"^\| (\d) \| `coprocessor\.(\w+)` \| ([^|]+) \|([^|]*)\|$")


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: dotted name, path from the root of the repository, and its tree."""

    name: str
    path: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The folder under ``coprocessor``; empty for the front door itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""


@dataclass(frozen=True, slots=True)
class Import:
    """An import statement's target module, as far as a name tells it, and whether it stands inside a function."""

    target: str
    line: int
    is_local: bool


@dataclass(frozen=True, slots=True)
class Room:
    """A row of the table in ARCHITECTURE.md."""

    name: str
    level: int
    purpose: str
    also: frozenset[str]


@cache
def modules(folder: str = "coprocessor") -> tuple[Module, ...]:
    """Every module under ``src/<folder>``."""
    found = []
    for path in sorted((SOURCE / folder).rglob("*.py")):
        relative = path.relative_to(SOURCE)
        parts = relative.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, f"src/{relative}", ast.parse(path.read_text("utf-8"))))
    return tuple(found)


@cache
def module_names(folder: str = "coprocessor") -> frozenset[str]:
    """Dotted names of every module under ``src/<folder>``."""
    return frozenset(module.name for module in modules(folder))


@cache
def rooms() -> dict[str, Room]:
    """The table of ARCHITECTURE.md by package name."""
    found = {}
    for line in (ROOT / "ARCHITECTURE.md").read_text("utf-8").splitlines():
        if match := _ROW.match(line):
            level, name, purpose, also = match.groups()
            found[name] = Room(name, int(level), purpose.strip(), frozenset(re.findall(r"`(\w+)`", also)))
    return found


def imports(module: Module) -> Iterator[Import]:
    """All imports of a module, those inside functions marked; those for type checkers alone are left out."""
    yield from _imports(module, module.tree, is_local=False)


def _imports(module: Module, node: ast.AST, is_local: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, is_local)
        elif isinstance(child, ast.ImportFrom):
            yield from _import_from(module, child, is_local)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        else:
            inside = is_local or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(module, child, inside)


def _import_from(module: Module, node: ast.ImportFrom, is_local: bool) -> Iterator[Import]:
    base = node.module or ""
    if node.level:
        raise AssertionError(f"{module.path}:{node.lineno}: relative import; write the whole name")
    for alias in node.names:
        full = f"{base}.{alias.name}"
        yield Import(full if full in module_names() else base, node.lineno, is_local)


def first_party(module: Module) -> set[str]:
    """Packages of this project that the module imports, itself excepted."""
    targets = (item.target.split(".") for item in imports(module))
    return {parts[1] for parts in targets if parts[0] == "coprocessor" and len(parts) > 1} - {module.package}
