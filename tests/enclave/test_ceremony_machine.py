"""Key ceremonies under whatever networks, hosts and power cuts do: state machines over the enclaves' real messages.

Rules drive members' cores one by one; what they say is delivered late, in another order, twice or never, hosts of fewer
than t members speak for them, and cores end and begin again with what was durable. Then the honest ones are let finish.
What must hold (PROTOCOL 9.3 to 9.5): honest members agree; exactly one committee works; a handover keeps the key;
fewer than t shares do not combine, of whatever periods; nobody honest is named a culprit.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from itertools import combinations
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coprocessor.crypto.bls import ORDER, SecretScalar
from coprocessor.crypto.hashing import keccak256
from coprocessor.keys.dealing import DkgSession
from coprocessor.keys.dkg import judge
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.partial import combine_partials, sign_partial
from coprocessor.keys.shares import KeyShare, lagrange_weights
from coprocessor.keys.transcript import CLOSING, Phase, Speaker, read_transcript
from coprocessor.protocol import layout
from coprocessor.values.identities import ClusterId
from tests.enclave.committee import PHASE_BLOCKS, Committee
from tests.support.fake_chain import CLUSTER, FakeChain

MEMBERS, THRESHOLD = 4, 2
HOSTILE = MEMBERS - 1
"""Position of the member whose host lies: fewer than t."""

HONEST = tuple(range(HOSTILE))
SETTINGS = settings(
    max_examples=6,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


class _Disturbed(RuleBasedStateMachine):
    """What both ceremonies have in common: members that speak, and a network between them and the chain."""

    committee: Committee
    happened: ClassVar[Counter[str]]
    """How often each kind of disturbance did something, in all runs of one machine."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.happened = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.flight: list[tuple[bytes, int, int, bytes]] = []
        self.said: set[tuple[bytes, int, int]] = set()

    def say(self, member: int, kind: int, data: bytes) -> None:
        """A message leaves an enclave; when it arrives, the network decides."""
        self.flight.append((self.committee.session, member, kind, data))

    def post(self, session: bytes, member: int, kind: int, data: bytes) -> None:
        """As ``Gatekeeping.post``: of the session under way alone, each kind once."""
        if session == self.committee.session and (session, member, kind) not in self.said:
            self.said.add((session, member, kind))
            self.committee.post(member, kind, data)

    @precondition(lambda self: self.flight)
    @rule(which=st.integers(0, 99), again=st.booleans())
    def deliver(self, which: int, again: bool) -> None:
        at = which % len(self.flight)
        self.happened["out of order"] += at > 0
        self.happened["duplicated"] += (*self.flight[at][:2], self.flight[at][2]) in self.said
        self.post(*self.flight[at])
        if not again:
            del self.flight[at]

    @precondition(lambda self: self.flight)
    @rule(which=st.integers(0, 99))
    def drop(self, which: int) -> None:
        del self.flight[which % len(self.flight)]
        self.happened["dropped"] += 1

    @rule(blocks=st.integers(1, PHASE_BLOCKS))
    def pass_time(self, blocks: int) -> None:
        self.happened["delayed"] += bool(self.flight)
        for _ in range(blocks):
            self.committee.chain.mine()

    @precondition(lambda self: self.flight)
    @rule(kind=st.integers(0, 2), which=st.integers(0, 99), cut=st.integers(0, 80))
    def forge(self, kind: int, which: int, cut: int) -> None:
        """The hostile host says for its enclave what another has said, or a part of it."""
        self.happened["forged"] += (self.committee.session, HOSTILE, kind) not in self.said
        self.post(self.committee.session, HOSTILE, kind, self.flight[which % len(self.flight)][3][cut:])

    def share(self, at: int) -> KeyShare | None:
        state = self.committee.cores[at]._state
        assert state is not None
        return state.custody.share

    def identity(self) -> ClusterIdentity:
        return ClusterIdentity(self.committee.network, ClusterId(CLUSTER), 1, insecure=True)

    def signature(self, shares: list[KeyShare]) -> bytes:
        """What these shares sign together."""
        parts = [sign_partial(share, self.identity()) for share in shares]
        return combine_partials(shares[0].committee, self.identity(), parts).signature


def is_key(group: bytes, shares: dict[int, int]) -> bool:
    """Whether these shares, by index, add up to the group's secret."""
    weights = zip(lagrange_weights(sorted(shares)), sorted(shares), strict=True)
    return SecretScalar(sum(weight * shares[at] for weight, at in weights) % ORDER).public_key() == group


class FirstCeremony(_Disturbed):
    """The first committee's key."""

    @initialize()
    def begin(self) -> None:
        self.outcomes: dict[bytes, set[tuple[bytes, tuple[bytes, ...]]]] = {}
        self.committee = Committee(FakeChain(), MEMBERS, THRESHOLD)
        self.committee.hold_genesis()

    @rule(at=st.integers(0, MEMBERS - 1))
    def look(self, at: int) -> None:
        step = self.committee.look(at)
        if step.message:
            self.say(at, step.phase, step.message)
        self.keep(step, at)

    @rule()
    def all_speak_and_are_heard(self) -> None:
        for at in HONEST:
            self.look(at)
        while self.flight:
            self.post(*self.flight.pop(0))

    @rule(at=st.integers(0, MEMBERS - 1))
    def crash(self, at: int) -> None:
        self.committee.crash(at)

    def keep(self, step: Any, at: int) -> None:
        if step.signature:
            self.committee.signatures[at] = step.signature
            self.outcomes.setdefault(self.committee.session, set()).add((step.master_key, step.share_keys))

    @invariant()
    def members_agree(self) -> None:
        assert all(len(outcomes) == 1 for outcomes in getattr(self, "outcomes", {}).values())

    def teardown(self) -> None:
        if hasattr(self, "committee"):
            self.finish()

    def finish(self) -> None:
        """The network heals; an attempt without an outcome is followed by the next, as ``Gatekeeping.reopen`` does."""
        committee = self.committee
        for _ in range(4 * PHASE_BLOCKS):
            for at in HONEST:
                self.speak(at)
            steps = [committee.look(at) for at in HONEST]
            if all(step.failure for step in steps):
                assert {step.failure for step in steps} == {"dkg.too_few_dealers"}
                assert not committee.signatures
                committee.open(keccak256(committee.session))
            elif all(step.phase == Phase.OUTCOME for step in steps):
                break
            committee.chain.mine()
        for at in HONEST:
            self.keep(committee.step(at), at)
        self.members_agree()
        committee.complete()
        steps = [committee.look(at) for at in HONEST]
        shares = [share for share in (self.share(at) for at in HONEST) if share is not None]
        assert len(shares) >= THRESHOLD
        assert len({self.signature(list(some)) for some in combinations(shares, THRESHOLD)}) == 1
        assert not any(is_key(shares[0].committee.group, {one.index: one.secret.value}) for one in shares)
        self.nobody_honest_is_blamed()

    def speak(self, at: int) -> None:
        """One honest member looks; what it says is heard."""
        step = self.committee.look(at)
        if step.message:
            self.post(self.committee.session, at, step.phase, step.message)

    def nobody_honest_is_blamed(self) -> None:
        committee, everybody = self.committee, tuple(range(1, MEMBERS + 1))
        session = DkgSession(committee.network, committee.session, THRESHOLD, everybody, everybody, insecure=True)
        signers = [committee.booted[at].signer for at in range(MEMBERS)]
        slots = committee.chain.storage["Gatekeeping"]
        read = read_transcript(
            session,
            [Speaker(signer, at, at) for at, signer in enumerate(signers, start=1)],
            committee.entries,
            opened=slots[layout.gatekeeping_opened()],
            phase_blocks=PHASE_BLOCKS,
            now=committee.chain.number,
        )
        judgement = judge(session, read.announcements, read.dealings, read.complaints)
        honest = {at + 1 for at in HONEST}
        assert not {accuser for accuser, _ in judgement.false_accusers} & honest
        assert {one.dealer for one in read.dealings} & honest <= set(judgement.qualified)


class _Handover(_Disturbed):
    """New shares of the same key."""

    has_newcomer: ClassVar[bool]

    @initialize()
    def begin(self) -> None:
        self.committee = committee = Committee(FakeChain(), MEMBERS, THRESHOLD)
        committee.hold_genesis()
        committee.run()
        committee.record_members()
        self.old = [share for share in map(self.share, range(MEMBERS)) if share is not None]
        self.group, self.signed = self.old[0].committee.group, self.signature(self.old[:THRESHOLD])
        following = [*HONEST, committee.add_candidate()] if self.has_newcomer else list(range(MEMBERS))
        committee.propose(following, THRESHOLD)
        committee.begin_handover(HONEST[:THRESHOLD])
        self.people = sorted({*HONEST, *following} - {HOSTILE})

    @rule(which=st.integers(0, 9))
    def look(self, which: int) -> None:
        at = self.people[which % len(self.people)]
        step = self.committee.look_handover(at)
        if step.unknown:
            self.committee.verify(at)
        for said in step.says:
            self.say(said.member, said.kind, said.data)

    @rule()
    def all_speak_and_are_heard(self) -> None:
        for at in range(len(self.people)):
            self.look(at)
        while self.flight:
            self.post(*self.flight.pop(0))

    @rule(which=st.integers(0, 9))
    def crash(self, which: int) -> None:
        self.committee.crash(self.people[which % len(self.people)])

    @invariant()
    def the_present_committee_serves(self) -> None:
        if hasattr(self, "people"):
            assert self.signature(self.old[-THRESHOLD:]) == self.signed

    def teardown(self) -> None:
        if hasattr(self, "people"):
            self.finish()

    def finish(self) -> None:
        """The network heals. Where too little was heard in time, the present committee goes on and hands over again."""
        if not self.go_on():
            self.flight.clear()
            assert self.signature(self.old[:THRESHOLD]) == self.signed
            committee = self.committee
            committee.chain.set("Gatekeeping", layout.gatekeeping_is_handover(), 0)
            committee.chain.mine()
            committee.propose(committee.following, THRESHOLD)
            committee.begin_handover(HONEST[:THRESHOLD])
            assert self.go_on()
        new = [share for share in map(self.share, self.people) if share is not None]
        assert len(new) >= THRESHOLD
        assert {share.committee.group for share in new} == {self.group}
        assert {self.signature(list(some)) for some in combinations(new, THRESHOLD)} == {self.signed}
        self.periods_do_not_mix(new)

    def go_on(self) -> bool:
        committee = self.committee
        for _ in range(5 * PHASE_BLOCKS):
            for at in self.people:
                step = committee.look_handover(at)
                if step.unknown:
                    committee.verify(at)
                for said in step.says:
                    self.post(committee.session, said.member, said.kind, said.data)
                committee.next_keys = step.share_keys or committee.next_keys
            kinds = [kind for session, _, kind in self.said if session == committee.session]
            if kinds.count(Phase.OUTCOME) >= THRESHOLD and kinds.count(CLOSING) >= THRESHOLD:
                committee.closings = committee.proven = set(range(THRESHOLD))
                committee.switch()
                for at in self.people:
                    committee.look_handover(at)
                return True
            committee.chain.mine()
        return False

    def periods_do_not_mix(self, new: list[KeyShare]) -> None:
        """t - 1 shares of each period, in every combination."""
        for old in self.old:
            for fresh in new:
                if old.index != fresh.index:
                    mixed = {old.index: old.secret.value, fresh.index: fresh.secret.value}
                    assert not is_key(self.group, mixed)
        assert is_key(self.group, {share.index: share.secret.value for share in new[:THRESHOLD]})


class Refresh(_Handover):
    """New shares for the same members."""

    has_newcomer = False


class Reshare(_Handover):
    """Shares for a newcomer in the place of one, who leaves."""

    has_newcomer = True


@pytest.mark.parametrize(("machine", "examples"), [(FirstCeremony, 6), (Refresh, 2), (Reshare, 2)])
def test_ceremonies_survive_what_is_drawn(machine: type[_Disturbed], examples: int) -> None:
    run_state_machine_as_test(machine, settings=settings(SETTINGS, max_examples=examples))  # type: ignore[no-untyped-call]


DISTURBANCES = ("dropped", "delayed", "duplicated", "out of order", "forged")
ROUNDS = 8


@pytest.mark.parametrize("machine", [FirstCeremony, Refresh, Reshare])
def test_every_disturbance_happens_in_every_ceremony(machine: type[FirstCeremony | _Handover]) -> None:
    """Few drawn runs need not have them all: here messages meet each in turn, members crash, and all must end well."""
    scene, chance = machine(), random.Random(machine.__name__)
    scene.begin()
    turns = itertools.cycle(chance.sample(range(7), 7))
    for turn in range(ROUNDS):
        for at in range(MEMBERS):
            scene.look(at)
        if not scene.flight:
            scene.pass_time(PHASE_BLOCKS)  # for those who were not heard
        for _ in range(2 * len(scene.flight)):
            if scene.flight:
                _disturb(scene, next(turns), chance)
        scene.crash(turn % MEMBERS)
        if isinstance(scene, _Handover):
            scene.the_present_committee_serves()
    scene.finish()
    assert all(machine.happened[kind] for kind in DISTURBANCES), machine.happened


def _disturb(scene: FirstCeremony | _Handover, kind: int, chance: random.Random) -> None:
    which = chance.randrange(100)
    match kind:
        case 0:
            scene.drop(which)
        case 1:
            scene.pass_time(1)
        case 2:
            scene.deliver(which, True)
            scene.deliver(which, False)
        case 3:
            scene.forge(chance.randrange(3), which, chance.choice((0, 40)))
        case _:
            scene.deliver(which, False)
