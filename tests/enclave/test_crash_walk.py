"""Every ceremony, cut at every write to a disk and every message to the chain: one gatekeeper is killed, then all.

Each run kills one just before an event of its own, so that the event is lost, and everybody just after it, so that
nothing of what should follow happens. Whoever was killed goes on from its disk and the chain alone. Between two events
no disk and no chain changes, so these runs meet every state in which one, or all, can be killed. What must hold at the
end: one committee works, with the key that there was, and nobody else has a share (PROTOCOL 9.3, 9.4). The events are
counted in a run without kills: whoever adds a write or a message adds runs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import pytest

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.enclave import messages as m
from coprocessor.enclave.gatekeeper import GatekeeperCore
from coprocessor.keys.derivation import derive_cluster_keys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.partial import combine_partials, sign_partial
from coprocessor.keys.shares import KeyShare
from coprocessor.keys.transcript import CLOSING, Phase
from coprocessor.values.identities import ClusterId, Digest
from tests.enclave.committee import Committee
from tests.support.fake_chain import CLUSTER, FakeChain

ROUNDS = 60
NEVER = -1

Event = tuple[str, int]
"""What happens, and whose it is; a transaction that anybody may send is nobody's."""

NOBODY = -1


class Killed(Exception):
    """Power is gone."""


class Walked(Committee):
    """A committee whose events are counted, and at one of which power goes."""

    def walk(self, plan: int) -> None:
        """Kills at the event with this number."""
        self.events: list[Event] = []
        self.known: dict[int, tuple[Digest, ...]] = getattr(self, "known", {})
        self.kills = 0
        self._plan, self._victim = plan, NOBODY
        self._speaker = NOBODY

    @contextmanager
    def event(self, what: str, whose: int) -> Iterator[None]:
        """Something that lasts: lost when power goes before it, there when it goes after it."""
        self._victim = whose if whose != NOBODY else self.present[0]
        is_planned = len(self.events) == self._plan
        if is_planned and self.kills == 0:
            self.kills = 1
            raise Killed
        yield
        self.events.append((what, whose))
        if is_planned:
            self.kills = 2
            raise Killed

    def revive(self) -> None:
        """Whoever was killed begins with its disk; hosts' memories are gone with them."""
        for at in [self._victim] if self.kills == 1 else range(len(self.cores)):
            self.crash(at)
            self.signatures.pop(at, None)

    def genesis_message(self) -> m.Genesis:
        message, now = super().genesis_message(), self.cores[0].chain_time()
        evidence = [decode_evidence(member.evidence) for member in message.members]
        self.offered = tuple(Digest(verify_evidence(one, now).body_digest) for one in evidence)
        return message

    def keep(self, at: int, sealed: bytes) -> None:
        if not hasattr(self, "events"):
            super().keep(at, sealed)
        elif sealed:
            with self.event("write", at):
                super().keep(at, sealed)
                if not self.chain_names_network():
                    self.known[at] = self.offered

    def _start(self, at: int) -> tuple[GatekeeperCore, m.Booted]:
        """With the genesis that lies in the file of the blob: before the chain names one, each has its own."""
        named = self.chain.gatekeepers
        self.chain.gatekeepers = getattr(self, "known", {}).get(at, named)
        try:
            return super()._start(at)
        finally:
            self.chain.gatekeepers = named

    def post(self, member: int, kind: int, data: bytes) -> None:
        with self.event(f"message {kind}", self._speaker):
            super().post(member, kind, data)
            if kind == Phase.OUTCOME and self.following:
                self.proven.add(self._speaker)
            if kind == CLOSING:
                self.closings.add(self._speaker)

    def open(self, session: Digest) -> None:
        with self.event("opened", NOBODY):
            super().open(session)

    def complete(self) -> None:
        with self.event("completed", NOBODY):
            super().complete()

    def switch(self) -> None:
        with self.event("switched", NOBODY):
            super().switch()

    def attempt(self, what: Callable[[], Any]) -> Any:
        """Does something, unless power goes meanwhile; None then."""
        try:
            return what()
        except Killed:
            self.revive()
            return None

    # ---- what hosts do, again and again, by what they find

    def hold_ceremony(self) -> None:
        """Genesis and first key."""
        while self.session != self.network or not self.chain_names_network():
            self.attempt(self.hold_genesis)
        for _ in range(ROUNDS):
            if self.committees:
                break
            spoke = [self.attempt(lambda at=at: self.speak(at)) for at in self.present]
            if len(self.signatures) >= self.threshold and not any(spoke):
                self.attempt(self.complete)
            if not any(spoke):
                self.chain.mine()

    def chain_names_network(self) -> bool:
        return self.network != bytes(32) and self.network == self.session

    def speak(self, at: int) -> bool:
        self._speaker = at
        return bool(self.step(at).message)

    def hold_handover(self, following: Sequence[int], threshold: int) -> None:
        """From the announcement to the switch."""
        self.propose(following, threshold)
        before = self.committee_number
        while not self.is_open():
            self.attempt(lambda: self.begin_handover(self.present[: self.threshold]))
        for _ in range(ROUNDS):
            if self.committee_number > before:
                break
            people = sorted({*self.present, *following})
            spoke = [self.attempt(lambda at=at: self.speak_handover(at)) for at in people]
            if len(self.closings) >= self.threshold and len(self.proven) >= self.next_threshold:
                self.attempt(self.switch)
            elif not any(spoke):
                self.chain.mine()

    def is_open(self) -> bool:
        return bool(self.events) and ("opened", NOBODY) in self.events

    def speak_handover(self, at: int) -> int:
        self._speaker = at
        return len(self.step_handover(at).says)

    def learn(self, people: Sequence[int]) -> None:
        """Everybody sees how it ended, in spite of a kill meanwhile."""
        look = self.look if self.committee_number == 1 else self.look_handover
        for at in people:
            while self.attempt(lambda at=at: look(at)) is None:
                pass

    # ---- what must hold

    def shares(self) -> dict[int, KeyShare]:
        found = {}
        for at, core in enumerate(self.cores):
            state = core._state
            assert state is not None
            if state.custody.share is not None:
                found[at] = state.custody.share
        return found

    def cluster_key(self, shares: Sequence[KeyShare]) -> bytes:
        """What a worker derives from these members' parts."""
        identity = ClusterIdentity(self.network, ClusterId(CLUSTER), 1, insecure=True)
        parts = [sign_partial(share, identity) for share in shares]
        signature = combine_partials(shares[0].committee, identity, parts).signature
        return bytes(derive_cluster_keys(signature, identity, shares[0].committee.group).randomness_secret)

    def check_one_works(self, key: bytes = b"") -> bytes:
        """One committee works, and nobody else has a share, also after everybody ends and begins again; its key."""
        shares = self.shares()
        assert sorted(shares) == sorted(self.present)
        assert {share.committee for share in shares.values()} == {self.committees[-1]}
        keys = {self.cluster_key(some) for some in combinations(shares.values(), self.threshold)}
        for at in range(len(self.cores)):
            self.crash(at)
        kept = {at: share.secret.value for at, share in self.shares().items()}
        assert kept == {at: share.secret.value for at, share in shares.items()}
        assert len(keys) == 1
        assert not key or keys == {key}
        return keys.pop()


def first(plan: int) -> Walked:
    """Genesis and the first key, cut at one event."""
    committee = Walked(FakeChain(), 3, 2)
    committee.walk(plan)
    committee.hold_ceremony()
    committee.learn(committee.present)
    return committee


def established(members: int, threshold: int) -> tuple[Walked, bytes]:
    """A committee with its key, which no test changes."""
    committee = Walked(FakeChain(), members, threshold)
    committee.walk(NEVER)
    committee.hold_ceremony()
    committee.learn(committee.present)
    committee.record_members()
    return committee, committee.check_one_works()


def again(base: Walked) -> Walked:
    """The same committee, from its disks and chain alone."""
    committee = copy.copy(base)
    committee.chain = base.chain.fork()
    for name, value in vars(base).items():
        if isinstance(value, list | dict | set):
            setattr(committee, name, value.copy())
    for at in range(len(committee.cores)):
        committee.crash(at)
    return committee


REFRESH, RESHARE = (3, 2, [0, 1, 2], 2), (2, 1, [1, 2], 1)
"""Members and threshold before, and after: the same, with new shares; and one leaves, one stays, one comes."""


@pytest.fixture(scope="module", params=[REFRESH, RESHARE], ids=["refresh", "reshare"])
def scene(request: pytest.FixtureRequest) -> tuple[Walked, bytes, list[int], int]:
    members, threshold, following, next_threshold = request.param
    committee, key = established(members, threshold)
    del committee.events
    for _ in range(max(following) + 1 - members):
        committee.add_candidate()
    return committee, key, following, next_threshold


def handed_over(scene: tuple[Walked, bytes, list[int], int], plan: int) -> Walked:
    """A handover, cut at one event."""
    base, _, following, threshold = scene
    committee = again(base)
    committee.walk(plan)
    committee.hold_handover(following, threshold)
    committee.learn(range(len(committee.cores)))
    return committee


def test_the_first_ceremony() -> None:
    whole = first(NEVER)
    whole.check_one_works()
    kinds = {what for what, _ in whole.events}
    assert kinds == {"write", "opened", "message 1", "message 2", "message 3", "completed"}
    for plan in range(len(whole.events)):
        committee = first(plan)
        assert committee.kills == 2, whole.events[plan]
        committee.check_one_works()


def test_a_handover(scene: tuple[Walked, bytes, list[int], int]) -> None:
    key = scene[1]
    whole = handed_over(scene, NEVER)
    whole.check_one_works(key)
    kinds = {what for what, _ in whole.events}
    spoken = {f"message {kind}" for kind in (1, 2, 3, int(Phase.OUTCOME), CLOSING)}
    assert kinds == {"write", "opened", "switched", *spoken}
    for plan in range(len(whole.events)):
        committee = handed_over(scene, plan)
        assert committee.kills == 2, whole.events[plan]
        assert committee.committee_number == 2
        committee.check_one_works(key)


def test_the_walk_notices_disks_that_do_not_keep_what_they_must(
    scene: tuple[Walked, bytes, list[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = handed_over(scene, NEVER).events
    monkeypatch.setattr(Committee, "keep", lambda self, at, sealed: None)
    with pytest.raises(AssertionError):
        handed_over(scene, events.index(("switched", NOBODY))).check_one_works(scene[1])
