"""Chain time alone decides, to the second: evidence holds at the last one that its verdict names, and not at the next;
no clock of a machine has a say."""

from __future__ import annotations

import dataclasses
import json
import time

import pytest

from coprocessor.attestation.policy import AttestationPolicy, find_refusals
from coprocessor.attestation.vendors.simulated_authority import VendorOptions
from coprocessor.attestation.vendors.simulated_platform import SimulatedPlatform
from coprocessor.attestation.verify import verify_evidence
from coprocessor.values.errors import EvidenceRefused
from tests.attestation import samples
from tests.attestation.material import needs_material
from tests.attestation.samples import NOW, POLICY, REPORT_DATA, SECRET, VERDICT
from tests.attestation.test_one_identity import collect_samples, verdict_of
from tests.attestation.test_verdict_table import LAST_OF_CERTIFICATES, LONG

ENDED = {"attestation.collateral_stale", "attestation.certificate_expired"}
EARLY = {"attestation.collateral_early", "attestation.certificate_early"}


def code(name: str, now: int) -> str:
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(collect_samples()[name][0], now)
    return caught.value.code


@pytest.mark.parametrize("name", collect_samples())
def test_evidence_holds_at_its_last_second_and_not_at_the_next(name: str) -> None:
    verdict = verdict_of(name)
    assert verify_evidence(collect_samples()[name][0], verdict.valid_until) == verdict
    assert code(name, verdict.valid_until + 1) in ENDED
    assert code(name, verdict.issued_at - 86_400) in EARLY


@pytest.mark.parametrize("name", samples.FORMATS)
def test_certificates_end_by_the_second_too(name: str) -> None:
    evidence = samples.evidence(name, SimulatedPlatform(SECRET, LONG))
    verdict = verify_evidence(evidence, LAST_OF_CERTIFICATES)
    assert verdict.valid_until == LAST_OF_CERTIFICATES
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(evidence, LAST_OF_CERTIFICATES + 1)
    assert caught.value.code == "attestation.certificate_expired"


@pytest.mark.parametrize("name", samples.FORMATS)
def test_evidence_begins_once_all_its_parts_are_issued(name: str) -> None:
    """An hour lies between TCB info and revocation lists of the one half and those of the other."""
    evidence = collect_samples()[name][0]
    begin = verdict_of(name).issued_at
    assert verify_evidence(evidence, begin) == verdict_of(name)
    assert code(name, begin - 1) == "attestation.collateral_early"


@needs_material
@pytest.mark.parametrize("name", ["real sgx3", "real tdx4"])
def test_real_collateral_begins_with_its_newest_part(name: str) -> None:
    """Between the issue of TCB info and that of the quoting enclave's identity, nothing holds, and it is said why."""
    assert code(name, verdict_of(name).issued_at) == "attestation.collateral_early"


@needs_material
def test_no_clock_of_this_machine_has_a_say() -> None:
    """Real samples hold at their own time alone, years from the one at which this test runs."""
    for name in ("real sgx3", "real tdx4", "real nitro"):
        verdict = verdict_of(name)
        assert time.time() > verdict.valid_until, "the sample is of the past"
        assert code(name, int(time.time())) in ENDED


def test_a_wrong_clock_changes_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_clock(*arguments: object) -> float:
        raise AssertionError("somebody asks for the time")

    for name in ("time", "time_ns", "monotonic", "gmtime", "localtime"):
        monkeypatch.setattr(time, name, no_clock)
    found = {name: verify_evidence(*sample) for name, sample in collect_samples().items()}
    monkeypatch.undo()
    assert found == {name: verdict_of(name) for name in found}


def accepts(now: int, policy: AttestationPolicy = POLICY, **changes: int) -> bool:
    return not find_refusals(dataclasses.replace(VERDICT, **changes), policy, REPORT_DATA, now)  # type: ignore[arg-type]


def test_a_policys_limits_are_exact() -> None:
    week = POLICY.maximum_age
    assert accepts(VERDICT.issued_at + week)
    assert not accepts(VERDICT.issued_at + week + 1)
    assert accepts(NOW, valid_until=NOW)
    assert not accepts(NOW, valid_until=NOW - 1)
    assert accepts(NOW, issued_at=NOW)
    assert not accepts(NOW, issued_at=NOW + 1)
    at_eighteen = dataclasses.replace(POLICY, minimum_evaluation=18)
    assert [accepts(NOW, at_eighteen, evaluation_number=number) for number in (17, 18, 19)] == [False, True, True]
    for level in range(1, 6):
        at_level = dataclasses.replace(POLICY, maximum_level=level)
        assert {other for other in range(1, 6) if accepts(NOW, at_level, level=other)} == set(range(1, level + 1))


def test_the_lesser_evaluation_number_of_both_documents_counts() -> None:
    """TCB info of one recovery beside the quoting enclave's identity of another (attack 30)."""
    old, new = (
        json.loads(SimulatedPlatform(SECRET, VendorOptions(evaluation_number=number)).sgx_evidence(
            samples.SGX_REPORT, NOW
        ).collateral)
        for number in (17, 19)
    )
    for part in ("qe_identity", "tcb_info"):
        mixed = new | {field: old[field] for field in (part, f"{part}_signature")}
        evidence = dataclasses.replace(samples.SGX, collateral=json.dumps(mixed).encode())
        assert verify_evidence(evidence, NOW).evaluation_number == 17
