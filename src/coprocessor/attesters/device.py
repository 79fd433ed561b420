"""What attesters of real hardware have in common: report data of one length, keys that end with the process, bounded
reads, and errors that name the device.

Rules:

1. A device that hangs is given up after ``ANSWER_SECONDS``; while its answer is due nothing more is asked of it, so at
   most one thread ever waits inside a device.
2. What a device answers is over the report data that it was asked for, or it is no answer: a proxy in its place could
   answer an earlier question.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

from coprocessor.attestation.evidence import Evidence
from coprocessor.attestation.report_data import REPORT_DATA_LENGTH
from coprocessor.attestation.verify import read_report_data
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import CallerMisuse, PeerUnreachable

__all__ = [
    "ANSWER_SECONDS",
    "MAX_DEVICE_ANSWER",
    "PatientDevice",
    "SealRoot",
    "check_answer",
    "check_report_data",
    "device_failed",
    "read_bounded",
    "write_report_data",
]

ANSWER_SECONDS = 30.0
"""Seconds for one piece of evidence; real devices take milliseconds, a busy quoting service a few seconds."""

MAX_DEVICE_ANSWER = 256 * 1024
"""Bytes that are read from a device at most."""

_Answer = TypeVar("_Answer")


class _Writable(Protocol):
    """A raw file."""

    def write(self, data: bytes, /) -> int | None: ...


class PatientDevice:
    """Asks a device that may hang (rule 1).

    Args:
        name: of the device, for errors.
        seconds: how long an answer may take.
    """

    __slots__ = ("_name", "_seconds", "_unanswered")

    def __init__(self, name: str, seconds: float = ANSWER_SECONDS) -> None:
        self._name = name
        self._seconds = seconds
        self._unanswered: threading.Thread | None = None

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """What ``question`` returns or raises; it runs in a thread of its own.

        Raises:
            PeerUnreachable: ``attestation.device``: no answer in time, or an earlier one is still due.
        """
        if self._unanswered is not None and self._unanswered.is_alive():
            raise device_failed(self._name, "it has not answered an earlier question yet")
        exchange = _Exchange(question)
        thread = threading.Thread(target=exchange.run, daemon=True)
        thread.start()
        thread.join(self._seconds)
        if thread.is_alive():
            self._unanswered = thread
            raise device_failed(self._name, f"it did not answer within {self._seconds:g} seconds")
        return exchange.result()


class _Exchange(Generic[_Answer]):
    """One question, and what came of it."""

    __slots__ = ("_answer", "_error", "_question")

    def __init__(self, question: Callable[[], _Answer]) -> None:
        self._question = question
        self._answer: _Answer | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._answer = self._question()
        except BaseException as error:  # raised again where the answer is taken
            self._error = error

    def result(self) -> _Answer:
        if self._error is not None:
            raise self._error
        return cast(_Answer, self._answer)


class SealRoot:
    """The secret behind ``seal_key``. Prints redacted.

    Args:
        secret: what only this code on this machine gets again; None where the hardware offers no such key: then a
            random one, so that what was sealed ends with the process.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secrets.token_bytes(32) if secret is None else secret

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes for this purpose."""
        return hkdf_derive(self._secret, Label.PLATFORM_SEAL.context(b"", purpose))

    def __repr__(self) -> str:
        return "SealRoot(redacted)"


def check_report_data(report_data: bytes) -> None:
    """Raises CallerMisuse where it has not 64 bytes."""
    if len(report_data) != REPORT_DATA_LENGTH:
        raise CallerMisuse(
            "attestation.report_data", f"report data have {REPORT_DATA_LENGTH} bytes, not {len(report_data)}"
        )


def check_answer(device: str, evidence: Evidence, report_data: bytes) -> Evidence:
    """The evidence, if it is over what was asked for (rule 2).

    Raises:
        MalformedInput: not evidence of its kind.
        PeerUnreachable: ``attestation.device``.
    """
    if read_report_data(evidence) != report_data:
        raise device_failed(device, "its evidence is over other report data than it was asked for")
    return evidence


def read_bounded(path: Path) -> bytes:
    """A whole pseudo-file. Raises OSError, and ValueError where it has more than ``MAX_DEVICE_ANSWER`` bytes."""
    with path.open("rb") as file:
        data = file.read(MAX_DEVICE_ANSWER + 1)
    if len(data) > MAX_DEVICE_ANSWER:
        raise ValueError(f"{path.name} is longer than {MAX_DEVICE_ANSWER} bytes")
    return data


def write_report_data(file: _Writable, report_data: bytes) -> None:
    """All 64 bytes in one write. Raises OSError where the device takes fewer."""
    written = file.write(report_data)
    if written != len(report_data):
        raise OSError(f"the device took {written} bytes of report data, not {len(report_data)}")


def device_failed(device: str, why: str) -> PeerUnreachable:
    """The error of a device that does not give evidence."""
    return PeerUnreachable(
        "attestation.device",
        f"{device} gives no evidence",
        why,
        "look with phat doctor --attest, and into the kernel's log; then restart what serves the device",
    )
