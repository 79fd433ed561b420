"""Development nodes for tests: each a process of its own on a free port.

with run_dev_node(finality_lag=2) as node:
    node.call("eth_blockNumber")
    node.url, node.sealer, node.chain_id
    node.kill()       # SIGKILL, as a crash
    node.restart()    # the same data folder, a new port
"""

from __future__ import annotations

import contextlib
import json
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

START_SECONDS = 60
STOP_SECONDS = 20
CALL_SECONDS = 120


class RpcFailure(Exception):
    """A JSON-RPC error object that a node answered."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("message"))
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Any = error.get("data")


class RpcClient:
    """The smallest JSON-RPC client."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, *parameters: Any) -> Any:
        """The result of one call. Raises RpcFailure."""
        reply = self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)})
        if "error" in reply:
            raise RpcFailure(reply["error"])
        return reply["result"]

    def batch(self, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        """The reply objects of one batch, in order."""
        body = [
            {"jsonrpc": "2.0", "id": i, "method": method, "params": parameters}
            for i, (method, parameters) in enumerate(calls)
        ]
        return sorted(self.post(body), key=lambda reply: reply["id"])

    def post(self, body: Any) -> Any:
        """The decoded reply to any JSON body."""
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as response:
            return json.loads(response.read())


class DevNode(RpcClient):
    """A node process."""

    def __init__(self, data: Path, arguments: list[str]) -> None:
        super().__init__("")
        self.data = data
        self.sealer = ""
        self.chain_id = 0
        self._arguments = arguments
        self.process: subprocess.Popen[str] = self._start()

    def restart(self) -> None:
        """Start again on the same data folder, after ``stop`` or ``kill``."""
        self.process = self._start()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.terminate()
        status = self.process.wait(STOP_SECONDS)
        self._close()
        return status

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "coprocessor.devnode", "--data", str(self.data), "--port", "0"]
        process = subprocess.Popen([*command, *self._arguments], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.select(timeout=START_SECONDS)
        started = time.monotonic()
        line = process.stdout.readline()
        if not line:
            process.kill()
            raise RuntimeError(f"the node ended with {process.wait()} after {time.monotonic() - started:.1f} s")
        ready = json.loads(line)
        self.url, self.sealer, self.chain_id = ready["rpc"], ready["sealer"], ready["chain_id"]
        return process

    def _close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextlib.contextmanager
def run_dev_node(
    *arguments: str,
    data: Path | None = None,
    finality_lag: int = 0,
    block_time: float | None = None,
) -> Iterator[DevNode]:
    """A node until the block ends; ``arguments`` go to its command line. Without ``data`` its folder is temporary."""
    folder = data or Path(tempfile.mkdtemp(prefix="devnode-"))
    options = [*arguments, "--finality-lag", str(finality_lag)]
    if block_time is not None:
        options += ["--block-time", str(block_time)]
    try:
        node = DevNode(folder, options)
        try:
            yield node
        finally:
            if node.process.poll() is None:
                node.kill()
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)
