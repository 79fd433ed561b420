"""A gatekeeper host's care for its committee, on a clock and a contract that tests turn (PROTOCOL 9.4, 9.5)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.chain.committee import ListedMember
from coprocessor.chain.errors import ChainUnreachable, TransactionReverted
from coprocessor.host import renewal
from coprocessor.host.renewal import LOOK_SECONDS, TURN_SECONDS, Renewal
from coprocessor.protocol.statements import NO_SHARE
from coprocessor.values.errors import PeerUnreachable
from coprocessor.values.identities import Address, Digest

DAY = 86_400


def member(at: int, revoked: int = 0) -> ListedMember:
    name = bytes((at,))
    return ListedMember(Address(name * 20), Address(name * 20), name * 32, Digest(bytes(32)), "", revoked)


class World:
    """``Gatekeeping`` with three members, the chain's time, and this machine's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.chain_time = 10_000
        self.block = 50
        self.members = [member(at) for at in range(3)]
        self.keys = [b"k" * 96] * 3
        self.values: dict[str, Any] = {
            "committee": 1,
            "next_count": 0,
            "is_handover": False,
            "opened": 40,
            "phase_blocks": 2,
        }
        self.completed = 10_000
        self.done: list[str] = []
        self.failing: Exception | None = None
        self.is_away = False
        monkeypatch.setattr(renewal, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(renewal, "read_present", self._present)
        monkeypatch.setattr(renewal, "begin_handover", lambda *_: self._act("begin"))

    def host(self, at: int, period: int = DAY) -> Renewal:
        """The host of a member."""
        interface = SimpleNamespace(event=lambda name: SimpleNamespace(topic=b"t"))
        events = [{"share_keys": self.keys}]
        contract: Any = SimpleNamespace(
            read=self._read, interface=interface, address=bytes(20), events=lambda *_: events, encode=lambda *call: call
        )
        node: Any = SimpleNamespace(block=self._block, logs=self._logs)
        sender: Any = SimpleNamespace(send=lambda address, call: self._act(call[0]))
        parts: Any = None
        return Renewal(node, parts, sender, contract, parts, member(at).signer, period)

    def step(self, host: Renewal, seconds: float = LOOK_SECONDS) -> bool:
        self.now += seconds
        return asyncio.run(host.step())

    async def _present(self, contract: object, tag: object = "latest") -> tuple[ListedMember, ...]:
        return tuple(self.members)

    async def _read(self, name: str, *arguments: object, tag: object = None) -> object:
        if name == "is_gatekeeper":
            return any(one.signer == arguments[0] and one.is_standing for one in self.members)
        return self.values[name]

    async def _block(self, tag: object) -> object:
        if self.is_away:
            raise ChainUnreachable("http://node", "no answer")
        is_head = tag == "finalized"
        return SimpleNamespace(
            number=self.block if is_head else 1, timestamp=self.chain_time if is_head else self.completed
        )

    async def _logs(self, *_: object) -> list[object]:
        return [SimpleNamespace(block_number=1)]

    async def _act(self, what: str) -> None:
        self.done.append(what)
        if self.failing is not None:
            raise self.failing


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


FIRST = 1
"""Whose turn it is in the first committee: the order changes with its number."""


def test_shares_are_renewed_once_a_period_by_the_chains_time(world: World) -> None:
    host = world.host(FIRST)
    world.chain_time += DAY - 1
    assert not world.step(host, 10 * DAY)  # the machine's clock decides nothing
    world.chain_time += 1
    assert world.step(host)
    assert world.done == ["propose_refresh"]


def test_a_period_of_zero_leaves_it_to_others(world: World) -> None:
    world.chain_time += 10 * DAY
    assert not world.step(world.host(FIRST, period=0))
    assert world.done == []


def test_members_take_turns_and_the_next_acts_where_one_keeps_silent(world: World) -> None:
    world.chain_time += DAY
    hosts = {at: world.host(at) for at in range(3)}
    world.now += LOOK_SECONDS
    assert [asyncio.run(hosts[at].step()) for at in range(3)] == [False, True, False]
    world.now += TURN_SECONDS  # the first one's transaction came to nothing: the next one, and no other
    assert [asyncio.run(hosts[at].step()) for at in (2, 0)] == [True, False]
    world.now += TURN_SECONDS
    assert asyncio.run(hosts[0].step())
    assert world.done == ["propose_refresh"] * 3


def test_the_turns_change_with_each_committee(world: World) -> None:
    world.values["committee"], world.chain_time = 2, world.chain_time + DAY
    assert [world.step(world.host(at)) for at in (0, 1, 2)] == [False, False, True]


def test_a_revoked_member_with_a_share_is_left_behind_at_once(world: World) -> None:
    world.members[2] = member(2, revoked=45)
    assert world.step(world.host(FIRST))
    world.keys[2] = NO_SHARE
    assert not world.step(world.host(FIRST))
    assert world.done == ["propose_refresh"]


def test_who_is_no_member_or_is_revoked_does_nothing(world: World) -> None:
    world.chain_time += DAY
    assert not world.step(world.host(7))
    world.members[FIRST] = member(FIRST, revoked=45)
    assert not world.step(world.host(FIRST))
    assert world.done == []


def test_nothing_is_due_before_the_first_key(world: World) -> None:
    world.values["committee"], world.chain_time = 0, world.chain_time + DAY
    assert not world.step(world.host(FIRST))


def test_an_announced_list_is_begun_and_begun_again_when_its_time_is_over(world: World) -> None:
    world.values["next_count"] = 3
    assert world.step(world.host(FIRST))
    world.values["is_handover"] = True
    assert not world.step(world.host(FIRST))  # it is under way
    world.block = world.values["opened"] + 5 * world.values["phase_blocks"] + 1
    assert world.step(world.host(FIRST))
    assert world.done == ["begin", "begin"]


def test_a_refusal_says_why_and_comes_again_after_a_turn(world: World) -> None:
    """Too few agree yet: the reasons of each reach the screen, and the others have their turns first."""
    world.values["next_count"] = 3
    world.members = [member(at) for at in (2, 0, 1)]
    reasons = "http://host2: handover.delay; http://host3: committee.one_operator"
    world.failing = PeerUnreachable("handover.too_few", "1 agrees", reasons)
    host = world.host(2)
    assert not world.step(host)  # the third in turn
    with pytest.raises(PeerUnreachable) as refused:
        world.step(host, 2 * TURN_SECONDS)
    assert refused.value.why == reasons
    assert not world.step(host)
    assert world.done == ["begin"]
    with pytest.raises(PeerUnreachable):
        world.step(host, 2 * TURN_SECONDS)
    assert world.done == ["begin", "begin"]


@pytest.mark.parametrize("reason", ["gatekeeping: announced", "gatekeeping: open", "gatekeeping: no list"])
def test_what_another_host_has_done_is_no_failure(world: World, reason: str) -> None:
    world.chain_time += DAY
    world.failing = TransactionReverted("a call", reason)
    assert world.step(world.host(FIRST))


def test_what_the_contract_refuses_for_another_reason_is_told(world: World) -> None:
    world.chain_time += DAY
    world.failing = TransactionReverted("a call", "gatekeeping: not a member")
    with pytest.raises(TransactionReverted):
        world.step(world.host(FIRST))


def test_while_the_chain_is_away_nothing_is_lost(world: World) -> None:
    world.chain_time += DAY
    world.is_away = True
    host = world.host(FIRST)
    with pytest.raises(ChainUnreachable):
        world.step(host)
    assert not world.step(host, LOOK_SECONDS / 2)  # not in a busy loop
    world.is_away = False
    assert world.step(host)
    assert world.done == ["propose_refresh"]


def test_the_chain_is_looked_at_once_a_second(world: World) -> None:
    world.chain_time += DAY
    host = world.host(FIRST)
    assert world.step(host)
    assert not world.step(host, LOOK_SECONDS / 10)
    assert world.done == ["propose_refresh"]
