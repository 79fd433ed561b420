"""The simulated vendor: true formats, one path with real evidence, and every failure on demand."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import Any

import dcap_qvl
import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.policy import AttestationPolicy, admit, find_refusals
from coprocessor.attestation.roots import INTEL_SGX_ROOT, SIMULATED_ROOT, is_genuine
from coprocessor.attestation.vendors import dcap
from coprocessor.attestation.vendors.dcap_quote import parse_quote, trim_quote
from coprocessor.attestation.vendors.sgx_extension import PlatformTcb
from coprocessor.attestation.vendors.simulated import build_collateral, build_root
from coprocessor.attestation.vendors.simulated_authority import (
    TcbLevel,
    VendorOptions,
    build_authorities,
    build_revocation_list,
    compute_issue_time,
    derive_p256_key,
    serial_number,
)
from coprocessor.attestation.vendors.simulated_platform import SimulatedPlatform
from coprocessor.attestation.verdict import (
    PlatformFlag,
    SgxMeasurement,
    TcbStatus,
    TdxMeasurement,
    compute_level,
)
from coprocessor.attestation.verify import verify_evidence
from coprocessor.values.errors import (
    CallerMisuse,
    CoprocessorError,
    EvidenceRefused,
    InternalError,
    MalformedInput,
)
from tests.attestation import samples
from tests.attestation.samples import FORMATS, NOW, PLATFORM, POLICY, REPORT_DATA, SECRET, SGX, VERDICT

DAY = 24 * 3600
ALL_FLAGS = {PlatformFlag.DYNAMIC, PlatformFlag.CACHED_KEYS, PlatformFlag.SIMULTANEOUS_MULTITHREADING}
INTELS = [status for status in TcbStatus if status not in (TcbStatus.REVOKED, TcbStatus.UNJUDGED)]
SIMULATED_ROOT_DIGEST = "e57e623ac2ccef4abdf87bed80ffbaac27f050605acd126dafae71c3872276ad"


def test_everybody_has_the_same_simulated_root() -> None:
    assert build_root().der == SIMULATED_ROOT.der
    assert SIMULATED_ROOT.digest.hex() == SIMULATED_ROOT_DIGEST
    assert not is_genuine(SIMULATED_ROOT.digest)
    assert build_root(VendorOptions(seed=b"another")).digest != SIMULATED_ROOT.digest


@pytest.mark.parametrize("name", FORMATS)
def test_evidence_repeats_byte_for_byte(name: str) -> None:
    again = SimulatedPlatform(SECRET)
    assert samples.evidence(name, again) == samples.evidence(name)


@pytest.mark.parametrize("name", FORMATS)
def test_every_certificate_says_what_it_is(name: str) -> None:
    evidence = samples.evidence(name)
    pem = evidence.quote[evidence.quote.index(b"-----BEGIN") :].rstrip(b"\0")
    certificates = x509.load_pem_x509_certificates(pem)
    assert len(certificates) == 3
    for certificate in certificates:
        for part in (certificate.subject, certificate.issuer):
            assert "SIMULATED INSECURE" in part.rfc4514_string()


@pytest.mark.parametrize("name", FORMATS)
def test_evidence_verifies_and_says_simulated(name: str) -> None:
    verdict = verify_evidence(samples.evidence(name), NOW)
    assert verdict.simulated
    assert verdict.root == SIMULATED_ROOT.digest
    assert verdict.kind is samples.KINDS[name]
    assert verdict.report_data == REPORT_DATA
    assert (verdict.status, verdict.level, verdict.advisories) == (TcbStatus.UP_TO_DATE, 1, ())
    assert verdict.flags == frozenset()
    assert verdict.evaluation_number == 18
    assert verdict.issued_at <= NOW - DAY < NOW < verdict.valid_until


def test_measurements_are_what_was_reported() -> None:
    report = samples.SGX_REPORT
    assert VERDICT.measurement == SgxMeasurement(report.mrenclave, report.mrsigner, 7, 3)
    for name in ("tdx4", "tdx5"):
        measurement = verify_evidence(samples.evidence(name), NOW).measurement
        assert isinstance(measurement, TdxMeasurement)
        assert measurement.mrtd == samples.TD_REPORT.mrtd
        assert (measurement.rtmr0, measurement.rtmr1, measurement.rtmr2, measurement.rtmr3) == samples.RTMR


def test_one_machine_has_one_name_and_another_another() -> None:
    verdicts = [verify_evidence(samples.evidence(name), NOW) for name in FORMATS]
    assert len({verdict.platform_id for verdict in verdicts}) == 1
    assert len({verdict.body_digest for verdict in verdicts}) == 3
    other = verify_evidence(samples.evidence("sgx3", SimulatedPlatform(bytes(32))), NOW)
    assert other.platform_id != VERDICT.platform_id
    assert other.measurement_digest == VERDICT.measurement_digest


@pytest.mark.parametrize("name", FORMATS)
def test_simulated_evidence_is_refused_under_intels_root(name: str) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(samples.evidence(name), NOW, [INTEL_SGX_ROOT])
    assert caught.value.code == "attestation.wrong_root"


def test_a_production_policy_refuses_simulated_evidence() -> None:
    for roots in ({INTEL_SGX_ROOT.digest}, {INTEL_SGX_ROOT.digest, SIMULATED_ROOT.digest}):
        production = AttestationPolicy(frozenset({VERDICT.measurement_digest}), frozenset(roots))
        with pytest.raises(EvidenceRefused) as caught:
            admit(SGX, production, REPORT_DATA, NOW)
        assert caught.value.code == "attestation.simulated_refused"
        assert caught.value.next


def test_evidence_of_an_unknown_vendor_has_a_wrong_root() -> None:
    stranger = SimulatedPlatform(SECRET, VendorOptions(seed=b"a vendor of my own"))
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(samples.evidence("sgx3", stranger), NOW)
    assert caught.value.code == "attestation.wrong_root"
    own_root = build_root(VendorOptions(seed=b"a vendor of my own"))
    assert verify_evidence(samples.evidence("sgx3", stranger), NOW, [own_root]).simulated


@pytest.mark.parametrize("name", FORMATS)
def test_debug_is_refused_by_its_own_code(name: str) -> None:
    if name == "sgx3":
        attributes = bytes((7, *samples.SGX_REPORT.attributes[1:]))
        evidence = PLATFORM.sgx_evidence(dataclasses.replace(samples.SGX_REPORT, attributes=attributes), NOW)
    else:
        attributes = bytes((1, *samples.TD_REPORT.attributes[1:]))
        report = dataclasses.replace(samples.TD_REPORT, attributes=attributes)
        evidence = PLATFORM.tdx_evidence(report, NOW, int(name[3:]))
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(evidence, NOW)
    assert caught.value.code == "attestation.debug"


@pytest.mark.parametrize(
    "change",
    [
        {"attributes": bytes(8)},
        {"service_td": bytes((1,)) * 48},
    ],
)
def test_unsafe_trust_domains_are_refused(change: dict[str, bytes]) -> None:
    evidence = PLATFORM.tdx_evidence(dataclasses.replace(samples.TD_REPORT, **change), NOW, 5)
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(evidence, NOW)
    assert caught.value.code == "attestation.invalid"


@pytest.mark.parametrize("name", FORMATS)
def test_an_out_of_date_platform_verifies_and_is_refused_by_policy(name: str) -> None:
    old = SimulatedPlatform(SECRET, tcb=PlatformTcb(bytes((6,)) * 16, 6))
    evidence = samples.evidence(name, old)
    verdict = verify_evidence(evidence, NOW)
    assert verdict.status is TcbStatus.OUT_OF_DATE
    assert verdict.advisories == ("SIMULATED-SA-00001",)
    assert verdict.level == 5
    policy = dataclasses.replace(POLICY, measurements=frozenset({verdict.measurement_digest}))
    assert [r.code for r in find_refusals(verdict, policy, REPORT_DATA, NOW)] == ["attestation.tcb_out_of_date"]


def test_revoked_platforms_and_levels_are_refused() -> None:
    revoked = VendorOptions(revoked=(serial_number(derive_p256_key(SECRET, b"platform key")),))
    by_certificate = SimulatedPlatform(SECRET, revoked)
    by_level = SimulatedPlatform(SECRET, tcb=PlatformTcb(bytes((1,)) * 16, 1))
    old_quoting_enclave = SimulatedPlatform(SECRET, quoting_version=1)
    for name in FORMATS:
        for platform, code in ((by_certificate, "revoked"), (by_level, "revoked"), (old_quoting_enclave, "invalid")):
            with pytest.raises(EvidenceRefused) as caught:
                admit(samples.evidence(name, platform), POLICY, REPORT_DATA, NOW)
            assert caught.value.code == f"attestation.{code}"
            assert caught.value.next


@pytest.mark.parametrize("name", FORMATS)
def test_a_revoked_authority_ends_all_its_platforms(name: str) -> None:
    evidence, (root, authority, _) = samples.evidence(name), build_authorities(VendorOptions())
    for serial, code in ((authority.certificate.serial_number, "attestation.revoked"), (7, None)):
        listed = build_revocation_list(root, (serial,), compute_issue_time(NOW), VendorOptions()).hex()
        document = json.loads(evidence.collateral) | {"root_ca_crl": listed}
        with_list = dataclasses.replace(evidence, collateral=json.dumps(document).encode())
        if code is None:
            assert verify_evidence(with_list, NOW) == verify_evidence(evidence, NOW)
            continue
        with pytest.raises(EvidenceRefused) as caught:
            verify_evidence(with_list, NOW)
        assert caught.value.code == code


@pytest.mark.parametrize("name", FORMATS)
def test_two_parsers_that_disagree_about_a_report_are_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library verified and what the parser measured must be one: else a measurement could be forged."""
    true_verify = dcap._verify
    for field in ("report_data", "mr_enclave" if name == "sgx3" else "mr_td"):

        def verify(*arguments: Any, field: str = field) -> dict[str, Any]:
            claims = true_verify(*arguments)
            (report,) = claims["report"].values()
            fields = report.get("base", report)
            fields[field] = "00" * (len(fields[field]) // 2)
            return claims

        monkeypatch.setattr(dcap, "_verify", verify)
        with pytest.raises(InternalError) as caught:
            verify_evidence(samples.evidence(name), NOW)
        assert caught.value.code == "attestation.library"


@pytest.mark.parametrize("name", FORMATS)
def test_a_platform_below_every_level_is_out_of_date(name: str) -> None:
    options = VendorOptions(levels=(TcbLevel(TcbStatus.UP_TO_DATE, 11),))
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(samples.evidence(name, SimulatedPlatform(SECRET, options)), NOW)
    assert caught.value.code == "attestation.tcb_out_of_date"


def test_properties_of_the_machine_are_reported() -> None:
    tcb = PlatformTcb(bytes((10,)) * 16, 10, dynamic=True, cached_keys=True, multithreading=True)
    verdict = verify_evidence(samples.evidence("sgx3", SimulatedPlatform(SECRET, tcb=tcb)), NOW)
    assert verdict.flags == ALL_FLAGS
    one = PlatformTcb(bytes((10,)) * 16, 10, multithreading=True)
    verdict = verify_evidence(samples.evidence("sgx3", SimulatedPlatform(SECRET, tcb=one)), NOW)
    assert verdict.flags == {PlatformFlag.SIMULTANEOUS_MULTITHREADING}


@pytest.mark.parametrize("status", INTELS)
def test_every_status_of_the_vendor_is_understood(status: TcbStatus) -> None:
    options = VendorOptions(levels=(TcbLevel(status, 10, ("SIMULATED-SA-00002",)),))
    verdict = verify_evidence(samples.evidence("sgx3", SimulatedPlatform(SECRET, options)), NOW)
    assert verdict.status is status
    assert verdict.level == compute_level(status, ("SIMULATED-SA-00002",))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("shift", "code"), [(30 * DAY, "collateral_stale"), (-2 * DAY, "collateral_early")])
def test_time_decides(name: str, shift: int, code: str) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        verify_evidence(samples.evidence(name), NOW + shift)
    assert caught.value.code == f"attestation.{code}"


def test_the_simulated_vendor_tolerates_a_chain_that_lags_by_hours() -> None:
    assert admit(SGX, POLICY, REPORT_DATA, NOW - 20 * 3600)


@pytest.mark.parametrize("now", [-1, -(2**63), 2**63, 2**70])
def test_absurd_times_raise_documented_errors(now: int) -> None:
    with pytest.raises(CoprocessorError):
        verify_evidence(SGX, now)


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_after_the_quote_or_its_parts_are_refused(name: str) -> None:
    evidence = samples.evidence(name)
    padded = dataclasses.replace(evidence, quote=evidence.quote + b"\0")
    with pytest.raises(MalformedInput) as caught:
        verify_evidence(padded, NOW)
    assert caught.value.code == "attestation.trailing_bytes"
    assert trim_quote(padded.quote) == evidence.quote
    longer_chain = dataclasses.replace(evidence, quote=grow(evidence.quote, b"MORE", len(evidence.quote)))
    with pytest.raises(MalformedInput):
        verify_evidence(longer_chain, NOW)


def grow(quote: bytes, more: bytes, at: int) -> bytes:
    """``quote`` with bytes inserted, and the length of its signature data corrected."""
    start = {3: 432, 4: 632, 5: 702}[quote[0]]
    size = int.from_bytes(quote[start : start + 4], "little") + len(more)
    return quote[:start] + size.to_bytes(4, "little") + quote[start + 4 : at] + more + quote[at:]


def test_the_library_alone_would_take_trailing_bytes() -> None:
    collateral = dcap_qvl.QuoteCollateralV3.from_json(SGX.collateral.decode())
    assert dcap_qvl.verify_with_root_ca(SGX.quote + b"anything", collateral, SIMULATED_ROOT.der, NOW)


def classify(name: str, position: int, mask: int) -> str:
    """What happens to a quote with one byte changed: refused, or accepted with the same name."""
    evidence = samples.evidence(name)
    quote = bytearray(evidence.quote)
    quote[position] ^= mask
    try:
        verdict = verify_evidence(dataclasses.replace(evidence, quote=bytes(quote)), NOW)
    except (EvidenceRefused, MalformedInput):
        return "refused"
    assert verdict == verify_evidence(evidence, NOW)
    return "same"


@pytest.mark.parametrize("name", FORMATS)
def test_no_flip_in_a_signed_field_passes_and_none_makes_a_second_identity(name: str) -> None:
    evidence = samples.evidence(name)
    pem = evidence.quote.index(b"-----BEGIN")
    chosen = random.Random(name)
    for position in [*chosen.sample(range(pem), 90), *chosen.sample(range(pem, len(evidence.quote)), 60)]:
        outcome = classify(name, position, 1 << chosen.randrange(8))
        assert position >= pem or outcome == "refused", f"byte {position} is not protected"


@given(st.sampled_from(FORMATS), st.integers(0, 4000), st.binary(min_size=1, max_size=8), st.booleans())
@settings(max_examples=60, deadline=None)
def test_mutated_quotes_raise_documented_errors_alone(name: str, at: int, data: bytes, insert: bool) -> None:
    evidence = samples.evidence(name)
    quote = evidence.quote[:at] + data + evidence.quote[at + (0 if insert else len(data)) :]
    try:
        verdict = verify_evidence(dataclasses.replace(evidence, quote=quote), NOW)
    except (EvidenceRefused, MalformedInput):
        return
    assert verdict == verify_evidence(evidence, NOW)


@given(st.binary(max_size=700))
@settings(max_examples=60, deadline=None)
def test_random_quotes_and_collateral_are_malformed(data: bytes) -> None:
    for case in (dataclasses.replace(SGX, quote=data), dataclasses.replace(SGX, collateral=data)):
        with pytest.raises(MalformedInput):
            verify_evidence(case, NOW)
    with pytest.raises(MalformedInput):
        trim_quote(data)


def change_collateral(field: str, value: str) -> bytes:
    return json.dumps(json.loads(SGX.collateral) | {field: value}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"null",
        b"{}",
        b"[" * 5000,
        b'{"pck_crl_issuer_chain": 1}',
        SGX.collateral.replace(b'\\"issueDate\\":\\"20', b'\\"issueDate\\":\\"xx'),
        SGX.collateral.replace(b'\\"issueDate\\"', b'\\"other\\"'),
        SGX.collateral[:-1],
        change_collateral("pck_crl", ""),
        change_collateral("root_ca_crl", "30003000"),
    ],
)
def test_malformed_collateral_is_named(text: bytes) -> None:
    with pytest.raises(MalformedInput) as caught:
        verify_evidence(dataclasses.replace(SGX, collateral=text), NOW)
    assert caught.value.code == "attestation.collateral"


def test_a_revocation_list_that_ended_makes_the_collateral_stale() -> None:
    fresh = json.loads(build_collateral(EvidenceKind.SGX, NOW + 20 * DAY))
    for field in ("pck_crl", "root_ca_crl"):
        mixed = json.dumps(fresh | {field: json.loads(SGX.collateral)[field]}).encode()
        with pytest.raises(EvidenceRefused) as caught:
            verify_evidence(dataclasses.replace(SGX, collateral=mixed), NOW + 35 * DAY)
        assert caught.value.code == "attestation.collateral_stale"


def test_altered_collateral_is_refused() -> None:
    chosen = random.Random(3)
    for position in chosen.sample(range(len(SGX.collateral)), 80):
        changed = bytearray(SGX.collateral)
        changed[position] ^= 1
        try:
            verdict = verify_evidence(dataclasses.replace(SGX, collateral=bytes(changed)), NOW)
        except (EvidenceRefused, MalformedInput):
            continue
        assert verdict == VERDICT


def test_collateral_of_another_format_is_refused() -> None:
    for name, other in (("sgx3", "tdx4"), ("tdx4", "sgx3")):
        mixed = dataclasses.replace(samples.evidence(name), collateral=build_collateral(samples.KINDS[other], NOW))
        with pytest.raises(EvidenceRefused):
            verify_evidence(mixed, NOW)


def test_a_quote_of_another_kind_than_said_is_refused() -> None:
    with pytest.raises(MalformedInput) as caught:
        verify_evidence(Evidence(samples.KINDS["tdx4"], SGX.quote, SGX.collateral), NOW)
    assert caught.value.code == "attestation.kind"


def test_the_parser_takes_supported_versions_alone() -> None:
    for position, value in ((0, 2), (0, 4), (0, 6), (2, 3), (4, 0x81), (12, 0)):
        quote = bytearray(SGX.quote)
        quote[position] = value
        with pytest.raises(MalformedInput):
            parse_quote(bytes(quote))


@pytest.mark.parametrize(("position", "value"), [(48, 2), (48, 1), (50, 0x48), (51, 3)])
def test_a_body_of_version_5_has_the_size_of_its_type(position: int, value: int) -> None:
    quote = bytearray(samples.evidence("tdx5").quote)
    assert quote[position] != value
    quote[position] = value
    for read in (parse_quote, trim_quote):
        with pytest.raises(MalformedInput) as caught:
            read(bytes(quote))
        assert caught.value.code == "attestation.malformed"


@pytest.mark.parametrize("name", FORMATS)
def test_certification_data_have_their_tags(name: str) -> None:
    """A report of the quoting enclave (6) around a chain of certificates (5), and nothing else in their place."""
    evidence = samples.evidence(name)
    chain = evidence.quote.index(b"-----BEGIN") - 6
    inside = {3: 432, 4: 632, 5: 702}[evidence.quote[0]] + 4 + 128
    for position in {chain, inside} if evidence.quote[0] != 3 else {chain}:
        quote = bytearray(evidence.quote)
        assert quote[position] in (5, 6)
        for other in {1, 4, 5, 6, 7} - {quote[position]}:
            quote[position] = other
            with pytest.raises(MalformedInput) as caught:
                parse_quote(bytes(quote))
            assert caught.value.code == "attestation.malformed"


def test_platforms_check_their_arguments_and_print_redacted() -> None:
    assert SECRET.hex() not in repr(PLATFORM)
    assert "redacted" in repr(PLATFORM)
    with pytest.raises(MalformedInput):
        SimulatedPlatform(b"short")
    with pytest.raises(CallerMisuse):
        PLATFORM.tdx_quote(samples.TD_REPORT, 6)
    with pytest.raises(CallerMisuse):
        PLATFORM.sgx_quote(dataclasses.replace(samples.SGX_REPORT, mrenclave=b"short"))
