"""Every byte of real evidence, flipped in turn: no flip in a signed field passes, and none makes a second identity.

What nobody signs is the armour of PEM certificates: dashes, headers and line ends. It stands outside what is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from coprocessor.attestation.evidence import Evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from tests.attestation.material import needs_material, read_dcap, read_nitro, read_snp

pytestmark = needs_material

ARMOUR = b"\n-BEGIN CERTIFICATE-END\n"


def find_accepted(evidence: Evidence, now: int, positions: Sequence[int]) -> list[int]:
    """Where a flip of the lowest bit changes nothing; anything but a refusal or the same verdict fails."""
    expected = verify_evidence(evidence, now)
    accepted = []
    for position in positions:
        quote = bytearray(evidence.quote)
        quote[position] ^= 1
        try:
            verdict = verify_evidence(Evidence(evidence.kind, bytes(quote), evidence.collateral), now)
        except (EvidenceRefused, MalformedInput):
            continue
        assert verdict == expected, f"byte {position} makes a second identity"
        accepted.append(position)
    return accepted


@pytest.mark.parametrize("name", ["sgx_quote", "tdx_quote"])
def test_no_flip_of_a_dcap_quote_passes(name: str) -> None:
    evidence, now = read_dcap(name)
    first = evidence.quote.index(b"-----BEGIN")
    accepted = find_accepted(evidence, now, range(len(evidence.quote)))
    assert all(position >= first and evidence.quote[position] in ARMOUR for position in accepted)
    assert len(accepted) < 80


def test_no_flip_of_an_snp_report_passes() -> None:
    evidence, now = read_snp()
    assert find_accepted(evidence, now, range(len(evidence.quote))) == []


def test_no_flip_of_snp_certificates_passes() -> None:
    evidence, now = read_snp()
    for position in range(0, len(evidence.collateral), 5):
        collateral = bytearray(evidence.collateral)
        collateral[position] ^= 1
        with pytest.raises((EvidenceRefused, MalformedInput)):
            verify_evidence(Evidence(evidence.kind, evidence.quote, bytes(collateral)), now)


def test_no_flip_of_a_nitro_document_passes() -> None:
    evidence, now = read_nitro("a")
    certificates = evidence.quote.index(b"kcertificate")
    positions = [*range(certificates), *range(certificates, len(evidence.quote) - 120, 7)]
    positions += range(len(evidence.quote) - 120, len(evidence.quote))
    assert find_accepted(evidence, now, positions) == []
