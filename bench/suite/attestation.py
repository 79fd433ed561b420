"""Quotes judged a second on one core: verification and policy, in one thread, by the simulated vendor's evidence.

The path is that of real hardware but for the certificates' signatures: AMD's and Intel's chains have RSA and P-256, the
simulated vendor signs all of them by P-256.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.figures import Figure, per_second, time_each
from bench.scene import Scene
from coprocessor.attestation.evidence import Evidence
from coprocessor.attestation.policy import AttestationPolicy, admit
from coprocessor.attestation.roots import SIMULATED_ROOT
from coprocessor.attestation.vendors.simulated_nitro import NitroEnclave, SimulatedNitroPlatform
from coprocessor.attestation.vendors.simulated_platform import SgxReport, SimulatedPlatform, TdReport
from coprocessor.attestation.vendors.simulated_snp import SimulatedSnpPlatform, SnpGuest
from coprocessor.attestation.verify import verify_evidence

__all__ = ["build_samples", "run"]

REPETITIONS = 9
CALLS = 100
_NOW = 1_790_000_000
_SECRET = bytes(range(32))
_DATA = bytes(range(64))
_PCRS = {number: bytes((number + 1,)) * 48 for number in range(3)}


def build_samples() -> dict[str, Evidence]:
    """Evidence of every format by name."""
    intel = SimulatedPlatform(_SECRET)
    report = TdReport(bytes(48), _DATA)
    return {
        "SGX 3": intel.sgx_evidence(SgxReport(bytes(32), _DATA), _NOW),
        "TDX 4": intel.tdx_evidence(report, _NOW, 4),
        "TDX 5": intel.tdx_evidence(report, _NOW, 5),
        "SEV-SNP": SimulatedSnpPlatform(_SECRET).evidence(SnpGuest(bytes(48), _DATA), _NOW),
        "Nitro": SimulatedNitroPlatform(_SECRET).evidence(NitroEnclave(_PCRS, _DATA), _NOW),
    }


def run(scene: Scene) -> list[Figure]:
    """All formats."""
    scene.rest()
    repetitions, calls = (2, 3) if scene.quick else (REPETITIONS, CALLS)
    figures = []
    for name, evidence in build_samples().items():
        times = time_each(_judge(evidence), repetitions=repetitions, calls=calls)
        rates = per_second(1, [each / 1e6 for each in times])
        figures.append(Figure(f"attestation.{name}", "quotes/s", rates, "higher", "verified and judged, on one core"))
        scene.say(f"  {name}: {figures[-1].median:.0f} quotes/s")
    return figures


def _judge(evidence: Evidence) -> Callable[[], Any]:
    measurement = verify_evidence(evidence, _NOW).measurement_digest
    policy = AttestationPolicy(frozenset({measurement}), frozenset({SIMULATED_ROOT.digest}), allow_simulated=True)
    return lambda: admit(evidence, policy, _DATA, _NOW)
