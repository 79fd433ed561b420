"""A cluster of many programs changes its keys while everybody goes on: no query, no command and no entry is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave import epochs, transition
from coprocessor.enclave import messages as m
from coprocessor.protocol import layout
from coprocessor.protocol.commands import Destination, derive_reply_secret, seal_command
from coprocessor.protocol.items import ClearItem
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.queries import QueryReply, seal_query
from coprocessor.protocol.statements import INPUT_KEY, MAX_PROGRAM_KEYS
from coprocessor.sandbox.engine import Engine
from coprocessor.values.identities import ProgramId
from tests.enclave.stage import RUNTIME, ask
from tests.enclave.test_epochs import GRACE_BLOCKS, Rotating
from tests.enclave.test_worker import ALICE, RELAYER, u64
from tests.support.fake_chain import CHAIN_ID, CLUSTER

PROGRAMS = 40
ROTATED = 7


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


class Many(Rotating):
    """Forty counters; a few entries are sealed again with each link, so that the rotation takes several."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.programs = [self.program, *(ProgramId(keccak256(b"program %d" % at)) for at in range(1, PROGRAMS))]
        for handle, program in enumerate(self.programs[1:], 1):
            self.instantiate(program, u64(handle), handle)
        self.chain.mine()
        self.worker.follow()
        self.input_keys: dict[tuple[ProgramId, int], bytes] = {}
        self.note_keys(1)

    def note_keys(self, epoch: int) -> None:
        """The keys come to the chain, in lists of the members' making (PROTOCOL 4.4)."""
        for first in range(0, PROGRAMS, MAX_PROGRAM_KEYS):
            part = tuple(self.programs[first : first + MAX_PROGRAM_KEYS])
            for program, key in zip(part, ask(self.worker.core, m.SignKeys(epoch, INPUT_KEY, part)).keys, strict=True):
                self.input_keys[program, epoch] = key
                self.chain.set("Programs", layout.input_key(program, epoch), key)
        self.chain.mine()

    def sealed(self, program: ProgramId, epoch: int) -> ClearItem:
        command = self.command()
        secret = derive_reply_secret(ALICE, self.network, program, command.nonce)
        place = Destination(self.network, CHAIN_ID, self.chain.inbox, program, epoch, LinkKind.BATCH, RELAYER)
        key = self.input_keys[program, epoch]
        data = seal_command(replace(command, reply_secret=secret), place, ALICE, key)
        return ClearItem(self.programs.index(program), command.fuel_limit, command.fee_limit, data)

    def ask_all(self, epoch: int) -> None:
        """Every program answers a query that is sealed to this epoch."""
        slots = [("Programs", layout.input_key(program, epoch)) for program in self.programs]
        record = ("Registry", layout.registry_worker_of(self.worker.booted.signer))
        self.worker.follow()
        ask(self.worker.core, self.chain.proof(*slots, record))
        for program in self.programs:
            sealed = seal_query(self.query(), self.network, program, epoch, self.input_keys[program, epoch])
            answer = ask(self.worker.core, m.Query(1, program, sealed, 1000))
            assert answer.failure is None, answer.failure
            assert QueryReply.decode(answer.reply).epoch == epoch


def test_nothing_fails_while_the_keys_of_many_programs_change(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "DEVELOPMENT_GRACE_SECONDS", 12 * GRACE_BLOCKS)
    monkeypatch.setattr(transition, "ROTATED_ENTRIES", ROTATED)
    cluster = Many(engine)
    cluster.ask_all(1)
    cluster.chain.append_epoch(RUNTIME, 2)
    cluster.chain.mine()
    cluster.worker.follow()
    assert m.NeedKeys(2) in cluster.worker.notices  # its link waits for its keys, and hosts have queries wait for it
    cluster.worker.take_keys(2)
    cluster.worker.work()
    cluster.ask_all(1)
    cluster.note_keys(2)
    sent = []
    for at, program in enumerate(cluster.programs):
        sent.append(cluster.submit(cluster.sealed(program, 1 if at < GRACE_BLOCKS // 2 else 2)))
    for epoch in (1, 2):
        cluster.ask_all(epoch)
    cluster.let_grace_pass()
    sent.append(cluster.submit(cluster.sealed(cluster.program, 2)))
    cluster.worker.follow()
    assert {status for link in sent for status in cluster.statuses(link)} == {"OK"}
    reached, pieces = cluster.boundary()
    assert cluster.worker.status().older_entries == 0
    first = next(link.index for link in cluster.chain.links[1:] if link.kind == LinkKind.EPOCH)
    assert reached.count > first + PROGRAMS // ROTATED, "the rotation took several links"
    cluster.close(reached)
    newcomer = cluster.newcomer(b"newcomer", [2])
    cluster.restore(newcomer, reached, pieces)
    cluster.submit(*(cluster.sealed(program, 2) for program in cluster.programs))
    for member in (cluster.worker, newcomer):
        member.follow()
    assert newcomer.status().state_root == cluster.worker.status().state_root
    assert ask(newcomer.core, m.SignKeys(2, INPUT_KEY, (CLUSTER, *cluster.programs))).keys[1:] == tuple(
        cluster.input_keys[program, 2] for program in cluster.programs
    )
