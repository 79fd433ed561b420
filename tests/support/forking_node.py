"""Development nodes that start in a fraction of a second: one process loads the node once and forks a child for each.

A forked node runs the same ``run_node`` as ``python -m coprocessor.devnode`` and is killed like any process; only the
import of the virtual machine, well over a second, is spared. ``ForkingNodes`` is the test's side; the module run as a
script is the other: a line of JSON with arguments starts a node, whose own line comes back; so does its exit status.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.node import RpcClient


class ForkedNode(RpcClient):
    """A node that is starting or serving; ``wait_until_ready`` before the first call."""

    def __init__(self, nodes: ForkingNodes, pid: int) -> None:
        super().__init__("")
        self._nodes = nodes
        self.pid = pid
        self.chain_id = 0

    def wait_until_ready(self) -> bool:
        """Whether it serves now; False where it ended instead."""
        line = self._nodes.read()
        if "ended" in line:
            return False
        self.url, self.chain_id = line["rpc"], line["chain_id"]
        return True

    def kill(self) -> None:
        """SIGKILL; returns once it is gone."""
        self._nodes.kill()


class ForkingNodes:
    """The process that forks nodes, one at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._child: int | None = None

    def start(self, *arguments: str) -> ForkedNode:
        """Forks a node with a command line, as it is after ``python -m coprocessor.devnode``; it is not ready yet."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        self._child = int(self.read()["forked"])
        return ForkedNode(self, self._child)

    def kill(self) -> None:
        """SIGKILL to the node, where one is left; returns once it is gone."""
        if self._child is not None:
            os.kill(self._child, signal.SIGKILL)
        while self._child is not None:
            self.read()

    def read(self) -> dict[str, Any]:
        """The next line that the other side says."""
        assert self._process.stdout is not None
        line = dict(json.loads(self._process.stdout.readline()))
        if "ended" in line:
            self._child = None
        return line


@contextmanager
def forking_nodes() -> Iterator[ForkingNodes]:
    """A forking process until the block ends; its last child ends with it."""
    command = [sys.executable, "-m", "tests.support.forking_node"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        nodes = ForkingNodes(process)
        try:
            yield nodes
        finally:
            nodes.kill()


def _say(**line: Any) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


def _serve_orders() -> None:
    import coprocessor.devnode.node  # noqa: F401  # loaded before the first fork
    from coprocessor.devnode.__main__ import main

    for order in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.argv[1:] = json.loads(order)
            os._exit(main())
        _say(forked=child)
        _say(ended=os.waitpid(child, 0)[1])


if __name__ == "__main__":
    _serve_orders()
