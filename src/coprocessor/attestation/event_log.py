"""dstack's event log: what ran in a trust domain after its image was measured, replayed by our own code.

RTMR 3 of the quote is extended by the guest's own system, one event after the other. The log tells the events; only the
register is signed. So nothing in the log is believed that the replay does not reproduce:

1. A runtime event's digest is computed from its name and payload, never taken from the log: a log whose payload was
   exchanged while its digest was left alone is refused.
2. Register 3 takes runtime events alone, and runtime events extend no other register. Names hold no colon, since the
   digest joins name and payload by one.
3. Replayed registers equal the quote's; registers without events in the log are the quote's own word.
4. ``app-id``, ``compose-hash`` and ``key-provider`` stand exactly once each, before the one ``system-ready``. What
   follows was written by the application and says nothing about the system.

**Source:** dstack, "RTMR3 event log" (event type 0x08000001, digest over type, name and payload); RFC 8785 for events
of version 2; Intel TDX Module specification for the extension of registers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from coprocessor.attestation.verdict import DstackMeasurement, TdxMeasurement
from coprocessor.codec import strict_json
from coprocessor.crypto.hashing import sha256
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput

__all__ = [
    "EVENT_LOG",
    "MAX_EVENTS",
    "RUNTIME_EVENT",
    "Event",
    "compute_registers",
    "compute_runtime_digest",
    "measure_dstack",
    "parse_event_log",
]

EVENT_LOG: Final = "event-log"
"""Name of the extra that holds the log."""

MAX_EVENTS: Final = 1024
RUNTIME_EVENT: Final = 0x08000001
"""Type of events that the guest's system and the application write."""

_MAX_LOG_LENGTH: Final = 120 * 1024
_MAX_NAME_LENGTH: Final = 256
_REGISTERS: Final = 4
_RUNTIME_REGISTER: Final = 3
_DIGEST_LENGTH: Final = 48
_READY: Final = "system-ready"
_REQUIRED: Final = ("app-id", "compose-hash", "key-provider")


@dataclass(frozen=True, slots=True)
class Event:
    """One extension of a register.

    Args:
        register: 0 to 3.
        digest: 48 bytes that extend it; computed for runtime events.
        name: of a runtime event, otherwise empty.
        payload: of a runtime event, otherwise empty.
    """

    register: int
    digest: bytes
    name: str = ""
    payload: bytes = b""


def parse_event_log(data: bytes) -> tuple[Event, ...]:
    """The events of a log in JSON.

    Raises:
        MalformedInput: ``attestation.event_log``: not a log, or against rule 2.
    """
    try:
        entries = strict_json.loads(data, _MAX_LOG_LENGTH)
        if not isinstance(entries, list) or len(entries) > MAX_EVENTS:
            raise ValueError(f"it is no list of at most {MAX_EVENTS} events")
        return tuple(_parse_event(entry) for entry in entries)
    except (ValueError, KeyError, TypeError, AttributeError, CoprocessorError) as error:
        raise MalformedInput(
            "attestation.event_log", "the event log is not readable", str(error), "send the log as dstack gives it"
        ) from error


def compute_runtime_digest(name: str, payload: bytes, version: int = 1) -> bytes:
    """The 48 bytes by which a runtime event extends register 3 (rule 1)."""
    if version == 2:
        fields = {"name": name, "payload": payload.hex(), "type": RUNTIME_EVENT}
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha384(text.encode()).digest()
    head = RUNTIME_EVENT.to_bytes(4, "little") + b":" + name.encode() + b":"
    return hashlib.sha384(head + payload).digest()


def compute_registers(events: Sequence[Event]) -> tuple[bytes, ...]:
    """The four registers, 48 bytes each, after the events, from zero."""
    registers = [bytes(_DIGEST_LENGTH)] * _REGISTERS
    for event in events:
        registers[event.register] = hashlib.sha384(registers[event.register] + event.digest).digest()
    return tuple(registers)


def measure_dstack(quoted: TdxMeasurement, log: bytes) -> DstackMeasurement:
    """What ran, as the quote's registers and a log that replays to them show.

    Args:
        quoted: of a verified quote.
        log: JSON, from anybody.

    Raises:
        MalformedInput: ``attestation.event_log``.
        EvidenceRefused: ``attestation.event_log_mismatch`` (rule 3), ``attestation.event_log_incomplete`` (rule 4).
    """
    events = parse_event_log(log)
    registers = (quoted.rtmr0, quoted.rtmr1, quoted.rtmr2, quoted.rtmr3)
    used = {event.register for event in events} | {_RUNTIME_REGISTER}
    for number, (replayed, signed) in enumerate(zip(compute_registers(events), registers, strict=True)):
        if number in used and replayed != signed:
            raise EvidenceRefused(
                "attestation.event_log_mismatch",
                f"the event log replays register {number} to 0x{replayed[:16].hex()}…, not 0x{signed[:16].hex()}…",
                "an event was changed, left out, added or moved",
                "send the log as dstack gives it",
            )
    found = _read_system_events(events)
    return DstackMeasurement(
        mrtd=quoted.mrtd,
        rtmr0=quoted.rtmr0,
        rtmr1=quoted.rtmr1,
        rtmr2=quoted.rtmr2,
        compose_hash=found["compose-hash"],
        key_provider=bytes(sha256(found["key-provider"])),
        config_id=quoted.config_id,
        owner=quoted.owner,
        owner_config=quoted.owner_config,
        attributes=quoted.attributes,
        xfam=quoted.xfam,
    )


def _read_system_events(events: Sequence[Event]) -> dict[str, bytes]:
    """Rule 4."""
    runtime = [event for event in events if event.register == _RUNTIME_REGISTER]
    names = [event.name for event in runtime]
    if names.count(_READY) != 1:
        raise _incomplete(f"{_READY} stands there {names.count(_READY)} times, not once")
    system = runtime[: names.index(_READY)]
    found = {}
    for name in _REQUIRED:
        payloads = [event.payload for event in runtime if event.name == name]
        early = [event.payload for event in system if event.name == name]
        if len(payloads) != 1 or not early:
            raise _incomplete(f"{name} stands there {len(payloads)} times, {len(early)} of them before {_READY}")
        found[name] = early[0]
    if len(found["compose-hash"]) != 32:
        raise _incomplete("compose-hash is no SHA-256")
    return found


def _parse_event(entry: dict[str, Any]) -> Event:
    register, kind, name = entry["imr"], entry["event_type"], entry["event"]
    if not _is_number(register) or register >= _REGISTERS or not _is_number(kind):
        raise ValueError("an event has no type, or extends a register that is none")
    if not isinstance(name, str) or len(name) > _MAX_NAME_LENGTH:
        raise ValueError("an event's name is too long or no text")
    if (register == _RUNTIME_REGISTER) != (kind == RUNTIME_EVENT):
        raise ValueError("runtime events, and no others, extend register 3")
    if kind != RUNTIME_EVENT:
        digest = bytes.fromhex(entry["digest"])
        if len(digest) != _DIGEST_LENGTH:
            raise ValueError(f"a digest has {_DIGEST_LENGTH} bytes, not {len(digest)}")
        return Event(register, digest)
    if ":" in name:
        raise ValueError("an event's name holds a colon")
    payload = bytes.fromhex(entry["event_payload"])
    version = entry.get("version", 1)
    if version not in (1, 2, "v1", "v2"):
        raise ValueError(f"version {version!r} of events is not supported")
    digest = compute_runtime_digest(name, payload, 2 if version in (2, "v2") else 1)
    return Event(register, digest, name, payload)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _incomplete(why: str) -> EvidenceRefused:
    return EvidenceRefused(
        "attestation.event_log_incomplete",
        "the event log does not say once what the system runs",
        why,
        "run a dstack release that logs app-id, compose-hash, key-provider and system-ready",
    )
