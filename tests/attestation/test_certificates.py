"""Chains and revocation lists with the signatures that AMD uses (RSA-PSS), and each rule broken once."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from coprocessor.attestation.evidence import EvidenceKind
from coprocessor.attestation.roots import VendorRoot
from coprocessor.attestation.vendors.certificates import (
    choose_root,
    compute_expiry,
    load_certificate,
    load_pem_chain,
    load_revocation_list,
    verify_chain,
    verify_not_revoked,
)
from coprocessor.attestation.verify import verify_evidence
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from tests.attestation.samples import NOW, SGX

DAY = 86_400
PSS = padding.PSS(padding.MGF1(hashes.SHA384()), 48)


def date(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issue(
    subject: str, issuer: str, *, ca: bool = True, path: int | None = None, signs: bool = True
) -> x509.Certificate:
    usage = x509.KeyUsage(False, False, False, False, False, signs, True, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key(subject).public_key())
        .serial_number(7)
        .not_valid_before(date(NOW - DAY))
        .not_valid_after(date(NOW + DAY))
        .add_extension(x509.BasicConstraints(ca, path if ca else None), True)
        .add_extension(usage, True)
        .sign(key(issuer), hashes.SHA384(), rsa_padding=PSS)
    )


def revocations(serials: list[int], *, issuer: str = "root", critical: bool = False, signer: str = "") -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name(issuer))
        .last_update(date(NOW - DAY))
        .next_update(date(NOW + DAY))
        .add_extension(x509.CRLNumber(1), critical)
    )
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(date(NOW - DAY)).build()
        builder = builder.add_revoked_certificate(revoked)
    return builder.sign(key(signer or issuer), hashes.SHA384(), rsa_padding=PSS).public_bytes(Encoding.DER)


ROOT = issue("root", "root")
MIDDLE = issue("middle", "root", path=0)
LEAF = issue("leaf", "middle", ca=False)


def refuse(chain: list[x509.Certificate], now: int = NOW) -> str:
    with pytest.raises(EvidenceRefused) as caught:
        verify_chain(chain, now)
    return caught.value.code.removeprefix("attestation.")


def test_a_chain_with_amds_signatures_verifies() -> None:
    verify_chain([ROOT, MIDDLE, LEAF], NOW)
    assert compute_expiry([ROOT, MIDDLE, LEAF]) == NOW + DAY
    root = VendorRoot("root", ROOT.public_bytes(Encoding.DER), frozenset({EvidenceKind.SNP}))
    assert choose_root(MIDDLE, [root], EvidenceKind.SNP) == (root, ROOT)
    with pytest.raises(EvidenceRefused):
        choose_root(MIDDLE, [root], EvidenceKind.SGX)


def test_each_rule_of_a_chain() -> None:
    assert refuse([ROOT, LEAF]) == "chain"
    assert refuse([ROOT, MIDDLE, issue("leaf", "root")]) == "chain"
    assert refuse([ROOT, issue("middle", "root", ca=False), LEAF]) == "chain"
    assert refuse([ROOT, issue("middle", "root", signs=False), LEAF]) == "chain"
    below = issue("below", "middle")
    assert refuse([ROOT, MIDDLE, below, issue("leaf", "below")]) == "chain"  # the middle's path length is 0
    assert refuse([ROOT, MIDDLE, LEAF], NOW + 2 * DAY) == "certificate_expired"
    assert refuse([ROOT, MIDDLE, LEAF], NOW - 2 * DAY) == "certificate_early"
    for chain in ([ROOT], [ROOT] * 10):
        with pytest.raises(MalformedInput):
            verify_chain(chain, NOW)


def test_an_authority_without_extensions_issues_nothing() -> None:
    bare = x509.CertificateBuilder().subject_name(name("middle")).issuer_name(name("root"))
    bare = bare.public_key(key("middle").public_key()).serial_number(9)
    bare = bare.not_valid_before(date(NOW - DAY)).not_valid_after(date(NOW + DAY))
    assert refuse([ROOT, bare.sign(key("root"), hashes.SHA384(), rsa_padding=PSS), LEAF]) == "chain"


def test_a_revocation_list_counts_if_its_issuer_signed_it() -> None:
    listed = load_revocation_list(revocations([5]))
    assert verify_not_revoked(listed, ROOT, (7,), NOW) == (NOW - DAY, NOW + DAY)
    for data, issuer, serial, code in (
        (revocations([7]), ROOT, 7, "revoked"),
        (revocations([5], signer="other"), ROOT, 7, "chain"),
        (revocations([5], issuer="other"), ROOT, 7, "chain"),
        (revocations([5], issuer="other", signer="root"), ROOT, 7, "chain"),
    ):
        with pytest.raises(EvidenceRefused) as caught:
            verify_not_revoked(load_revocation_list(data), issuer, (serial,), NOW)
        assert caught.value.code == f"attestation.{code}"


@pytest.mark.parametrize("data", [b"", b"\x30\x00", revocations([], critical=True)])
def test_an_unreadable_or_partial_list_is_named(data: bytes) -> None:
    with pytest.raises(MalformedInput) as caught:
        load_revocation_list(data)
    assert caught.value.code == "attestation.revocation_list"


def without_an_end(der: bytes) -> bytes:
    """A revocation list that does not say when the next is due, which RFC 5280 forbids and a builder refuses."""
    body, behind = unwrap(der)
    assert not behind
    signed, rest = unwrap(body)
    first = signed.index(b"\x17\x0d")  # UTCTime of 13 letters
    second = first + 15
    assert signed[second : second + 2] == b"\x17\x0d"
    return wrap(wrap(signed[:second] + signed[second + 15 :]) + rest)


def unwrap(der: bytes) -> tuple[bytes, bytes]:
    """What a SEQUENCE holds, and what follows it."""
    assert der[0] == 0x30
    size = der[1] & 0x7F if der[1] & 0x80 else 0
    length = int.from_bytes(der[2 : 2 + size], "big") if size else der[1]
    return der[2 + size : 2 + size + length], der[2 + size + length :]


def wrap(body: bytes) -> bytes:
    """The SEQUENCE of these bytes."""
    if len(body) < 0x80:
        return bytes((0x30, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((0x30, 0x80 | len(length))) + length + body


def test_a_revocation_list_without_an_end_counts_nowhere() -> None:
    data = without_an_end(revocations([5]))
    assert x509.load_der_x509_crl(data).next_update_utc is None
    with pytest.raises(MalformedInput) as caught:
        load_revocation_list(data)
    assert caught.value.code == "attestation.revocation_list"
    document = json.loads(SGX.collateral)
    for name in ("root_ca_crl", "pck_crl"):
        endless = without_an_end(bytes.fromhex(document[name])).hex()
        evidence = replace(SGX, collateral=json.dumps(document | {name: endless}).encode())
        with pytest.raises(MalformedInput) as caught:
            verify_evidence(evidence, NOW)
        assert caught.value.code == "attestation.collateral"


def test_unreadable_certificates_are_named() -> None:
    good = LEAF.public_bytes(Encoding.DER)
    assert load_certificate(good, "leaf") == LEAF
    for data in (b"", good[:-1], good + b"\0"):
        with pytest.raises(MalformedInput):
            load_certificate(data, "leaf")
    for position in range(0, len(good), 7):
        changed = bytearray(good)
        changed[position] ^= 4
        try:
            certificate = load_certificate(bytes(changed), "leaf")
        except MalformedInput:
            continue
        assert refuse([ROOT, MIDDLE, certificate]) in ("chain", "certificate_expired", "certificate_early")
    with pytest.raises(MalformedInput):
        load_pem_chain(b"no certificate")
