"""SEV-SNP: a real report, and every path that real data do not cover under the simulated vendor."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.attestation.evidence import Evidence, EvidenceKind, compute_body_digest
from coprocessor.attestation.policy import AttestationPolicy, admit
from coprocessor.attestation.roots import (
    AMD_GENOA_ROOT,
    AMD_MILAN_ROOT,
    AMD_TURIN_ROOT,
    INTEL_SGX_ROOT,
    SIMULATED_ROOT,
    VendorRoot,
)
from coprocessor.attestation.vendors.simulated_authority import VendorOptions, certify, derive_p256_key
from coprocessor.attestation.vendors.simulated_snp import SimulatedSnpPlatform, SnpGuest
from coprocessor.attestation.vendors.snp import AMD_OID, _read_flags
from coprocessor.attestation.vendors.snp_baseline import SnpBaseline, judge_tcb
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral, read_certificate_table
from coprocessor.attestation.vendors.snp_report import SNP_REPORT_LENGTH, SnpTcb, parse_report
from coprocessor.attestation.verdict import PlatformFlag, SnpMeasurement, TcbStatus, Verdict
from coprocessor.attestation.verify import verify_evidence
from coprocessor.values.errors import CallerMisuse, CoprocessorError, EvidenceRefused, MalformedInput
from tests.attestation.material import needs_material, read_pem, read_snp
from tests.attestation.samples import NOW, REPORT_DATA, SECRET

DAY = 86_400
GUEST = SnpGuest(bytes(range(48)), REPORT_DATA, bytes(range(32)))
MACHINE = SimulatedSnpPlatform(SECRET)
EVIDENCE = MACHINE.evidence(GUEST, NOW)
VERDICT = verify_evidence(EVIDENCE, NOW)
POLICY = AttestationPolicy(
    frozenset({VERDICT.measurement_digest}), frozenset({SIMULATED_ROOT.digest}), allow_simulated=True
)


def guest(**changes: Any) -> SnpGuest:
    return dataclasses.replace(GUEST, **changes)


def verify(**changes: Any) -> Verdict:
    return verify_evidence(MACHINE.evidence(guest(**changes), NOW), NOW)


def refusal(evidence: Evidence, now: int = NOW, roots: list[VendorRoot] | None = None) -> str:
    with pytest.raises((EvidenceRefused, MalformedInput)) as caught:
        verify_evidence(evidence, now, *([roots] if roots else []))
    assert caught.value.next or isinstance(caught.value, MalformedInput)
    return caught.value.code.removeprefix("attestation.")


def with_collateral(**changes: Any) -> Evidence:
    collateral = dataclasses.replace(SnpCollateral.decode(EVIDENCE.collateral), **changes)
    return dataclasses.replace(EVIDENCE, collateral=collateral.encode())


@needs_material
def test_a_real_report_verifies() -> None:
    evidence, now = read_snp()
    verdict = verify_evidence(evidence, now)
    assert isinstance(verdict.measurement, SnpMeasurement)
    assert verdict.measurement.measurement.hex().startswith("7f51e17f72a04d54")
    assert verdict.report_data.startswith(b"attest-test-fixture-2026")
    assert verdict.root == AMD_MILAN_ROOT.digest
    assert not verdict.simulated
    assert (verdict.status, verdict.advisories, verdict.level) == (TcbStatus.OUT_OF_DATE, ("AMD-SB-3019",), 5)
    assert verdict.flags == {PlatformFlag.REVOCATION_UNKNOWN, PlatformFlag.SIMULTANEOUS_MULTITHREADING}
    assert verdict.body_digest == compute_body_digest(EvidenceKind.SNP, evidence.quote[:672])


@needs_material
def test_the_embedded_roots_are_amds() -> None:
    for name, root in (("milan", AMD_MILAN_ROOT), ("genoa", AMD_GENOA_ROOT), ("turin", AMD_TURIN_ROOT)):
        assert read_pem(f"sev-snp/ask_ark_{name}.pem")[1] == root.der


@needs_material
def test_a_real_report_is_refused_under_other_roots_and_times() -> None:
    evidence, now = read_snp()
    for roots in ([SIMULATED_ROOT], [INTEL_SGX_ROOT], [AMD_GENOA_ROOT, AMD_TURIN_ROOT]):
        assert refusal(evidence, now, roots) == "wrong_root"
    assert refusal(evidence, now - 30 * DAY) == "certificate_early"
    assert refusal(evidence, now + 3000 * DAY) == "certificate_expired"
    intel_for_amd = dataclasses.replace(AMD_MILAN_ROOT, kinds=INTEL_SGX_ROOT.kinds)
    assert refusal(evidence, now, [intel_for_amd]) == "wrong_root"


@needs_material
def test_a_real_report_is_refused_with_another_processors_authority() -> None:
    evidence, now = read_snp()
    collateral = SnpCollateral.decode(evidence.collateral)
    other = dataclasses.replace(collateral, authority=read_pem("sev-snp/ask_ark_genoa.pem")[0])
    assert refusal(dataclasses.replace(evidence, collateral=other.encode()), now) == "chain"
    as_turin = dataclasses.replace(AMD_MILAN_ROOT, product="Turin")
    assert refusal(evidence, now, [as_turin]) == "wrong_platform"


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_simulated_reports_of_every_version_verify(version: int) -> None:
    verdict = verify(version=version)
    assert verdict.measurement == SnpMeasurement(GUEST.measurement, GUEST.host_data, 0, GUEST.policy)
    assert verdict.report_data == REPORT_DATA
    assert (verdict.status, verdict.level, verdict.simulated) == (TcbStatus.UP_TO_DATE, 1, True)
    assert verdict.root == SIMULATED_ROOT.digest
    assert verdict.flags == frozenset()
    assert verdict.issued_at <= NOW - DAY < NOW < verdict.valid_until
    assert parse_report(MACHINE.report(guest(version=version))).processor == ((0x19, 1, 1) if version > 2 else None)


def test_a_policy_admits_it_and_binds_report_data_and_measurement() -> None:
    assert admit(EVIDENCE, POLICY, REPORT_DATA, NOW) == VERDICT
    for changes, data, code in (
        ({}, bytes(64), "report_data_mismatch"),
        ({"measurement": bytes(48)}, REPORT_DATA, "measurement_unknown"),
        ({"host_data": bytes(32)}, REPORT_DATA, "measurement_unknown"),
        ({"vmpl": 1}, REPORT_DATA, "measurement_unknown"),
        ({"policy": 0x20000}, REPORT_DATA, "measurement_unknown"),
        ({"tcb": SnpTcb(0, 4, 0, 9, 100)}, REPORT_DATA, "tcb_out_of_date"),
    ):
        with pytest.raises(EvidenceRefused) as caught:
            admit(MACHINE.evidence(guest(**changes), NOW), POLICY, data, NOW)
        assert caught.value.code == f"attestation.{code}"


def test_debug_is_refused() -> None:
    assert refusal(MACHINE.evidence(guest(policy=0x30000 | 1 << 19), NOW)) == "debug"


def test_every_lowest_version_counts() -> None:
    old, new = SnpTcb(0, 3, 0, 9, 100), GUEST.tcb
    for changes in ({"committed": old}, {"launch": old}, {"tcb": old, "committed": new, "launch": new}):
        verdict = verify(**changes)
        assert (verdict.status, verdict.advisories) == (TcbStatus.OUT_OF_DATE, ("SIMULATED-SA-00003",))


def test_properties_of_the_machine_are_reported() -> None:
    assert verify(platform=0x25).flags == {PlatformFlag.SIMULTANEOUS_MULTITHREADING}
    assert verify(platform=0x04).flags == {PlatformFlag.MEMORY_ALIASES_UNCHECKED}
    report = bytearray(EVIDENCE.quote)
    report[0x38] += 1  # the running firmware is newer than the committed one
    assert PlatformFlag.PROVISIONAL_FIRMWARE in _read_flags(parse_report(bytes(report)))
    assert PlatformFlag.PROVISIONAL_FIRMWARE not in _read_flags(parse_report(EVIDENCE.quote))


def test_machines_have_names() -> None:
    other = verify_evidence(SimulatedSnpPlatform(bytes(32)).evidence(GUEST, NOW), NOW)
    hidden, cloud = verify(hides_chip=True), verify(is_vlek=True)
    assert other.platform_id != VERDICT.platform_id
    assert hidden.platform_id == VERDICT.platform_id == cloud.platform_id
    unknown = verify(is_vlek=True, hides_chip=True)
    assert unknown.platform_id != VERDICT.platform_id
    assert unknown.flags == {PlatformFlag.MACHINE_UNKNOWN}


def test_a_missing_revocation_list_is_said_and_refused_by_default() -> None:
    evidence = with_collateral(revocations=b"")
    assert verify_evidence(evidence, NOW).flags == {PlatformFlag.REVOCATION_UNKNOWN}
    with pytest.raises(EvidenceRefused) as caught:
        admit(evidence, POLICY, REPORT_DATA, NOW)
    assert caught.value.code == "attestation.platform_flag"
    assert admit(evidence, dataclasses.replace(POLICY, refused_flags=frozenset()), REPORT_DATA, NOW)


def test_a_revoked_authority_is_refused() -> None:
    options = VendorOptions(revoked=(MACHINE.authority.serial_number,))
    assert refusal(SimulatedSnpPlatform(SECRET, options).evidence(GUEST, NOW)) == "revoked"


def test_revocation_lists_have_an_issuer_and_a_time() -> None:
    assert refusal(EVIDENCE, NOW + 40 * DAY) == "collateral_stale"
    assert refusal(EVIDENCE, NOW - 3 * DAY) == "collateral_early"
    stranger = SimulatedSnpPlatform(SECRET, VendorOptions(seed=b"a vendor of my own")).evidence(GUEST, NOW)
    foreign = SnpCollateral.decode(stranger.collateral).revocations
    assert refusal(with_collateral(revocations=foreign)) == "chain"
    assert refusal(with_collateral(revocations=b"x")) == "revocation_list"
    own = SnpCollateral.decode(EVIDENCE.collateral).revocations
    for position in range(0, len(own), 3):
        changed = bytearray(own)
        changed[position] ^= 1
        assert refusal(with_collateral(revocations=bytes(changed)))


def test_another_vendors_chain_is_refused() -> None:
    stranger = SimulatedSnpPlatform(SECRET, VendorOptions(seed=b"a vendor of my own"))
    assert refusal(stranger.evidence(GUEST, NOW)) == "wrong_root"
    foreign = SnpCollateral.decode(stranger.evidence(GUEST, NOW).collateral)
    assert refusal(with_collateral(authority=foreign.authority)) == "wrong_root"
    assert refusal(with_collateral(leaf=foreign.leaf)) == "chain"


def test_report_and_certificate_belong_together() -> None:
    """A key of older firmware, or of another chip, signs nothing that claims to be something else."""
    other_chip = SimulatedSnpPlatform(bytes(32)).certify_chip(GUEST)
    older = MACHINE.certify_chip(guest(tcb=SnpTcb(0, 4, 0, 19, 100)))
    cloud = MACHINE.certify_chip(guest(is_vlek=True))
    for certificate in (other_chip, older, cloud):
        assert refusal(with_collateral(leaf=der(certificate))) == "wrong_platform"
    hidden = MACHINE.report(guest(hides_chip=True))
    with_other_key = dataclasses.replace(with_collateral(leaf=der(other_chip)), quote=hidden)
    assert refusal(with_other_key) == "signature"
    assert refusal(with_collateral(leaf=der(MACHINE.authority), authority=der(MACHINE.authority))) == "chain"


def test_a_leaf_is_what_its_name_extensions_and_curve_say() -> None:
    """AMD's authority also signs other certificates; only those of report keys, with all that they name, count."""
    own, key = MACHINE.certify_chip(GUEST), MACHINE._key(GUEST)
    named = [one.value for one in own.extensions if isinstance(one.value, x509.UnrecognizedExtension)]
    without_chip = [value for value in named if value.oid.dotted_string != f"{AMD_OID}.4"]
    for name, signer, extensions in (
        ("SEV-VLEK", key, named),
        ("SEV-VCEK ", key, named),
        ("SEV-VCEK", key, without_chip),
        ("SEV-VCEK", key, named[1:]),
        ("SEV-VCEK", key, [x509.UnrecognizedExtension(named[0].oid, b"\x04" + named[0].value[1:]), *named[1:]]),
        ("SEV-VCEK", derive_p256_key(SECRET, b"x"), named),
    ):
        leaf = der(certify(name, signer, MACHINE._authority, extensions=extensions))
        for hides_chip in (False, True):
            report = MACHINE.report(guest(hides_chip=hides_chip))
            assert refusal(dataclasses.replace(with_collateral(leaf=leaf), quote=report)) == "wrong_platform"
    again = der(certify("SEV-VCEK", key, MACHINE._authority, extensions=named))
    assert verify_evidence(with_collateral(leaf=again), NOW) == VERDICT


def test_a_report_is_of_the_processors_that_its_root_signs_for() -> None:
    """Turin orders its versions in another way: under another root they would be read as other ones."""
    turin = MACHINE.evidence(guest(processor=(0x1A, 0x02, 1)), NOW)
    assert refusal(turin) == "wrong_platform"


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def test_simulated_reports_are_refused_under_amds_roots() -> None:
    assert refusal(EVIDENCE, NOW, [AMD_MILAN_ROOT, AMD_GENOA_ROOT, AMD_TURIN_ROOT]) == "wrong_root"


@pytest.mark.parametrize(
    ("at", "value", "code"),
    [
        (0, 1, "malformed"),
        (0, 6, "malformed"),
        (0x30, 4, "malformed"),
        (0x34, 2, "malformed"),
        (0x48, 2 << 2, "malformed"),
        (0x2A0 + 144, 1, "trailing_bytes"),
        (SNP_REPORT_LENGTH - 1, 1, "trailing_bytes"),
    ],
)
def test_the_parser_is_strict(at: int, value: int, code: str) -> None:
    quote = bytearray(EVIDENCE.quote)
    quote[at] = value
    assert refusal(dataclasses.replace(EVIDENCE, quote=bytes(quote))) == code


def test_a_report_has_one_length() -> None:
    assert refusal(dataclasses.replace(EVIDENCE, quote=EVIDENCE.quote + b"\0")) == "trailing_bytes"
    assert refusal(dataclasses.replace(EVIDENCE, quote=EVIDENCE.quote[:-1])) == "malformed"


@given(st.binary(max_size=200), st.integers(0, SNP_REPORT_LENGTH), st.binary(min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_random_and_mutated_bytes_raise_documented_errors(data: bytes, at: int, change: bytes) -> None:
    quote = (EVIDENCE.quote[:at] + change + EVIDENCE.quote[at + len(change) :])[:SNP_REPORT_LENGTH]
    for case in (
        dataclasses.replace(EVIDENCE, quote=data),
        dataclasses.replace(EVIDENCE, collateral=data),
        dataclasses.replace(EVIDENCE, quote=quote),
        with_collateral(leaf=data),
        with_collateral(authority=data),
    ):
        if case != EVIDENCE:
            with pytest.raises((EvidenceRefused, MalformedInput)):
                verify_evidence(case, NOW)


def test_baselines_go_by_product_and_processor() -> None:
    good, bad = SnpTcb(0, 4, 0, 0x18, 0xDB), SnpTcb(0, 4, 0, 0x18, 0xDA)
    assert judge_tcb("Milan", (0x19, 1, 1), good) == (TcbStatus.UP_TO_DATE, ())
    assert judge_tcb("Milan", (0x19, 1, 1), bad) == (TcbStatus.OUT_OF_DATE, ("AMD-SB-3019",))
    assert judge_tcb("Milan", (0x19, 1, 9), good) == (TcbStatus.UNJUDGED, ())
    assert judge_tcb("Milan", None, good) == (TcbStatus.UNJUDGED, ())
    assert judge_tcb("Turin", (0x1A, 2, 1), good) == (TcbStatus.UNJUDGED, ())
    own = [SnpBaseline("Turin", None, SnpTcb(1, 1, 1, 1, 1), ("B", "A"))]
    assert judge_tcb("Turin", (0x1A, 2, 1), SnpTcb(0, 9, 9, 9, 9), own) == (TcbStatus.OUT_OF_DATE, ("A", "B"))


def test_turin_orders_its_versions_in_another_way() -> None:
    data = bytes(range(1, 9))
    assert SnpTcb.decode(data, is_turin=False) == SnpTcb(0, 1, 2, 7, 8)
    assert SnpTcb.decode(data, is_turin=True) == SnpTcb(1, 2, 3, 4, 8)
    assert SnpTcb(1, 5, 1, 5, 1).least(SnpTcb(2, 4, 2, 4, 2)) == SnpTcb(1, 4, 1, 4, 1)


VCEK = bytes.fromhex("63da758de6644564adc5f4b93be8accd")
VLEK = bytes.fromhex("a8074bc2a25a483eaae639c045a0b8a1")
ASK = bytes.fromhex("4ab7b379bbac4fe4a02f05aef327c782")
CRL = bytes.fromhex("92f81bc358114d3d97ffd19f88dc67ea")
SWAPPED_VCEK = bytes.fromhex("8d75da6364e66445adc5f4b93be8accd")


def table(*entries: tuple[bytes, bytes]) -> bytes:
    start = 24 * (len(entries) + 1)
    head, body = b"", b""
    for guid, data in entries:
        head += guid + (start + len(body)).to_bytes(4, "little") + len(data).to_bytes(4, "little")
        body += data
    return head + bytes(24) + body


def test_a_hosts_certificate_table_is_read() -> None:
    full = table((ASK, b"ask"), (VCEK, b"vcek"), (VLEK, b"vlek"), (CRL, b"crl"))
    assert read_certificate_table(full, is_vlek=False) == SnpCollateral(b"vcek", b"ask", b"crl")
    assert read_certificate_table(full, is_vlek=True) == SnpCollateral(b"vlek", b"ask", b"crl")
    assert read_certificate_table(table((ASK, b"ask")), is_vlek=False) is None
    assert read_certificate_table(table((VCEK, b"vcek")), is_vlek=False) is None
    swapped = table((SWAPPED_VCEK, b"v"), (ASK, b"a"))
    assert read_certificate_table(swapped, is_vlek=False) == SnpCollateral(b"v", b"a")
    assert read_certificate_table(table((VCEK, b"v"), (ASK, b"a")), is_vlek=False) == SnpCollateral(b"v", b"a")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(23),
        table((ASK, b"a"), (ASK, b"b")),
        ASK + (24).to_bytes(4, "little") + (100).to_bytes(4, "little") + bytes(24),
        table(*((bytes((i,)) * 16, b"") for i in range(1, 17))),
        table((ASK, b"a"))[:24],
    ],
)
def test_a_malformed_table_is_named(data: bytes) -> None:
    with pytest.raises(MalformedInput) as caught:
        read_certificate_table(data, is_vlek=False)
    assert caught.value.code == "attestation.certificate_table"


def test_collateral_has_one_form() -> None:
    collateral = SnpCollateral(b"a", b"b", b"c")
    assert SnpCollateral.decode(collateral.encode()) == collateral
    for data in (b"", b"\x82\x41a\x41b", b"\x83\x41a\x41b\x61c", collateral.encode() + b"\0"):
        with pytest.raises(MalformedInput):
            SnpCollateral.decode(data)


def test_platforms_check_their_arguments_and_print_redacted() -> None:
    assert SECRET.hex() not in repr(MACHINE)
    assert MACHINE.evidence(GUEST, NOW) == SimulatedSnpPlatform(SECRET).evidence(GUEST, NOW)
    for changes in ({"version": 6}, {"measurement": b""}, {"report_data": b""}):
        with pytest.raises(CallerMisuse):
            MACHINE.report(guest(**changes))
    with pytest.raises(CoprocessorError):
        SimulatedSnpPlatform(b"short")
