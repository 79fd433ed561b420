"""Collateral from the vendors' services: what to ask for, and how answers become what verifiers read.

Pure: it makes URLs and reads answers; a host fetches (``host.collateral``). Nothing here is believed: answers are
judged by verification like everything else that a host sends.

**Source:** Intel Provisioning Certification Service API version 4; AMD publication 57230 (KDS interface).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.roots import KNOWN_ROOTS
from coprocessor.attestation.vendors.certificates import load_pem_chain
from coprocessor.attestation.vendors.dcap_platform import read_platform
from coprocessor.attestation.vendors.dcap_quote import parse_quote
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral
from coprocessor.attestation.vendors.snp_report import SigningKey, SnpReport, SnpTcb, parse_report
from coprocessor.values.errors import CallerMisuse, MalformedInput

__all__ = [
    "AMD_SERVICE",
    "INTEL_ROOT_LIST",
    "INTEL_SERVICE",
    "MAX_ANSWER_LENGTH",
    "Answer",
    "Inquiry",
    "assemble_collateral",
    "needs_collateral",
    "plan_collateral",
]

INTEL_SERVICE: Final = "https://api.trustedservices.intel.com"
INTEL_ROOT_LIST: Final = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
AMD_SERVICE: Final = "https://kdsintf.amd.com"

MAX_ANSWER_LENGTH: Final = 64 * 1024
"""Bytes of an answer and of its headers; real ones have up to 20 KiB."""

_CHAIN_HEADERS: Final = {
    "pck_crl": "sgx-pck-crl-issuer-chain",
    "tcb_info": "tcb-info-issuer-chain",
    "qe_identity": "sgx-enclave-identity-issuer-chain",
}


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Something to ask for: its name in the answers, and the address."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered: body, and headers by lower-case name."""

    body: bytes
    headers: Mapping[str, str]


def needs_collateral(evidence: Evidence) -> bool:
    """Whether something must be fetched before the evidence can be judged."""
    if evidence.kind is EvidenceKind.NITRO:
        return False
    if evidence.kind is EvidenceKind.SNP and evidence.collateral:
        return not SnpCollateral.decode(evidence.collateral).revocations
    return not evidence.collateral


def plan_collateral(
    evidence: Evidence, intel: str = INTEL_SERVICE, amd: str = AMD_SERVICE, intel_root_list: str = INTEL_ROOT_LIST
) -> tuple[Inquiry, ...]:
    """What to fetch for this evidence; empty where nothing is needed.

    Args:
        evidence: from an attester.
        intel, amd: addresses of the services, or of caches that speak like them.
        intel_root_list: address of the root's revocation list.

    Raises:
        MalformedInput, EvidenceRefused: not evidence of its kind, or of no known vendor.
        CallerMisuse: ``attestation.collateral_unknown``: a processor that this release does not know.
    """
    if not needs_collateral(evidence):
        return ()
    if evidence.kind is EvidenceKind.SNP:
        return _plan_amd(evidence, amd)
    platform = read_platform(parse_quote(evidence.quote), KNOWN_ROOTS)
    form = "sgx" if evidence.kind is EvidenceKind.SGX else "tdx"
    authority = "processor" if "Processor" in platform.authority.subject.rfc4514_string() else "platform"
    return (
        Inquiry("pck_crl", f"{intel}/sgx/certification/v4/pckcrl?ca={authority}&encoding=der"),
        Inquiry("root_ca_crl", intel_root_list),
        Inquiry("tcb_info", f"{intel}/{form}/certification/v4/tcb?fmspc={platform.fmspc.hex()}"),
        Inquiry("qe_identity", f"{intel}/{form}/certification/v4/qe/identity"),
    )


def assemble_collateral(evidence: Evidence, answers: Mapping[str, Answer]) -> Evidence:
    """The evidence with the collateral that the answers to ``plan_collateral`` make.

    Raises:
        MalformedInput: ``attestation.collateral``: an answer is missing or has another form.
    """
    try:
        if evidence.kind is EvidenceKind.SNP:
            return replace(evidence, collateral=_assemble_amd(evidence, answers))
        return replace(evidence, collateral=_assemble_intel(answers))
    except (KeyError, ValueError, TypeError) as error:
        raise MalformedInput(
            "attestation.collateral",
            "the vendor's service did not answer with collateral",
            f"{type(error).__name__}: {error}",
            "try again, or name a service that caches the vendor's data",
        ) from error


def _assemble_intel(answers: Mapping[str, Answer]) -> bytes:
    tcb_info, tcb_signature = _split_signed(answers["tcb_info"].body, "tcbInfo")
    identity, identity_signature = _split_signed(answers["qe_identity"].body, "enclaveIdentity")
    chains = {name: _decode_percent(answers[name].headers[header]) for name, header in _CHAIN_HEADERS.items()}
    document = {
        "pck_crl_issuer_chain": chains["pck_crl"],
        "root_ca_crl": answers["root_ca_crl"].body.hex(),
        "pck_crl": answers["pck_crl"].body.hex(),
        "tcb_info_issuer_chain": chains["tcb_info"],
        "tcb_info": tcb_info,
        "tcb_info_signature": tcb_signature,
        "qe_identity_issuer_chain": chains["qe_identity"],
        "qe_identity": identity,
        "qe_identity_signature": identity_signature,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _decode_percent(text: str) -> str:
    """A header's text, in which line ends and spaces are written ``%0A`` and ``%20``. **Source:** RFC 3986."""
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda found: chr(int(found.group(1), 16)), text)


def _split_signed(body: bytes, name: str) -> tuple[str, str]:
    """The signed text, byte for byte as it stands in the answer, and its signature in hexadecimal."""
    text = body.decode("utf-8")
    document: dict[str, Any] = json.loads(text)
    begin = text.index(f'"{name}"')
    begin = text.index("{", begin)
    _, end = json.JSONDecoder().raw_decode(text, begin)
    return text[begin:end], str(document["signature"])


def _plan_amd(evidence: Evidence, service: str) -> tuple[Inquiry, ...]:
    report = parse_report(evidence.quote)
    product = _name_product(report)
    kind = "vlek" if report.signing_key == SigningKey.VLEK else "vcek"
    revocations = Inquiry("revocations", f"{service}/{kind}/v1/{product}/crl")
    if evidence.collateral:
        return (revocations,)
    if kind == "vlek" or not any(report.chip_id):
        raise CallerMisuse(
            "attestation.collateral_unknown",
            "AMD's service gives no certificate for this report",
            "a cloud's key signed it, or the host hides the chip",
            "let the host hand its certificates to the guest",
        )
    tcb = SnpTcb.decode(report.reported, is_turin=report.is_turin)
    versions = f"blSPL={tcb.bootloader}&teeSPL={tcb.tee}&snpSPL={tcb.snp}&ucodeSPL={tcb.microcode}"
    if report.is_turin:
        versions = f"fmcSPL={tcb.fmc}&{versions}"
    chip = report.chip_id[: 8 if report.is_turin else 64].hex()
    return (
        Inquiry("leaf", f"{service}/vcek/v1/{product}/{chip}?{versions}"),
        Inquiry("chain", f"{service}/vcek/v1/{product}/cert_chain"),
        revocations,
    )


def _assemble_amd(evidence: Evidence, answers: Mapping[str, Answer]) -> bytes:
    revocations = answers["revocations"].body
    if evidence.collateral:
        return replace(SnpCollateral.decode(evidence.collateral), revocations=revocations).encode()
    authority = load_pem_chain(answers["chain"].body)[0].public_bytes(Encoding.DER)
    return SnpCollateral(answers["leaf"].body, authority, revocations).encode()


def _name_product(report: SnpReport) -> str:
    """AMD's name of the processor's generation. **Source:** AMD publication 57230, section 3.1."""
    family, model, _ = report.processor or (0, 0, 0)
    if family == 0x19 and model < 0x10:
        return "Milan"
    if family == 0x19 and (0x10 <= model < 0x20 or 0xA0 <= model < 0xB0):
        return "Genoa"
    if family == 0x1A and model < 0x12:
        return "Turin"
    raise CallerMisuse(
        "attestation.collateral_unknown",
        f"this release does not know whose processor has family {family} and model {model}",
        "reports of version 2 do not name it",
        "let the host hand its certificates to the guest, or use a later release",
    )
