"""Builds the packed CPython guest: ``python engines/cpython/build.py [--output FOLDER]``.

Steps: componentize-py bakes CPython, the runtime and the ``phat`` package into a component without WASI; its core
modules are taken apart, linked and merged into one module that speaks guest ABI v1 and nothing else; the result is
compressed and described. Two builds differ, so the digest of the result is its identity, and it is accepted by the
tests under ``tests/guest``.

Needs ``requirements-build.lock`` and binaryen from npm; both are put into ``.cache`` on the first run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from component import flatten, read_component
from glue import FILE_FUNCTIONS, GUEST_EXPORTS, write_glue
from wasm_binary import finish_module, trim_module

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUTPUT = ROOT / "src" / "coprocessor" / "sandbox" / "guests"
BUILD_VENV = ROOT / ".cache" / "componentize-venv"
NODE_FOLDER = ROOT / ".cache" / "binaryen"
BINARYEN_VERSION = "132.0.0"
MAX_MEMORY_PAGES = (128 << 20) // 65536

# Features that the merged modules use; the two disabled ones change the binary format of imports and types.
FEATURES = ["-all", "--disable-compact-imports", "--disable-custom-descriptors"]
PASSES = ["--remove-unused-module-elements", "--simplify-globals", "--propagate-globals-globally"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where cpython.wasm.xz and provenance.json go")
    output = parser.parse_args().output
    started = time.monotonic()
    install_tools()
    with tempfile.TemporaryDirectory() as folder:
        wasm = build(Path(folder))
    output.mkdir(parents=True, exist_ok=True)
    packed = lzma.compress(wasm, preset=6)
    (output / "cpython.wasm.xz").write_bytes(packed)
    provenance = describe(wasm)
    (output / "provenance.json").write_text(json.dumps(provenance, indent=2, sort_keys=True) + "\n")
    seconds = time.monotonic() - started
    print(f"{len(wasm):,} bytes, packed {len(packed):,}, sha256 {provenance['wasm_sha256']}, in {seconds:.0f} s")


def install_tools() -> None:
    """Installs componentize-py and binaryen, each in a folder of its own, unless they are there."""
    if not (BUILD_VENV / "bin" / "componentize-py").exists():
        run(["uv", "venv", "--python", "3.11", str(BUILD_VENV)])
        locked = str(ROOT / "requirements-build.lock")
        run(["uv", "pip", "install", "--require-hashes", "--python", str(BUILD_VENV), "-r", locked])
    if not binaryen("wasm-opt").exists():
        NODE_FOLDER.mkdir(parents=True, exist_ok=True)
        package = f"binaryen@{BINARYEN_VERSION}"
        run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(NODE_FOLDER), package])


def build(folder: Path) -> bytes:
    """The finished core module."""
    component = componentize(folder)
    flattened = flatten(read_component(component), export="call", replaced=FILE_FUNCTIONS)
    (folder / "glue.wat").write_text(write_glue(flattened))
    run_binaryen(folder, "wasm-as", "glue.wat", "-o", "glue.wasm")
    arguments = []
    for name, module in flattened.modules:
        (folder / f"{name}.wasm").write_bytes(module)
        arguments += [f"{name}.wasm", name]
    run_binaryen(
        folder, "wasm-merge", *arguments, "glue.wasm", "glue", "-o", "merged.wasm", "--rename-export-conflicts"
    )
    (folder / "linked.wasm").write_bytes(trim_module((folder / "merged.wasm").read_bytes(), GUEST_EXPORTS))
    run_binaryen(folder, "wasm-opt", "linked.wasm", "-o", "optimised.wasm", *PASSES)
    return finish_module((folder / "optimised.wasm").read_bytes(), GUEST_EXPORTS, MAX_MEMORY_PAGES)


def componentize(folder: Path) -> bytes:
    """The component, with a private copy of the runtime and of the guest SDK."""
    sources = folder / "sources"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HERE / "runtime", sources, ignore=ignored)
    shutil.copytree(ROOT / "src" / "phat", sources / "phat", ignore=ignored)
    command = [str(BUILD_VENV / "bin" / "componentize-py"), "-q", "-d", str(HERE / "wit"), "-w", "guest"]
    command += ["componentize", "--stub-wasi", "app", "-p", str(sources), "-o", str(folder / "component.wasm")]
    run(command, cwd=folder)
    return (folder / "component.wasm").read_bytes()


def describe(wasm: bytes) -> dict[str, object]:
    """What made the artefact: tools, sources, and its digest."""
    return {
        "format": 1,
        "wasm_sha256": hashlib.sha256(wasm).hexdigest(),
        "wasm_bytes": len(wasm),
        "guest_abi": 1,
        "python": "3.14.0",
        "snapshot_recipe": read_recipe(),
        "tools": {"componentize-py": tool_version(), "binaryen": BINARYEN_VERSION, "binaryen_flags": FEATURES + PASSES},
        "sources": {
            str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in source_files()
        },
    }


def source_files() -> list[Path]:
    """Everything of this repository that goes into the artefact."""
    found = [HERE / name for name in ("build.py", "component.py", "glue.py", "wasm_binary.py")]
    found += [path for folder in (HERE / "runtime", ROOT / "src" / "phat") for path in folder.rglob("*.py")]
    return sorted([*found, HERE / "wit" / "guest.wit", ROOT / "requirements-build.lock"])


def read_recipe() -> str:
    """The snapshot recipe's name, from the runtime's source."""
    source = (HERE / "runtime" / "guest_runtime" / "server.py").read_text()
    (line,) = (line for line in source.splitlines() if line.startswith("SNAPSHOT_RECIPE = "))
    return line.split('"')[1]


def tool_version() -> str:
    output = subprocess.run(
        [str(BUILD_VENV / "bin" / "componentize-py"), "--version"], check=True, capture_output=True, text=True
    )
    return output.stdout.split()[-1]


def binaryen(tool: str) -> Path:
    return NODE_FOLDER / "node_modules" / "binaryen" / "bin" / tool


def run_binaryen(folder: Path, tool: str, *arguments: str) -> None:
    run(["node", str(binaryen(tool)), *arguments, *FEATURES], cwd=folder)


def run(command: list[str], cwd: Path | None = None) -> None:
    """Runs a tool; those that were installed beside this interpreter (uv, npm, node) come first."""
    print("$", " ".join(Path(part).name for part in command[:4]), file=sys.stderr)
    kept = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(command, check=True, cwd=cwd, env=kept | {"PATH": path})


if __name__ == "__main__":
    main()
