"""Where a network's description comes from: a folder, a file or a URL."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from coprocessor.protocol.genesis import MAX_NETWORK_FILE, compute_network_id, network_from_json
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput, PeerUnreachable
from coprocessor.values.identities import NetworkId, from_hex, to_hex
from coprocessor.values.network import Network

__all__ = ["NETWORK_FILE", "Target", "load_target", "read_description"]

NETWORK_FILE = "network.json"
_FETCH_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Target:
    """A network that somebody named.

    Args:
        network: its configuration and gatekeepers.
        hints: what stands beside them in the file; may be wrong without harm.
        folder: where its file lies, or None where it came from a URL.
    """

    network: Network
    hints: dict[str, Any]
    folder: Path | None

    @property
    def id(self) -> NetworkId:
        """The network's genesis digest, 32 bytes."""
        return compute_network_id(self.network)

    def rpc_url(self) -> str:
        """URL of a node of the network's chain, as the file hints. Raises CallerMisuse where it hints at none."""
        url = self.hints.get("rpc")
        if not isinstance(url, str):
            what = "the network file names no node"
            raise CallerMisuse("network.no_rpc", what, next="give the URL of one (--rpc URL)")
        return url


def load_target(target: str | Path, pinned: str | None = None) -> Target:
    """The network that ``target`` names.

    Args:
        target: a folder with a ``network.json``, such a file, its HTTP URL, or a worker's URL.
        pinned: 0x-prefixed network id that it must have, or None. A description from a URL MUST be pinned where the
            server is not trusted.

    Raises:
        CallerMisuse: there is no such file (``network.not_found``).
        PeerUnreachable: the URL does not answer.
        MalformedInput: what is there is no network description.
        EvidenceRefused: it is of another network than ``pinned``.
    """
    folder = None if _is_url(target) else _file(target).parent
    network, hints = network_from_json(read_description(target))
    found = Target(network, hints, folder)
    if pinned is not None and found.id != from_hex(pinned, 32, "network id"):
        raise EvidenceRefused("network.pinned", f"the description is of network {to_hex(found.id)}, pinned is {pinned}")
    return found


def read_description(target: str | Path) -> str:
    """The text of the network description that ``target`` names, unparsed. Raises as ``load_target``."""
    if _is_url(target):
        return _fetch(str(target))
    file = _file(target)
    try:
        with file.open("rb") as opened:  # the length of what is no plain file is known by reading alone
            data = opened.read(MAX_NETWORK_FILE + 1)
        if len(data) > MAX_NETWORK_FILE:
            raise MalformedInput("network.too_long", f"{file} has more than {MAX_NETWORK_FILE} bytes")
        return data.decode("utf-8")
    except (OSError, ValueError) as error:
        raise CallerMisuse(
            "network.not_found",
            f"there is no network description at {file}",
            str(error),
            "start one with `phat up`, or name another with --network",
        ) from error


def _is_url(target: str | Path) -> bool:
    return isinstance(target, str) and target.startswith(("http://", "https://"))


def _file(target: str | Path) -> Path:
    path = Path(target)
    try:
        return path / NETWORK_FILE if path.is_dir() else path
    except (OSError, ValueError) as error:  # a name that no file can have
        raise CallerMisuse("network.not_found", "there is no such network description", str(error)[:200]) from error


def _fetch(url: str) -> str:
    """The description at a URL; at that of a server alone, such as a worker's, it is called ``network.json``."""
    try:
        if urlsplit(url).path in ("", "/"):
            url = f"{url.rstrip('/')}/{NETWORK_FILE}"
        with urllib.request.urlopen(url, timeout=_FETCH_SECONDS) as response:
            data: bytes = response.read(MAX_NETWORK_FILE + 1)
        if len(data) > MAX_NETWORK_FILE:
            raise MalformedInput("network.too_long", f"{url} answers with more than {MAX_NETWORK_FILE} bytes")
        return data.decode("utf-8")
    except (OSError, ValueError, urllib.error.URLError, http.client.HTTPException) as error:
        raise PeerUnreachable(
            "network.unreachable",
            f"{url} gives no network description",
            str(error),
            "give the URL of a network.json or of a worker; a node of the chain knows no networks",
        ) from error
