"""Evidence of real machines: what verifies, what is refused, and that Intel's root is Intel's."""

from __future__ import annotations

import json

import pytest

from coprocessor.attestation.evidence import Evidence
from coprocessor.attestation.policy import AttestationPolicy, admit, find_refusals
from coprocessor.attestation.roots import INTEL_SGX_ROOT, SIMULATED_ROOT
from coprocessor.attestation.vendors.dcap_quote import trim_quote
from coprocessor.attestation.verdict import PlatformFlag, SgxMeasurement, TcbStatus, TdxMeasurement
from coprocessor.attestation.verify import verify_evidence
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from tests.attestation.material import FOLDER, needs_material, read_dcap, read_dstack

pytestmark = needs_material


def test_the_embedded_root_is_intels() -> None:
    assert (FOLDER / "dcap" / "intel-sgx-root-ca.der").read_bytes() == INTEL_SGX_ROOT.der


def test_a_real_sgx_quote_verifies_with_its_advisories() -> None:
    evidence, now = read_dcap("sgx_quote")
    verdict = verify_evidence(evidence, now)
    assert verdict.status is TcbStatus.CONFIGURATION_AND_HARDENING_NEEDED
    assert verdict.advisories == ("INTEL-SA-00289", "INTEL-SA-00615")
    assert verdict.level == 4
    assert not verdict.simulated
    assert verdict.root == INTEL_SGX_ROOT.digest
    assert verdict.evaluation_number == 17
    assert isinstance(verdict.measurement, SgxMeasurement)
    assert verdict.measurement.mrenclave.hex().startswith("33d8736db756ed49")
    assert verdict.report_data.startswith(b"Hello, world!")
    assert verdict.issued_at < now < verdict.valid_until


def test_a_real_tdx_quote_verifies() -> None:
    evidence, now = read_dcap("tdx_quote")
    verdict = verify_evidence(evidence, now)
    assert verdict.status is TcbStatus.UP_TO_DATE
    assert verdict.flags == {
        PlatformFlag.DYNAMIC,
        PlatformFlag.CACHED_KEYS,
        PlatformFlag.SIMULTANEOUS_MULTITHREADING,
    }
    assert (verdict.level, verdict.advisories, verdict.simulated) == (1, (), False)
    assert isinstance(verdict.measurement, TdxMeasurement)
    assert verdict.measurement.mrtd.hex().startswith("91eb2b44d141d4ec")
    assert verdict.measurement.rtmr2.hex().startswith("d833feef2cd94514")


def test_a_real_quote_below_every_level_is_refused() -> None:
    evidence, now = read_dcap("tdx_quote_outdated")
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(evidence, now)
    assert caught.value.code == "attestation.tcb_out_of_date"
    assert "No matching TCB level" in caught.value.why


def test_a_real_quote_of_dstack_verifies() -> None:
    evidence, now = read_dstack("quote-report.json")
    assert verify_evidence(evidence, now).status is TcbStatus.UP_TO_DATE


def test_padding_is_trimmed_at_the_device_and_refused_here() -> None:
    raw = (FOLDER / "dcap" / "tdx_quote").read_bytes()
    evidence, now = read_dcap("tdx_quote")
    assert len(raw) - len(evidence.quote) == 70
    with pytest.raises(MalformedInput) as caught:
        verify_evidence(Evidence(evidence.kind, raw, evidence.collateral), now)
    assert caught.value.code == "attestation.trailing_bytes"
    with pytest.raises(MalformedInput):
        trim_quote(raw[:-1] + b"\1")


def test_a_real_quote_is_refused_under_the_simulated_root() -> None:
    evidence, now = read_dcap("sgx_quote")
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(evidence, now, [SIMULATED_ROOT])
    assert caught.value.code == "attestation.wrong_root"


@pytest.mark.parametrize("name", ["sgx_quote", "tdx_quote"])
def test_outside_the_collaterals_time_it_is_refused(name: str) -> None:
    evidence, now = read_dcap(name)
    for moment, code in ((now + 30 * 86400, "collateral_stale"), (now - 30 * 86400, "collateral_early")):
        with pytest.raises(EvidenceRefused) as caught:
            verify_evidence(evidence, moment)
        assert caught.value.code == f"attestation.{code}"


def test_another_platforms_or_formats_collateral_is_refused() -> None:
    sgx, now = read_dcap("sgx_quote")
    tdx, _ = read_dcap("tdx_quote")
    for mixed in (Evidence(sgx.kind, sgx.quote, tdx.collateral), Evidence(tdx.kind, tdx.quote, sgx.collateral)):
        with pytest.raises(EvidenceRefused) as caught:
            verify_evidence(mixed, now)
        assert caught.value.code == "attestation.wrong_platform"
    with pytest.raises(MalformedInput) as malformed:
        verify_evidence(Evidence(sgx.kind, tdx.quote, tdx.collateral), now)
    assert malformed.value.code == "attestation.kind"


def test_altered_vendor_data_are_refused() -> None:
    evidence, now = read_dcap("sgx_quote")
    document = json.loads(evidence.collateral)
    for field, old, new in (
        ("tcb_info", '"tcbEvaluationDataNumber":17', '"tcbEvaluationDataNumber":18'),
        ("qe_identity", '"isvprodid":1', '"isvprodid":2'),
    ):
        assert old in document[field]
        changed = document | {field: document[field].replace(old, new)}
        with pytest.raises(EvidenceRefused):
            verify_evidence(Evidence(evidence.kind, evidence.quote, json.dumps(changed).encode()), now)


def test_a_policy_decides_about_a_real_machine() -> None:
    evidence, now = read_dcap("sgx_quote")
    verdict = verify_evidence(evidence, now)
    strict = AttestationPolicy(frozenset({verdict.measurement_digest}), frozenset({INTEL_SGX_ROOT.digest}))
    refusals = find_refusals(verdict, strict, verdict.report_data, verdict.issued_at + 86_400)
    assert [refusal.code for refusal in refusals] == ["attestation.tcb_status"]
    refusals = find_refusals(verdict, strict, verdict.report_data, now)
    assert [refusal.code for refusal in refusals] == ["attestation.tcb_status", "attestation.collateral_stale"]
    lenient = AttestationPolicy(
        strict.measurements,
        strict.roots,
        statuses=frozenset({verdict.status}),
        maximum_level=4,
        maximum_age=30 * 86_400,
    )
    assert admit(evidence, lenient, verdict.report_data, now) == verdict
