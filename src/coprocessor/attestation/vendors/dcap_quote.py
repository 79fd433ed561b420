"""Layout of DCAP quotes: SGX version 3, TDX versions 4 and 5.

A strict parser of our own stands before the verifying library, because the library takes bytes that nobody signed: what
follows the quote, and some tags and lengths. Here every byte has its place, and nothing may follow
(``attestation.trailing_bytes``).

**Source:** Intel SGX ECDSA Quote Library Reference, appendix A.4 (version 3); Intel TDX DCAP Quoting Library API,
appendix A.3 (versions 4 and 5); Intel TDX Module specification for TDREPORT.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from coprocessor.attestation.evidence import EvidenceKind
from coprocessor.attestation.verdict import Measurement, SgxMeasurement, TdxMeasurement
from coprocessor.values.errors import MalformedInput

__all__ = ["QE_VENDOR_INTEL", "DcapQuote", "parse_quote", "trim_quote"]

QE_VENDOR_INTEL: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")

_HEADER = struct.Struct("<HHIHH16s20s")
_SGX_REPORT: Final = 384
_TD_REPORT_10: Final = 584
_TD_REPORT_15: Final = 648
_SIGNATURE: Final = 64
_ECDSA_P256: Final = 2
_TEE_SGX, _TEE_TDX = 0, 0x81
_BODY_SGX, _BODY_TD_10, _BODY_TD_15 = 1, 2, 3
_CERTIFICATES: Final = 5
_QE_REPORT: Final = 6
_PEM_END: Final = b"-----END CERTIFICATE-----"
_SGX_DEBUG: Final = 0x02


@dataclass(frozen=True, slots=True)
class DcapQuote:
    """The signed part of a quote.

    Args:
        kind: SGX or TDX.
        version: 3, 4 or 5.
        signed: header and report, exactly the bytes that the attestation key signs.
        report: the report alone.
        measurement: the code.
        report_data: 64 bytes.
        is_debug: the host can read the enclave's memory.
        chain: PEM of the platform's certificate and its authorities.
    """

    kind: EvidenceKind
    version: int
    signed: bytes
    report: bytes
    measurement: Measurement
    report_data: bytes
    is_debug: bool
    chain: bytes


class _Reader:
    """Takes bytes from the front; never past the end."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        if length > len(self._data) - self._at:
            raise _malformed("the quote ends too early")
        part = self._data[self._at : self._at + length]
        self._at += length
        return part

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "little")

    def block(self) -> _Reader:
        """A part with its length in four bytes, which must reach to the end."""
        length = self.number(4)
        part = _Reader(self.take(length))
        self.finish()
        return part

    def finish(self) -> None:
        rest = len(self._data) - self._at
        if rest:
            raise MalformedInput(
                "attestation.trailing_bytes",
                f"{rest} bytes follow where the quote's lengths say that it ends",
                "they are not signed, so one quote would have many forms",
                "trim the padding that some devices add",
            )


def parse_quote(quote: bytes) -> DcapQuote:
    """The signed part of ``quote``, after every length and tag has been checked; signatures are not.

    Raises:
        MalformedInput: not exactly one quote of a supported version.
    """
    reader = _Reader(quote)
    header = reader.take(_HEADER.size)
    version, key_type, tee, _, _, vendor, _ = _HEADER.unpack(header)
    if key_type != _ECDSA_P256 or vendor != QE_VENDOR_INTEL:
        raise _malformed(f"attestation key type {key_type} or quoting enclave's vendor is not supported")
    descriptor = b""
    if version == 3 and tee == _TEE_SGX:
        size = _SGX_REPORT
    elif version == 4 and tee == _TEE_TDX:
        size = _TD_REPORT_10
    elif version == 5 and tee == _TEE_TDX:
        descriptor = reader.take(6)
        size = _body_size(descriptor)
    else:
        raise _malformed(f"version {version} with TEE type 0x{tee:x} is not supported")
    report = reader.take(size)
    chain = _read_signature_data(reader.block(), nested=version >= 4)
    signed = header + descriptor + report
    if tee == _TEE_SGX:
        return _sgx(version, signed, report, chain)
    return _tdx(version, signed, report, chain)


def trim_quote(quote: bytes) -> bytes:
    """``quote`` without the zeros that some devices append. For attesters; verifiers take exact quotes alone.

    Raises:
        MalformedInput: too short to hold its own lengths, or followed by something else than zeros.
    """
    reader = _Reader(quote)
    version, _, tee, *_ = _HEADER.unpack(reader.take(_HEADER.size))
    if version == 5:
        descriptor = reader.take(6)
        reader.take(_body_size(descriptor))
    else:
        reader.take(_SGX_REPORT if tee == _TEE_SGX else _TD_REPORT_10)
    reader.take(reader.number(4))
    padding = reader.rest()
    if any(padding):
        raise _malformed("something else than padding follows the quote")
    return quote[: len(quote) - len(padding)]


def _body_size(descriptor: bytes) -> int:
    body_type, size = struct.unpack("<HI", descriptor)
    if {_BODY_TD_10: _TD_REPORT_10, _BODY_TD_15: _TD_REPORT_15}.get(body_type) != size:
        raise _malformed(f"body type {body_type} with {size} bytes is not supported")
    return int(size)


def _read_signature_data(reader: _Reader, *, nested: bool) -> bytes:
    """Checks every length and tag; the certificate chain at the end."""
    reader.take(2 * _SIGNATURE)  # the signature over header and report, then the attestation key
    if nested:
        if reader.number(2) != _QE_REPORT:
            raise _malformed("the certification data are not a quoting enclave's report")
        reader = reader.block()
    reader.take(_SGX_REPORT + _SIGNATURE)
    reader.take(reader.number(2))
    if reader.number(2) != _CERTIFICATES:
        raise _malformed("the quote carries no certificate chain")
    found, end, rest = reader.block().rest().rpartition(_PEM_END)
    if not end or rest.strip(b"\r\n\0"):
        raise _malformed("something else than padding follows the certificate chain")
    return found + end


def _sgx(version: int, signed: bytes, report: bytes, chain: bytes) -> DcapQuote:
    product, security_version = struct.unpack_from("<HH", report, 256)
    measurement = SgxMeasurement(report[64:96], report[128:160], product, security_version)
    is_debug = bool(report[48] & _SGX_DEBUG)
    return DcapQuote(EvidenceKind.SGX, version, signed, report, measurement, report[320:384], is_debug, chain)


def _tdx(version: int, signed: bytes, report: bytes, chain: bytes) -> DcapQuote:
    mrtd, config_id, owner, owner_config, *rtmr = (report[at : at + 48] for at in range(136, 520, 48))
    measurement = TdxMeasurement(
        mrtd=mrtd,
        rtmr0=rtmr[0],
        rtmr1=rtmr[1],
        rtmr2=rtmr[2],
        rtmr3=rtmr[3],
        config_id=config_id,
        owner=owner,
        owner_config=owner_config,
        attributes=report[120:128],
        xfam=report[128:136],
    )
    # The whole first byte is the group "TD under debug".
    is_debug = report[120] != 0
    return DcapQuote(EvidenceKind.TDX, version, signed, report, measurement, report[520:584], is_debug, chain)


def _malformed(why: str) -> MalformedInput:
    return MalformedInput(
        "attestation.malformed",
        "the bytes are not a supported DCAP quote",
        why,
        "send a quote of SGX version 3 or TDX version 4 or 5 as the device gave it",
    )
