"""The platform behind a DCAP quote, read by our own code: certificates, revocations and TCB level.

The verifying library refuses with words alone. This module looks at the same bytes so that each refusal has its own
code, and so that the quote's root certificate, which the library ignores, has one form. It never accepts what the
library refuses.

Rules:

1. The chain is the platform's certificate, its authority's, and, where a third one stands there, the root's own bytes.
2. Only the root that issued the authority is tried; no other vendor's.
3. A certificate on a revocation list is refused as revoked before anything else is said about it.
4. The platform's level is the first one whose versions it reaches all.

**Source:** Intel SGX PCK Certificate and CRL Profile; Intel Provisioning Certification Service API version 4, TCB info
version 3 ("determining the TCB status of a platform").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import dcap_qvl
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from coprocessor.attestation.evidence import EvidenceKind
from coprocessor.attestation.roots import VendorRoot
from coprocessor.attestation.vendors.certificates import choose_root, load_pem_chain, load_revocation_list
from coprocessor.attestation.vendors.dcap_quote import DcapQuote
from coprocessor.attestation.verdict import TcbStatus
from coprocessor.values.errors import EvidenceRefused, MalformedInput

__all__ = ["DcapPlatform", "find_tcb_status", "read_platform", "verify_certificates_listed"]

_TEE_TCB_SVN: Final = slice(0, 16)


@dataclass(frozen=True, slots=True)
class DcapPlatform:
    """A platform's certificates and the root that vouches for it; signatures of the chain are the library's work.

    Args:
        certificate: the platform's.
        authority: the one that issued it.
        root: the one that issued the authority.
        ppid: 16 bytes, who the platform is.
        fmspc: 6 bytes, its model.
        cpu_svn: 16 bytes, security versions of its processor.
        pce_svn: 16 bits, of its provisioning enclave.
    """

    certificate: x509.Certificate
    authority: x509.Certificate
    root: VendorRoot
    ppid: bytes
    fmspc: bytes
    cpu_svn: bytes
    pce_svn: int


def read_platform(quote: DcapQuote, roots: Sequence[VendorRoot]) -> DcapPlatform:
    """Who made the quote, as its unverified chain says (rules 1 and 2).

    Raises:
        MalformedInput: ``attestation.certificate``.
        EvidenceRefused: ``attestation.wrong_root``.
    """
    chain = load_pem_chain(quote.chain)
    try:
        extension = dcap_qvl.parse_pck_extension_from_pem(quote.chain)
        ppid, fmspc, cpu_svn = bytes(extension.ppid), bytes(extension.fmspc), bytes(extension.cpu_svn)
    except (ValueError, TypeError) as error:
        raise MalformedInput(
            "attestation.certificate",
            "the quote's certificates are not readable",
            str(error),
            "send the quote as the device gave it",
        ) from error
    if len(chain) not in (2, 3):
        raise MalformedInput(
            "attestation.certificate",
            f"the quote carries {len(chain)} certificates, not 2 or 3",
            next="send the quote as the device gave it",
        )
    root, _ = choose_root(chain[1], roots, quote.kind)
    if len(chain) == 3 and chain[2].public_bytes(Encoding.DER) != root.der:
        raise EvidenceRefused(
            "attestation.wrong_root",
            "the quote's chain does not end in the root that issued it",
            "nobody signs that certificate, so one quote would have many forms",
            "send the quote as the device gave it",
        )
    return DcapPlatform(chain[0], chain[1], root, ppid, fmspc, cpu_svn, int(extension.pce_svn))


def verify_certificates_listed(platform: DcapPlatform, authority_list: bytes, root_list: bytes) -> None:
    """Looks for the chain's certificates on two revocation lists (rule 3). Whether those are signed, the library says.

    Raises:
        EvidenceRefused: ``attestation.revoked``.
    """
    for certificate, data in ((platform.certificate, authority_list), (platform.authority, root_list)):
        found = load_revocation_list(data).get_revoked_certificate_by_serial_number(certificate.serial_number)
        if found is not None:
            raise EvidenceRefused(
                "attestation.revoked",
                f"the vendor revoked the certificate with serial number 0x{certificate.serial_number:x}",
                "the platform's key was lost or its hardware is broken",
                "use another machine",
            )


def find_tcb_status(platform: DcapPlatform, quote: DcapQuote, tcb_info: dict[str, Any]) -> TcbStatus | None:
    """The status of the platform's level in unverified TCB info (rule 4); None where it is below all of them.

    Raises:
        ValueError, KeyError, TypeError: the TCB info has another form.
    """
    for level in tcb_info["tcbLevels"]:
        tcb = level["tcb"]
        least = [component["svn"] for component in tcb["sgxtcbcomponents"]]
        is_reached = platform.pce_svn >= tcb["pcesvn"] and _reaches(platform.cpu_svn, least)
        if is_reached and quote.kind is EvidenceKind.TDX:
            modules = [component["svn"] for component in tcb["tdxtcbcomponents"]]
            have = quote.report[_TEE_TCB_SVN]
            # With a module version in the second place, the first two are judged by the module's own identity.
            is_reached = _reaches(have[2:], modules[2:]) if have[1] else _reaches(have, modules)
        if is_reached:
            return TcbStatus(level["tcbStatus"])
    return None


def _reaches(have: bytes, least: Sequence[int]) -> bool:
    return all(mine >= floor for mine, floor in zip(have, least, strict=True))
