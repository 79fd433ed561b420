"""dstack's event log: real logs replay; a forged compose hash does not, though the logged digests are left alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.attestation import event_log
from coprocessor.attestation.event_log import (
    EVENT_LOG,
    RUNTIME_EVENT,
    compute_registers,
    compute_runtime_digest,
    measure_dstack,
    parse_event_log,
)
from coprocessor.attestation.evidence import Evidence
from coprocessor.attestation.vendors.dcap_quote import parse_quote
from coprocessor.attestation.verdict import DstackMeasurement, TdxMeasurement
from coprocessor.attestation.verify import verify_evidence
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from tests.attestation import samples
from tests.attestation.material import needs_material, read_dstack, read_event_log
from tests.attestation.samples import NOW, PLATFORM

LOGS = ("quote-report.json", "tdx-lite-getquote.json")
COMPOSE = bytes(range(32))
ZERO = bytes(48)


def runtime(name: str, payload: bytes = b"", **more: Any) -> dict[str, Any]:
    event = {"imr": 3, "event_type": RUNTIME_EVENT, "digest": "", "event": name, "event_payload": payload.hex()}
    return event | more


def boot(*, register: int = 0, digest: bytes = ZERO) -> dict[str, Any]:
    return {"imr": register, "event_type": 4, "digest": digest.hex(), "event": "", "event_payload": ""}


SYSTEM = [
    runtime("system-preparing"),
    runtime("app-id", b"application"),
    runtime("compose-hash", COMPOSE),
    runtime("instance-id", b"instance"),
    runtime("key-provider", b'{"name":"kms"}'),
    runtime("system-ready"),
]


def dumps(events: list[dict[str, Any]]) -> bytes:
    return json.dumps(events).encode()


def quoted(events: list[dict[str, Any]]) -> TdxMeasurement:
    """The measurement of a machine on which these events really happened."""
    registers = compute_registers(parse_event_log(dumps(events)))
    others = {field.name: bytes(8) for field in dataclasses.fields(TdxMeasurement) if "rtmr" not in field.name}
    return TdxMeasurement(**others, **{f"rtmr{i}": register for i, register in enumerate(registers)})  # type: ignore[arg-type]


def refusal(real: list[dict[str, Any]], told: list[dict[str, Any]]) -> str:
    with pytest.raises((EvidenceRefused, MalformedInput)) as caught:
        measure_dstack(quoted(real), dumps(told))
    return caught.value.code.removeprefix("attestation.")


def change(position: int, **fields: Any) -> list[dict[str, Any]]:
    return [event | fields if at == position else event for at, event in enumerate(SYSTEM)]


@needs_material
@pytest.mark.parametrize("name", LOGS)
def test_real_logs_replay_in_all_registers(name: str) -> None:
    evidence, _ = read_dstack(name)
    measurement = parse_quote(evidence.quote).measurement
    assert isinstance(measurement, TdxMeasurement)
    replayed = compute_registers(parse_event_log(read_event_log(name)))
    assert replayed == (measurement.rtmr0, measurement.rtmr1, measurement.rtmr2, measurement.rtmr3)
    found = measure_dstack(measurement, read_event_log(name))
    logged = {event["event"]: event["event_payload"] for event in json.loads(read_event_log(name))}
    assert found.compose_hash.hex() == logged["compose-hash"]
    assert found.key_provider == hashlib.sha256(bytes.fromhex(logged["key-provider"])).digest()


@needs_material
@pytest.mark.parametrize("name", LOGS)
def test_a_forged_compose_hash_in_a_real_log_is_refused(name: str) -> None:
    """The payload is exchanged, the digest beside it is left alone: a replay of logged digests would accept this."""
    evidence, _ = read_dstack(name)
    measurement = parse_quote(evidence.quote).measurement
    assert isinstance(measurement, TdxMeasurement)
    events = json.loads(read_event_log(name))
    for event in events:
        if event["event"] == "compose-hash":
            event["event_payload"] = "00" * 32
    with pytest.raises(EvidenceRefused) as caught:
        measure_dstack(measurement, dumps(events))
    assert caught.value.code == "attestation.event_log_mismatch"
    if name == "quote-report.json":
        registers = [ZERO] * 4
        for event in events:
            register = event["imr"]
            registers[register] = hashlib.sha384(registers[register] + bytes.fromhex(event["digest"])).digest()
        assert registers[3] == measurement.rtmr3, "a replay that trusts the log would not have seen it"


@needs_material
def test_a_real_quote_is_measured_by_its_log() -> None:
    evidence, now = read_dstack("quote-report.json")
    log = read_event_log("quote-report.json")
    verdict = verify_evidence(dataclasses.replace(evidence, extras=((EVENT_LOG, log),)), now)
    assert isinstance(verdict.measurement, DstackMeasurement)
    plain = verify_evidence(evidence, now)
    assert isinstance(plain.measurement, TdxMeasurement)
    assert verdict.measurement_digest != plain.measurement_digest
    assert verdict.body_digest == plain.body_digest


def test_a_simulated_quote_is_measured_by_its_log() -> None:
    registers = compute_registers(parse_event_log(dumps(SYSTEM)))
    report = dataclasses.replace(samples.TD_REPORT, rtmr=(*samples.RTMR[:3], registers[3]))
    evidence = PLATFORM.tdx_evidence(report, NOW)
    verdict = verify_evidence(dataclasses.replace(evidence, extras=((EVENT_LOG, dumps(SYSTEM)),)), NOW)
    assert isinstance(verdict.measurement, DstackMeasurement)
    assert verdict.measurement.compose_hash == COMPOSE
    assert verdict.measurement.rtmr0 == samples.RTMR[0]
    with pytest.raises(EvidenceRefused):
        verify_evidence(dataclasses.replace(evidence, extras=((EVENT_LOG, dumps(SYSTEM[1:])),)), NOW)
    with pytest.raises(MalformedInput):
        verify_evidence(dataclasses.replace(evidence, extras=((EVENT_LOG, b"{}"),)), NOW)


def test_an_sgx_quote_has_no_event_log() -> None:
    evidence = dataclasses.replace(samples.SGX, extras=((EVENT_LOG, b"{}"),))
    assert verify_evidence(evidence, NOW) == samples.VERDICT


def test_instances_of_one_application_share_a_measurement() -> None:
    other = change(3, event_payload=b"another instance".hex())
    first, second = (measure_dstack(quoted(events), dumps(events)) for events in (SYSTEM, other))
    assert first == second
    assert quoted(SYSTEM) != quoted(other)


def test_what_the_application_wrote_afterwards_is_left_alone() -> None:
    later = [*SYSTEM, runtime("anything", b"x")]
    assert measure_dstack(quoted(later), dumps(later)) == measure_dstack(quoted(SYSTEM), dumps(SYSTEM))


@pytest.mark.parametrize(
    "told",
    [
        [],
        SYSTEM[1:],
        [*SYSTEM, runtime("more")],
        [SYSTEM[1], SYSTEM[0], *SYSTEM[2:]],
        change(2, event_payload="00" * 32),
        change(2, event="compose-hasH"),
        change(2, version=2),
        [boot(digest=b"\1" * 48), *SYSTEM],
    ],
)
def test_a_log_that_differs_from_what_happened_is_refused(told: list[dict[str, Any]]) -> None:
    assert refusal(SYSTEM, told) == "event_log_mismatch"


@pytest.mark.parametrize(
    "happened",
    [
        SYSTEM[:-1],
        [*SYSTEM, runtime("system-ready")],
        [*SYSTEM, runtime("compose-hash", COMPOSE)],
        [*SYSTEM, runtime("app-id", b"other")],
        [event for event in SYSTEM if event["event"] != "key-provider"],
        [SYSTEM[0], *SYSTEM[3:], SYSTEM[1], SYSTEM[2]],
        change(2, event_payload="00" * 31),
    ],
)
def test_a_true_log_that_is_incomplete_or_ambiguous_is_refused(happened: list[dict[str, Any]]) -> None:
    assert refusal(happened, happened) == "event_log_incomplete"


@pytest.mark.parametrize(
    "entry",
    [
        {},
        runtime("a:b"),
        runtime("a", imr=4),
        runtime("a", imr=-1),
        runtime("a", imr=True),
        runtime("a", imr=2),
        runtime("a", event_type=4),
        runtime("a", event_payload="zz"),
        runtime("a", event_payload=5),
        runtime("a" * 257),
        runtime("a", version=3),
        runtime(5),  # type: ignore[arg-type]
        boot(digest=b"short"),
        boot() | {"digest": None},
        boot() | {"event_type": "4"},
        [],
        5,
    ],
)
def test_malformed_events_are_named(entry: Any) -> None:
    with pytest.raises(MalformedInput) as caught:
        parse_event_log(json.dumps([entry]).encode())
    assert caught.value.code == "attestation.event_log"


def test_logs_are_bounded() -> None:
    for data in (dumps([boot()] * (event_log.MAX_EVENTS + 1)), b" " * 130_000, b"[" * 100, b"{}", b"\xff"):
        with pytest.raises(MalformedInput):
            parse_event_log(data)


def test_events_are_counted() -> None:
    entry = {"imr": 3, "event_type": RUNTIME_EVENT, "event": "", "event_payload": ""}
    most = json.dumps([entry] * event_log.MAX_EVENTS, separators=(",", ":")).encode()
    assert len(parse_event_log(most)) == event_log.MAX_EVENTS
    with pytest.raises(MalformedInput):
        parse_event_log(json.dumps([entry] * (event_log.MAX_EVENTS + 1), separators=(",", ":")).encode())


def test_events_of_version_2_have_another_digest() -> None:
    text = b'{"name":"a","payload":"00ff","type":134217729}'
    assert compute_runtime_digest("a", b"\0\xff", 2) == hashlib.sha384(text).digest()
    (event,) = parse_event_log(dumps([runtime("a", b"\0\xff", version="v2")]))
    assert event.digest == hashlib.sha384(text).digest()


@given(st.binary(max_size=200))
def test_random_bytes_are_no_log(data: bytes) -> None:
    with pytest.raises(MalformedInput) as caught:
        parse_event_log(b"{" + data)
    assert caught.value.code == "attestation.event_log"


def test_extras_do_not_name_evidence() -> None:
    evidence = Evidence(samples.SGX.kind, samples.SGX.quote, samples.SGX.collateral, ((EVENT_LOG, dumps(SYSTEM)),))
    assert verify_evidence(evidence, NOW).body_digest == samples.VERDICT.body_digest
