"""``vectors/ceremony.json``: whole transcripts of key ceremonies and their judgement (PROTOCOL 9.1, 9.3, 9.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from coprocessor.codec import cbor
from coprocessor.crypto.bls import SecretScalar
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.keys.dealing import Complaint, Dealing, DkgSession, EncryptedShare, commitment_digest
from coprocessor.keys.dkg import Announcement, DkgMember, judge
from coprocessor.keys.messages import Complaints, DkgMessage, decode_dkg_message, encode_dkg_message
from coprocessor.keys.transcript import Entry, Speaker, compute_transcript_head, read_transcript, sign_message
from coprocessor.values.identities import Address, Digest
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, plain, raw
from tests.vectors.keys import COMMITTEE, SHARES

SPEAKERS = tuple(PrivateKey(keccak256(b"speaker %d" % at)) for at in range(3))
_NAMES = ("network", "identifier", "threshold", "receivers", "dealers", "constants", "old_threshold", "insecure")


def _session(given: Mapping[str, Any]) -> DkgSession:
    named = {name: given[name] for name in _NAMES}
    for name in ("network", "identifier"):
        named[name] = raw(named[name])
    for name in ("receivers", "dealers"):
        named[name] = tuple(named[name])
    if named["constants"] is not None:
        named["constants"] = tuple(raw(key) for key in named["constants"])
    return DkgSession(**named)


def _messages(given: Sequence[str], kind: type) -> list[Any]:
    messages = [decode_dkg_message(raw(item)) for item in given]
    assert all(isinstance(message, kind) for message in messages)
    assert [encode_dkg_message(message) for message in messages] == [raw(item) for item in given]
    return messages


def _judge(given: Mapping[str, Any]) -> dict[str, Any]:
    session = _session(given["session"])
    dealings = _messages(given["dealings"], Dealing)
    judgement = judge(
        session,
        _messages(given["announcements"], Announcement),
        dealings,
        [one for message in _messages(given["complaints"], Complaints) for one in message.complaints],
    )
    return {
        "commitment_digests": [commitment_digest(session, dealing) for dealing in dealings],
        "qualified": judgement.qualified,
        "disqualified": judgement.disqualified,
        "false_accusers": judgement.false_accusers,
        "group": judgement.committee.group,
        "share_keys": judgement.committee.shares,
    }


def _message(given: Mapping[str, Any]) -> dict[str, Any]:
    message = decode_dkg_message(raw(given["data"]))
    return {"kind": type(message).__name__}


def _read(given: Mapping[str, Any]) -> dict[str, Any]:
    session = _session(given["session"])
    entries = [Entry(*entry[:3], raw(entry[3])) for entry in given["entries"]]
    speakers = [Speaker(Address(raw(signer)), at, at) for at, signer in enumerate(given["signers"], start=1)]
    numbers = {name: given[name] for name in ("opened", "phase_blocks", "now")}
    read = read_transcript(session, speakers, entries, **numbers)
    return {
        "head": compute_transcript_head(session.identifier, entries),
        "phase": read.phase,
        "since": read.since,
        "counted": sorted([member, kind] for member, kind in read.counted),
    }


class Transcript:
    """A ceremony of three members, threshold two, whose messages may be altered between the phases."""

    def __init__(self, session: DkgSession, constants: Mapping[int, SecretScalar] | None = None) -> None:
        self.session = session
        self.members = [
            DkgMember(session, keccak256(b"entropy %d" % at), at, at, (constants or {}).get(at))
            for at in session.receivers
        ]
        self.announcements = [member.announce() for member in self.members]
        self.dealings = [member.reveal(self.announcements) for member in self.members]
        self.complaints: list[Complaint] = []

    def complain(self) -> None:
        """Everybody looks at what was dealt."""
        for member in self.members:
            self.complaints += member.complain(self.announcements, self.dealings)

    def vector(self) -> dict[str, Any]:
        """The transcript as a vector holds it."""
        return {
            "session": {name: getattr(self.session, name) for name in _NAMES},
            "announcements": [encode_dkg_message(message) for message in self.announcements],
            "dealings": [encode_dkg_message(message) for message in self.dealings],
            "complaints": [encode_dkg_message(Complaints((complaint,))) for complaint in self.complaints],
        }


def _posted(honest: Transcript) -> list[Entry]:
    """An honest ceremony on the chain, a block each from 11 on."""
    phases: list[Sequence[DkgMessage]] = [honest.announcements, honest.dealings, [Complaints(())] * 3]
    said = [(at, kind, message) for kind, row in enumerate(phases, start=1) for at, message in enumerate(row)]
    return [
        Entry(at, kind, 11 + number, sign_message(honest.session, at, message, SPEAKERS[at]))
        for number, (at, kind, message) in enumerate(said)
    ]


def _reading(honest: Transcript, entries: Sequence[Entry], now: int) -> dict[str, Any]:
    return {
        "session": honest.vector()["session"],
        "signers": [signer.address for signer in SPEAKERS],
        "entries": [[entry.member, entry.kind, entry.block_number, entry.data] for entry in entries],
        "opened": 10,
        "phase_blocks": 20,
        "now": now,
    }


def _cases() -> list[Case]:
    identifier = Digest(world.NETWORK_ID)
    session = DkgSession(world.NETWORK_ID, identifier, 2, (1, 2, 3), (1, 2, 3), insecure=True)
    alone = DkgSession(world.NETWORK_ID, identifier, 1, (1,), (1,), insecure=True)
    honest, single = Transcript(session), Transcript(alone)

    cheated = Transcript(session)
    first = cheated.dealings[0]
    wrong = EncryptedShare(2, altered(first.shares[1].data))
    cheated.dealings[0] = replace(first, shares=(first.shares[0], wrong, first.shares[2]))
    cheated.complain()

    slandered = Transcript(session)
    slandered.complaints = [replace(cheated.complaints[0], dealer=2)]

    silent = Transcript(session)
    silent.dealings = silent.dealings[1:]

    changed = Transcript(session)
    changed.dealings[0] = replace(changed.dealings[0], possession=changed.dealings[1].possession)

    constants = tuple(key for _, key in COMMITTEE.shares)
    handed = DkgSession(
        world.NETWORK_ID, keccak256(b"handover"), 2, (1, 2, 3), (1, 2, 3), constants, 2, insecure=True
    )
    handover = Transcript(handed, {at: share.secret for at, share in SHARES.items()})

    too_few = silent.vector() | {"dealings": silent.vector()["dealings"][1:]}
    unordered = plain(honest.vector())
    unordered["session"]["receivers"] = [2, 1, 3]
    posted = _posted(honest)
    forged = replace(posted[2], data=posted[2].data[:65] + posted[1].data[65:])
    low = plain(honest.vector())
    low["session"]["threshold"] = 3
    return [
        Case("one member alone", "9.1", "judge", single.vector()),
        Case("three honest members", "9.3", "judge", honest.vector()),
        Case("a wrong share and a complaint", "9.3", "judge", cheated.vector()),
        Case("a false complaint", "9.3", "judge", slandered.vector()),
        Case("a dealer that does not reveal", "9.3", "judge", silent.vector()),
        Case("a dealing other than announced", "9.3", "judge", changed.vector()),
        Case("a handover keeps the key", "9.4", "judge", handover.vector()),
        Case("one dealer is left of two", "9.3", "judge", too_few, "dkg.too_few_dealers"),
        Case("members out of order", "9.3", "judge", unordered, "dkg.members"),
        Case("three of three", "9.2", "judge", low, "keys.threshold"),
        Case("a ceremony on the chain", "9.3", "read", _reading(honest, posted, 19)),
        Case("a silent member is left out after twenty blocks", "9.3", "read",
             _reading(honest, [*posted[:2], *(replace(entry, block_number=40) for entry in posted[3:5])], 40)),
        Case("a message that its speaker did not sign", "9.3", "read", _reading(honest, [*posted[:2], forged], 13)),
        Case("an announcement", "9.3", "message", {"data": honest.vector()["announcements"][0]}),
        Case("a message that is none", "9.3", "message", {"data": cbor.dumps(["Gossip", 1])}, "message.unknown"),
        Case("a message of too few fields", "9.3", "message",
             {"data": cbor.dumps(["Announcement", 1])}, "message.shape"),
    ]


def subject() -> Subject:
    """The file's content."""
    operations = {"judge": _judge, "message": _message, "read": _read}
    return Subject("ceremony", "docs/specification/keys.md", operations, _cases())
