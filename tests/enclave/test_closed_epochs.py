"""Nobody is given the keys of a closed epoch: not by any gatekeeper, with any ticket, after any restart or handover
(PROTOCOL 8.2, 8.4)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from coprocessor.enclave import messages as m
from coprocessor.protocol import layout
from coprocessor.sandbox.engine import Engine
from tests.enclave.cores import ask, refusal
from tests.enclave.stage import Stage, Worker
from tests.support.fake_chain import CLUSTER

EPOCH, FIRST_OPEN = (layout.cluster_field(CLUSTER, name) for name in ("epoch", "first_open"))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


class Rotated:
    """Two of three gatekeepers, and a cluster in its second epoch whose first one is open until ``close``."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.stage = Stage(members=3, threshold=2)
        self.stage.committee.record_members()
        self.stage.chain.set("Clusters", EPOCH, 2)
        self.stage.chain.set("Clusters", FIRST_OPEN, 1)
        self.stage.chain.mine()

    def worker(self, name: bytes) -> Worker:
        worker = Worker(self.stage, self.engine, name)
        worker.admit()
        return worker

    def close(self) -> None:
        self.stage.chain.set("Clusters", FIRST_OPEN, 2)
        self.stage.chain.mine()

    def refusals(self, worker: Worker, request: bytes, by: Sequence[int] | None = None) -> set[str]:
        """How each gatekeeper refuses a request, once it has seen the newest record of the worker."""
        found = set()
        for core in self.stage.committee.chosen(by):
            self.stage.sync(core)
            ask(core, worker.record_proof())
            found.add(refusal(core, m.Release(request)))
        return found


@pytest.fixture
def rotated(engine: Engine) -> Rotated:
    return Rotated(engine)


def test_no_gatekeeper_releases_a_closed_epoch_whatever_the_ticket(rotated: Rotated) -> None:
    early, late = rotated.worker(b"early"), rotated.worker(b"late")
    before = early.request(1)  # with a ticket from when the epoch was open, that has not served yet
    rotated.close()
    assert rotated.refusals(early, before) == {"release.refused"}
    for worker in (early, late):
        assert rotated.refusals(worker, worker.request(1)) == {"release.refused"}
    assert late.take_keys(2) == m.KeysReady(2, ())


def test_an_answer_from_before_the_closing_is_not_given_again(rotated: Rotated) -> None:
    worker = rotated.worker(b"worker")
    request = worker.request(1)
    answers = rotated.stage.committee.ask_all(m.Release(request))
    assert rotated.stage.committee.ask_all(m.Release(request)) == answers  # lost on the way, while it is open
    rotated.close()
    assert rotated.refusals(worker, request) == {"release.refused"}


def test_a_restarted_gatekeeper_refuses_too(rotated: Rotated) -> None:
    worker = rotated.worker(b"worker")
    before = worker.request(1)
    rotated.close()
    for at in range(3):
        rotated.stage.committee.crash(at)
        ask(rotated.stage.committee.cores[at], rotated.stage.committee_proof())
    assert rotated.refusals(worker, before) == {"release.refused"}
    assert rotated.refusals(worker, worker.request(1)) == {"release.refused"}
    assert worker.take_keys(2) == m.KeysReady(2, ())


def test_a_host_that_keeps_the_closing_back_gets_nothing_for_a_fresh_ticket(rotated: Rotated) -> None:
    worker = rotated.worker(b"worker")
    shown = worker.record_proof()
    rotated.close()
    request = worker.request(1)
    for at in range(3):
        rotated.stage.committee.crash(at)
        core = rotated.stage.committee.cores[at]
        rotated.stage.sync(core)
        ask(core, rotated.stage.committee_proof())
        ask(core, shown)
        assert refusal(core, m.Release(request)) == "release.stale_proof"


def test_the_next_committee_refuses_what_the_one_before_closed(rotated: Rotated) -> None:
    worker, committee = rotated.worker(b"worker"), rotated.stage.committee
    before = worker.request(1)
    rotated.close()
    following = [2, *(committee.add_candidate() for _ in range(4))]
    committee.propose(following, 3)
    committee.begin_handover([0, 2])
    committee.run_handover()
    committee.cores = [committee.cores[at] for at in following]
    committee.booted = [committee.booted[at] for at in following]
    committee.present = list(range(len(following)))  # places in the two lists above
    for core in committee.cores:
        rotated.stage.sync(core)
        ask(core, rotated.stage.committee_proof())
    assert rotated.refusals(worker, before) == {"release.refused"}
    assert rotated.refusals(worker, worker.request(1)) == {"release.refused"}
    assert worker.take_keys(2) == m.KeysReady(2, ())
