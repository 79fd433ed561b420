"""Whole ceremonies for tests, with a hook at each phase where a byzantine member may act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from coprocessor.crypto.hashing import sha256
from coprocessor.keys.dealing import Complaint, Dealing, DkgSession
from coprocessor.keys.dkg import Announcement, DkgMember, Judgement, judge
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.shares import KeyShare
from coprocessor.values.identities import ClusterId, NetworkId

NETWORK = NetworkId(sha256(b"network"))
IDENTITY = ClusterIdentity(NETWORK, ClusterId(sha256(b"cluster")), 3, insecure=True)


def fresh_session(threshold: int, members: int, name: bytes = b"session") -> DkgSession:
    indices = tuple(range(1, members + 1))
    return DkgSession(NETWORK, sha256(name), threshold, indices, indices, insecure=True)


def fresh_members(session: DkgSession, seed: bytes = b"seed") -> list[DkgMember]:
    return [DkgMember(session, sha256(seed + bytes((i,))), i, i) for i in session.receivers]


def unchanged(messages: list) -> list:  # type: ignore[type-arg]
    return messages


@dataclass
class Hooks:
    announcements: Callable[[list[Announcement]], list[Announcement]] = unchanged
    dealings: Callable[[list[Dealing]], list[Dealing]] = unchanged
    complaints: Callable[[list[Complaint]], list[Complaint]] = unchanged


@dataclass
class Ceremony:
    """Runs all phases; hooks change what the chain sees."""

    session: DkgSession
    members: list[DkgMember]
    hooks: Hooks = field(default_factory=Hooks)
    announcements: list[Announcement] = field(default_factory=list)
    dealings: list[Dealing] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)

    def run(self) -> Judgement:
        self.announcements = self.hooks.announcements([member.announce() for member in self.members])
        revealed = [member.reveal(self.announcements) for member in self.members if member.dealer]
        self.dealings = self.hooks.dealings(revealed)
        complaints = [c for member in self.members for c in member.complain(self.announcements, self.dealings)]
        self.complaints = self.hooks.complaints(complaints)
        return judge(self.session, self.announcements, self.dealings, self.complaints)

    def shares(self, judgement: Judgement) -> dict[int, KeyShare]:
        return {m.receiver: m.finish(judgement, self.dealings) for m in self.members if m.receiver}


def shared_key(threshold: int, members: int, seed: bytes = b"seed") -> dict[int, KeyShare]:
    session = fresh_session(threshold, members)
    ceremony = Ceremony(session, fresh_members(session, seed))
    return ceremony.shares(ceremony.run())
