"""Signers of programs' accounts on their way to the chain: of own programs with an account, once an epoch (8.7)."""

from __future__ import annotations

import asyncio

import pytest

from coprocessor.host import account_signers
from coprocessor.host import courier as courier_module
from coprocessor.host.account_signers import AccountSigners
from coprocessor.protocol import layout
from coprocessor.protocol.statements import MAX_PROGRAM_KEYS
from coprocessor.values.errors import PeerUnreachable
from tests.host.test_courier import Stage, derived, program


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "TURN_SECONDS", 0.0)


def publish(signers: AccountSigners) -> None:
    asyncio.run(signers.publish())


def recorded(stage: Stage, epoch: int, count: int) -> list[int]:
    """Of which of the first programs the chain has the right signer in an epoch."""
    slots = stage.chain.slots
    shown = {at: slots.get(layout.account_signer(program(at), epoch)) for at in range(count)}
    assert all(value in (None, int.from_bytes(derived(program(at), epoch), "big")) for at, value in shown.items())
    return [at for at, value in shown.items() if value]


def test_programs_without_an_account_cost_nothing() -> None:
    stage = Stage()
    stage.note(5)
    publish(stage.signers())
    assert stage.chain.sizes == []


def test_own_programs_with_an_account_are_published_once_in_each_epoch() -> None:
    stage = Stage(quorum=2)
    stage.note(4)
    stage.chain.accounts = [program(1), program(3), program(99)]  # the last one runs in another cluster
    signers = stage.signers()
    publish(signers)
    publish(signers)
    assert (recorded(stage, 1, 100), stage.chain.sizes) == ([1, 3], [2])
    stage.chain.accounts.append(program(0))
    publish(signers)
    assert (recorded(stage, 1, 100), stage.chain.sizes) == ([0, 1, 3], [2, 1])
    stage.chain.epoch = 2
    publish(signers)  # the enclave has no key of it yet: what it has is wanted by nobody
    assert stage.chain.sizes == [2, 1]
    stage.note(4, epoch=2)
    publish(signers)
    assert (recorded(stage, 2, 100), stage.chain.sizes) == ([0, 1, 3], [2, 1, 3])


def test_what_another_member_published_is_not_paid_for() -> None:
    stage = Stage()
    stage.note(3)
    stage.chain.accounts = [program(at) for at in range(3)]
    stage.chain.slots[layout.account_signer(program(1), 1)] = int.from_bytes(derived(program(1), 1), "big")
    publish(stage.signers())
    assert stage.chain.sizes == [2]


def test_an_epoch_that_has_begun_meanwhile_is_no_failure_and_is_tried_again() -> None:
    stage = Stage()
    stage.note(1)
    stage.chain.accounts = [program(0)]
    stage.chain.epoch = 2
    signers = stage.signers()
    publish(signers)
    assert stage.chain.sizes == []
    stage.chain.epoch = 1
    publish(signers)
    assert stage.chain.sizes == [1]


def test_members_that_derive_other_signers_do_not_count() -> None:
    stage = Stage(quorum=2, liars=(1, 2))
    stage.note(1)
    stage.chain.accounts = [program(0)]
    with pytest.raises(PeerUnreachable) as caught:
        publish(stage.signers())
    assert caught.value.code == "keys.quorum"
    assert recorded(stage, 1, 1) == []


def test_accounts_without_end_are_learnt_of_a_few_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may make accounts."""
    monkeypatch.setattr(account_signers, "_READ_AT_ONCE", 3)
    count = MAX_PROGRAM_KEYS + 2
    stage = Stage()
    stage.note(count)
    stage.chain.accounts = [program(at) for at in range(count)]
    signers = stage.signers()
    publish(signers)
    assert stage.chain.sizes == [3]
    monkeypatch.setattr(account_signers, "_READ_AT_ONCE", count)
    publish(signers)
    assert stage.chain.sizes == [3, count - 3]
    assert len(recorded(stage, 1, count)) == count
    late = Stage()
    late.note(count)
    late.chain.accounts = stage.chain.accounts
    publish(late.signers())
    assert late.chain.sizes == [MAX_PROGRAM_KEYS, 2], "no list is longer than the contract takes"
