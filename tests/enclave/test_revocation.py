"""A gatekeeper that the guardian ended: what its own enclave does, what others do, and attack 20, in which its host
keeps it from its revocation (PROTOCOL 1.4)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from coprocessor.enclave import messages as m
from coprocessor.enclave import proven_committee
from coprocessor.enclave.gatekeeper import TICKET_WINDOW
from coprocessor.enclave.key_release import KeyReleases
from coprocessor.enclave.sealed_share import open_share
from coprocessor.keys.transcript import Phase
from coprocessor.protocol import layout
from coprocessor.sandbox.engine import Engine
from tests.enclave.cores import ask, refusal
from tests.enclave.stage import Stage, Worker
from tests.enclave.test_handover import share_of, whole
from tests.support.fake_chain import CLUSTER

VICTIM = 0


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def test_an_enclave_that_sees_its_revocation_erases_its_share_and_serves_nobody() -> None:
    committee = whole()
    committee.propose([0, 1, 2], 2)
    committee.begin_handover([1, 2])
    committee.step_handover(VICTIM)
    committee.revoke(VICTIM)
    core = committee.cores[VICTIM]
    admission = committee.admission(1)
    committee.sync_handover(VICTIM)
    assert share_of(committee, VICTIM) is None
    for message in (m.SignHandover(), m.Release(b""), m.GiveTicket(bytes(32), 0), admission):
        assert refusal(core, message) == "gatekeeper.revoked", message
    assert share_of(committee, 1) is not None
    step = committee.look_handover(VICTIM)
    assert (step.has_share, step.says, step.committee) == (False, (), 1)
    kept = open_share(step.sealed, committee.machines[VICTIM].seal_key(b"gatekeeper-share"))
    assert (kept.share, kept.handover, kept.ceremony) == (None, None, None)
    committee.crash(VICTIM)
    assert not ask(committee.sync_handover(VICTIM), m.GetStatus()).has_keys
    assert refusal(committee.cores[VICTIM], m.GiveTicket(bytes(32), 0)) == "gatekeeper.revoked"


def test_a_refresh_leaves_the_revoked_member_out() -> None:
    """Its disk may be of before; the others deal it nothing, and its old share is of no use with new ones."""
    committee = whole()
    before = share_of(committee, VICTIM)
    sealed_before = committee.sealed[VICTIM]
    committee.revoke(VICTIM)
    committee.propose([0, 1, 2], 2)
    committee.begin_handover([1, 2])
    steps = committee.run_handover(by=[1, 2])
    assert all(step.has_share and step.committee == 2 for step in steps)
    assert not any(committee.share_keys[VICTIM])
    assert all(any(key) for key in committee.share_keys[1:])
    assert before is not None
    assert before.committee.group == share_of(committee, 1).committee.group  # type: ignore[union-attr]
    committee.sealed[VICTIM] = sealed_before
    committee.crash(VICTIM)
    assert share_of(committee, VICTIM) is not None  # until something is proven to it
    assert not committee.look_handover(VICTIM).has_share


def test_nobody_agrees_to_another_list_that_names_a_revoked_member() -> None:
    committee = whole()
    committee.propose([1, 0, 2], 2)
    committee.verify(1)
    chain = committee.chain
    chain.set("Gatekeeping", layout.gatekeeping_revoked(committee.booted[VICTIM].signer), chain.number)
    chain.mine()
    assert refusal(committee.sync_handover(1), m.SignHandover()) == "handover.revoked"


def test_lists_and_session_are_proven_under_one_block() -> None:
    committee = whole()
    committee.propose([0, 1, 2], 2)
    core = committee.sync_handover(1)
    committee.chain.mine()
    ask(core, committee.chain.headers_message())
    ask(core, committee.proof())  # the session's slots alone, newer than the lists
    assert refusal(core, m.SignHandover()) == "handover.blocks_differ"
    committee.begin_handover([0, 2])
    committee.sync_handover(1)
    committee.chain.mine()
    ask(core, committee.chain.headers_message())
    ask(core, committee.proof())
    message = m.Handover(committee.master_key, committee.share_keys, ())
    assert refusal(core, message) == "handover.blocks_differ"


def test_a_committee_with_a_voiceless_member_waits_for_nobody() -> None:
    """No phase lasts longer for the one that may not speak."""
    committee = whole(5, 3)
    committee.revoke(4)
    committee.propose(list(range(5)), 3)
    committee.begin_handover([0, 1, 2])
    first = committee.chain.number
    for at in range(4):
        committee.step_handover(at)
    assert committee.look_handover(0).phase == Phase.REVEAL
    assert committee.chain.number - first <= 9


class Eclipse:
    """Three gatekeepers, t = 2; the first one is revoked, and its host shows it nothing since the block before."""

    def __init__(self, engine: Engine) -> None:
        self.stage = Stage(members=3, threshold=2)
        self.stage.committee.record_members()
        for field in ("epoch", "first_open"):
            self.stage.chain.set("Clusters", layout.cluster_field(CLUSTER, field), 1)
        self.worker = Worker(self.stage, engine)
        self.worker.admit()
        self._show(self.stage.committee.cores[VICTIM])
        self.last_seen = self.stage.chain.number
        self.stage.committee.revoke(VICTIM)

    def _show(self, core: object) -> None:
        self.stage.sync(core)
        ask(core, self.stage.committee_proof())  # type: ignore[arg-type]
        ask(core, self.worker.record_proof())  # type: ignore[arg-type]

    def show_others(self) -> None:
        """Everybody but the victim sees the newest block."""
        for core in (*self.stage.committee.cores[1:], self.worker.core):
            self._show(core)

    def tickets(self, by: Sequence[int], block: int) -> list[m.TicketGiven | m.Failure]:
        """Fresh tickets over a block, or what is answered instead."""
        nonce = ask(self.worker.core, m.RequestTicket()).nonce
        cores = self.stage.committee.cores
        return [cores[at].handle(m.GiveTicket(nonce, block))[0] for at in by]

    def request(self, by: Sequence[int], block: int) -> bytes:
        """The worker's request with tickets of these; empty where the enclave takes them for none."""
        given = [one.ticket for one in self.tickets(by, block) if isinstance(one, m.TicketGiven)]
        reply = self.worker.core.handle(m.Tickets(1, tuple(given)))[0] if given else None
        return reply.request if isinstance(reply, m.ReleaseRequested) else b""

    def parts(self, request: bytes, by: Sequence[int]) -> tuple[bytes, ...]:
        """Sealed parts of those that answer."""
        replies = [self.stage.committee.cores[at].handle(m.Release(request))[0] for at in by]
        return tuple(reply.partial for reply in replies if isinstance(reply, m.Released))

    def keys_with_the_victims_help(self) -> int:
        """Keys that the worker gets from the victim and one other, over the victim's newest block and the chain's."""
        issued = 0
        for block in (self.last_seen, self.stage.chain.number):
            for vouching in ((VICTIM, 1), (1, 2)):
                request = self.request(vouching, block)
                parts = self.parts(request, (VICTIM, 1)) if request else ()
                issued += isinstance(self.worker.core.handle(self.worker.partials(parts))[0], m.KeysReady)
        return issued


def test_attack_20_an_eclipsed_gatekeeper_gives_nothing_that_counts(engine: Engine) -> None:
    eclipse = Eclipse(engine)
    eclipse.show_others()
    signed = eclipse.tickets((VICTIM, 1), eclipse.last_seen)
    assert all(isinstance(one, m.TicketGiven) for one in signed)  # it knows no better
    tickets = tuple(one.ticket for one in signed if isinstance(one, m.TicketGiven))
    assert refusal(eclipse.worker.core, m.Tickets(1, tickets)) == "ticket.threshold"
    request = eclipse.request((1, 2), eclipse.last_seen)
    parts = eclipse.parts(request, (VICTIM, 1))
    assert len(parts) == 2
    assert refusal(eclipse.worker.core, eclipse.worker.partials(parts)) == "keys.not_enough_partials"
    fresh = eclipse.worker.partials(eclipse.parts(request, (1, 2)))
    assert isinstance(ask(eclipse.worker.core, fresh), m.KeysReady)  # the others go on


def test_attack_20_after_the_bound_it_answers_nobody(engine: Engine) -> None:
    """Nobody else vouches for the blocks that it knows, and it knows none of those that others vouch for."""
    eclipse = Eclipse(engine)
    for _ in range(TICKET_WINDOW):
        eclipse.stage.chain.mine()
    eclipse.show_others()
    refusals = [one for one in eclipse.tickets((1, 2), eclipse.last_seen) if isinstance(one, m.Failure)]
    assert [one.code for one in refusals] == ["ticket.behind", "ticket.behind"]
    request = eclipse.request((1, 2), eclipse.stage.chain.number)
    assert refusal(eclipse.stage.committee.cores[VICTIM], m.Release(request)) == "release.stale_proof"
    assert eclipse.keys_with_the_victims_help() == 0


def test_attack_20_succeeds_without_the_revocation_check(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proven_committee, "is_revoked", lambda view, signer: False)
    eclipse = Eclipse(engine)
    eclipse.show_others()
    assert eclipse.keys_with_the_victims_help() > 0


def test_attack_20_succeeds_without_fresh_tickets(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long after, the victim answers requests whose tickets it cannot judge."""
    monkeypatch.setattr(KeyReleases, "_check_ticket", lambda self, request: None)
    monkeypatch.setattr(KeyReleases, "_fresh", lambda self, contract, slot, number: self._view.value(contract, slot))
    eclipse = Eclipse(engine)
    for _ in range(TICKET_WINDOW):
        eclipse.stage.chain.mine()
    eclipse.show_others()
    request = eclipse.request((1, 2), eclipse.stage.chain.number)
    assert len(eclipse.parts(request, (VICTIM,))) == 1


def test_a_worker_whose_host_withholds_the_revocation_relies_on_no_newer_ticket(engine: Engine) -> None:
    """The committee must be proven under the ticket's block or a newer one."""
    eclipse = Eclipse(engine)
    eclipse.show_others()
    eclipse.stage.chain.mine()
    for core in (*eclipse.stage.committee.cores[1:], eclipse.worker.core):
        eclipse.stage.sync(core)
    given = eclipse.tickets((1, 2), eclipse.stage.chain.number)
    tickets = tuple(one.ticket for one in given if isinstance(one, m.TicketGiven))
    assert len(tickets) == 2
    assert refusal(eclipse.worker.core, m.Tickets(1, tickets)) == "committee.stale_proof"
