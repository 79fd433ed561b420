"""Targets of the TEE vendors' formats beside DCAP quotes: certificates, SEV-SNP, Nitro, event logs."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.serialization import Encoding

from coprocessor.attestation.event_log import parse_event_log
from coprocessor.attestation.evidence import Evidence, EvidenceKind, decode_evidence, encode_evidence
from coprocessor.attestation.policy import verify_pinned
from coprocessor.attestation.roots import KNOWN_ROOTS
from coprocessor.attestation.vendors.certificates import (
    load_certificate,
    load_pem_chain,
    load_revocation_list,
    verify_chain,
    verify_not_revoked,
)
from coprocessor.attestation.vendors.dcap_platform import read_platform, verify_certificates_listed
from coprocessor.attestation.vendors.dcap_quote import parse_quote
from coprocessor.attestation.vendors.nitro import verify_nitro
from coprocessor.attestation.vendors.nitro_document import parse_document, read_cbor
from coprocessor.attestation.vendors.snp import verify_snp
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral, read_certificate_table
from coprocessor.attestation.vendors.snp_report import SnpTcb, parse_report
from coprocessor.attestation.verify import read_platform_id
from tests.attestation import samples, test_certificates, test_event_log, test_nitro, test_snp
from tests.attestation.material import FOLDER, read_nitro, read_snp
from tests.fuzz.target import REFUSED, Target, Unsound
from tests.support.byte_mutation import join_parts, split_parts

_ROOT, _LEAF = test_certificates.ROOT, test_certificates.LEAF


def _pem() -> bytes:
    chain = (_LEAF, test_certificates.MIDDLE, _ROOT)
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)


def _chain(data: bytes) -> None:
    chain = load_pem_chain(data)[:8]
    verify_chain([_ROOT, *reversed(chain[:-1])], samples.NOW)


def _revocations(data: bytes) -> None:
    verify_not_revoked(load_revocation_list(data), _ROOT, [5, 6], samples.NOW)


def _listed(data: bytes) -> None:
    """Parts: the two revocation lists."""
    lists = (*split_parts(data), b"", b"")
    verify_certificates_listed(read_platform(parse_quote(samples.SGX.quote), KNOWN_ROOTS), lists[0], lists[1])


@cache
def _snp() -> Evidence:
    return test_snp.EVIDENCE


def _snp_report(data: bytes) -> None:
    parse_report(data)


def _verify_snp(data: bytes) -> None:
    evidence = decode_evidence(data)
    if evidence.kind is not EvidenceKind.SNP:
        return
    if verify_snp(evidence, KNOWN_ROOTS, samples.NOW).report_data != samples.REPORT_DATA:
        raise Unsound("altered evidence verifies")


def _verify_nitro(data: bytes) -> None:
    evidence = decode_evidence(data)
    if evidence.kind is EvidenceKind.NITRO:
        verdict = verify_nitro(evidence, KNOWN_ROOTS, samples.NOW)
        if verdict.measurement_digest != test_nitro.VERDICT.measurement_digest:
            raise Unsound("altered evidence verifies")


def _platform(data: bytes) -> None:
    evidence = decode_evidence(data)
    read_platform_id(evidence, simulated=True)
    verify_pinned(evidence, samples.POLICY)


def _platform_seeds() -> list[bytes]:
    return [encode_evidence(evidence) for evidence in (samples.SGX, _snp(), test_nitro.EVIDENCE)]


def _snp_seeds() -> list[bytes]:
    return [encode_evidence(_snp())]


def _report_seeds() -> list[bytes]:
    return [_snp().quote] + ([read_snp()[0].quote] if FOLDER.is_dir() else [])


def _document_seeds() -> list[bytes]:
    real = [read_nitro("a")[0].quote] if FOLDER.is_dir() else []
    return [test_nitro.EVIDENCE.quote, *real]


def _table_seeds() -> list[bytes]:
    """A table of one entry, and its end: 16 bytes of name, offset, length; then the certificate."""
    return [bytes(range(16)) + (48).to_bytes(4, "little") + (3).to_bytes(4, "little") + bytes(24) + b"der"]


VENDOR_TARGETS = (
    Target(
        "certificate",
        lambda data: load_certificate(data, "test"),
        lambda: [_LEAF.public_bytes(Encoding.DER)],
        covers=("attestation.vendors.certificates.load_certificate",),
    ),
    Target(
        "certificate-chain",
        _chain,
        lambda: [_pem()],
        errors=REFUSED,
        covers=("attestation.vendors.certificates.load_pem_chain", "attestation.vendors.certificates.verify_chain"),
    ),
    Target(
        "revocation-list",
        _revocations,
        lambda: [test_certificates.revocations([9])],
        errors=REFUSED,
        covers=(
            "attestation.vendors.certificates.load_revocation_list",
            "attestation.vendors.certificates.verify_not_revoked",
        ),
        examples=100,
    ),
    Target(
        "listed-platform",
        _listed,
        lambda: [join_parts([test_certificates.revocations([9])] * 2)],
        errors=REFUSED,
        covers=("attestation.vendors.dcap_platform.verify_certificates_listed",),
    ),
    Target(
        "quoted-platform",
        lambda data: read_platform(parse_quote(data), KNOWN_ROOTS),
        lambda: [samples.SGX.quote],
        errors=REFUSED,
        covers=("attestation.vendors.dcap_platform.read_platform",),
        examples=100,
    ),
    Target(
        "platform-id",
        _platform,
        _platform_seeds,
        errors=REFUSED,
        covers=("attestation.verify.read_platform_id", "attestation.policy.verify_pinned"),
    ),
    Target(
        "event-log",
        parse_event_log,
        lambda: [test_event_log.dumps(test_event_log.SYSTEM)],
        covers=("attestation.event_log.parse_event_log",),
        examples=100,
    ),
    Target(
        "snp-report",
        _snp_report,
        _report_seeds,
        covers=("attestation.vendors.snp_report.parse_report",),
        examples=150,
    ),
    Target(
        "snp-versions",
        lambda data: (SnpTcb.decode(data, is_turin=False), SnpTcb.decode(data, is_turin=True)),
        lambda: [bytes(8), bytes(range(8))],
        covers=("attestation.vendors.snp_report.SnpTcb.decode",),
    ),
    Target(
        "snp-collateral",
        SnpCollateral.decode,
        lambda: [_snp().collateral],
        covers=("attestation.vendors.snp_collateral.SnpCollateral.decode",),
    ),
    Target(
        "snp-certificates",
        lambda data: (read_certificate_table(data, is_vlek=False), read_certificate_table(data, is_vlek=True)),
        _table_seeds,
        covers=("attestation.vendors.snp_collateral.read_certificate_table",),
        examples=150,
    ),
    Target("snp", _verify_snp, _snp_seeds, errors=REFUSED, covers=("attestation.vendors.snp.verify_snp",)),
    Target(
        "nitro-document",
        parse_document,
        _document_seeds,
        covers=("attestation.vendors.nitro_document.parse_document",),
        examples=150,
    ),
    Target(
        "nitro-cbor",
        read_cbor,
        lambda: [b"\x9f\x01\xff", b"\xbf\x61a\x41b\xff", b"\x84\x43abc\xa0\xf6\x40"],
        covers=("attestation.vendors.nitro_document.read_cbor",),
        examples=200,
    ),
    Target(
        "nitro",
        _verify_nitro,
        lambda: [encode_evidence(test_nitro.EVIDENCE)],
        errors=REFUSED,
        covers=("attestation.vendors.nitro.verify_nitro",),
    ),
)
