"""Writes ``trusted-code.md``: what runs inside the enclaves, measured on the source and on what a process really loads.

    python docs/make_trusted_code.py            write the page
    python docs/make_trusted_code.py --check    exit status 1 where a list differs, or a size by more than a tenth

Lines are those that hold code: no blank lines, comments or docstrings.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "coprocessor"
PAGE = ROOT / "docs" / "trusted-code.md"

PROCESSES = {
    "worker's core": "coprocessor.enclave.worker_main",
    "its executor": "coprocessor.sandbox.executor_process",
    "gatekeeper's core": "coprocessor.enclave.gatekeeper_main",
}

_TOLERANCE = 10
"""A tenth: sizes may move by that much before the page must be made again."""

_HEAD = """# Trusted code

What a network's promises rest on, if the hardware keeps its own: everything that runs inside enclaves, and the
contracts. Hosts, client, command line and development chain are not part of it: they are believed by nobody.
This page is made by `docs/make_trusted_code.py`; a test compares its lists exactly and its sizes within a tenth.

The measurement of an enclave covers every file of these packages, so a change in one is another enclave.
"""

_TAIL = """
Beside them: CPython and its standard library, OpenSSL inside `cryptography`, the engine inside `wasmtime`, and the
packed CPython guest, which runs inside the sandbox: programs trust it, the enclave does not.
"""


class Size(NamedTuple):
    """Modules and lines of code."""

    modules: int
    lines: int


def main() -> int:
    """Writes or checks the page; exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    text = make_page()
    if parser.parse_args().check:
        is_same = PAGE.exists() and is_close(PAGE.read_text("utf-8"), text)
        sys.stdout.write("trusted-code.md holds\n" if is_same else "trusted-code.md differs: make it again\n")
        return 0 if is_same else 1
    PAGE.write_text(text, "utf-8")
    return 0


def make_page() -> str:
    """The whole page."""
    loaded = {name: loaded_modules(module) for name, module in PROCESSES.items()}
    own = {name: {one for one in names if one.split(".")[0] == "coprocessor"} for name, names in loaded.items()}
    everything = set().union(*own.values())
    packages = sorted({name.split(".")[1] for name in everything if "." in name})
    parts = [_HEAD, "## Our own code\n"]
    parts.append("| package | modules | lines | loaded by |\n|---|---|---|---|")
    total = Size(0, 0)
    for package in packages:
        size = _size({name for name in everything if name.split(".")[1:2] == [package]})
        total = Size(total.modules + size.modules, total.lines + size.lines)
        users = [name for name, names in own.items() if any(one.split(".")[1:2] == [package] for one in names)]
        parts.append(f"| `{package}` | {size.modules} | {size.lines} | {', '.join(users)} |")
    parts.append(f"| together | {total.modules} | {total.lines} | |\n")
    parts.append("## The contracts\n\n| contract | lines |\n|---|---|")
    parts += [f"| {path.stem} | {_vyper_lines(path)} |" for path in _contracts()]
    parts.append("\n## Libraries that enclave processes load\n\n| distribution | loaded by |\n|---|---|")
    libraries = {name: _distributions(names) for name, names in loaded.items()}
    for library in sorted(set().union(*libraries.values())):
        users = [name for name, names in libraries.items() if library in names]
        parts.append(f"| {library} | {', '.join(users)} |")
    return "\n".join([*parts, _TAIL])


def loaded_modules(module: str) -> set[str]:
    """Names of all modules that a process has after importing its main module."""
    code = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def is_close(kept: str, made: str) -> bool:
    """The same text but for numbers, and those within the tolerance."""
    if re.sub(r"\d+", "#", kept) != re.sub(r"\d+", "#", made):
        return False
    pairs = zip(re.findall(r"\d+", kept), re.findall(r"\d+", made), strict=True)
    return all(abs(int(old) - int(new)) * _TOLERANCE <= max(int(old), 3 * _TOLERANCE) for old, new in pairs)


def _size(modules: set[str]) -> Size:
    paths = [_path(name) for name in modules]
    return Size(len(paths), sum(count_lines(path.read_text("utf-8")) for path in paths))


def _path(name: str) -> Path:
    parts = name.split(".")[1:]
    file = PACKAGE.joinpath(*parts).with_suffix(".py")
    return file if file.is_file() else PACKAGE.joinpath(*parts, "__init__.py")


def count_lines(source: str) -> int:
    """Lines that hold code."""
    tree = ast.parse(source)
    silent: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            silent.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(source.splitlines(), start=1)
    return sum(1 for number, line in lines if number not in silent and line.strip() and line.strip()[0] != "#")


def _contracts() -> list[Path]:
    paths = (ROOT / "contracts").glob("*/*.vy")
    return sorted((path for path in paths if path.parent.name != "consumers"), key=lambda path: path.stem)


def _vyper_lines(path: Path) -> int:
    source = re.sub(r'"""(?s:.*?)"""', "", path.read_text("utf-8"))
    return sum(1 for line in source.splitlines() if line.strip() and line.strip()[0] != "#")


def _distributions(modules: set[str]) -> set[str]:
    known = metadata.packages_distributions()
    tops = {name.split(".")[0] for name in modules} - {"coprocessor"}
    standard = sys.stdlib_module_names
    found = {known[top][0] for top in tops if top in known and top not in standard}
    return found - {"setuptools", "coprocessor"}


if __name__ == "__main__":
    sys.exit(main())
