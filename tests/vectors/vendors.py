"""``vectors/vendors.json``: SEV-SNP, Nitro and dstack evidence of the simulated vendor (PROTOCOL 1.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from coprocessor.attestation.event_log import (
    EVENT_LOG,
    RUNTIME_EVENT,
    compute_registers,
    compute_runtime_digest,
    parse_event_log,
)
from coprocessor.attestation.evidence import Evidence, decode_evidence, encode_evidence
from coprocessor.attestation.vendors.nitro_document import parse_document
from coprocessor.attestation.vendors.simulated_nitro import NitroEnclave, SimulatedNitroPlatform
from coprocessor.attestation.vendors.simulated_platform import SimulatedPlatform, TdReport
from coprocessor.attestation.vendors.simulated_snp import SimulatedSnpPlatform, SnpGuest
from coprocessor.attestation.vendors.snp_report import parse_report
from coprocessor.attestation.verify import verify_evidence
from coprocessor.crypto.hashing import keccak256
from tests.vectors import world
from tests.vectors.attestation import shown_verdict
from tests.vectors.form import Case, Subject, altered, raw

NOW = world.BLOCK_TIME
HOUR = 3600
DATA = bytes(range(64))


def _snp(given: Mapping[str, Any]) -> dict[str, Any]:
    report = parse_report(raw(given["quote"]))
    return {
        "version": report.version,
        "measurement": report.measurement,
        "report_data": report.report_data,
        "host_data": report.host_data,
        "policy": report.policy,
        "vmpl": report.vmpl,
        "chip_id": report.chip_id,
        "reported": report.reported,
    }


def _nitro(given: Mapping[str, Any]) -> dict[str, Any]:
    document = parse_document(raw(given["quote"]))
    return {
        "module_id": document.module_id,
        "timestamp": document.timestamp,
        "pcrs": {str(number): value for number, value in document.pcrs.items()},
        "public_key": document.public_key or b"",
        "user_data": document.user_data or b"",
        "nonce": document.nonce or b"",
    }


def _event_log(given: Mapping[str, Any]) -> dict[str, Any]:
    events = parse_event_log(raw(given["log"]))
    return {"digests": [event.digest for event in events], "registers": compute_registers(events)}


def _verify(given: Mapping[str, Any]) -> dict[str, Any]:
    verdict = verify_evidence(decode_evidence(raw(given["data"])), given["now"])
    flags = sorted(flag.value for flag in verdict.flags)
    return {**shown_verdict(verdict), "flags": flags, "measurement": verdict.measurement}


def log_of(**changes: str) -> list[dict[str, Any]]:
    """The events of a dstack machine as its log tells them."""
    told = {"app-id": "a1" * 20, "compose-hash": "c2" * 32, "key-provider": "6b6d73", "system-ready": ""}
    return [
        {"imr": 3, "event_type": RUNTIME_EVENT, "event": name, "event_payload": payload, "digest": ""}
        for name, payload in (told | changes).items()
    ]


def text_of(log: list[dict[str, Any]]) -> bytes:
    """A log as bytes."""
    return json.dumps(log, sort_keys=True).encode()


def dstack_evidence() -> Evidence:
    """Of a trust domain whose register 3 is what its log replays to."""
    log = text_of(log_of())
    registers = compute_registers(parse_event_log(log))
    machine = SimulatedPlatform(keccak256(b"a simulated machine"))
    evidence = machine.tdx_evidence(TdReport(bytes(range(48)), DATA, registers), NOW)
    return replace(evidence, extras=((EVENT_LOG, log),))


def _snp_cases() -> list[Case]:
    platform = SimulatedSnpPlatform(keccak256(b"a simulated machine"))
    guest = SnpGuest(bytes(range(48)), DATA)
    good = platform.evidence(guest, NOW)
    debug = platform.evidence(replace(guest, policy=guest.policy | 1 << 19), NOW)
    late = {"data": encode_evidence(good), "now": NOW + 60 * 24 * HOUR}
    forged = encode_evidence(replace(good, quote=altered(good.quote, 0x90)))
    swapped = encode_evidence(replace(good, collateral=debug.collateral[:-1]))
    return [
        Case("an SEV-SNP report", "1.2", "snp", {"quote": good.quote}),
        Case("a report cut short", "1.2", "snp", {"quote": good.quote[:-1]}, "attestation.malformed"),
        Case("a byte after the report", "1.2", "snp", {"quote": good.quote + b"\0"}, "attestation.trailing_bytes"),
        Case("an SEV-SNP verdict", "1.2", "verify", {"data": encode_evidence(good), "now": NOW}),
        Case("a forged SEV-SNP measurement", "1.2", "verify", {"data": forged, "now": NOW}, "attestation.signature"),
        Case("a debuggable guest", "1.2", "verify", {"data": encode_evidence(debug), "now": NOW}, "attestation.debug"),
        Case("collateral cut short", "1.2", "verify", {"data": swapped, "now": NOW}, "cbor.malformed"),
        Case("two months later", "2.3", "verify", late, "attestation.collateral_stale"),
    ]


def _nitro_cases() -> list[Case]:
    platform = SimulatedNitroPlatform(keccak256(b"a simulated machine"))
    enclave = NitroEnclave({number: bytes((number + 1,)) * 48 for number in (0, 1, 2, 8)}, user_data=DATA)
    good = platform.evidence(enclave, NOW)
    both = platform.evidence(replace(enclave, nonce=b"nonce", public_key=b"key"), NOW)
    debug = platform.evidence(replace(enclave, pcrs={}), NOW)
    data = encode_evidence(good)
    late = {"data": data, "now": NOW + 4 * HOUR}
    early = {"data": data, "now": NOW - 2 * HOUR}
    padded = encode_evidence(replace(good, quote=good.quote + b"\0"))
    return [
        Case("a Nitro document", "1.2", "nitro", {"quote": good.quote}),
        Case("one that binds nonce and key too", "1.2", "nitro", {"quote": both.quote}),
        Case("a Nitro verdict", "1.2", "verify", {"data": data, "now": NOW}),
        Case("a byte after the document", "1.2", "verify", {"data": padded, "now": NOW}, "attestation.malformed"),
        Case("zero measurements", "1.2", "verify", {"data": encode_evidence(debug), "now": NOW}, "attestation.debug"),
        Case("four hours later", "2.3", "verify", late, "attestation.certificate_expired"),
        Case("two hours before", "2.3", "verify", early, "attestation.certificate_early"),
    ]


def _dstack_cases() -> list[Case]:
    good = dstack_evidence()
    forged = replace(good, extras=((EVENT_LOG, text_of(log_of(**{"compose-hash": "c3" * 32}))),))
    twice = log_of() + log_of()[:1]
    second = {"imr": 3, "event_type": RUNTIME_EVENT, "event": "app-id", "event_payload": "00", "version": 2}
    colon = [{"imr": 3, "event_type": RUNTIME_EVENT, "event": "app:id", "event_payload": "00"}]
    elsewhere = [{"imr": 2, "event_type": RUNTIME_EVENT, "event": "app-id", "event_payload": "00"}]
    assert raw("0x" + compute_runtime_digest("app-id", b"\0", 2).hex()) == parse_event_log(text_of([second]))[0].digest
    return [
        Case("an event log", "1.2", "event_log", {"log": text_of(log_of())}),
        Case("an event of version 2", "1.2", "event_log", {"log": text_of([second])}),
        Case("a name with a colon", "1.2", "event_log", {"log": text_of(colon)}, "attestation.event_log"),
        Case("a runtime event of register 2", "1.2", "event_log", {"log": text_of(elsewhere)},
             "attestation.event_log"),
        Case("a dstack verdict", "1.2", "verify", {"data": encode_evidence(good), "now": NOW}),
        Case("a forged compose hash", "1.2", "verify", {"data": encode_evidence(forged), "now": NOW},
             "attestation.event_log_mismatch"),
        Case("an event after the system is ready", "1.2", "verify",
             {"data": encode_evidence(replace(good, extras=((EVENT_LOG, text_of(twice)),))), "now": NOW},
             "attestation.event_log_mismatch"),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {"snp": _snp, "nitro": _nitro, "event_log": _event_log, "verify": _verify}
    cases = [*_snp_cases(), *_nitro_cases(), *_dstack_cases()]
    return Subject("vendors", "docs/specification/attestation.md", checks, cases)
