"""Genesis, key ceremonies and handovers, judged again (PROTOCOL 9.1 to 9.5).

Rules:
1. The first members' evidence digests are those that the pinned genesis digest covers, and each of them signed the
   genesis (PROTOCOL 9.1).
2. A ceremony's messages, in the chain's order, are judged as its members judged them; the recorded keys are the
   outcome, and the threshold of members with shares signed it (PROTOCOL 9.3).
3. A handover to another list was announced long enough, begun by t present members, and ended once the next committee
   had made a signature of the same key; t present and t' next members signed the switch (PROTOCOL 1.4, 9.4).
4. Outside development no operator has t seats of a committee (PROTOCOL 8.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.signatures import check_committee, signatures_of
from coprocessor.audit.state import AuditState, Committee, Seat, Session
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH
from coprocessor.keys.dealing import DkgSession
from coprocessor.keys.dkg import judge
from coprocessor.keys.handover import compute_speakers, has_proven_itself, make_session
from coprocessor.keys.shares import CommitteeKeys
from coprocessor.keys.transcript import Entry, Phase, Speaker, read_transcript
from coprocessor.protocol.diversity import find_excess
from coprocessor.protocol.statements import (
    NO_SHARE,
    GenesisRecord,
    HandoverRecord,
    MasterKeyRecord,
    compute_handover_session,
    compute_members_hash,
)
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import ZERO_ADDRESS, Address, Digest

__all__ = [
    "HANDOVER_DELAY_SECONDS",
    "check_holders",
    "judge_session",
    "on_completed",
    "on_initialized",
    "on_opened",
    "on_proposed",
    "on_transcript",
    "read_seats",
]

HANDOVER_DELAY_SECONDS: Final = 14 * 86_400
"""How long another list must have been announced where the network is none for development (PROTOCOL 1.4)."""

GENESIS, CEREMONIES = "genesis", "ceremonies"


def read_seats(members: Sequence[Sequence[Any]]) -> tuple[Seat, ...]:
    """The members of an event or a call."""
    return tuple((Address(row[0]), Address(row[1]), row[2], Digest(row[3])) for row in members)


def on_initialized(state: AuditState, event: Event) -> None:
    """The genesis (rule 1). Raises EvidenceRefused ``audit.genesis`` and as ``check_committee``."""
    seats = read_seats(event["members"])
    threshold: int = event["threshold"]
    if event["genesis"] != state.network_id:
        raise falsehood(
            "audit.genesis",
            f"the contracts name network 0x{event['genesis'].hex()}, pinned is 0x{state.network_id.hex()}",
            "these are another network's contracts (PROTOCOL 1.1)",
        )
    if tuple(seat[3] for seat in seats) != state.network.gatekeepers:
        raise falsehood(
            "audit.genesis",
            "the first gatekeepers have other evidence digests than the pinned genesis covers",
            "PROTOCOL 1.1",
        )
    if not 1 <= threshold <= len(seats) or len(seats) < 2 * threshold - 1:
        raise falsehood("audit.genesis", f"{threshold} of {len(seats)} gatekeepers is no committee", "PROTOCOL 9.2")
    _check_operators(state, threshold, seats)
    committee = Committee(1, threshold, seats, state.now)
    state.committees.append(committee)
    state.counts[GENESIS] += len(seats)
    arguments = signatures_of(state, event, "initialize", GENESIS)
    if arguments is not None:
        record = GenesisRecord(state.network_id, threshold, compute_members_hash(seats))
        digest = record.digest(state.network.configuration.chain_id, state.address("Gatekeeping"))
        signatures: Any = arguments["signatures"]
        check_committee(state, digest, signatures, state.standing(committee), len(seats), "the genesis")


def on_proposed(state: AuditState, event: Event) -> None:
    """The next committee is announced; nothing follows from that alone."""
    state.proposed = (event["threshold"], read_seats(event["members"]), state.now.timestamp)
    state.is_handover = False


def on_opened(state: AuditState, event: Event) -> None:
    """A ceremony begins: the first, another attempt, or a handover. Raises EvidenceRefused ``audit.session``."""
    committee, session = state.committee, Digest(event["session"])
    if committee is None:
        raise falsehood("audit.session", "a key ceremony was opened before there was a genesis", "PROTOCOL 9.1")
    if committee.keys is None:
        expected = Digest(state.network_id) if not state.sessions else keccak256(state.session)
        if session != expected:
            raise falsehood(
                "audit.session", f"ceremony 0x{session.hex()} does not follow from the genesis", "PROTOCOL 9.1"
            )
    else:
        _check_handover_begins(state, event, committee, session)
    state.session = session
    state.sessions[session] = Session(session, state.now.number, state.is_handover, state.phase_blocks)
    state.counts[CEREMONIES] += 1


def on_transcript(state: AuditState, event: Event) -> None:
    """One message. Raises EvidenceRefused ``audit.session`` where no such ceremony is under way."""
    session = state.sessions.get(Digest(event["session"]))
    if session is None or session.identifier != state.session:
        name = event["session"].hex()
        raise falsehood("audit.session", f"a message belongs to no ceremony: 0x{name}", "PROTOCOL 9.3")
    session.entries.append(Entry(event["member"], event["kind"], state.now.number, event["data"]))


def on_completed(state: AuditState, event: Event) -> None:
    """The outcome is recorded (rules 2 and 3). Raises EvidenceRefused ``audit.ceremony`` and as ``check_committee``."""
    committee, session = state.committee, state.sessions.get(state.session)
    if committee is None or session is None or session.is_completed:
        raise falsehood("audit.ceremony", "keys were recorded without a ceremony", "PROTOCOL 9.3")
    session.is_completed = True
    share_keys = tuple(bytes(key) for key in event["share_keys"])
    if session.is_handover:
        _check_handover_ends(state, event, committee, session, share_keys)
        return
    signers = [seat[1] for seat in committee.seats]
    everybody = tuple(range(1, len(signers) + 1))
    ceremony = DkgSession(
        state.network_id,
        session.identifier,
        committee.threshold,
        everybody,
        everybody,
        insecure=state.network.configuration.allow_simulated,
    )
    speakers = [Speaker(signer, at, at) for at, signer in enumerate(signers, start=1)]
    committee.keys = judge_session(state, ceremony, speakers, session, share_keys, event["master_key"])
    committee.share_keys = share_keys
    arguments = signatures_of(state, event, "complete", CEREMONIES)
    if arguments is not None:
        check_holders(state, _outcome_digest(state, event, share_keys), arguments["signatures"], committee, share_keys)


def judge_session(
    state: AuditState,
    ceremony: DkgSession,
    speakers: list[Speaker],
    session: Session,
    share_keys: tuple[bytes, ...],
    master_key: bytes,
) -> CommitteeKeys:
    """The keys that follow from the transcript, which must be the recorded ones (rule 2)."""
    name = f"ceremony 0x{session.identifier.hex()[:16]}…"
    read = read_transcript(
        ceremony,
        speakers,
        session.entries,
        opened=session.opened,
        phase_blocks=session.phase_blocks,
        now=state.now.number,
    )
    if read.phase != Phase.OUTCOME:
        phase = read.phase.name.lower()
        raise falsehood("audit.ceremony", f"{name}: keys were recorded in its phase {phase}", "PROTOCOL 9.3")
    try:
        judgement = judge(ceremony, read.announcements, read.dealings, read.complaints)
    except CoprocessorError as error:
        raise falsehood(
            "audit.ceremony", f"{name}: keys were recorded, but the transcript has no outcome", str(error)
        ) from error
    keys = judgement.committee
    expected = tuple(keys.share_key(at) or NO_SHARE for at in ceremony.receivers)
    if (master_key, share_keys) != (keys.group, expected):
        raise falsehood(
            "audit.ceremony",
            f"{name}: other keys were recorded than the transcript gives",
            "t gatekeepers signed an outcome that does not follow from what was said (PROTOCOL 9.3)",
        )
    for dealer, reason in judgement.disqualified:
        state.warnings.append(f"{name}: dealer {dealer} was left out: {reason}")
    return keys


def _outcome_digest(state: AuditState, event: Event, share_keys: tuple[bytes, ...]) -> Digest:
    record = MasterKeyRecord(state.session, keccak256(event["master_key"]), keccak256(b"".join(share_keys)))
    return record.digest(state.network.configuration.chain_id, state.address("Gatekeeping"))


def check_holders(
    state: AuditState, digest: Digest, signatures: Any, committee: Committee, share_keys: tuple[bytes, ...]
) -> None:
    """The threshold of a ceremony's receivers, each with a share, signed."""
    places = check_committee(
        state, digest, signatures, state.standing(committee), committee.threshold, "the outcome of a key ceremony"
    )
    if any(share_keys[place] == NO_SHARE for place in places):
        raise falsehood("audit.ceremony", "a gatekeeper without a share signed the outcome", "PROTOCOL 9.3")


def _check_operators(state: AuditState, threshold: int, seats: Sequence[Seat]) -> None:
    """Rule 4."""
    too_many = find_excess((seat[0] for seat in seats), threshold)
    if too_many is not None and not state.network.configuration.development:
        raise falsehood(
            "audit.one_operator",
            f"the operator 0x{too_many[0].hex()} has {too_many[1]} of {len(seats)} seats, t is {threshold}",
            "gatekeepers' enclaves that follow the rules refuse such a committee (PROTOCOL 8.9)",
        )


def _check_handover_begins(state: AuditState, event: Event, committee: Committee, session: Digest) -> None:
    if state.proposed is None:
        raise falsehood("audit.session", "a handover was opened without an announced list", "PROTOCOL 9.4")
    threshold, seats, announced = state.proposed
    expected = compute_handover_session(state.session, committee.number, threshold, announced, seats)
    if session != expected:
        raise falsehood(
            "audit.session", f"handover 0x{session.hex()} is not that to the announced list", "PROTOCOL 9.4"
        )
    stays = seats == committee.seats and threshold == committee.threshold
    waited = state.now.timestamp - announced
    if not stays and not state.network.configuration.development and waited < HANDOVER_DELAY_SECONDS:
        raise falsehood(
            "audit.delay", f"a handover to another list began {waited} s after it was announced", "PROTOCOL 1.4"
        )
    if not stays:
        _check_operators(state, threshold, seats)
    state.is_handover = True
    arguments = signatures_of(state, event, "begin_handover", CEREMONIES)
    if arguments is not None:
        chain_id = state.network.configuration.chain_id
        digest = HandoverRecord(session).digest(chain_id, state.address("Gatekeeping"))
        signatures: Any = arguments["signatures"]
        check_committee(
            state, digest, signatures, state.standing(committee), committee.threshold, "the beginning of a handover"
        )


def _check_handover_ends(
    state: AuditState, event: Event, committee: Committee, session: Session, share_keys: tuple[bytes, ...]
) -> None:
    """The next committee holds the same key, has shown it, and both committees signed (rule 3)."""
    assert state.proposed is not None, "a handover was begun"
    assert committee.keys is not None, "there was a key to hand over"
    threshold, seats, _ = state.proposed
    following = Committee(committee.number + 1, threshold, seats, state.now)
    insecure = state.network.configuration.allow_simulated
    present = _present_keys(state, committee)
    ceremony = make_session(state.network_id, session.identifier, present, threshold, len(seats), insecure=insecure)
    next_signers = [ZERO_ADDRESS if seat[1] in state.revoked_gatekeepers else seat[1] for seat in seats]
    speakers = compute_speakers(present, [seat[1] for seat in committee.seats], next_signers)
    following.keys = judge_session(state, ceremony, speakers, session, share_keys, event["master_key"])
    following.share_keys = share_keys
    if following.keys.group != committee.keys.group:
        raise falsehood("audit.ceremony", "a handover changed the master key", "PROTOCOL 9.4")
    if not has_proven_itself(ceremony, following.keys, _parts(session, speakers)):
        raise falsehood("audit.ceremony", "the next committee took over without a signature of the key", "PROTOCOL 9.4")
    arguments = signatures_of(state, event, "hand_over", CEREMONIES)
    if arguments is not None:
        digest = _outcome_digest(state, event, share_keys)
        old: Any = arguments["old_signatures"]
        check_committee(state, digest, old, state.standing(committee), committee.threshold, "the end of a handover")
        check_holders(state, digest, arguments["new_signatures"], following, share_keys)
    committee.until = state.now
    state.committees.append(following)
    state.proposed, state.is_handover = None, False


def _present_keys(state: AuditState, committee: Committee) -> CommitteeKeys:
    """The keys of the members that deal: revoked ones do not (PROTOCOL 1.4)."""
    assert committee.keys is not None, "there was a key to hand over"
    standing = {at + 1 for at in state.standing(committee).values()}
    shares = tuple(share for share in committee.keys.shares if share[0] in standing)
    return CommitteeKeys(committee.threshold, committee.keys.group, shares)


def _parts(session: Session, speakers: list[Speaker]) -> dict[int, bytes]:
    """Partial signatures of next members over the session, by index."""
    return {
        speakers[entry.member].receiver: entry.data[SIGNATURE_LENGTH:]
        for entry in session.entries
        if entry.kind == Phase.OUTCOME and entry.member < len(speakers) and speakers[entry.member].receiver
    }
