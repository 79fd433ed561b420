"""Nitro: real documents, and every path that real data do not cover under the simulated vendor."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.policy import AttestationPolicy, admit
from coprocessor.attestation.roots import AWS_NITRO_ROOT, INTEL_SGX_ROOT, SIMULATED_ROOT, VendorRoot
from coprocessor.attestation.vendors.nitro import MAX_AHEAD, compute_bound_data
from coprocessor.attestation.vendors.nitro_document import parse_document, read_cbor
from coprocessor.attestation.vendors.simulated_authority import VendorOptions, certify, derive_p256_key
from coprocessor.attestation.vendors.simulated_nitro import NitroEnclave, SimulatedNitroPlatform
from coprocessor.attestation.verdict import NitroMeasurement, PlatformFlag, TcbStatus
from coprocessor.attestation.verify import verify_evidence
from coprocessor.codec import cbor
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from tests.attestation.material import needs_material, read_nitro, read_pem
from tests.attestation.samples import NOW, REPORT_DATA, SECRET

HOUR = 3600
PCRS = {number: bytes((number + 1,)) * 48 for number in (0, 1, 2, 8)}
ENCLAVE = NitroEnclave(PCRS, REPORT_DATA)
MACHINE = SimulatedNitroPlatform(SECRET)
EVIDENCE = MACHINE.evidence(ENCLAVE, NOW)
VERDICT = verify_evidence(EVIDENCE, NOW)
POLICY = AttestationPolicy(
    frozenset({VERDICT.measurement_digest}), frozenset({SIMULATED_ROOT.digest}), allow_simulated=True
)


def document(**changes: Any) -> Evidence:
    return Evidence(EvidenceKind.NITRO, MACHINE.document(ENCLAVE, NOW, **changes))


def envelope(*parts: Any) -> Evidence:
    return Evidence(EvidenceKind.NITRO, cbor.dumps(list(parts)))


def refusal(evidence: Evidence, now: int = NOW, roots: list[VendorRoot] | None = None) -> str:
    with pytest.raises((EvidenceRefused, MalformedInput)) as caught:
        verify_evidence(evidence, now, *([roots] if roots else []))
    assert caught.value.next or isinstance(caught.value, MalformedInput)
    return caught.value.code.removeprefix("attestation.")


@needs_material
def test_the_embedded_root_is_aws() -> None:
    assert read_pem("nitro/AWS_NitroEnclaves_Root-G1.pem") == [AWS_NITRO_ROOT.der]


@needs_material
def test_a_real_document_verifies() -> None:
    evidence, now = read_nitro("a")
    verdict = verify_evidence(evidence, now)
    assert isinstance(verdict.measurement, NitroMeasurement)
    assert verdict.measurement.pcr0.hex().startswith("5cb702954321826d")
    assert verdict.measurement.pcr2.hex().startswith("743ea12db9aba944")
    assert verdict.report_data == bytes(64)
    assert verdict.root == AWS_NITRO_ROOT.digest
    assert (verdict.status, verdict.level, verdict.simulated) == (TcbStatus.UP_TO_DATE, 1, False)
    assert verdict.flags == {PlatformFlag.MACHINE_UNKNOWN}
    assert verdict.issued_at <= now < verdict.valid_until <= verdict.issued_at + 3 * HOUR


@needs_material
def test_a_real_document_of_a_debug_enclave_is_refused() -> None:
    evidence, now = read_nitro("debug")
    assert refusal(evidence, now) == "debug"


@needs_material
def test_a_real_document_is_refused_under_other_roots_and_times() -> None:
    evidence, now = read_nitro("a")
    for root in (SIMULATED_ROOT, INTEL_SGX_ROOT, dataclasses.replace(AWS_NITRO_ROOT, kinds=INTEL_SGX_ROOT.kinds)):
        assert refusal(evidence, now, [root]) == "wrong_root"
    assert refusal(evidence, now + 3 * HOUR) == "certificate_expired"
    assert refusal(evidence, now - 24 * HOUR) == "certificate_early"


@needs_material
def test_a_real_document_with_its_envelope_is_refused() -> None:
    evidence, now = read_nitro("a")
    for quote in (evidence.quote + b"\0", b"\xd2" + evidence.quote, b"\0" + evidence.quote):
        assert refusal(dataclasses.replace(evidence, quote=quote), now) == "malformed"


def test_a_simulated_document_verifies() -> None:
    assert VERDICT.measurement == NitroMeasurement(PCRS[0], PCRS[1], PCRS[2], PCRS[8])
    assert VERDICT.report_data == REPORT_DATA
    assert (VERDICT.root, VERDICT.simulated) == (SIMULATED_ROOT.digest, True)
    assert admit(EVIDENCE, POLICY, REPORT_DATA, NOW) == VERDICT
    assert refusal(EVIDENCE, NOW, [AWS_NITRO_ROOT]) == "wrong_root"
    assert MACHINE.evidence(ENCLAVE, NOW) == EVIDENCE
    assert SECRET.hex() not in repr(MACHINE)


def test_instances_have_names_and_enclaves_share_them() -> None:
    other = verify_evidence(SimulatedNitroPlatform(bytes(32)).evidence(ENCLAVE, NOW), NOW)
    assert other.platform_id != VERDICT.platform_id
    again = verify_evidence(document(module_id=parse_document(EVIDENCE.quote).module_id + "2"), NOW)
    assert again.platform_id == VERDICT.platform_id
    assert again.body_digest != VERDICT.body_digest


@pytest.mark.parametrize("number", [0, 1, 2, 8])
def test_every_measurement_counts(number: int) -> None:
    changed = NitroEnclave(PCRS | {number: b"\x77" * 48}, REPORT_DATA)
    with pytest.raises(EvidenceRefused) as caught:
        admit(MACHINE.evidence(changed, NOW), POLICY, REPORT_DATA, NOW)
    assert caught.value.code == "attestation.measurement_unknown"
    if number != 8:
        assert refusal(MACHINE.evidence(NitroEnclave(PCRS | {number: bytes(48)}, REPORT_DATA), NOW)) == "debug"


def test_whatever_is_bound_counts() -> None:
    found = {
        compute_bound_data(REPORT_DATA, None, None),
        compute_bound_data(REPORT_DATA, b"n", None),
        compute_bound_data(REPORT_DATA, None, b"n"),
        compute_bound_data(None, b"n", None),
        compute_bound_data(b"", b"n", None),
        compute_bound_data(REPORT_DATA + b"x", None, None),
        compute_bound_data(None, None, None),
    }
    assert len(found) == 7
    assert all(len(data) == 64 for data in found)
    assert compute_bound_data(b"ab", None, b"") == b"ab".ljust(64, b"\0")
    with_nonce = MACHINE.evidence(NitroEnclave(PCRS, REPORT_DATA, nonce=b"n"), NOW)
    with pytest.raises(EvidenceRefused) as caught:
        admit(with_nonce, POLICY, REPORT_DATA, NOW)
    assert caught.value.code == "attestation.report_data_mismatch"


def test_a_chain_that_lags_is_tolerated_for_an_hour() -> None:
    assert admit(EVIDENCE, POLICY, REPORT_DATA, NOW - MAX_AHEAD).valid_until == VERDICT.valid_until
    assert refusal(EVIDENCE, NOW - MAX_AHEAD - 1) == "certificate_early"
    early = document(timestamp=(NOW + MAX_AHEAD + 10) * 1000)
    assert refusal(early) == "collateral_early"
    assert refusal(EVIDENCE, NOW + 3 * HOUR + 1) == "certificate_expired"


def test_chains_are_whole_and_in_order() -> None:
    root, authority = parse_document(EVIDENCE.quote).bundle
    stranger = SimulatedNitroPlatform(SECRET, VendorOptions(seed=b"a vendor of my own"))
    foreign = parse_document(stranger.document(ENCLAVE, NOW)).bundle
    for bundle, code in (
        ([authority], "wrong_root"),
        ([authority, root], "wrong_root"),
        ([root], "chain"),
        ([root, foreign[1]], "chain"),
        ([root, authority, authority], "chain"),
        (list(foreign), "wrong_root"),
        ([root, b"x"], "certificate"),
    ):
        assert refusal(document(cabundle=bundle)) == code
    assert refusal(document(certificate=authority)) == "chain"


def test_the_signing_key_is_on_the_hypervisors_curve() -> None:
    leaf = certify("i-x-encsim", derive_p256_key(SECRET, b"x"), MACHINE._authority, validity=(NOW, NOW + HOUR))
    assert refusal(document(certificate=leaf.public_bytes(Encoding.DER))) == "certificate"


def test_signature_and_headers_are_exact() -> None:
    protected, unprotected, payload, signature = cbor.loads(EVIDENCE.quote)
    assert refusal(envelope(protected, unprotected, payload, bytes(96))) == "signature"
    assert refusal(envelope(protected, unprotected, payload, signature[::-1])) == "signature"
    assert refusal(envelope(protected, {4: b"kid"}, payload, signature)) == "trailing_bytes"
    for parts in (
        (cbor.dumps({1: -7}), unprotected, payload, signature),
        (protected, unprotected, payload, signature[:-1]),
        (protected, unprotected, payload),
        (protected, unprotected, payload, signature, b""),
        (protected, [], payload, signature),
        (protected, unprotected, b"\x00", signature),
        (protected, unprotected, b"", signature),
    ):
        assert refusal(envelope(*parts)) == "malformed"


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "SHA512"},
        {"timestamp": None},
        {"module_id": b"x"},
        {"pcrs": {}},
        {"pcrs": {0: bytes(32)}},
        {"pcrs": {32: bytes(48)}},
        {"pcrs": {"0": bytes(48)}},
        {"certificate": b""},
        {"certificate": bytes(1025)},
        {"cabundle": []},
        {"cabundle": [b"x"] * 7},
        {"cabundle": ["x"]},
        {"user_data": bytes(1025)},
        {"nonce": "text"},
        {"public_key": 5},
    ],
)
def test_other_fields_are_malformed(changes: dict[str, Any]) -> None:
    assert refusal(document(**changes)) == "malformed"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x18\x05", 5),
        (b"\xbf\x61a\x01\xff", {"a": 1}),
        (b"\x9f\x41\x00\xf6\xff", [b"\0", None]),
        (b"\x1b" + (2**63).to_bytes(8, "big"), 2**63),
        (b"\xa1\x01\x81\x02", {1: [2]}),
    ],
)
def test_the_reader_takes_what_hypervisors_write(data: bytes, value: object) -> None:
    assert read_cbor(data) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x00",
        b"\x20",
        b"\xc0\x00",
        b"\xf5",
        b"\xfb" + bytes(8),
        b"\x5f\x41\x00\xff",
        b"\x1c",
        b"\x1f",
        b"\x61\xff",
        b"\xa2\x01\x02\x01\x03",
        b"\xa1\x41\x00\x01",
        b"\x9a\xff\xff\xff\xff",
        b"\xbf\x01",
        b"\x9f",
        b"\xff",
        b"\x81" * 5 + b"\x00",
        b"\x5b" + b"\xff" * 8,
    ],
)
def test_the_reader_refuses_the_rest(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        read_cbor(data)


@given(st.binary(max_size=100), st.integers(0, 2000), st.binary(min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_random_and_mutated_bytes_raise_documented_errors(data: bytes, at: int, change: bytes) -> None:
    mutated = EVIDENCE.quote[:at] + change + EVIDENCE.quote[at + len(change) :]
    for quote in (data, mutated):
        if quote != EVIDENCE.quote:
            with pytest.raises((EvidenceRefused, MalformedInput)):
                verify_evidence(Evidence(EvidenceKind.NITRO, quote), NOW)
    try:
        read_cbor(data)
    except MalformedInput:
        return
