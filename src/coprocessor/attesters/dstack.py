"""dstack's guest agent: TDX quotes with the event log that shows which application the guest runs.

The agent's own keys (``GetKey``) are not used to seal: they belong to an application id, and the application's owner
can give that id to other code later. What this attester seals ends with the process.

**Source:** dstack guest agent, HTTP over /var/run/dstack.sock: ``POST /GetQuote {"report_data": hex}``.
"""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path
from typing import Any, Final

from coprocessor.attestation.event_log import EVENT_LOG
from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.dcap_quote import trim_quote
from coprocessor.attesters.device import (
    ANSWER_SECONDS,
    MAX_DEVICE_ANSWER,
    SealRoot,
    check_answer,
    check_report_data,
    device_failed,
)
from coprocessor.codec import strict_json
from coprocessor.values.errors import MalformedInput

__all__ = ["DSTACK_SOCKET", "DstackAttester"]

DSTACK_SOCKET: Final = "var/run/dstack.sock"
"""Below the file system's root."""

_PART: Final = 65_536
_LENGTH: Final = "content-length"
_STATUS = re.compile(r"HTTP/1\.[01] ([0-9]{3})(?: |$)")


class DstackAttester:
    """Evidence through dstack's socket.

    Args:
        path: ``DSTACK_SOCKET`` of the machine, or of a fake.
        seconds: how long an answer may take, to its last byte.
    """

    __slots__ = ("_path", "_seal", "_seconds")

    def __init__(self, path: Path, seconds: float = ANSWER_SECONDS) -> None:
        self._path = path
        self._seconds = seconds
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
            evidence = Evidence(EvidenceKind.TDX, trim_quote(quote), b"", ((EVENT_LOG, log.encode()),))
            return check_answer(self.name, evidence, report_data)
        except (OSError, ValueError, KeyError, TypeError, MalformedInput) as error:
            raise device_failed(self.name, f"{type(error).__name__}: {error}") from error

    def seal_key(self, purpose: bytes) -> bytes:
        """32 bytes that end with the process."""
        return self._seal.derive(purpose)

    def _call(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        status, body = _post(self._path, method, json.dumps(fields).encode(), self._seconds)
        if status != 200:
            raise ValueError(f"{method} answered with status {status} and {len(body)} bytes")
        answer = strict_json.loads(body)
        if not isinstance(answer, dict):
            raise ValueError(f"{method} answered with something else than an object")
        return answer


def _post(path: Path, method: str, body: bytes, seconds: float) -> tuple[int, bytes]:
    """One HTTP/1.0 exchange over a unix socket: the answer ends with the connection, so it is never chunked. The
    standard library's client would bring TLS into the enclave. An agent that drips bytes is given up all the same.

    **Source:** RFC 1945, sections 5 and 6.
    """
    head = f"POST /{method} HTTP/1.0\r\nHost: dstack\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n"
    received = bytearray()
    with socket.socket(socket.AF_UNIX) as connection:
        until = time.monotonic() + seconds
        connection.settimeout(seconds)
        connection.connect(str(path))
        connection.sendall(head.encode("ascii") + b"\r\n" + body)
        while part := connection.recv(_PART):
            received += part
            if len(received) > MAX_DEVICE_ANSWER:
                raise ValueError(f"{method} answered with more than {MAX_DEVICE_ANSWER} bytes")
            if (left := until - time.monotonic()) <= 0:
                raise TimeoutError(f"{method} was not answered within {seconds:g} seconds")
            connection.settimeout(left)
    start, end, answer = bytes(received).partition(b"\r\n\r\n")
    line, *headers = start.decode("latin-1").split("\r\n")
    found = _STATUS.match(line)
    lengths = [value for name, _, value in (header.partition(":") for header in headers) if name.lower() == _LENGTH]
    if not end or found is None or any(value.strip() != str(len(answer)) for value in lengths):
        raise ValueError(f"{method} answered with something else than whole HTTP")
    return int(found.group(1)), answer
