"""Every file of the real data verifies, or is refused, as its README says; a new file without a test is noticed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from coprocessor.attestation.event_log import compute_registers, parse_event_log
from coprocessor.attestation.evidence import Evidence
from coprocessor.attestation.roots import (
    AMD_GENOA_ROOT,
    AMD_MILAN_ROOT,
    AMD_TURIN_ROOT,
    AWS_NITRO_ROOT,
    INTEL_SGX_ROOT,
)
from coprocessor.attestation.vendors.certificates import load_certificate, verify_chain
from coprocessor.attestation.vendors.dcap_quote import parse_quote
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral
from coprocessor.attestation.vendors.snp_report import parse_report
from coprocessor.attestation.verdict import NitroMeasurement, TcbStatus, TdxMeasurement, Verdict
from coprocessor.attestation.verify import verify_evidence
from coprocessor.values.errors import EvidenceRefused
from tests.attestation.material import (
    FOLDER,
    needs_material,
    read_dcap,
    read_dstack,
    read_event_log,
    read_nitro,
    read_pem,
    read_snp,
    seconds,
)

pytestmark = needs_material


def refusal(evidence: Evidence, now: int) -> str:
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(evidence, now)
    return caught.value.code.removeprefix("attestation.")


def holds_between(evidence: Evidence, first: str, last: str) -> Verdict:
    """The verdict, the same at noon of both days; a month before and after, nothing."""
    begin, end = seconds(f"{first}T12:00:00+00:00"), seconds(f"{last}T12:00:00+00:00")
    verdict = verify_evidence(evidence, begin + 86_400)
    assert verdict == verify_evidence(evidence, end - 86_400)
    assert refusal(evidence, begin - 86_400 * 2) == "collateral_early"
    assert refusal(evidence, end + 86_400 * 2) == "collateral_stale"
    return verdict


def sgx_quote() -> None:
    verdict = holds_between(read_dcap("sgx_quote")[0], "2025-06-19", "2025-07-19")
    assert parse_quote(read_dcap("sgx_quote")[0].quote).version == 3
    assert verdict.status is TcbStatus.CONFIGURATION_AND_HARDENING_NEEDED
    assert verdict.advisories == ("INTEL-SA-00289", "INTEL-SA-00615")


def tdx_quote() -> None:
    verdict = holds_between(read_dcap("tdx_quote")[0], "2025-06-19", "2025-07-19")
    assert parse_quote(read_dcap("tdx_quote")[0].quote).version == 4
    assert verdict.status is TcbStatus.UP_TO_DATE


def outdated() -> None:
    evidence, now = read_dcap("tdx_quote_outdated")
    assert parse_quote(evidence.quote).version == 5
    assert seconds("2026-02-18T00:00:00+00:00") < now < seconds("2026-03-20T00:00:00+00:00")
    assert refusal(evidence, now) == "tcb_out_of_date"
    assert refusal(evidence, seconds("2026-02-16T00:00:00+00:00")) == "collateral_early"
    assert refusal(evidence, seconds("2026-03-22T00:00:00+00:00")) == "collateral_stale"


def intel_root() -> None:
    assert (FOLDER / "dcap" / "intel-sgx-root-ca.der").read_bytes() == INTEL_SGX_ROOT.der


def quote_report() -> None:
    evidence, _ = read_dstack("quote-report.json")
    verdict = holds_between(evidence, "2026-02-18", "2026-03-20")
    assert parse_quote(evidence.quote).version == 4
    assert verdict.root == INTEL_SGX_ROOT.digest
    replays("quote-report.json")


def tdx_lite() -> None:
    events = json.loads(read_event_log("tdx-lite-getquote.json"))
    runtime = [event for event in events if event["imr"] == 3]
    assert runtime
    assert not any(event.get("digest") for event in runtime), "runtime events without digests"
    replays("tdx-lite-getquote.json")


def replays(name: str) -> None:
    """All four registers of the quote."""
    measured = parse_quote(read_dstack(name)[0].quote).measurement
    assert isinstance(measured, TdxMeasurement)
    registers = (measured.rtmr0, measured.rtmr1, measured.rtmr2, measured.rtmr3)
    assert compute_registers(parse_event_log(read_event_log(name))) == registers


def nitro() -> None:
    evidence, now = read_nitro("a")
    verdict = verify_evidence(evidence, now)
    assert verdict.issued_at // 86_400 == seconds("2025-12-25T00:00:00+00:00") // 86_400
    assert isinstance(verdict.measurement, NitroMeasurement)
    assert verdict.root == AWS_NITRO_ROOT.digest


def nitro_debug() -> None:
    assert refusal(*read_nitro("debug")) == "debug"


def nitro_root() -> None:
    assert read_pem("nitro/AWS_NitroEnclaves_Root-G1.pem") == [AWS_NITRO_ROOT.der]


def snp() -> None:
    evidence, now = read_snp()
    report = parse_report(evidence.quote)
    assert (report.version, report.processor) == (3, (0x19, 0x01, 1))
    verdict = verify_evidence(evidence, now)
    assert verdict.root == AMD_MILAN_ROOT.digest
    assert not verdict.simulated


def snp_attestation() -> None:
    """dstack's own envelope, around the report of the other file."""
    data, report = (FOLDER / "sev-snp" / "dstack_attestation.bin").read_bytes(), read_snp()[0].quote
    assert report[:672] in data or base64.b64encode(report[:672]) in data or report[:672].hex().encode() in data


def amd_authorities() -> None:
    moment = seconds("2026-06-17T00:00:00+00:00")
    for name, root in (("milan", AMD_MILAN_ROOT), ("genoa", AMD_GENOA_ROOT), ("turin", AMD_TURIN_ROOT)):
        authority, own = read_pem(f"sev-snp/ask_ark_{name}.pem")
        assert own == root.der
        verify_chain([load_certificate(own, "root"), load_certificate(authority, "authority")], moment)


def snp_authority() -> None:
    assert SnpCollateral.decode(read_snp()[0].collateral).authority == read_pem("sev-snp/ask_ark_milan.pem")[0]


CHECKS: dict[str, Callable[[], None]] = {
    "dcap/sgx_quote": sgx_quote,
    "dcap/sgx_quote_collateral.json": sgx_quote,
    "dcap/tdx_quote": tdx_quote,
    "dcap/tdx_quote_collateral.json": tdx_quote,
    "dcap/tdx_quote_outdated": outdated,
    "dcap/tdx_quote_outdated_collateral.json": outdated,
    "dcap/intel-sgx-root-ca.der": intel_root,
    "dstack/quote-report.json": quote_report,
    "dstack/tdx-lite-getquote.json": tdx_lite,
    "nitro/nitro_attestation_a.bin": nitro,
    "nitro/nitro_attestation_debug.bin": nitro_debug,
    "nitro/AWS_NitroEnclaves_Root-G1.pem": nitro_root,
    "sev-snp/dstack_report.bin": snp,
    "sev-snp/dstack_vcek.pem": snp,
    "sev-snp/dstack_ask.pem": snp_authority,
    "sev-snp/dstack_attestation.bin": snp_attestation,
    "sev-snp/ask_ark_milan.pem": amd_authorities,
    "sev-snp/ask_ark_genoa.pem": amd_authorities,
    "sev-snp/ask_ark_turin.pem": amd_authorities,
}


@pytest.mark.parametrize("check", sorted(set(CHECKS.values()), key=lambda check: check.__name__))
def test_the_data_are_as_their_readme_says(check: Callable[[], None]) -> None:
    check()


def test_no_file_is_left_out() -> None:
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert {name for name in files if "LICENSE" not in name} <= set(CHECKS)
    assert set(CHECKS) <= files
