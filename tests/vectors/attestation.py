"""``vectors/attestation.json``: evidence, verdicts, policy, all from the simulated vendor (PROTOCOL 1.1, 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from coprocessor.attestation.evidence import (
    Evidence,
    EvidenceKind,
    compute_body_digest,
    decode_evidence,
    encode_evidence,
)
from coprocessor.attestation.policy import AttestationPolicy, admit
from coprocessor.attestation.roots import INTEL_SGX_ROOT, SIMULATED_ROOT
from coprocessor.attestation.vendors.dcap_quote import parse_quote
from coprocessor.attestation.vendors.sgx_extension import PlatformTcb
from coprocessor.attestation.vendors.simulated_platform import SgxReport, SimulatedPlatform, TdReport
from coprocessor.attestation.verdict import (
    SgxMeasurement,
    TcbStatus,
    Verdict,
    compute_level,
    compute_measurement_digest,
    compute_platform_id,
)
from coprocessor.attestation.verify import verify_evidence
from coprocessor.codec import cbor
from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.crypto.labels import Label
from coprocessor.values.identities import Digest
from tests.vectors import world
from tests.vectors.form import Case, Subject, raw

NOW = world.BLOCK_TIME
DAY = 24 * 3600


def _evidence(given: Mapping[str, Any]) -> dict[str, Any]:
    evidence = decode_evidence(raw(given["data"]))
    assert encode_evidence(evidence) == raw(given["data"])
    return {
        "kind": evidence.kind.value,
        "quote_digest": sha256(evidence.quote),
        "collateral_digest": sha256(evidence.collateral),
        "extras": dict(evidence.extras),
    }


def _quote(given: Mapping[str, Any]) -> dict[str, Any]:
    quote = parse_quote(raw(given["quote"]))
    return {
        "kind": quote.kind.value,
        "version": quote.version,
        "signed_length": len(quote.signed),
        "body_digest": compute_body_digest(quote.kind, quote.signed),
        "measurement": quote.measurement,
        "measurement_digest": compute_measurement_digest(quote.kind, quote.measurement),
        "report_data": quote.report_data,
        "is_debug": quote.is_debug,
    }


def _names(given: Mapping[str, Any]) -> dict[str, Any]:
    """The three names that come from evidence, with the bytes that are hashed."""
    measurement = SgxMeasurement(**{
        name: raw(value) if isinstance(value, str) else value for name, value in given["measurement"].items()
    })
    body = cbor.dumps(["sgx", {name: getattr(measurement, name) for name in SgxMeasurement.__slots__}])
    preimage = Label.EVIDENCE.context(b"", b"measurement", body)
    assert sha256(preimage) == compute_measurement_digest(EvidenceKind.SGX, measurement)
    return {
        "measurement_preimage": preimage,
        "measurement_digest": sha256(preimage),
        "platform_id": compute_platform_id(b"intel", raw(given["identity"]), simulated=given["simulated"]),
        "body_digest": compute_body_digest(EvidenceKind.SGX, raw(given["body"])),
    }


def _level(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"level": compute_level(TcbStatus(given["status"]), tuple(given["advisories"]))}


def shown_verdict(verdict: Verdict) -> dict[str, Any]:
    """A verdict as a vector shows it."""
    return {
        "platform_id": verdict.platform_id,
        "body_digest": verdict.body_digest,
        "measurement_digest": verdict.measurement_digest,
        "report_data": verdict.report_data,
        "status": verdict.status.value,
        "advisories": verdict.advisories,
        "level": verdict.level,
        "evaluation_number": verdict.evaluation_number,
        "issued_at": verdict.issued_at,
        "valid_until": verdict.valid_until,
        "root": verdict.root,
        "simulated": verdict.simulated,
    }


def _verify(given: Mapping[str, Any]) -> dict[str, Any]:
    return shown_verdict(verify_evidence(decode_evidence(raw(given["data"])), given["now"]))


def _admit(given: Mapping[str, Any]) -> dict[str, Any]:
    named = dict(given["policy"])
    for name in ("measurements", "roots"):
        named[name] = frozenset(Digest(raw(item)) for item in named[name])
    policy = AttestationPolicy(**named)
    evidence = decode_evidence(raw(given["data"]))
    verdict = admit(evidence, policy, raw(given["report_data"]), given["now"])
    return {"level": verdict.level, "simulated": verdict.simulated}


def _quote_cases(sgx: Evidence, tdx: Evidence, debug: bytes) -> list[Case]:
    malformed = encode_evidence(sgx)[:-1]
    unknown = cbor.dumps(["sev", b"", b"", {}])
    long = cbor.dumps(["sgx", bytes(16385), b"", {}])
    return [
        Case("evidence", "1.2", "evidence", {"data": encode_evidence(sgx)}),
        Case("evidence cut short", "1.2", "evidence", {"data": malformed}, "cbor.malformed"),
        Case("evidence of three fields", "1.2", "evidence", {"data": cbor.dumps(["sgx", b"", b""])},
             "attestation.malformed"),
        Case("evidence of an unknown kind", "1.2", "evidence", {"data": unknown}, "attestation.kind"),
        Case("a quote of more than 16 KiB", "1.2", "evidence", {"data": long}, "attestation.too_long"),
        Case("an SGX quote, version 3", "1.2", "quote", {"quote": sgx.quote}),
        Case("a TDX quote, version 4", "1.2", "quote", {"quote": tdx.quote}),
        Case("a debuggable enclave's quote", "1.2", "quote", {"quote": debug}),
        Case("a byte after the quote", "1.2", "quote", {"quote": sgx.quote + b"\0"}, "attestation.trailing_bytes"),
        Case("a quote cut short", "1.2", "quote", {"quote": sgx.quote[:-1]}, "attestation.malformed"),
        Case("another version", "1.2", "quote", {"quote": b"\x07" + sgx.quote[1:]}, "attestation.malformed"),
    ]


def _name_cases() -> list[Case]:
    measurement = SgxMeasurement(keccak256(b"enclave"), keccak256(b"signer"), 7, 3)
    names = {"measurement": measurement, "identity": bytes(16), "simulated": True, "body": b"signed body"}
    statuses = {"UpToDate": [], "SWHardeningNeeded": ["A"], "ConfigurationNeeded": [], "OutOfDate": ["A"]}
    return [
        Case("names", "1.2", "names", names),
        Case("the same machine, real", "8.1", "names", names | {"simulated": False}),
        *(Case(f"level of {status}", "1.2", "level", {"status": status, "advisories": found})
          for status, found in statuses.items()),
        Case("level with advisories", "1.2", "level", {"status": "UpToDate", "advisories": ["SIMULATED-SA-00001"]}),
    ]


def old_evidence(report: SgxReport) -> Evidence:
    """Of a machine whose firmware is out of date."""
    machine = SimulatedPlatform(keccak256(b"an old machine"), tcb=PlatformTcb(bytes((5,)) * 16, 5))
    return machine.sgx_evidence(report, NOW)


def _verdict_cases(platform: SimulatedPlatform, report: SgxReport, sgx: Evidence) -> list[Case]:
    data = encode_evidence(sgx)
    old = encode_evidence(old_evidence(report))
    forged = bytearray(sgx.quote)
    forged[48 + 64] ^= 1
    swapped = encode_evidence(replace(sgx, quote=bytes(forged)))
    debug = replace(report, attributes=bytes((7,)) + report.attributes[1:])
    measurement = compute_measurement_digest(
        EvidenceKind.SGX, SgxMeasurement(report.mrenclave, report.mrsigner, report.product_id, report.security_version)
    )
    accepting = {
        "measurements": [measurement],
        "roots": [SIMULATED_ROOT.digest, INTEL_SGX_ROOT.digest],
        "allow_simulated": True,
        "maximum_level": 3,
        "minimum_evaluation": 18,
    }
    asked = {"policy": accepting, "data": data, "report_data": report.report_data, "now": NOW}

    def policy(**changes: Any) -> dict[str, Any]:
        return asked | {"policy": accepting | changes}

    stale = "attestation.collateral_stale"
    return [
        Case("a verdict", "1.2", "verify", {"data": data, "now": NOW}),
        Case("an old machine's verdict", "1.2", "verify", {"data": old, "now": NOW}),
        Case("a forged measurement", "1.2", "verify", {"data": swapped, "now": NOW}, "attestation.invalid"),
        Case("a debuggable enclave", "1.2", "verify",
             {"data": encode_evidence(platform.sgx_evidence(debug, NOW)), "now": NOW}, "attestation.debug"),
        Case("a month later", "1.2", "verify", {"data": data, "now": NOW + 31 * DAY}, stale),
        Case("a week before", "2.3", "verify", {"data": data, "now": NOW - 7 * DAY}, "attestation.collateral_early"),
        Case("admitted", "1.2", "admit", asked),
        Case("simulated, where that is refused", "1.1", "admit", policy(allow_simulated=False),
             "attestation.simulated_refused"),
        Case("another measurement", "1.2", "admit", policy(measurements=[bytes(32)]),
             "attestation.measurement_unknown"),
        Case("another vendor", "1.1", "admit", policy(roots=[INTEL_SGX_ROOT.digest]), "attestation.root_unknown"),
        Case("other report data", "1.2", "admit", asked | {"report_data": bytes(64)},
             "attestation.report_data_mismatch"),
        Case("an older evaluation", "1.1", "admit", policy(minimum_evaluation=19), "attestation.evaluation_number"),
        Case("an old machine", "1.2", "admit", asked | {"data": old}, "attestation.tcb_out_of_date"),
        Case("a policy without measurements", "1.1", "admit", policy(measurements=[]), "attestation.policy_empty"),
        Case("a policy of simulated roots that allows none", "1.1", "admit",
             policy(allow_simulated=False, roots=[SIMULATED_ROOT.digest]), "attestation.policy"),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {
        "evidence": _evidence,
        "quote": _quote,
        "names": _names,
        "level": _level,
        "verify": _verify,
        "admit": _admit,
    }
    platform = SimulatedPlatform(keccak256(b"a simulated machine"))
    report = SgxReport(keccak256(b"enclave"), bytes(range(64)))
    debug = replace(report, attributes=bytes((7,)) + report.attributes[1:])
    sgx = platform.sgx_evidence(report, NOW)
    tdx = platform.tdx_evidence(TdReport(bytes(range(48)), report.report_data), NOW)
    cases = [
        *_quote_cases(sgx, tdx, platform.sgx_quote(debug)),
        *_name_cases(),
        *_verdict_cases(platform, report, sgx),
    ]
    shared = {"evidence": encode_evidence(sgx), "quote": sgx.quote, "old": encode_evidence(old_evidence(report))}
    return Subject("attestation", "docs/specification/attestation.md", checks, cases, shared)
