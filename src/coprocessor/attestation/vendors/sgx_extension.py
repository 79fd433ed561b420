"""The SGX extension of a PCK certificate, as DER: who the platform is and which security versions it has.

Only the simulated vendor writes it; reading it is the verifying library's work.

**Source:** Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, section 1.3.5; ITU-T X.690.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["SGX_EXTENSION_OID", "PlatformTcb", "encode_sgx_extension"]

SGX_EXTENSION_OID: Final = "1.2.840.113741.1.13.1"

_BOOLEAN, _INTEGER, _OCTETS, _OID, _ENUMERATED, _SEQUENCE = 0x01, 0x02, 0x04, 0x06, 0x0A, 0x30
_SCALABLE_SGX: Final = 1


@dataclass(frozen=True, slots=True)
class PlatformTcb:
    """Security versions and properties of a platform.

    Args:
        cpu_svn: 16 bytes.
        pce_svn: 16 bits.
        dynamic, cached_keys, multithreading: what the certificate says of the machine.
    """

    cpu_svn: bytes
    pce_svn: int
    dynamic: bool = False
    cached_keys: bool = False
    multithreading: bool = False


def encode_sgx_extension(ppid: bytes, instance: bytes, fmspc: bytes, tcb: PlatformTcb) -> bytes:
    """The extension's value.

    Args:
        ppid: 16 bytes, the platform's identity.
        instance: 16 bytes, its instance.
        fmspc: 6 bytes, its model.
        tcb: its versions.
    """
    components = [_entry(f".2.{i}", _integer(svn)) for i, svn in enumerate(tcb.cpu_svn, 1)]
    components += [_entry(".2.17", _integer(tcb.pce_svn)), _entry(".2.18", _tlv(_OCTETS, tcb.cpu_svn))]
    properties = [
        _entry(".7.1", _boolean(tcb.dynamic)),
        _entry(".7.2", _boolean(tcb.cached_keys)),
        _entry(".7.3", _boolean(tcb.multithreading)),
    ]
    return _sequence(
        _entry(".1", _tlv(_OCTETS, ppid)),
        _entry(".2", _sequence(*components)),
        _entry(".3", _tlv(_OCTETS, bytes(2))),
        _entry(".4", _tlv(_OCTETS, fmspc)),
        _entry(".5", _tlv(_ENUMERATED, bytes((_SCALABLE_SGX,)))),
        _entry(".6", _tlv(_OCTETS, instance)),
        _entry(".7", _sequence(*properties)),
    )


def _entry(suffix: str, value: bytes) -> bytes:
    return _sequence(_oid(SGX_EXTENSION_OID + suffix), value)


def _tlv(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + value


def _sequence(*values: bytes) -> bytes:
    return _tlv(_SEQUENCE, b"".join(values))


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _boolean(value: bool) -> bytes:
    return _tlv(_BOOLEAN, b"\xff" if value else b"\0")


def _oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    out = bytearray((40 * first + second,))
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        out += bytes(reversed(groups))
    return _tlv(_OID, bytes(out))
