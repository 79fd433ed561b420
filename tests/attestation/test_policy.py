"""Policy: every reason to refuse has its own code and a next step; an empty policy cannot be made."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from coprocessor.attestation.evidence import EvidenceKind, compute_collateral_digest
from coprocessor.attestation.policy import AttestationPolicy, admit, evaluate, find_refusals
from coprocessor.attestation.roots import INTEL_SGX_ROOT, SIMULATED_ROOT
from coprocessor.attestation.verdict import (
    NitroMeasurement,
    PlatformFlag,
    SgxMeasurement,
    SnpMeasurement,
    TcbStatus,
    compute_level,
    compute_measurement_digest,
    compute_platform_id,
)
from coprocessor.crypto.hashing import sha256
from coprocessor.values.errors import EvidenceRefused, InternalError, MalformedInput
from coprocessor.values.network import (
    CONTRACT_NAMES,
    AttestationFloor,
    ContractIdentity,
    Custodian,
    NetworkConfiguration,
)
from tests.attestation.samples import NOW, POLICY, REPORT_DATA, SGX, VERDICT

OTHER = sha256(b"other")


def test_good_evidence_is_accepted() -> None:
    assert find_refusals(VERDICT, POLICY, REPORT_DATA, NOW) == ()
    assert admit(SGX, POLICY, REPORT_DATA, NOW) == VERDICT


@pytest.mark.parametrize(
    ("policy", "verdict", "code"),
    [
        ({"allow_simulated": False}, {}, "simulated_refused"),
        ({"roots": frozenset({INTEL_SGX_ROOT.digest})}, {}, "root_unknown"),
        ({"measurements": frozenset({OTHER})}, {}, "measurement_unknown"),
        ({}, {"report_data": bytes(64)}, "report_data_mismatch"),
        ({}, {"status": TcbStatus.OUT_OF_DATE}, "tcb_out_of_date"),
        ({}, {"status": TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED}, "tcb_out_of_date"),
        ({}, {"status": TcbStatus.CONFIGURATION_NEEDED}, "tcb_status"),
        ({}, {"status": TcbStatus.REVOKED}, "tcb_status"),
        ({"maximum_level": 1}, {"level": 2}, "tcb_status"),
        ({"refused_advisories": frozenset({"A", "B"})}, {"advisories": ("B", "C")}, "advisory"),
        ({"refused_flags": frozenset(PlatformFlag)}, {"flags": frozenset({PlatformFlag.DYNAMIC})}, "platform_flag"),
        ({}, {"flags": frozenset({PlatformFlag.REVOCATION_UNKNOWN})}, "platform_flag"),
        ({"minimum_evaluation": 19}, {}, "evaluation_number"),
        ({"maximum_age": 3600}, {}, "collateral_stale"),
        ({}, {"valid_until": NOW - 1}, "collateral_stale"),
        ({}, {"issued_at": NOW + 1}, "collateral_stale"),
    ],
)
def test_each_reason_has_its_code_and_next_step(policy: dict[str, Any], verdict: dict[str, Any], code: str) -> None:
    judged = dataclasses.replace(VERDICT, **verdict)
    judging = dataclasses.replace(POLICY, **policy)
    refusals = find_refusals(judged, judging, REPORT_DATA, NOW)
    assert [refusal.code for refusal in refusals] == [f"attestation.{code}"]
    assert refusals[0].next
    with pytest.raises(EvidenceRefused) as caught:
        evaluate(judged, judging, REPORT_DATA, NOW)
    assert caught.value.code == f"attestation.{code}"


def test_only_intels_data_have_a_number_and_only_amds_have_no_age() -> None:
    policy = dataclasses.replace(POLICY, minimum_evaluation=19, maximum_age=3600)
    for kind, codes in ((EvidenceKind.SNP, []), (EvidenceKind.NITRO, ["attestation.collateral_stale"])):
        judged = dataclasses.replace(VERDICT, kind=kind, evaluation_number=0)
        fitting = dataclasses.replace(policy, measurements=frozenset({judged.measurement_digest}))
        assert [refusal.code for refusal in find_refusals(judged, fitting, REPORT_DATA, NOW)] == codes


def test_collateral_can_be_pinned() -> None:
    digest = compute_collateral_digest(SGX.kind, SGX.collateral)
    pinned = dataclasses.replace(POLICY, pinned_collateral=frozenset({digest}))
    assert admit(SGX, pinned, REPORT_DATA, NOW) == VERDICT
    other = dataclasses.replace(POLICY, pinned_collateral=frozenset({OTHER}))
    with pytest.raises(EvidenceRefused) as caught:
        admit(SGX, other, REPORT_DATA, NOW)
    assert caught.value.code == "attestation.collateral_not_pinned"
    assert compute_collateral_digest(EvidenceKind.TDX, SGX.collateral) != digest


def test_all_reasons_are_told_at_once() -> None:
    policy = dataclasses.replace(POLICY, allow_simulated=False, measurements=frozenset({OTHER}), minimum_evaluation=99)
    codes = [refusal.code for refusal in find_refusals(VERDICT, policy, bytes(64), NOW)]
    assert codes == [
        "attestation.simulated_refused",
        "attestation.measurement_unknown",
        "attestation.report_data_mismatch",
        "attestation.evaluation_number",
    ]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"measurements": frozenset()}, "attestation.policy_empty"),
        ({"roots": frozenset()}, "attestation.policy_empty"),
        ({"statuses": frozenset()}, "attestation.policy_empty"),
        ({"statuses": frozenset({TcbStatus.REVOKED})}, "attestation.policy"),
        ({"maximum_level": 0}, "attestation.policy"),
        ({"maximum_level": 6}, "attestation.policy"),
        ({"minimum_evaluation": -1}, "attestation.policy"),
        ({"maximum_age": 0}, "attestation.policy"),
        ({"allow_simulated": False, "roots": frozenset({SIMULATED_ROOT.digest})}, "attestation.policy"),
        ({"measurements": frozenset({b"short"})}, "value.digest"),
    ],
)
def test_a_policy_that_protects_nothing_cannot_be_made(change: dict[str, Any], code: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        dataclasses.replace(POLICY, **change)
    assert caught.value.code == code


def configuration(allow_simulated: bool) -> NetworkConfiguration:
    contract = ContractIdentity(bytes(20), OTHER)  # type: ignore[arg-type]
    floor = AttestationFloor((SIMULATED_ROOT.digest, INTEL_SGX_ROOT.digest), (VERDICT.measurement_digest,), 18, 2)
    contracts = tuple((name, contract) for name in CONTRACT_NAMES)
    return NetworkConfiguration(1, (), "finality", contracts, floor, allow_simulated, True, Custodian("none"))


def test_a_networks_floor_becomes_a_policy() -> None:
    assert admit(SGX, AttestationPolicy.of_network(configuration(True)), REPORT_DATA, NOW) == VERDICT
    closed = AttestationPolicy.of_network(configuration(False))
    assert (closed.minimum_evaluation, closed.maximum_level, closed.allow_simulated) == (18, 2, False)
    with pytest.raises(EvidenceRefused) as caught:
        admit(SGX, closed, REPORT_DATA, NOW)
    assert caught.value.code == "attestation.simulated_refused"


def test_levels_get_worse_with_the_status() -> None:
    assert compute_level(TcbStatus.UP_TO_DATE, ()) == 1
    assert compute_level(TcbStatus.UP_TO_DATE, ("A",)) == 2
    assert compute_level(TcbStatus.HARDENING_NEEDED, ()) == 3
    assert compute_level(TcbStatus.CONFIGURATION_NEEDED, ()) == 4
    assert compute_level(TcbStatus.CONFIGURATION_AND_HARDENING_NEEDED, ()) == 4
    assert compute_level(TcbStatus.UNJUDGED, ()) == 4
    for status in (TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED, TcbStatus.REVOKED):
        assert compute_level(status, ()) == 5


def test_measurement_digests_cover_kind_and_every_field() -> None:
    sgx = SgxMeasurement(bytes(32), bytes(32), 0, 0)
    found = {
        compute_measurement_digest(EvidenceKind.SGX, sgx),
        compute_measurement_digest(EvidenceKind.TDX, sgx),
        compute_measurement_digest(EvidenceKind.SGX, dataclasses.replace(sgx, mrenclave=bytes(OTHER))),
        compute_measurement_digest(EvidenceKind.SGX, dataclasses.replace(sgx, mrsigner=bytes(OTHER))),
        compute_measurement_digest(EvidenceKind.SGX, dataclasses.replace(sgx, product_id=1)),
        compute_measurement_digest(EvidenceKind.SGX, dataclasses.replace(sgx, security_version=1)),
        compute_measurement_digest(EvidenceKind.SNP, SnpMeasurement(bytes(48), bytes(32), 0, 0)),
        compute_measurement_digest(EvidenceKind.NITRO, NitroMeasurement(*[bytes(48)] * 4)),
    }
    assert len(found) == 8


def test_simulated_machines_never_share_a_name_with_real_ones() -> None:
    names = {compute_platform_id(vendor, b"id", simulated=s) for vendor in (b"intel", b"amd") for s in (True, False)}
    assert len(names) == 4


def test_a_verdict_checks_itself() -> None:
    for change in ({"report_data": b"short"}, {"level": 6}):
        with pytest.raises(InternalError):
            dataclasses.replace(VERDICT, **change)  # type: ignore[arg-type]
