"""However the bytes of evidence are dressed, they are refused or name the same evidence, machine and code: nobody makes
two identities of one quote (DESIGN 5, decision 11).

Each dressing changes what nobody signed: signatures into their twins, padding, tags, lengths, order, armour, letters.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from coprocessor.attestation.evidence import Evidence, EvidenceKind, decode_evidence, encode_evidence
from coprocessor.attestation.vendors.dcap_quote import parse_quote
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral
from coprocessor.attestation.verdict import Verdict
from coprocessor.attestation.verify import verify_evidence
from coprocessor.codec import cbor
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from tests.attestation import samples, test_nitro, test_snp
from tests.attestation.material import FOLDER, read_dcap, read_nitro, read_snp
from tests.attestation.samples import NOW

P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P384 = int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
BEGIN, END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"

Dressing = Callable[[Evidence], Evidence]


@cache
def collect_samples() -> dict[str, tuple[Evidence, int]]:
    """Evidence of every format with a time at which it verifies: simulated, and real where there is any."""
    found = {name: (samples.evidence(name), NOW) for name in samples.FORMATS}
    found |= {"snp": (test_snp.EVIDENCE, NOW), "nitro": (test_nitro.EVIDENCE, NOW)}
    if FOLDER.is_dir():
        found |= {"real sgx3": read_dcap("sgx_quote"), "real tdx4": read_dcap("tdx_quote")}
        found |= {"real snp": read_snp(), "real nitro": read_nitro("a")}
    return found


DCAP = [name for name in collect_samples() if "sgx" in name or "tdx" in name]
SNP = [name for name in collect_samples() if "snp" in name]
NITRO = [name for name in collect_samples() if "nitro" in name]


@cache
def verdict_of(name: str) -> Verdict:
    return verify_evidence(*collect_samples()[name])


def outcome(name: str, dressing: Dressing) -> str:
    """``same`` where it verifies with every name unchanged, or the code of its refusal; a second identity fails."""
    evidence, now = collect_samples()[name]
    dressed = dressing(evidence)
    assert encode_evidence(dressed) != encode_evidence(evidence), "the dressing changes nothing"
    try:
        verdict = verify_evidence(dressed, now)
    except (EvidenceRefused, MalformedInput) as error:
        return error.code
    assert verdict == verdict_of(name), "a second identity"
    return "same"


# ---- DCAP


def places(quote: bytes) -> tuple[int, int, int]:
    """Where a quote's signature data, its quoting enclave's report and its certificate data begin."""
    start = {3: 432, 4: 632, 5: 702}[quote[0]] + 4
    report = start + 128 + (0 if quote[0] == 3 else 6)
    authentication = report + 384 + 64
    certificates = authentication + 2 + int.from_bytes(quote[authentication : authentication + 2], "little")
    return start, report, certificates


def twin(r_and_s: bytes, order: int) -> bytes:
    """The other valid ECDSA signature of the same message: (r, n - s)."""
    half = len(r_and_s) // 2
    return r_and_s[:half] + (order - int.from_bytes(r_and_s[half:], "big")).to_bytes(half, "big")


def twin_of_the_quote(evidence: Evidence) -> Evidence:
    quote, (start, _, _) = evidence.quote, places(evidence.quote)
    return replace(evidence, quote=quote[:start] + twin(quote[start : start + 64], P256) + quote[start + 64 :])


def twin_of_the_quoting_enclave(evidence: Evidence) -> Evidence:
    quote, (_, report, _) = evidence.quote, places(evidence.quote)
    at = report + 384
    return replace(evidence, quote=quote[:at] + twin(quote[at : at + 64], P256) + quote[at + 64 :])


def with_chain(change: Callable[[list[bytes]], bytes]) -> Dressing:
    """Another text in the place of the certificate chain, with all lengths made to fit."""

    def dress(evidence: Evidence) -> Evidence:
        quote, (start, report, certificates) = evidence.quote, places(evidence.quote)
        chain = change(pem_parts(parse_quote(quote).chain))
        data = quote[certificates : certificates + 2] + len(chain).to_bytes(4, "little") + chain
        inner = quote[report:certificates] + data
        if quote[0] != 3:
            inner = quote[start + 128 : start + 130] + len(inner).to_bytes(4, "little") + inner
        signature_data = quote[start : start + 128] + inner
        return replace(evidence, quote=quote[: start - 4] + len(signature_data).to_bytes(4, "little") + signature_data)

    return dress


def pem_parts(pem: bytes) -> list[bytes]:
    """The certificates, each with its armour."""
    return [part.strip() + b"\n" + END + b"\n" for part in pem.split(END) if BEGIN in part]


def unwrapped(parts: list[bytes]) -> bytes:
    """Base64 in one line each."""
    bodies = [part.replace(BEGIN, b"").replace(END, b"").replace(b"\n", b"").replace(b"\r", b"") for part in parts]
    return b"".join(BEGIN + b"\n" + body + b"\n" + END + b"\n" for body in bodies)


def with_twin_certificate(parts: list[bytes]) -> bytes:
    """The platform's certificate with the other signature of its authority: other bytes, all the same contents."""
    body = parts[0].replace(BEGIN, b"").replace(END, b"")
    der = twin_certificate(base64.b64decode(body), P256)
    return BEGIN + b"\n" + base64.encodebytes(der) + END + b"\n" + b"".join(parts[1:])


def twin_certificate(der: bytes, order: int) -> bytes:
    """A certificate whose issuer's ECDSA signature is the twin; the last element of its DER is the signature."""
    size = 48 if order == P384 else 32
    for length in range(2 * size + 12, 2 * size - 8, -1):
        if der[-length] == 0x30 and der[-length - 1] == 0 and der[-length + 1] == length - 2:
            r, s = decode_dss_signature(der[-length:])
            signature = b"\0" + encode_dss_signature(r, order - s)
            body = der[4 : -length - 3] + b"\x03" + bytes((len(signature),)) + signature
            return b"\x30\x82" + len(body).to_bytes(2, "big") + body
    raise AssertionError("no signature found")


def with_json(change: Callable[[dict[str, Any]], dict[str, Any]], **how: Any) -> Dressing:
    """The collateral written in another way."""

    def dress(evidence: Evidence) -> Evidence:
        return replace(evidence, collateral=json.dumps(change(json.loads(evidence.collateral)), **how).encode())

    return dress


def upper(document: dict[str, Any]) -> dict[str, Any]:
    """Hexadecimal in capitals."""
    return {name: text if "chain" in name or "{" in text else text.upper() for name, text in document.items()}


SAME, PEM = {"same"}, {"same", "attestation.certificate", "attestation.invalid"}
MALFORMED = {"attestation.malformed"}
CHAIN = {"attestation.wrong_root", "attestation.certificate", "attestation.invalid"}

OF_DCAP: dict[str, tuple[Dressing, set[str]]] = {
    "the quote's other signature": (twin_of_the_quote, SAME),
    "the quoting enclave's other signature": (twin_of_the_quoting_enclave, SAME),
    "a certificate's other signature": (with_chain(with_twin_certificate), SAME),
    "a byte behind": (lambda one: replace(one, quote=one.quote + b"\0"), {"attestation.trailing_bytes"}),
    "padding behind the chain": (with_chain(lambda parts: b"".join(parts) + bytes(3)), SAME),
    "text behind the chain": (with_chain(lambda parts: b"".join(parts) + b"x"), MALFORMED),
    "text before the chain": (with_chain(lambda parts: b"a comment\n" + b"".join(parts)), PEM),
    "other line ends": (with_chain(lambda parts: b"".join(parts).replace(b"\n", b"\r\n")), PEM),
    "unwrapped base64": (with_chain(unwrapped), PEM),
    "no root": (with_chain(lambda parts: b"".join(parts[:2])), SAME),
    "the root twice": (with_chain(lambda parts: b"".join((*parts, parts[-1]))), {"attestation.certificate"}),
    "the platform's twice": (with_chain(lambda parts: b"".join((parts[0], *parts))), {"attestation.certificate"}),
    "the platform's in the root's place": (with_chain(lambda parts: parts[0] + parts[1] + parts[0]), CHAIN),
    "another order": (with_chain(lambda parts: b"".join((parts[1], parts[0], parts[2]))), CHAIN),
    "the chain turned round": (with_chain(lambda parts: b"".join(reversed(parts))), CHAIN),
    "no chain": (with_chain(lambda parts: b""), MALFORMED),
    "capitals in collateral": (with_json(upper), SAME),
    "spaces in collateral": (with_json(dict, indent=3), SAME),
    "another order in collateral": (with_json(lambda document: dict(reversed(document.items()))), SAME),
    "more in collateral": (with_json(lambda document: document | {"more": "x"}), {"same", "attestation.collateral"}),
    "a byte behind collateral": (
        lambda one: replace(one, collateral=one.collateral + b"\n"),
        {"same", "attestation.collateral"},
    ),
    "an extra": (lambda one: one.with_extra("note", b"x"), SAME),
}


@pytest.mark.parametrize("name", DCAP)
@pytest.mark.parametrize("dressing", OF_DCAP)
def test_a_dcap_quote_has_one_identity(name: str, dressing: str) -> None:
    dress, outcomes = OF_DCAP[dressing]
    assert outcome(name, dress) in outcomes


# ---- SEV-SNP


def twin_of_the_report(evidence: Evidence) -> Evidence:
    """r and s stand in 72 bytes each, little-endian."""
    at = 0x2A0 + 72
    s = int.from_bytes(evidence.quote[at : at + 72], "little")
    return replace(evidence, quote=evidence.quote[:at] + (P384 - s).to_bytes(72, "little") + evidence.quote[at + 72 :])


def added_order(evidence: Evidence) -> Evidence:
    """s + n is no second form of s, though 72 bytes have room for it."""
    at = 0x2A0 + 72
    s = int.from_bytes(evidence.quote[at : at + 72], "little")
    return replace(evidence, quote=evidence.quote[:at] + (P384 + s).to_bytes(72, "little") + evidence.quote[at + 72 :])


def with_snp(change: Callable[[SnpCollateral], SnpCollateral]) -> Dressing:
    return lambda one: replace(one, collateral=change(SnpCollateral.decode(one.collateral)).encode())


def long_length(der: bytes) -> bytes:
    """The same value with a length in one byte more, which BER allows and DER forbids."""
    assert der[:2] == b"\x30\x82"
    return b"\x30\x83\x00" + der[2:]


DER = {"attestation.certificate", "attestation.chain", "attestation.wrong_root", "attestation.wrong_platform"}

OF_SNP: dict[str, tuple[Dressing, set[str]]] = {
    "the report's other signature": (twin_of_the_report, SAME),
    "the order added to s": (added_order, {"attestation.signature"}),
    "a byte behind": (lambda one: replace(one, quote=one.quote + b"\0"), {"attestation.trailing_bytes"}),
    "a byte behind the signature": (
        lambda one: replace(one, quote=one.quote[:-1] + b"\1"),
        {"attestation.trailing_bytes"},
    ),
    "a byte behind the leaf": (with_snp(lambda own: replace(own, leaf=own.leaf + b"\0")), DER),
    "a byte behind the authority": (with_snp(lambda own: replace(own, authority=own.authority + b"\0")), DER),
    "a long length in the leaf": (with_snp(lambda own: replace(own, leaf=long_length(own.leaf))), DER),
    "another order": (with_snp(lambda own: replace(own, leaf=own.authority, authority=own.leaf)), DER),
    "the authority twice": (with_snp(lambda own: replace(own, leaf=own.authority)), DER),
    "the leaf twice": (with_snp(lambda own: replace(own, authority=own.leaf)), DER),
    "armour around the leaf": (
        with_snp(lambda own: replace(own, leaf=BEGIN + b"\n" + base64.encodebytes(own.leaf) + END)),
        DER,
    ),
    "collateral with long lengths": (
        lambda one: replace(one, collateral=b"\x98\x03" + one.collateral[1:]),
        {"codec.cbor", "cbor.malformed"},
    ),
    "a byte behind collateral": (
        lambda one: replace(one, collateral=one.collateral + b"\0"),
        {"codec.cbor", "cbor.malformed"},
    ),
    "an extra": (lambda one: one.with_extra("note", b"x"), SAME),
}


@pytest.mark.parametrize("name", SNP)
@pytest.mark.parametrize("dressing", OF_SNP)
def test_an_snp_report_has_one_identity(name: str, dressing: str) -> None:
    dress, outcomes = OF_SNP[dressing]
    assert outcome(name, dress) in outcomes


def test_a_leaf_under_the_other_signature_names_the_same_machine() -> None:
    """AMD signs with RSA, whose signatures have no twin; the simulated vendor's have."""
    assert outcome("snp", with_snp(lambda own: replace(own, leaf=twin_certificate(own.leaf, P256)))) == "same"


# ---- Nitro


def with_envelope(change: Callable[[list[Any]], bytes]) -> Dressing:
    """Another writing of the four parts of the COSE_Sign1."""
    return lambda one: replace(one, quote=change(list(cbor.loads(one.quote, 1 << 14))))


def write(parts: list[Any]) -> bytes:
    return cbor.dumps(parts)


OF_NITRO: dict[str, tuple[Dressing, set[str]]] = {
    "the document's other signature": (with_envelope(lambda parts: write([*parts[:3], twin(parts[3], P384)])), SAME),
    "a byte behind": (lambda one: replace(one, quote=one.quote + b"\0"), MALFORMED),
    "a tag before": (lambda one: replace(one, quote=b"\xd2" + one.quote), MALFORMED),
    "an array without a length": (lambda one: replace(one, quote=b"\x9f" + one.quote[1:] + b"\xff"), MALFORMED),
    "a long length of the array": (lambda one: replace(one, quote=b"\x98\x04" + one.quote[1:]), MALFORMED),
    "a long length of the headers": (lambda one: replace(one, quote=b"\x84\x58\x04" + one.quote[2:]), MALFORMED),
    "the algorithm written longer": (
        with_envelope(lambda parts: write([b"\xa1\x01\x39\x00\x22", *parts[1:]])),
        MALFORMED,
    ),
    "unprotected headers": (
        with_envelope(lambda parts: write([parts[0], {4: b"key"}, *parts[2:]])),
        {"attestation.trailing_bytes"},
    ),
    "a fifth part": (with_envelope(lambda parts: write([*parts, b""])), MALFORMED),
    "a longer signature": (with_envelope(lambda parts: write([*parts[:3], parts[3] + b"\0"])), MALFORMED),
    "collateral, which it needs not": (lambda one: replace(one, collateral=b"x"), SAME),
    "an extra": (lambda one: one.with_extra("note", b"x"), SAME),
}


@pytest.mark.parametrize("name", NITRO)
@pytest.mark.parametrize("dressing", OF_NITRO)
def test_a_nitro_document_has_one_identity(name: str, dressing: str) -> None:
    dress, outcomes = OF_NITRO[dressing]
    assert outcome(name, dress) in outcomes


# ---- evidence around it


ENCODED = encode_evidence(samples.SGX)


@pytest.mark.parametrize(
    "data",
    [
        ENCODED + b"\0",
        b"\x98\x04" + ENCODED[1:],
        b"\x9f" + ENCODED[1:] + b"\xff",
        b"\x84\x78\x03" + ENCODED[2:],
        ENCODED[:-1] + b"\xbf\xff",
        ENCODED.replace(b"\x63sgx", b"\x63SGX"),
        ENCODED[:-1] + b"\xa2\x61b\x40\x61a\x40",
        ENCODED[:-1] + b"\xa2\x61a\x40\x61a\x40",
        b"\xd9\xd9\xf7" + ENCODED,
    ],
)
def test_evidence_has_one_encoding(data: bytes) -> None:
    assert data != ENCODED
    with pytest.raises(MalformedInput):
        decode_evidence(data)


def test_each_format_is_dressed() -> None:
    assert {collect_samples()[name][0].kind for name in (*DCAP, *SNP, *NITRO)} == set(EvidenceKind)
