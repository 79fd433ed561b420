"""dstack's guest agent: TDX quotes with the event log that shows which application the guest runs.

The agent's own keys (``GetKey``) are not used to seal: they belong to an application id, and the application's owner
can give that id to other code later. What this attester seals ends with the process.

**Source:** dstack guest agent, HTTP over /var/run/dstack.sock: ``POST /GetQuote {"report_data": hex}``.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Final

from coprocessor.attestation.event_log import EVENT_LOG
from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.dcap_quote import trim_quote
from coprocessor.attesters.device import MAX_DEVICE_ANSWER, SealRoot, check_report_data, device_failed
from coprocessor.codec import strict_json
from coprocessor.values.errors import MalformedInput

__all__ = ["DSTACK_SOCKET", "DstackAttester"]

DSTACK_SOCKET: Final = "var/run/dstack.sock"
"""Below the file system's root."""

_SECONDS: Final = 30.0


class DstackAttester:
    """Evidence through dstack's socket.

    Args:
        path: ``DSTACK_SOCKET`` of the machine, or of a fake.
    """

    __slots__ = ("_path", "_seal")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seal = SealRoot()

    @property
    def name(self) -> str:
        """For screens and logs."""
        return "dstack"

    @property
    def is_simulated(self) -> bool:
        """Never."""
        return False

    def quote(self, report_data: bytes, now: int) -> Evidence:
        """Evidence over 64 bytes: a TDX quote and its event log."""
        check_report_data(report_data)
        try:
            answer = self._call("GetQuote", {"report_data": report_data.hex()})
            quote, log = bytes.fromhex(answer["quote"]), answer["event_log"]
            if not isinstance(log, str):
                raise ValueError("the event log is no text")
            return Evidence(EvidenceKind.TDX, trim_quote(quote), b"", ((EVENT_LOG, log.encode()),))
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, MalformedInput) as error:
            raise device_failed(self.name, f"{type(error).__name__}: {error}") from error

    def seal_key(self, purpose: bytes) -> bytes:
        """32 bytes that end with the process."""
        return self._seal.derive(purpose)

    def _call(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        connection = _Connection(self._path)
        try:
            connection.request("POST", f"/{method}", json.dumps(fields), {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read(MAX_DEVICE_ANSWER + 1)
        finally:
            connection.close()
        if response.status != 200 or len(body) > MAX_DEVICE_ANSWER:
            raise ValueError(f"{method} answered with status {response.status} and {len(body)} bytes")
        answer = strict_json.loads(body)
        if not isinstance(answer, dict):
            raise ValueError(f"{method} answered with something else than an object")
        return answer


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("dstack", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(str(self._path))
