"""A stranger's worker joins a running network: started by the public command, watched by its status page."""

from __future__ import annotations

import json
import secrets
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.network import BenchNetwork
from bench.processes import PHAT, running
from coprocessor.chain.development import development_keys
from coprocessor.chain.keyfile import write_key_file

__all__ = ["Joining", "joining_worker"]

_FUNDS = 10**20
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Joining:
    """A worker on its way; times count from the start of its process.

    Args:
        url: where it answers.
        began: ``time.perf_counter`` at the start.
    """

    url: str
    began: float

    def until(self, holds: Callable[[dict[str, Any]], bool], seconds: float) -> tuple[float, dict[str, Any]]:
        """Seconds from the start to the first status that ``holds``, and that status. Raises TimeoutError."""
        deadline = self.began + seconds
        status: dict[str, Any] = {}
        while time.perf_counter() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/v1/status", timeout=10) as answer:
                    status = json.loads(answer.read())
                if holds(status):
                    return time.perf_counter() - self.began, status
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"the worker did not get there within {seconds:.0f} s: {status}")


@contextmanager
def joining_worker(network: BenchNetwork, data: Path) -> Iterator[Joining]:
    """A worker of a new operator with the folder ``data``, which may hold a machine and its sealed code."""
    data.parent.mkdir(parents=True, exist_ok=True)
    key_file = data.with_name(f"{data.name}-{secrets.token_hex(4)}.key")
    operator = write_key_file(key_file)
    funder = network.net.session.sender(development_keys()[1])
    network.run(funder.send(operator.address, b"", value=_FUNDS))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = ("worker", "--network", str(network.file), "--operator", str(key_file))
    began = time.perf_counter()
    command = (*PHAT, *words, "--data", str(data), "--listen", address)
    with running(command, data.with_name(data.name + ".log")):
        yield Joining(f"http://{address}", began)
