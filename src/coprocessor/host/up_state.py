"""What ``phat up`` keeps of its folder: the deployment's first nonce, ports, workers' clusters."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.points import PersistPoint
from coprocessor.values.errors import MalformedInput

__all__ = ["UpState", "choosing_ports"]

_FORMAT = "coprocessor/v1/up"


@asynccontextmanager
async def choosing_ports() -> AsyncIterator[None]:
    """While inside, no other ``phat up`` of this user chooses a port: a free one stays free until it is listened on."""
    path = Path(tempfile.gettempdir()) / f"coprocessor-ports-{os.getuid()}.lock"
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        await asyncio.to_thread(fcntl.flock, handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class UpState:
    """A small file of named numbers, written whole at each change."""

    def __init__(self, path: Path, disk: Disk = PLAIN_DISK) -> None:
        self._path = path
        self._disk = disk
        self._values: dict[str, int] = _load(path)

    def get(self, name: str) -> int | None:
        """A number that was kept, or None."""
        return self._values.get(name)

    def keep(self, name: str, value: int) -> int:
        """Keeps a number; durable before this returns."""
        if self._values.get(name) != value:
            document = {"format": _FORMAT, "values": {**self._values, name: value}}
            text = json.dumps(document, indent=1) + "\n"
            self._disk.replace(PersistPoint.UP_STATE, self._path, text.encode("ascii"))
            self._values[name] = value
        return value

    def port(self, name: str, preferred: int | None = None) -> int:
        """A free TCP port: the one kept under this name, else ``preferred``, else any."""
        for candidate in (self._values.get(f"port {name}"), preferred):
            if candidate is not None and _is_free(candidate):
                return self.keep(f"port {name}", candidate)
        port = _any_port()
        while port in self._values.values():  # chosen for another part, which does not listen yet
            port = _any_port()
        return self.keep(f"port {name}", port)


def _load(path: Path) -> dict[str, int]:
    if not path.exists():
        return {}
    try:
        document: Any = json.loads(path.read_text("ascii"))
        values = document["values"]
        if document["format"] != _FORMAT or not all(type(value) is int for value in values.values()):
            raise ValueError("another format")
        return dict(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedInput(
            "up.state", f"{path} is damaged", str(error), "choose another folder with --data, or delete this one"
        ) from error


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _any_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
