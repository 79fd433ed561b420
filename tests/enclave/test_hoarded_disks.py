"""Every sealed blob of all periods and machines, all platforms' seal keys, every message that hosts carried, and the
memories of t - 1 members: no cluster's key. With the pads off, or one memory more, the same attack finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pytest

from coprocessor.crypto.hpke import SealingKey
from coprocessor.enclave.at_rest import SharesAtRest
from coprocessor.enclave.held_pieces import HeldPiece, HeldPieces
from coprocessor.enclave.memory import collect_memory
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.pads import Offer, open_offer
from coprocessor.values.identities import Address, ClusterId
from coprocessor.values.network import Custodian
from tests.enclave.committee import Committee
from tests.support.fake_chain import CLUSTER, DISK, FakeChain, configuration
from tests.support.hoard_attack import HoardAttack

NOBODY = Custodian("none")
PERIODS = 3


def refresh(committee: Committee) -> None:
    """The next period begins."""
    members = list(range(len(committee.cores)))
    committee.propose(members, committee.threshold)
    committee.begin_handover(members[: committee.threshold])
    committee.run_handover()


def lived(members: int, threshold: int, custodian: Custodian, periods: int = PERIODS) -> Committee:
    """A committee that has refreshed its shares, and a restart in each period."""
    committee = Committee(FakeChain(configuration(custodian=custodian)), members, threshold)
    committee.hold_genesis()
    committee.run()
    committee.record_members()
    for _ in range(1, periods):
        restart(committee, members - 1)
        refresh(committee)
    return committee


def restart(committee: Committee, at: int) -> None:
    """A member ends, comes back, and has its pieces and its own pad renewed."""
    committee.crash(at)
    if committee.has_pads:
        committee.recover(at, [one for one in range(len(committee.cores)) if one != at])
        committee.share_pads()


def attack(committee: Committee, memories: Iterable[Sequence[bytes]]) -> tuple[HoardAttack, bool]:
    """The attack, and whether it found the key."""
    attacker = HoardAttack(
        blobs=[blob for _, blob in committee.hoard],
        seal_keys=[machine.seal_key(b"gatekeeper-share") for machine in committee.machines],
        shown=committee.memory_keys,
        offers=[offer for _, _, offer in committee.traffic],
        committees=committee.committees,
        identity=ClusterIdentity(committee.network, ClusterId(CLUSTER), 1, insecure=True),
    )
    return attacker, attacker.derive(memories) is not None


def memories_of(committee: Committee, members: Sequence[int]) -> list[tuple[bytes, ...]]:
    return [collect_memory(committee.cores[at]) for at in members]


@pytest.fixture(scope="module")
def committee() -> Committee:
    """Two of three, for some periods; attacks read what it leaves, and change nothing."""
    return lived(3, 2, NOBODY)


def test_hoarded_disks_do_not_add_up(committee: Committee, record_property: Callable[[str, object], None]) -> None:
    attacker, found = attack(committee, memories_of(committee, [0]))
    assert not found
    assert len(attacker.outers) == len(set(attacker.blobs)) >= 20  # every outer part opens
    own = committee.signer(0)
    opened = [attacker.outers[blob][0] for blob, share in attacker.opened.items() if share.share is not None]
    assert {outer.keys.signing.address for outer in opened} <= {own}  # no share but the one in that memory
    assert {outer.committee for outer in opened} <= {PERIODS}
    figures = f"{len(attacker.blobs)} blobs, {len(attacker.offers)} messages, {attacker.tried} secrets tried"
    record_property("attack", figures)
    assert attacker.tried > 5_000, figures


def test_the_same_attack_finds_the_key_where_the_disk_is_custodian() -> None:
    committee = lived(3, 2, DISK)
    attacker, found = attack(committee, [])
    assert found
    assert len(attacker.opened) == len(set(attacker.blobs))


def test_one_memory_more_finds_the_key(committee: Committee) -> None:
    assert attack(committee, memories_of(committee, [0, 2]))[1]


def test_five_machines_with_two_memories_and_with_three() -> None:
    committee = lived(5, 3, NOBODY, periods=2)
    attacker, found = attack(committee, memories_of(committee, [1, 3]))
    assert not found
    assert len({index for _, index in attacker.pieces}) >= 2  # the attack finds the pieces that are there
    assert attack(committee, memories_of(committee, [1, 3, 4]))[1]


def hoard(self: HeldPieces, offer: Offer, own: Address, memory: SealingKey) -> HeldPiece:
    """A memory that erases nothing."""
    piece = HeldPiece(offer.record, offer.index, open_offer(offer, own, memory))
    self._held.setdefault(offer.record.giver, []).append(piece)
    self._newest[offer.record.giver] = offer.record.number
    return piece


@pytest.mark.parametrize("erased", [True, False])
def test_memories_of_different_periods_do_not_add_up(erased: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One memory in each of two periods: nothing, unless pieces outlive their period."""
    if not erased:
        monkeypatch.setattr(HeldPieces, "keep", hoard)
        monkeypatch.setattr(HeldPieces, "confirm", lambda self, confirmation: None)
        monkeypatch.setattr(HeldPieces, "forget_before", lambda self, period: None)
    committee = lived(3, 2, NOBODY, periods=2)
    first = memories_of(committee, [0])
    refresh(committee)
    refresh(committee)
    assert attack(committee, [*first, *memories_of(committee, [1])])[1] is not erased


def test_recorded_messages_stay_closed_only_while_memory_keys_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one memory key for all periods, the memory of a later one opens what was recorded before."""

    def enter(self: SharesAtRest, period: int) -> None:
        self._period = period
        self._held.forget_before(period)

    committee = lived(3, 2, NOBODY, periods=1)
    monkeypatch.setattr(SharesAtRest, "enter", enter)
    refresh(committee)
    first = memories_of(committee, [0])
    refresh(committee)
    assert attack(committee, [*first, *memories_of(committee, [1])])[1]


def test_pieces_sealed_to_what_lies_on_disks_would_be_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The defence off: pieces go to the sealing key, which the outer part of the blob holds."""
    monkeypatch.setattr(
        SharesAtRest, "memory", property(lambda self: SealingKey(bytes(32)), lambda self, key: None), raising=False
    )
    committee = lived(3, 2, NOBODY, periods=1)
    attacker, found = attack(committee, [[bytes(32)]])
    assert found
    assert attacker.pieces
