"""Compiles the contracts into the artefacts that ship as package data, so that users need no compiler.

    python contracts/build.py            writes src/coprocessor/chain/artifacts/<Name>.json
    python contracts/build.py --check    exits 1 if a committed artefact differs from what the sources give

The output is a pure function of the sources and the compiler's version: no paths, no dates.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import vyper  # type: ignore[import-untyped]
from vyper.compiler import CompilerData  # type: ignore[import-untyped]
from vyper.compiler.input_bundle import FilesystemInputBundle  # type: ignore[import-untyped]
from vyper.compiler.output import build_abi_output, build_layout_output  # type: ignore[import-untyped]
from vyper.compiler.settings import Settings  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent
ARTIFACTS = ROOT.parent / "src" / "coprocessor" / "chain" / "artifacts"
EVM_VERSION = "prague"

CONTRACTS = (
    "directory/Directory.vy",
    "gatekeeping/Gatekeeping.vy",
    "registry/Registry.vy",
    "clusters/Clusters.vy",
    "programs/Programs.vy",
    "fees/Fees.vy",
    "inbox/Inbox.vy",
    "settlement/Settlement.vy",
    "beacon/Beacon.vy",
    "accounts/Accounts.vy",
    "consumers/AuctionHouse.vy",
)


def compile_contract(source: str) -> dict[str, Any]:
    """The artefact of one contract.

    Args:
        source: path below this folder.

    Returns:
        ``name``; ``compiler``; ``evm_version``; ``abi``; ``bytecode``: what a deployment sends before its arguments;
        ``runtime_template``: deployed code before its immutables; ``immutables``: name, type, offset after the template
        and length, in bytes; ``storage_layout``: type and slot by name; ``source_sha256``: over the source and all that
        it imports.
    """
    bundle = FilesystemInputBundle([ROOT])
    settings = Settings(evm_version=EVM_VERSION)
    data = CompilerData(bundle.load_file(source), bundle, settings=settings, no_bytecode_metadata=True)
    layout = build_layout_output(data)
    return {
        "name": Path(source).stem,
        "compiler": f"vyper {vyper.__version__}",
        "evm_version": EVM_VERSION,
        "abi": build_abi_output(data),
        "bytecode": "0x" + data.bytecode.hex(),
        "runtime_template": "0x" + data.bytecode_runtime.hex(),
        "immutables": [
            {"name": name, "type": item["type"], "offset": item["offset"], "length": item["length"]}
            for name, item in layout.get("code_layout", {}).items()
        ],
        "storage_layout": {
            name: {"type": item["type"], "slot": item["slot"]}
            for name, item in layout.get("storage_layout", {}).items()
        },
        "source_sha256": _digest_sources(source),
    }


def render(artifact: dict[str, Any]) -> str:
    """The text of an artefact's file."""
    return json.dumps(artifact, indent=1, sort_keys=True) + "\n"


def _digest_sources(source: str) -> str:
    """SHA-256 over (path, content) of a contract and of everything that it imports, in order of path."""
    digest = hashlib.sha256()
    for path in sorted(_closure(ROOT / source)):
        for field in (path.relative_to(ROOT).as_posix().encode(), path.read_bytes()):
            digest.update(len(field).to_bytes(8, "big") + field)
    return digest.hexdigest()


def _closure(path: Path) -> set[Path]:
    found, open_paths = {path}, [path]
    while open_paths:
        current = open_paths.pop()
        new = {target for line in current.read_text().splitlines() for target in _imported(current, line)} - found
        found |= new
        open_paths += sorted(new)
    return found


def _imported(importer: Path, line: str) -> list[Path]:
    """The file that a line ``from ..folder import name [as alias]`` imports; our sources use no other form."""
    words = line.split()
    if len(words) < 4 or words[0] != "from" or words[2] != "import" or not words[1].startswith("."):
        return []
    package = words[1].lstrip(".")
    folder = importer.parents[len(words[1]) - len(package) - 1] / package
    candidates = [folder / f"{words[3]}{suffix}" for suffix in (".vy", ".vyi")]
    return [next(candidate for candidate in candidates if candidate.exists())]


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(description="Compile the contracts into the package's artefacts.")
    parser.add_argument("--check", action="store_true", help="compare with the committed artefacts instead of writing")
    options = parser.parse_args(arguments)
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    stale = []
    for source in CONTRACTS:
        target, text = ARTIFACTS / f"{Path(source).stem}.json", render(compile_contract(source))
        if target.exists() and target.read_text() == text:
            continue
        stale.append(target.name)
        if not options.check:
            target.write_text(text)
    verb = "differ from the sources" if options.check else "written"
    sys.stdout.write(f"{', '.join(stale)}: {verb}\n" if stale else "artefacts are up to date\n")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
