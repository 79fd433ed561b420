"""What a gatekeeper host is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.protocol.genesis import network_from_json
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.network import Network

__all__ = ["GatekeeperOptions"]


@dataclass(frozen=True, slots=True)
class GatekeeperOptions:
    """Settings of one gatekeeper host.

    Args:
        network: text of ``network.json``; before genesis its list of gatekeepers is empty.
        operator: owns the gatekeeper.
        data: folder of the sealed share and of the simulated platform.
        listen: host and port; port 0 picks a free one.
        endpoint: URL under which others reach this gatekeeper; None for the address that it listens on.
        rpc: URL of a node; None takes what the network file hints at.
        platform: folder of the simulated platform; None keeps it in ``data``.
        allow_simulated: whether the enclave may run without TEE hardware.
        refresh_seconds: of the chain's time between refreshes of the committee's shares; 0 leaves them to others.
        poll_seconds: between looks at the chain.
        disk: where the share is written.
    """

    network: str
    operator: PrivateKey
    data: Path
    listen: tuple[str, int] = ("127.0.0.1", 0)
    endpoint: str | None = None
    rpc: str | None = None
    platform: Path | None = None
    allow_simulated: bool = True
    refresh_seconds: int = 86_400
    poll_seconds: float = 1.0
    disk: Disk = PLAIN_DISK

    def parsed(self) -> tuple[Network, dict[str, Any]]:
        """The network and its hints. Raises MalformedInput."""
        return network_from_json(self.network)

    def rpc_url(self) -> str:
        """The node's URL. Raises CallerMisuse where nobody names one."""
        url = self.rpc or self.parsed()[1].get("rpc")
        if not isinstance(url, str):
            raise CallerMisuse("network.no_rpc", "the network file names no node", next="name one (--rpc URL)")
        return url

    def gatekeepers(self) -> tuple[str, ...]:
        """URLs of the network's gatekeepers, as the network file hints at them."""
        urls = self.parsed()[1].get("gatekeepers")
        return tuple(url.rstrip("/") for url in urls if isinstance(url, str)) if isinstance(urls, list) else ()

    def platform_folder(self) -> Path:
        """Where the simulated platform lies."""
        return self.platform or self.data / "platform"
