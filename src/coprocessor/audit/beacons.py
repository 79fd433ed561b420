"""The beacon: its keys' ceremonies, judged again, and each window's value (PROTOCOL 10).

Rules:
1. A committee's beacon key comes from a ceremony of its own, under a session that follows from network, committee and
   block; transcript, outcome and signatures are judged as the master key's (PROTOCOL 8.1, 9.3).
2. A value is the hash of the one signature of the key that was recorded before the window began.
3. A fallback is the randomness of the block two windows later, and marked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from coprocessor.audit.committees import check_holders, judge_session
from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.signatures import signatures_of
from coprocessor.audit.state import AuditState, BeaconKey, Session
from coprocessor.crypto.hashing import keccak256
from coprocessor.keys.beacon import BeaconRound, compute_beacon_session, compute_fallback_value, verify_beacon
from coprocessor.keys.dealing import DkgSession
from coprocessor.keys.transcript import Entry, Speaker, compute_transcript_head
from coprocessor.protocol import layout
from coprocessor.protocol.statements import BeaconKeyRecord
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import Digest

__all__ = ["beacon_slots", "on_completed", "on_fell_back", "on_opened", "on_posted", "on_transcript"]

BEACON: Final = "beacon"
FALLBACK_WINDOWS: Final = 2


def on_opened(state: AuditState, event: Event) -> None:
    """A ceremony begins (rule 1). Raises EvidenceRefused ``audit.session``."""
    committee, session = state.committee, Digest(event["session"])
    if committee is None or committee.keys is None or event["committee"] != committee.number:
        raise falsehood("audit.session", "a beacon's ceremony is of no committee in office", "PROTOCOL 10")
    if session != compute_beacon_session(state.network_id, committee.number, state.now.number):
        name = session.hex()
        raise falsehood("audit.session", f"beacon's ceremony 0x{name} does not follow from its block", "PROTOCOL 10")
    state.beacon.session = session
    state.beacon.sessions[session] = Session(session, state.now.number, False, state.beacon.phase_blocks)


def on_transcript(state: AuditState, event: Event) -> None:
    """One message. Raises EvidenceRefused ``audit.session``."""
    session = state.beacon.sessions.get(Digest(event["session"]))
    if session is None or session.identifier != state.beacon.session:
        name = event["session"].hex()
        raise falsehood("audit.session", f"a message belongs to no beacon's ceremony: 0x{name}", "PROTOCOL 10")
    session.entries.append(Entry(event["member"], event["kind"], state.now.number, event["data"]))


def on_completed(state: AuditState, event: Event) -> None:
    """A beacon key is recorded (rule 1). Raises EvidenceRefused ``audit.ceremony`` and as ``check_committee``."""
    committee, session = state.committee, state.beacon.sessions.get(state.beacon.session)
    if committee is None or session is None or session.is_completed or event["committee"] != committee.number:
        raise falsehood("audit.ceremony", "a beacon key was recorded without a ceremony", "PROTOCOL 10")
    session.is_completed = True
    share_keys = tuple(bytes(key) for key in event["share_keys"])
    everybody = tuple(range(1, len(committee.seats) + 1))
    ceremony = DkgSession(
        state.network_id,
        session.identifier,
        committee.threshold,
        everybody,
        everybody,
        insecure=state.network.configuration.allow_simulated,
    )
    speakers = [Speaker(seat[1], at, at) for at, seat in enumerate(committee.seats, start=1)]
    judge_session(state, ceremony, speakers, session, share_keys, event["beacon_key"])
    arguments = signatures_of(state, event, "complete", BEACON)
    if arguments is not None:
        keys_hash = keccak256(b"".join(share_keys))
        record = BeaconKeyRecord(session.identifier, keccak256(event["beacon_key"]), keys_hash)
        digest = record.digest(state.network.configuration.chain_id, state.address("Beacon"))
        check_holders(state, digest, arguments["signatures"], committee, share_keys)
    key = BeaconKey(event["beacon_key"], share_keys, committee.threshold, state.now)
    state.beacon.keys[committee.number] = key
    state.counts[BEACON] += 1


def on_posted(state: AuditState, event: Event) -> None:
    """A window's value (rule 2). Raises EvidenceRefused ``audit.beacon``."""
    height, number = event["height"], event["committee"]
    serving = [at for at, key in sorted(state.beacon.keys.items()) if key.recorded.number < height]
    if not serving or serving[-1] != number:
        raise falsehood("audit.beacon", f"committee {number}'s key does not serve height {height}", "PROTOCOL 10")
    insecure = state.network.configuration.allow_simulated
    try:
        round_ = BeaconRound(state.network_id, height, insecure)
        value = verify_beacon(state.beacon.keys[number].group, round_, event["signature"])
    except CoprocessorError as error:
        raise falsehood("audit.beacon", f"the value of height {height} is not its key's", str(error)) from error
    _record(state, height, value, number, is_fallback=False)


def on_fell_back(state: AuditState, event: Event) -> None:
    """A window's fallback (rule 3). Raises EvidenceRefused ``audit.beacon``."""
    height = event["height"]
    source = height + FALLBACK_WINDOWS * state.beacon.window
    if source >= state.now.number or state.blocks[source].prevrandao != event["prevrandao"]:
        raise falsehood("audit.beacon", f"the fallback of height {height} is not of block {source}", "PROTOCOL 10")
    value = compute_fallback_value(state.network_id, height, event["prevrandao"])
    _record(state, height, value, 0, is_fallback=True)
    state.warnings.append(f"beacon: height {height} has no signature; the randomness of block {source} stands in")


def beacon_slots(state: AuditState) -> Iterator[tuple[str, bytes, int | bytes, str]]:
    """What the contract's storage must hold."""
    name, beacon = "Beacon", state.beacon
    yield name, layout.beacon_variable("session"), beacon.session, "the session"
    for session in beacon.sessions.values():
        head = compute_transcript_head(session.identifier, session.entries)
        yield name, layout.beacon_transcript_head(session.identifier), head, "the head of a transcript"
        count = layout.beacon_transcript_count(session.identifier)
        yield name, count, len(session.entries), "the length of a transcript"
    yield name, layout.beacon_variable("committee"), max(beacon.keys, default=0), "the committee of the newest key"
    for number, key in beacon.keys.items():
        fields: dict[str, Any] = {
            "key_hash": keccak256(key.group),
            "share_keys_hash": keccak256(b"".join(key.share_keys)),
            "threshold": key.threshold,
            "recorded": key.recorded.number,
        }
        for field, value in fields.items():
            yield name, layout.beacon_key(number, field), value, f"the {field} of a beacon key"
    for height, (digest, number, is_fallback) in beacon.values.items():
        yield name, layout.beacon_value(height, "value"), digest, "the value of a window"
        yield name, layout.beacon_value(height, "committee"), number, "the committee of a value"
        yield name, layout.beacon_value(height, "is_fallback"), int(is_fallback), "whether a value is a fallback"
    yield name, layout.beacon_variable("newest"), max(beacon.values, default=0), "the newest window with a value"


def _record(state: AuditState, height: int, value: Digest, committee: int, *, is_fallback: bool) -> None:
    if height in state.beacon.values or height % state.beacon.window:
        raise falsehood("audit.beacon", f"height {height} has a value already, or begins no window", "PROTOCOL 10")
    state.beacon.values[height] = (value, committee, is_fallback)
    state.counts[BEACON] += 1
