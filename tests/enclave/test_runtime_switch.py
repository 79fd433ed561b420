"""The runtime switch in a worker's core: exactly at an epoch's link, replayed alike, refused where it is not carried
(PROTOCOL 5.3, 7.2, 12)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.enclave import epochs
from coprocessor.enclave import messages as m
from coprocessor.protocol import layout
from coprocessor.protocol.links import Link
from coprocessor.protocol.queries import QueryReply, seal_query
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.package import CodePackage
from coprocessor.sandbox.rules import PRICES, RULES, Price, Rules
from coprocessor.sandbox.runtime import Runtime, Runtimes
from coprocessor.sandbox.sealed_cache import CacheKind, SealedCache, cache_name
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import RuntimeId
from tests.enclave.stage import FIRST, Worker, ask, refusal
from tests.enclave.test_epochs import GRACE_BLOCKS, Rotating
from tests.enclave.test_worker import ALICE, BOB, method
from tests.sandbox.scenes import compile_text

DEARER = 40_000
SECOND = replace(FIRST, rules=Rules({**PRICES, "kv_set": Price(40_000 + DEARER, 16)}))
BOTH = Runtimes(FIRST, SECOND)


class Switching(Rotating):
    """The counter's cluster, whose members' release carries two runtimes."""

    runtimes = BOTH

    def run(self, epoch: int, author: object = ALICE) -> Link:
        link = self.submit(self.seal_to(epoch, author))
        self.worker.follow()
        return link

    def fuel(self, link: Link, worker: Worker | None = None) -> int:
        return self.outcome(link, 0, worker).fuel

    def switch(self, runtime: Runtime = SECOND) -> int:
        """The epoch that begins with the runtime."""
        return self.raise_epoch(runtime=runtime.id)

    def announce_switch(self, runtime: RuntimeId) -> int:
        """The epoch's link alone; its index."""
        link = self.chain.append_epoch(runtime, max(self.keys) + 1)
        self.chain.mine()
        return link.index

    def with_release(self, *runtimes: Runtime, name: bytes, take: list[int]) -> Worker:
        self.runtimes = Runtimes(*runtimes)
        worker = self.newcomer(name, take)
        ask(worker.core, self.code)
        return worker


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(autouse=True)
def grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "DEVELOPMENT_GRACE_SECONDS", 12 * GRACE_BLOCKS)


@pytest.fixture
def cluster(engine: Engine) -> Switching:
    return Switching(engine)


def roots(worker: Worker) -> list[bytes]:
    return [done.state_root for done in worker.executed()]


# ---- what differs


def test_the_same_command_takes_other_fuel_after_the_switch(cluster: Switching) -> None:
    before = cluster.run(1)
    assert cluster.worker.port.runtimes == []
    cluster.switch()
    assert cluster.worker.port.runtimes == [SECOND]
    of_the_older_keys, after = cluster.run(1, BOB), cluster.run(2)
    for link in (of_the_older_keys, after):  # in its grace an older input runs under the new runtime: links decide
        assert cluster.fuel(link) == cluster.fuel(before) + DEARER
    assert cluster.statuses(after) == ["OK"]


def test_an_outcome_can_be_another_after_the_switch(engine: Engine) -> None:
    narrow = replace(FIRST, rules=replace(RULES, state_write_bytes=8))

    class Narrow(Switching):
        runtimes = Runtimes(FIRST, narrow)

    cluster = Narrow(engine)
    before = cluster.run(1)
    cluster.switch(narrow)
    assert cluster.statuses(before) == ["OK"]
    assert cluster.statuses(cluster.run(2)) == ["EXHAUSTED"]


def test_commands_around_the_switch_in_one_block(cluster: Switching) -> None:
    """Links decide, not blocks: before the epoch's link the old runtime, from it on the new one."""
    cheap = cluster.fuel(cluster.run(1))
    before = cluster.submit(cluster.seal_to(1))
    epoch_link = cluster.announce_switch(SECOND.id)
    after = cluster.submit(cluster.seal_to(1))
    cluster.worker.follow()
    cluster.worker.take_keys(2)
    cluster.worker.work()
    assert before.index + 1 == epoch_link == after.index - 1
    assert (cluster.fuel(before), cluster.fuel(after)) == (cheap, cheap + DEARER)


def test_queries_run_under_the_runtime_of_the_newest_link(cluster: Switching) -> None:
    dearer = replace(FIRST, rules=Rules({**PRICES, "kv_get": Price(8_000 + DEARER, 2)}))
    cluster.worker = cluster.with_release(FIRST, dearer, name=b"asked", take=[1])

    def answer() -> QueryReply:
        worker = cluster.worker
        worker.follow()
        record = ("Registry", layout.registry_worker_of(worker.booted.signer))  # type: ignore[arg-type]
        ask(worker.core, cluster.chain.proof(("Programs", layout.input_key(cluster.program, 1)), record))
        sealed = seal_query(cluster.query(), cluster.network, cluster.program, 1, cluster.keys[1])
        return QueryReply.decode(ask(worker.core, m.Query(1, cluster.program, sealed, 1000)).reply)

    before = answer()
    cluster.switch(dearer)
    after = answer()
    assert after.fuel == before.fuel + DEARER
    assert after.state_root == cluster.worker.status().state_root != before.state_root


# ---- replay


def test_a_newcomer_replays_both_sides_alike(cluster: Switching) -> None:
    cluster.run(1)
    cluster.switch()
    cluster.run(2, BOB)
    newcomer = cluster.with_release(SECOND, FIRST, name=b"newcomer", take=[1, 2])  # whichever its release begins with
    newcomer.follow()
    assert roots(newcomer) == roots(cluster.worker)
    assert newcomer.executed() == cluster.worker.executed()
    assert newcomer.port.runtimes == [FIRST, SECOND]


def test_a_release_with_the_new_runtime_alone_begins_at_the_boundary(cluster: Switching) -> None:
    cluster.run(1)
    cluster.switch()
    cluster.let_grace_pass()
    cluster.run(2)
    reached, pieces = cluster.boundary()
    cluster.close(reached)
    newcomer = cluster.with_release(SECOND, name=b"newcomer", take=[2])
    cluster.restore(newcomer, reached, pieces)
    after = cluster.run(2, BOB)
    newcomer.follow()
    assert newcomer.executed() == cluster.worker.executed()[reached.count :]
    assert cluster.fuel(after, newcomer) == cluster.fuel(after)
    assert newcomer.status().state_root == cluster.worker.status().state_root
    signed = ask(newcomer.core, m.MakeReceipt(after.index, after.index + 1))
    assert (signed.epoch, signed.runtime) == (2, SECOND.id)


def test_a_release_without_the_boundarys_runtime_does_not_begin(cluster: Switching) -> None:
    cluster.switch()
    cluster.let_grace_pass()
    cluster.run(2)
    reached, pieces = cluster.boundary()
    cluster.close(reached)
    newcomer = cluster.with_release(FIRST, name=b"newcomer", take=[2])
    with pytest.raises(AssertionError, match=r"runtime\.missing"):
        cluster.restore(newcomer, reached, pieces)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_executor_that_dies_in_the_switch_changes_nothing(cluster: Switching, at: int) -> None:
    cluster.run(1)
    cluster.worker.port.die_at = {cluster.worker.port.count + at}
    cluster.switch()
    cluster.run(2)
    other = cluster.newcomer(b"other", [1, 2])
    ask(other.core, cluster.code)
    other.follow()
    assert roots(other) == roots(cluster.worker)


# ---- receipts


def test_a_receipt_names_its_epochs_runtime_and_never_straddles(cluster: Switching) -> None:
    cluster.run(1)
    start = len(cluster.chain.inboxes[cluster.worker.cluster])
    cluster.switch()
    cluster.run(2)
    signed = {range_: ask(cluster.worker.core, m.MakeReceipt(*range_)) for range_ in ((0, start), (start, start + 2))}
    assert [one.runtime for one in signed.values()] == [FIRST.id, SECOND.id]
    assert refusal(cluster.worker.core, m.MakeReceipt(start - 1, start + 1)) == "receipt.epochs"


# ---- a release that lacks the runtime


def test_a_worker_without_the_runtime_stops_before_the_link_and_says_what_to_do(cluster: Switching) -> None:
    old = cluster.with_release(FIRST, name=b"old release", take=[1])
    cluster.run(1)
    at = cluster.announce_switch(SECOND.id)
    cluster.submit(cluster.seal_to(1))
    old.follow()
    assert old.status().executed == at
    (notice,) = [notice for notice in old.notices if isinstance(notice, m.NeedRuntime)]
    assert (notice.epoch, notice.link, notice.runtime) == (2, at, SECOND.id)
    assert notice.failure.code == "runtime.missing"
    assert SECOND.id.hex() in notice.failure.what
    assert FIRST.id.hex() in notice.failure.why
    assert "install a release" in notice.failure.next
    assert not [said for said in old.notices if isinstance(said, (m.NeedKeys, m.Halted))], "no keys are asked for it"
    old.follow()
    assert len([one for one in old.notices if isinstance(one, m.NeedRuntime)]) == 1, "it is said once"


def test_what_it_did_before_the_link_still_counts(cluster: Switching) -> None:
    """Nothing acknowledged is lost: links before the switch are settled by it, and a right release goes on."""
    old = cluster.with_release(FIRST, name=b"old release", take=[1])
    cluster.run(1)
    at = cluster.announce_switch(SECOND.id)
    waiting = cluster.submit(cluster.seal_to(1))
    old.follow()
    signed = ask(old.core, m.MakeReceipt(0, at))
    assert (signed.runtime, signed.to) == (FIRST.id, at)
    sealed = seal_query(cluster.query(), cluster.network, cluster.program, 1, cluster.keys[1])
    failure = ask(old.core, m.Query(1, cluster.program, sealed, 1000)).failure
    assert failure is not None
    assert failure.code == "runtime.missing"
    right = cluster.with_release(FIRST, SECOND, name=b"right release", take=[1, 2])
    right.follow()
    assert roots(right)[:at] == roots(old)
    assert right.executed()[-1].index == waiting.index
    assert ask(right.core, m.MakeReceipt(0, at)).new_root == signed.new_root


# ---- interpreters


TOY_INTERFACE = json.dumps(
    {"abi": 1, "language": "python", "name": "toy", "methods": [method("add", "command", "", "str")]}
).encode()
_AT, _BUNDLE = 4096, "(i32.add (local.get $frame) (i32.const 150))"


def toy(answer: int, refuses: str = "") -> bytes:
    """An interpreter whose programs all return one byte; it does not load what begins with ``refuses``."""
    loaded = b"\0" + len(TOY_INTERFACE).to_bytes(4, "little") + TOY_INTERFACE + bytes(2)
    called = b"\0" + (1).to_bytes(4, "little") + bytes((answer,)) + bytes(2)
    text = ["".join(f"\\{byte:02x}" for byte in data) for data in (loaded, called)]
    refused = f"(if (i32.eq (i32.load8_u {_BUNDLE}) (i32.const {ord(refuses)})) (then unreachable))" if refuses else ""
    return compile_text(f"""(module
      (memory (export "memory") 2 16)
      (data (i32.const {_AT}) "{text[0]}") (data (i32.const 1024) "{text[1]}")
      (func (export "phat_alloc") (param i32) (result i32) (i32.const 65536))
      (func (export "phat_call") (param $frame i32) (param $length i32) (result i64)
        (if (i32.eqz (i32.load8_u (i32.add (local.get $frame) (i32.const 1))))
          (then {refused} (return (i64.const {_AT << 32 | len(loaded)}))))
        (i64.const {1024 << 32 | len(called)})))""")


def interpreted(guest: bytes) -> Runtime:
    return replace(FIRST, guests=(("python", sha256(guest)),))


ONE, TWO, PICKY = toy(1), toy(2), toy(3, "!")
OLD, NEW, STRICT = (interpreted(guest) for guest in (ONE, TWO, PICKY))
GUESTS = {sha256(guest): guest for guest in (ONE, TWO, PICKY)}


class Interpreted(Switching):
    """A cluster with one interpreted program; its releases carry toys for interpreters."""

    runtimes = Runtimes(OLD, NEW)
    bundle = b"fine"

    def __init__(self, engine: Engine) -> None:
        self.asked: list[bytes] = []
        super().__init__(engine)

    def package(self) -> CodePackage:
        return CodePackage("python", TOY_INTERFACE, self.bundle)

    def make_worker(self, name: bytes) -> Worker:
        return Worker(self.stage, self.engine, name, self.runtimes, guests=_Asked(self.asked))

    def result(self, link: Link, author: object = ALICE) -> bytes:
        return self.open(link, 0, author, self.nonce).result


class _Asked(dict[bytes, bytes]):
    """The modules of a release, and which of them an enclave asked for."""

    def __init__(self, asked: list[bytes]) -> None:
        super().__init__(GUESTS)
        self._asked = asked

    def get(self, digest: bytes, default: Any = b"") -> Any:
        self._asked.append(digest)
        return super().get(digest, default)


@pytest.fixture
def interpreted_cluster(engine: Engine) -> Interpreted:
    return Interpreted(engine)


def test_programs_are_loaded_again_by_the_new_interpreter(interpreted_cluster: Interpreted) -> None:
    cluster = interpreted_cluster
    assert cluster.result(cluster.run(1)) == b"\x01"
    cluster.switch(NEW)
    assert cluster.result(cluster.run(2)) == b"\x02"
    kept = [notice for notice in cluster.worker.notices if isinstance(notice, m.KeepCache)]
    assert [notice.name for notice in kept] == [cache_name("python", NEW.id)], "native code for the next start"


def test_a_program_that_the_new_interpreter_does_not_load_is_dead(engine: Engine) -> None:
    """Which runtime is the cluster's to say; every replica finds the program dead at the same link."""

    class Refused(Interpreted):
        runtimes = Runtimes(OLD, STRICT)
        bundle = b"!old"

    cluster = Refused(engine)
    assert cluster.statuses(cluster.run(1)) == ["OK"]
    cluster.announce_switch(STRICT.id)
    cluster.worker.follow()
    cluster.worker.take_keys(2)
    assert cluster.statuses(cluster.run(1)) == ["void.program"]
    other = cluster.newcomer(b"other", [1, 2])
    ask(other.core, cluster.code)
    other.follow()
    assert roots(other) == roots(cluster.worker)


# ---- what lies on the disk


def sealed_code(cluster: Interpreted, worker: Worker, guest: bytes, runtime: Runtime) -> bytes:
    """Native code as this machine's enclave would have sealed it for a runtime."""
    cache = SealedCache(worker.machine.seal_key(b"code-cache"), runtime.id)
    return cache.seal(CacheKind.COMPILED, sha256(guest), cluster.engine.compile(guest).serialize(), bytes(32))


def test_native_code_kept_for_another_runtime_does_not_open(interpreted_cluster: Interpreted) -> None:
    """The host feeds what was sealed for the old runtime as the new one's, and the other way round (PROTOCOL 5.8)."""
    cluster = interpreted_cluster
    worker = cluster.make_worker(b"fed")
    cluster.asked.clear()
    stale = sealed_code(cluster, worker, ONE, OLD)
    ready, kept = worker.core.handle(m.PrepareGuest("python", NEW.id, stale))
    assert ready == m.Ready()
    assert cluster.asked == [sha256(TWO)], "it was compiled anew"
    cache = SealedCache(worker.machine.seal_key(b"code-cache"), NEW.id)
    assert cache.open(CacheKind.COMPILED, sha256(TWO), kept.sealed) is not None
    assert SealedCache(worker.machine.seal_key(b"code-cache"), OLD.id).open(
        CacheKind.COMPILED, sha256(TWO), kept.sealed
    ) is None


def test_with_one_interpreter_for_both_runtimes_the_entries_still_differ(engine: Engine) -> None:
    """The runtime id alone keeps them apart: the defence is not the digest of the module."""
    dearer = replace(OLD, rules=SECOND.rules)

    class Same(Interpreted):
        runtimes = Runtimes(OLD, dearer)

    cluster = Same(engine)
    worker = cluster.make_worker(b"fed")
    cluster.asked.clear()
    worker.core.handle(m.PrepareGuest("python", dearer.id, sealed_code(cluster, worker, ONE, OLD)))
    assert cluster.asked == [sha256(ONE)]
    right = cluster.make_worker(b"right")
    cluster.asked.clear()
    replies = right.core.handle(m.PrepareGuest("python", dearer.id, sealed_code(cluster, right, ONE, dearer)))
    assert (replies, cluster.asked) == ([m.Ready()], [])


def test_code_kept_for_the_runtime_to_come_is_used_at_the_switch(interpreted_cluster: Interpreted) -> None:
    cluster = interpreted_cluster
    cluster.run(1)
    cluster.asked.clear()
    kept = sealed_code(cluster, cluster.worker, TWO, NEW)
    assert cluster.worker.core.handle(m.PrepareGuest("python", NEW.id, kept)) == [m.Ready()]
    cluster.switch(NEW)
    assert cluster.result(cluster.run(2)) == b"\x02"
    assert cluster.asked == [], "nothing was compiled at the switch"


def test_a_runtime_that_is_not_carried_is_not_prepared(cluster: Switching) -> None:
    unknown = keccak256(b"unknown")
    assert refusal(cluster.worker.core, m.PrepareGuest("python", unknown, b"")) == "runtime.missing"
    assert refusal(cluster.worker.core, m.PrepareGuest("cobol", FIRST.id, b"")) == "guest.unknown"


# ---- the table


def test_a_release_carries_at_most_two() -> None:
    third = replace(FIRST, rules=replace(RULES, load_fuel=1))
    for wrong in ((), (FIRST, SECOND, third), (FIRST, FIRST)):
        with pytest.raises(CallerMisuse):
            Runtimes(*wrong)
    assert BOTH.ids == (FIRST.id, SECOND.id)
    assert BOTH.find(third.id) is None
