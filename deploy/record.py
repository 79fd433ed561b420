"""The release record: which source, locks, image and files make which measurements, signed by who released them.

Rules:

1. What is signed is one canonical encoding: SHA-256 of the label's context over deterministic CBOR of the record. The
   JSON file is for people; unknown, missing or differently written fields are refused.
2. A measurement is written in its fields; its digest, which policies list, is computed again by whoever reads it.
3. A record names at least one measurement, and measurements and files are in ascending order: one release, one record.

Governance allows the record's digest (PROTOCOL 1.4); a policy lists the digests of its measurements.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Final

from coprocessor.attestation.evidence import EvidenceKind
from coprocessor.attestation.verdict import (
    DstackMeasurement,
    Measurement,
    NitroMeasurement,
    SgxMeasurement,
    SnpMeasurement,
    TdxMeasurement,
    compute_measurement_digest,
)
from coprocessor.codec import cbor, strict_json
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import PrivateKey, recover_address
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import Address, Digest

__all__ = ["FORMAT", "MAX_RECORD_LENGTH", "NamedMeasurement", "RecordRefused", "ReleaseRecord", "SignedRecord"]

FORMAT: Final = "coprocessor/v1/release-record"
MAX_RECORD_LENGTH: Final = 256 * 1024
"""Bytes of a record's file."""

_FORMS: Final[dict[str, tuple[EvidenceKind, type[Measurement]]]] = {
    "sgx": (EvidenceKind.SGX, SgxMeasurement),
    "tdx": (EvidenceKind.TDX, TdxMeasurement),
    "dstack": (EvidenceKind.TDX, DstackMeasurement),
    "snp": (EvidenceKind.SNP, SnpMeasurement),
    "nitro": (EvidenceKind.NITRO, NitroMeasurement),
}
_LENGTHS: Final = {
    "mrenclave": 32,
    "mrsigner": 32,
    "compose_hash": 32,
    "key_provider": 32,
    "host_data": 32,
    "attributes": 8,
    "xfam": 8,
}
_COMMIT_LENGTHS: Final = (20, 32)


class RecordRefused(Exception):
    """A record that cannot be believed or written, and why."""


@dataclass(frozen=True, slots=True)
class NamedMeasurement:
    """A measurement in its form: ``sgx``, ``tdx``, ``dstack``, ``snp`` or ``nitro``."""

    form: str
    measurement: Measurement

    @property
    def digest(self) -> Digest:
        """32 bytes: what policies list."""
        return compute_measurement_digest(_FORMS[self.form][0], self.measurement)

    def to_plain(self) -> dict[str, Any]:
        """As it stands in files: bytes in hexadecimal."""
        plain: dict[str, Any] = {"form": self.form}
        for field in fields(self.measurement):
            value = getattr(self.measurement, field.name)
            plain[field.name] = f"0x{value.hex()}" if isinstance(value, bytes) else value
        return plain

    @classmethod
    def from_plain(cls, plain: Any) -> NamedMeasurement:
        """Inverse of ``to_plain``. Raises RecordRefused."""
        if not isinstance(plain, dict) or plain.get("form") not in tuple(_FORMS):
            raise RecordRefused(f"a measurement's form is one of {', '.join(_FORMS)}")
        form = plain["form"]
        shape = _FORMS[form][1]
        names = [field.name for field in fields(shape)]
        _check_names(plain, ("form", *names), f"the {form} measurement")
        values = {field.name: _read_field(field.name, str(field.type), plain[field.name]) for field in fields(shape)}
        return cls(form, shape(**values))


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """What a release is.

    Args:
        version: of the package.
        commit: of the source, 20 or 32 bytes.
        lock: SHA-256 of requirements.lock.
        image: SHA-256 of the image's manifest, as ``image@sha256:`` names it.
        files: (name, SHA-256) of each rendered file of the deployment, ascending.
        measurements: what enclaves of this release show, ascending by digest.
    """

    version: str
    commit: bytes
    lock: bytes
    image: bytes
    files: tuple[tuple[str, bytes], ...]
    measurements: tuple[NamedMeasurement, ...]

    def __post_init__(self) -> None:
        if not self.measurements:
            raise RecordRefused("a release names at least one measurement")
        if len(self.commit) not in _COMMIT_LENGTHS:
            raise RecordRefused(f"a commit has 20 or 32 bytes, not {len(self.commit)}")
        for what, digest in (("lock", self.lock), ("image", self.image), *self.files):
            if len(digest) != 32 or not any(digest):
                raise RecordRefused(f"{what} is no SHA-256")
        names = [name for name, _ in self.files]
        digests = [named.digest for named in self.measurements]
        if names != sorted(set(names)) or digests != sorted(set(digests)):
            raise RecordRefused("files or measurements are double or out of order")

    @property
    def digest(self) -> Digest:
        """32 bytes: what is signed, and what governance allows (rule 1)."""
        body = cbor.dumps(
            [
                self.version,
                self.commit,
                self.lock,
                self.image,
                dict(self.files),
                [[named.form, named.digest] for named in self.measurements],
            ]
        )
        return sha256(Label.RELEASE_RECORD.context(b"", body))

    def sign(self, key: PrivateKey) -> SignedRecord:
        """The record with the key's signature."""
        return SignedRecord(self, key.sign(self.digest))


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A record and 65 bytes of signature over its digest."""

    record: ReleaseRecord
    signature: bytes

    @property
    def signer(self) -> Address:
        """Who signed. Raises RecordRefused where it is no signature."""
        try:
            return recover_address(self.record.digest, self.signature)
        except CoprocessorError as error:
            raise RecordRefused(f"the signature is malformed: {error.what}") from error

    def to_json(self) -> str:
        """The file."""
        record = self.record
        document = {
            "format": FORMAT,
            "version": record.version,
            "commit": f"0x{record.commit.hex()}",
            "lock": f"0x{record.lock.hex()}",
            "image": f"0x{record.image.hex()}",
            "files": {name: f"0x{digest.hex()}" for name, digest in record.files},
            "measurements": [
                {"digest": f"0x{named.digest.hex()}", **named.to_plain()} for named in record.measurements
            ],
            "digest": f"0x{record.digest.hex()}",
            "signer": f"0x{self.signer.hex()}",
            "signature": f"0x{self.signature.hex()}",
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: bytes) -> SignedRecord:
        """Inverse of ``to_json``: the very text, or RecordRefused. Who signed is the caller's to judge."""
        try:
            document = strict_json.loads(text, MAX_RECORD_LENGTH)
        except CoprocessorError as error:
            raise RecordRefused(f"it is no JSON: {error.why}") from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise RecordRefused(f"it is no {FORMAT}")
        try:
            plain = [{name: one[name] for name in one if name != "digest"} for one in document["measurements"]]
            record = ReleaseRecord(
                version=str(document["version"]),
                commit=_read_bytes(document["commit"]),
                lock=_read_bytes(document["lock"]),
                image=_read_bytes(document["image"]),
                files=tuple((name, _read_bytes(digest)) for name, digest in document["files"].items()),
                measurements=tuple(NamedMeasurement.from_plain(one) for one in plain),
            )
            signed = cls(record, _read_bytes(document["signature"]))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise RecordRefused(f"a field is missing or has another form: {error}") from error
        if signed.to_json().encode() != text:
            raise RecordRefused("the file is not what its own fields say: it was edited, or written by hand")
        return signed


def _check_names(plain: dict[str, Any], names: tuple[str, ...], what: str) -> None:
    if set(plain) != set(names):
        raise RecordRefused(f"{what} has the fields {', '.join(names)}, no others")


def _read_field(name: str, kind: str, value: Any) -> bytes | int:
    if kind == "int":
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
            raise RecordRefused(f"{name} is no number")
        return value
    data = _read_bytes(value)
    if len(data) != _LENGTHS.get(name, 48):
        raise RecordRefused(f"{name} has {_LENGTHS.get(name, 48)} bytes, not {len(data)}")
    return data


def _read_bytes(text: Any) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x"):
        raise RecordRefused(f"{text!r} is no hexadecimal text")
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise RecordRefused(f"{text!r} is no hexadecimal text") from error
