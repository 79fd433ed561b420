"""Collateral from services: what is asked, and that the answers make evidence verify."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from coprocessor.attestation.collateral import (
    Answer,
    assemble_collateral,
    needs_collateral,
    plan_collateral,
)
from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.simulated_nitro import SimulatedNitroPlatform
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral
from coprocessor.attestation.vendors.snp_report import parse_report
from coprocessor.attestation.verify import read_platform_id, verify_evidence
from coprocessor.values.errors import CallerMisuse, MalformedInput
from tests.attestation import samples, test_snp
from tests.attestation.material import needs_material, read_dcap, read_nitro, read_snp
from tests.attestation.samples import FORMATS, NOW, SECRET
from tests.attestation.test_nitro import ENCLAVE
from tests.attestation.test_nitro import EVIDENCE as NITRO
from tests.attestation.test_snp import EVIDENCE as SNP
from tests.attestation.test_snp import GUEST, MACHINE


def bare(evidence: Evidence) -> Evidence:
    return dataclasses.replace(evidence, collateral=b"")


def encode_percent(text: str) -> str:
    return text.replace("%", "%25").replace("\n", "%0A").replace(" ", "%20")


def answer_as_intel(collateral: bytes) -> dict[str, Answer]:
    """What the service would answer for this collateral."""
    document = json.loads(collateral)

    def signed(name: str, header: str, field: str) -> Answer:
        body = f'{{"{name}":{document[field]},"signature":"{document[field + "_signature"]}"}}'
        return Answer(body.encode(), {header: encode_percent(document[f"{field}_issuer_chain"])})

    crl_chain = {"sgx-pck-crl-issuer-chain": encode_percent(document["pck_crl_issuer_chain"])}
    return {
        "pck_crl": Answer(bytes.fromhex(document["pck_crl"]), crl_chain),
        "root_ca_crl": Answer(bytes.fromhex(document["root_ca_crl"]), {}),
        "tcb_info": signed("tcbInfo", "tcb-info-issuer-chain", "tcb_info"),
        "qe_identity": signed("enclaveIdentity", "sgx-enclave-identity-issuer-chain", "qe_identity"),
    }


@pytest.mark.parametrize("name", FORMATS)
def test_intels_answers_make_simulated_quotes_verify(name: str) -> None:
    evidence = samples.evidence(name)
    form = "sgx" if name == "sgx3" else "tdx"
    urls = {
        inquiry.name: inquiry.url
        for inquiry in plan_collateral(bare(evidence), intel="https://a", intel_root_list="https://b")
    }
    assert urls == {
        "pck_crl": "https://a/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
        "root_ca_crl": "https://b",
        "tcb_info": f"https://a/{form}/certification/v4/tcb?fmspc=51bad0000000",
        "qe_identity": f"https://a/{form}/certification/v4/qe/identity",
    }
    complete = assemble_collateral(bare(evidence), answer_as_intel(evidence.collateral))
    assert verify_evidence(complete, NOW) == verify_evidence(evidence, NOW)
    assert not needs_collateral(complete)
    assert plan_collateral(complete) == ()


@needs_material
@pytest.mark.parametrize(("name", "authority"), [("sgx_quote", "processor"), ("tdx_quote", "platform")])
def test_intels_answers_make_real_quotes_verify(name: str, authority: str) -> None:
    evidence, now = read_dcap(name)
    urls = [inquiry.url for inquiry in plan_collateral(bare(evidence))]
    assert f"ca={authority}" in urls[0]
    complete = assemble_collateral(bare(evidence), answer_as_intel(evidence.collateral))
    assert verify_evidence(complete, now) == verify_evidence(evidence, now)


@needs_material
def test_amd_is_asked_for_the_chip_at_its_reported_versions() -> None:
    evidence, now = read_snp()
    leaf, chain, revocations = plan_collateral(bare(evidence), amd="https://a")
    chip = parse_report(evidence.quote).chip_id.hex()
    assert leaf.url == f"https://a/vcek/v1/Milan/{chip}?blSPL=4&teeSPL=0&snpSPL=23&ucodeSPL=213"
    assert chain.url == "https://a/vcek/v1/Milan/cert_chain"
    assert revocations.url == "https://a/vcek/v1/Milan/crl"
    own = SnpCollateral.decode(evidence.collateral)
    pem = x509.load_der_x509_certificate(own.authority).public_bytes(Encoding.PEM)
    answers = {"leaf": Answer(own.leaf, {}), "chain": Answer(pem, {}), "revocations": Answer(b"", {})}
    assert verify_evidence(assemble_collateral(bare(evidence), answers), now) == verify_evidence(evidence, now)


def test_with_certificates_from_the_host_only_revocations_are_asked_for() -> None:
    own = SnpCollateral.decode(SNP.collateral)
    partial = dataclasses.replace(SNP, collateral=dataclasses.replace(own, revocations=b"").encode())
    (inquiry,) = plan_collateral(partial)
    assert inquiry.name == "revocations"
    complete = assemble_collateral(partial, {"revocations": Answer(own.revocations, {})})
    assert complete == SNP
    assert plan_collateral(complete) == ()
    cloud = MACHINE.evidence(dataclasses.replace(GUEST, is_vlek=True), NOW)
    own = SnpCollateral.decode(cloud.collateral)
    partial = dataclasses.replace(cloud, collateral=dataclasses.replace(own, revocations=b"").encode())
    assert "/vlek/v1/Milan/crl" in plan_collateral(partial)[0].url


@pytest.mark.parametrize(
    ("changes", "patch"),
    [
        ({"version": 2}, b""),
        ({"is_vlek": True}, b""),
        ({"hides_chip": True}, b""),
        ({}, bytes((0x17, 1, 1))),
        ({}, bytes((0x1A, 0x20, 1))),
    ],
)
def test_reports_for_which_amd_has_no_answer_are_named(changes: dict[str, Any], patch: bytes) -> None:
    report = bytearray(MACHINE.report(dataclasses.replace(GUEST, **changes)))
    report[0x188 : 0x188 + len(patch)] = patch
    with pytest.raises(CallerMisuse) as caught:
        plan_collateral(Evidence(EvidenceKind.SNP, bytes(report)))
    assert caught.value.code == "attestation.collateral_unknown"


def test_processors_are_named_as_amd_does() -> None:
    for processor, product in (((0x19, 0x11, 1), "Genoa"), ((0x19, 0xA0, 2), "Genoa"), ((0x1A, 0x02, 1), "Turin")):
        report = bytearray(SNP.quote)
        report[0x188:0x18B] = bytes(processor)
        urls = [inquiry.url for inquiry in plan_collateral(Evidence(EvidenceKind.SNP, bytes(report)))]
        assert all(f"/vcek/v1/{product}/" in url for url in urls)
        assert ("fmcSPL=" in urls[0]) == (product == "Turin")


def test_nitro_needs_nothing() -> None:
    assert not needs_collateral(NITRO)
    assert plan_collateral(NITRO) == ()


@pytest.mark.parametrize("name", ["pck_crl", "root_ca_crl", "tcb_info", "qe_identity"])
def test_answers_of_another_form_are_named(name: str) -> None:
    answers = answer_as_intel(samples.SGX.collateral)
    without = {key: value for key, value in answers.items() if key != name}
    for broken in (without, answers | {name: Answer(b"{}", {})}, answers | {name: Answer(b"\xff", {})}):
        if name == "root_ca_crl" and broken is not without:
            continue  # bytes of a revocation list are judged by verification
        with pytest.raises(MalformedInput) as caught:
            assemble_collateral(bare(samples.SGX), broken)
        assert caught.value.code == "attestation.collateral"
    with pytest.raises(MalformedInput):
        assemble_collateral(bare(SNP), {})


def test_a_machine_is_named_before_collateral_is_there() -> None:
    for name in FORMATS:
        evidence = samples.evidence(name)
        assert read_platform_id(bare(evidence), simulated=False) == verify_evidence(evidence, NOW).platform_id
    assert read_platform_id(bare(SNP), simulated=True) == test_snp.VERDICT.platform_id
    hidden = MACHINE.evidence(dataclasses.replace(GUEST, hides_chip=True), NOW)
    assert read_platform_id(hidden, simulated=True) == test_snp.VERDICT.platform_id
    with pytest.raises(MalformedInput):
        read_platform_id(bare(hidden), simulated=True)
    nitro = SimulatedNitroPlatform(SECRET).evidence(ENCLAVE, NOW)
    assert read_platform_id(nitro, simulated=True) == verify_evidence(nitro, NOW).platform_id


@needs_material
def test_real_machines_are_named_the_same_before_and_after() -> None:
    for evidence, now in (read_dcap("sgx_quote"), read_dcap("tdx_quote"), read_snp(), read_nitro("a")):
        plain = evidence if evidence.kind is EvidenceKind.NITRO else bare(evidence)
        assert read_platform_id(plain, simulated=False) == verify_evidence(evidence, now).platform_id
