"""Simulated evidence for tests."""

from __future__ import annotations

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.policy import AttestationPolicy
from coprocessor.attestation.roots import INTEL_SGX_ROOT, SIMULATED_ROOT
from coprocessor.attestation.vendors.simulated_platform import SgxReport, SimulatedPlatform, TdReport
from coprocessor.attestation.verify import verify_evidence
from coprocessor.crypto.hashing import sha256

NOW = 1_790_000_000
SECRET = bytes(sha256(b"a simulated machine"))
REPORT_DATA = bytes(range(64))
SGX_REPORT = SgxReport(bytes(sha256(b"code")), REPORT_DATA, bytes(sha256(b"signer")), 7, 3)
RTMR = (bytes((1,)) * 48, bytes((2,)) * 48, bytes((3,)) * 48, bytes((4,)) * 48)
TD_REPORT = TdReport(bytes(range(48)), REPORT_DATA, RTMR)
PLATFORM = SimulatedPlatform(SECRET)


def evidence(name: str, platform: SimulatedPlatform = PLATFORM, now: int = NOW) -> Evidence:
    if name == "sgx3":
        return platform.sgx_evidence(SGX_REPORT, now)
    return platform.tdx_evidence(TD_REPORT, now, int(name.removeprefix("tdx")))


FORMATS = ("sgx3", "tdx4", "tdx5")
SGX = evidence("sgx3")
VERDICT = verify_evidence(SGX, NOW)
POLICY = AttestationPolicy(
    frozenset({VERDICT.measurement_digest}), frozenset({SIMULATED_ROOT.digest, INTEL_SGX_ROOT.digest}), True
)
KINDS = {"sgx3": EvidenceKind.SGX, "tdx4": EvidenceKind.TDX, "tdx5": EvidenceKind.TDX}
