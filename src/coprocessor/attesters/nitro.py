"""The Nitro Secure Module: attestation documents through one ioctl of /dev/nsm.

**Source:** AWS Nitro Enclaves NSM API: requests and answers in CBOR, at most 4,096 and 12,288 bytes; Linux,
include/uapi/linux/nsm.h: ``NSM_IOCTL`` takes two address-and-length pairs.
"""

from __future__ import annotations

import ctypes
import fcntl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.nitro_document import read_cbor
from coprocessor.attesters.device import (
    ANSWER_SECONDS,
    PatientDevice,
    SealRoot,
    check_answer,
    check_report_data,
    device_failed,
)
from coprocessor.codec import cbor
from coprocessor.values.errors import MalformedInput

__all__ = ["NSM_DEVICE", "NSM_REQUEST", "Ioctl", "NitroAttester"]

NSM_DEVICE: Final = "dev/nsm"
"""Below the file system's root."""

NSM_REQUEST: Final = 0xC0200A00
"""``_IOWR(0x0A, 0, struct nsm_raw)``: 32 bytes."""

Ioctl = Callable[[int, int, bytearray], object]
"""Takes file descriptor, number and the structure, which it may change."""

_PAIRS = struct.Struct("=QQQQ")
_MAX_ANSWER: Final = 0x3000


class NitroAttester:
    """Evidence through the device.

    Args:
        path: ``NSM_DEVICE`` of the machine, or of a fake.
        ioctl: the system call, or a fake of it.
        seconds: how long a document may take.
    """

    __slots__ = ("_device", "_ioctl", "_path", "_seal")

    def __init__(self, path: Path, ioctl: Ioctl | None = None, seconds: float = ANSWER_SECONDS) -> None:
        self._path = path
        self._device = PatientDevice(self.name, seconds)
        self._ioctl = ioctl or _system_ioctl
        self._seal = SealRoot()

    @property
    def name(self) -> str:
        """For screens and logs."""
        return "Nitro"

    @property
    def is_simulated(self) -> bool:
        """Never."""
        return False

    def quote(self, report_data: bytes, now: int) -> Evidence:
        """Evidence over 64 bytes: a document that binds them as ``user_data`` and nothing else."""
        check_report_data(report_data)
        request = cbor.dumps({"Attestation": {"user_data": report_data, "nonce": None, "public_key": None}})
        try:
            answer = read_cbor(self._device.ask(lambda: self._exchange(request)))
            match answer:
                case {"Attestation": {"document": bytes(document)}}:
                    return check_answer(self.name, Evidence(EvidenceKind.NITRO, document), report_data)
                case {"Error": str(reason)}:
                    raise device_failed(self.name, f"it answered {reason[:64]}")
        except (OSError, ValueError, MalformedInput) as error:
            raise device_failed(self.name, f"{type(error).__name__}: {error}") from error
        raise device_failed(self.name, "its answer has another form")

    def seal_key(self, purpose: bytes) -> bytes:
        """32 bytes that end with the process: the device has no sealing key."""
        return self._seal.derive(purpose)

    def _exchange(self, request: bytes) -> bytes:
        sent = ctypes.create_string_buffer(request, len(request))
        received = ctypes.create_string_buffer(_MAX_ANSWER)
        pairs = bytearray(_PAIRS.pack(ctypes.addressof(sent), len(request), ctypes.addressof(received), _MAX_ANSWER))
        with self._path.open("r+b", buffering=0) as device:
            self._ioctl(device.fileno(), NSM_REQUEST, pairs)
        length = _PAIRS.unpack(pairs)[3]
        if length > _MAX_ANSWER:
            raise ValueError(f"the device says that it answered with {length} bytes")
        return received.raw[:length]


def _system_ioctl(descriptor: int, number: int, structure: bytearray) -> object:
    return fcntl.ioctl(descriptor, number, structure, True)
