"""The beacon among gatekeepers' cores: a key for each committee, one value for each height, none before its time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import recover_address
from coprocessor.enclave import messages as m
from coprocessor.enclave.ceremony import KeyCeremony
from coprocessor.enclave.sealed_share import CeremonySecret, open_outer
from coprocessor.keys.beacon import combine_beacon, sign_beacon, verify_beacon
from coprocessor.keys.partial import NotEnoughPartials
from coprocessor.keys.transcript import Entry, Phase
from coprocessor.protocol import layout
from coprocessor.protocol.statements import NO_SHARE, BeaconKeyRecord
from coprocessor.values.network import Custodian
from tests.enclave.beacon import WINDOW, Beacon, part
from tests.enclave.committee import PHASE_BLOCKS, Committee
from tests.enclave.cores import ask, refusal
from tests.support.fake_chain import FakeChain, configuration


@pytest.fixture(scope="module")
def ran() -> Beacon:
    """Three members, two of whom make a value; the ceremony is over."""
    beacon = Beacon()
    steps = beacon.run()
    assert all(step.done and step.has_share for step in steps)
    return beacon


def test_every_member_comes_to_the_same_key_which_is_not_the_master_key(ran: Beacon) -> None:
    key, share_keys = ran.keys[1]
    assert key != ran.committee.master_key
    assert not set(share_keys) & set(ran.committee.share_keys)
    record = BeaconKeyRecord(ran.session, keccak256(key), keccak256(b"".join(share_keys)))
    digest = record.digest(ran.chain.configuration.chain_id, ran.chain.configuration.contract("Beacon").address)
    signers = [recover_address(digest, ran.signatures[at]) for at in range(3)]
    assert signers == [booted.signer for booted in ran.committee.booted]


def test_any_two_make_the_same_value_and_one_makes_none(ran: Beacon) -> None:
    height = ran.next_height()
    assert ran.value(height, (0, 1)) == ran.value(height, (1, 2)) == ran.value(height, (2, 0))
    with pytest.raises(NotEnoughPartials):
        ran.value(height, (1,))
    assert ran.value(ran.next_height(), (0, 1)) != ran.value(height, (0, 1))


def test_a_wrong_part_is_named_and_does_not_spoil_the_value(ran: Beacon) -> None:
    height = ran.next_height()
    earlier = part(ran.sign(0, height - WINDOW))
    parts = [earlier, part(ran.sign(1, height)), part(ran.sign(2, height))]
    combined = combine_beacon(ran.public(), ran.round(height), parts)
    assert combined.culprits == (1,)
    assert verify_beacon(ran.public().group, ran.round(height), combined.signature) == ran.value(height, (0, 1))


def test_nobody_signs_before_the_block_is_final(ran: Beacon) -> None:
    height = ran.next_height() + WINDOW
    assert ran.refused(0, height) == "beacon.not_final"
    assert ran.refused(0, height - 1) == "beacon.not_final"  # no height at all
    assert refusal(ran.committee.cores[0], m.SignBeacon(-1)) == "beacon.height"
    ran.next_height()
    assert ran.sign(0, height).height == height


def test_the_memories_of_fewer_than_t_do_not_tell_the_next_value(ran: Beacon) -> None:
    """A host that holds one member's share makes that member's part beforehand, which is no value."""
    height = ran.next_height() + WINDOW
    share = ran.committee.cores[0]._booted()._beacon()._shares[1]  # type: ignore[attr-defined]  # the leak
    leaked = sign_beacon(share, ran.round(height))
    with pytest.raises(NotEnoughPartials):
        combine_beacon(ran.public(), ran.round(height), [leaked])
    ran.next_height()
    assert part(ran.sign(0, height)) == leaked  # with one more it would have been the value: t is what protects
    assert keccak256(leaked.signature) != ran.value(height, (1, 2))


def test_a_restarted_member_has_its_share_again(ran: Beacon) -> None:
    height = ran.next_height()
    before = ran.sign(1, height)
    ran.committee.crash(1)
    assert ran.refused(1, height) == "beacon.no_share"
    step = ran.look(1)
    assert (step.done, step.has_share, step.message, step.signature) == (True, True, b"", b"")
    assert ran.sign(1, height) == before


def test_a_crash_in_each_phase_changes_nothing_that_was_said() -> None:
    beacon = Beacon(2, 1)
    beacon.begin()
    said: dict[tuple[int, int], bytes] = {}
    for _ in range(20):
        for at in (0, 1):
            step = beacon.look(at)
            beacon.committee.crash(at)
            again = beacon.look(at)
            assert (again.message, again.signature) == (step.message, step.signature)
            if step.message:
                assert (at, step.phase) not in said
                said[at, step.phase] = step.message
                beacon.post(at, step.phase, step.message)
            if step.signature:
                beacon.signatures[at] = step.signature
                beacon.outcome = step.beacon_key, step.share_keys
        if len(beacon.signatures) == 2:
            break
    beacon.complete()
    assert all(beacon.look(at).done for at in (0, 1))
    assert len(said) == 6


def test_the_silent_are_left_out_and_the_others_make_values() -> None:
    beacon = Beacon(3, 2)
    steps = beacon.run(by=(0, 2))
    assert all(step.has_share for step in steps)
    assert beacon.keys[1][1][1] == NO_SHARE
    late = beacon.look(1)
    assert (late.done, late.has_share) == (True, False)
    height = beacon.next_height()
    assert beacon.refused(1, height) == "beacon.no_share"
    assert beacon.value(height, (0, 2))


def test_one_alone_goes_the_same_way() -> None:
    beacon = Beacon(1, 1)
    beacon.run()
    assert beacon.value(beacon.next_height(), (0,))


def test_forged_dropped_and_reordered_messages_do_not_replay() -> None:
    beacon = Beacon()
    beacon.begin()
    for at in range(3):
        beacon.post(at, 1, beacon.look(at).message)
    beacon.prove(0)
    core, (one, two, three) = beacon.committee.cores[0], beacon.entries
    for wrong in ((one, two), (two, one, three), (one, two, Entry(2, 1, three.block_number, b"forged"))):
        assert refusal(core, beacon.message(wrong)) == "ceremony.transcript"
    assert ask(core, beacon.message()).phase == Phase.REVEAL


def test_a_hosts_own_announcement_does_not_count() -> None:
    """A host that speaks in its enclave's place gets no share: messages carry the attested key's signature."""
    beacon = Beacon()
    beacon.begin()
    other = Beacon()
    other.begin()
    stolen = other.look(0).message  # signed by the right key for another session
    beacon.post(0, 1, bytes(65) + stolen[65:])
    for at in (1, 2):
        beacon.post(at, 1, beacon.look(at).message)
    assert beacon.look(1).phase == Phase.ANNOUNCE
    for _ in range(PHASE_BLOCKS + 1):
        beacon.chain.mine()
    assert beacon.look(1).phase == Phase.REVEAL
    assert not beacon.look(0).message  # its kind is spoken; it is left out


def test_sessions_of_other_committees_and_blocks_are_refused() -> None:
    beacon = Beacon()
    beacon.begin()
    for name, wrong, right in (("in_ceremony", 2, 1), ("session", keccak256(b"other"), beacon.session)):
        beacon._set(name, wrong)
        beacon.chain.mine()
        beacon.prove(0)
        assert refusal(beacon.committee.cores[0], beacon.message()) == "beacon.session"
        beacon._set(name, right)
        beacon.chain.mine()
    assert beacon.look(0).message


def test_a_false_outcome_on_the_chain_is_refused() -> None:
    beacon = Beacon()
    beacon.run()
    beacon.chain.set("Beacon", layout.beacon_key(1, "key_hash"), keccak256(b"false"))
    beacon.chain.mine()
    beacon.prove(0)
    assert refusal(beacon.committee.cores[0], beacon.message()) == "beacon.foreign_key"


def test_a_key_serves_only_heights_after_its_record() -> None:
    beacon = Beacon()
    beacon.run()
    recorded = beacon.chain.number
    height = beacon.next_height()
    old = (recorded // WINDOW) * WINDOW
    beacon.prove(0)
    assert refusal(beacon.committee.cores[0], m.SignBeacon(old)) == "beacon.no_key"
    assert beacon.sign(0, height).committee == 1


def test_what_serves_must_be_proven_after_the_height() -> None:
    """A host that shows an old proof would make its enclave sign with a key that serves no more: two values."""
    beacon = Beacon()
    beacon.run()
    beacon.next_height()
    beacon.prove(0)
    height = beacon.next_height()
    core = beacon.committee.cores[0]
    ask(core, beacon.chain.headers_message())
    assert refusal(core, m.SignBeacon(height)) == "beacon.old_proof"


def test_after_a_refresh_the_key_before_serves_until_the_new_one_is_recorded() -> None:
    beacon = Beacon()
    beacon.run()
    committee = beacon.committee
    committee.record_members()
    committee.propose(committee.present, 2)
    committee.begin_handover(by=(0, 1))
    committee.run_handover()
    height = beacon.next_height()
    old = beacon.value(height, (0, 2))
    beacon.run()
    assert beacon.keys[2][0] != beacon.keys[1][0]
    assert beacon.value(height, (0, 1)) == old  # decided before the window began
    new = beacon.next_height()
    assert beacon.sign(1, new).committee == 2
    assert beacon.value(new, (1, 2), number=2)


def hoarders_shares(beacon: Beacon, secret_of: Callable[[int], bytes]) -> int:
    """Of how many members of the committee an attacker finds the share, who computes it from a secret of each."""
    committee, network = beacon.committee, beacon.committee.network
    signers = tuple(booted.signer for booted in committee.booted)
    found = 0
    for at in range(len(signers)):
        info = Label.BEACON_CEREMONY.context(network, beacon.session, insecure=True)
        entropy = hkdf_derive(secret_of(at), info, 32)
        secret = CeremonySecret(committee.threshold, signers, entropy)  # type: ignore[arg-type]
        ceremony = KeyCeremony(network, True, committee.cores[at]._booted().keys, secret)
        entries = tuple(beacon.entries)
        view = ceremony.follow(beacon.session, entries, beacon.opened, PHASE_BLOCKS, beacon.chain.number)
        found += view.share is not None and view.share.secret.public_key() == beacon.public().share_key(at + 1)
    return found


def test_hoarded_disks_do_not_tell_the_beacons_key() -> None:
    """The attack: outer parts of all blobs, opened by platforms' keys, hold the signing keys, outside the pads."""
    committee = Committee(FakeChain(configuration(custodian=Custodian("none"))), 3, 2)
    committee.hold_genesis()
    committee.run()
    beacon = Beacon(committee=committee)
    beacon.run()
    blobs = [open_outer(committee.sealed[at], committee.machines[at].seal_key(b"gatekeeper-share")) for at in range(3)]
    assert [blob.keys.signing.address for blob in blobs] == beacon.committee.signers()
    assert hoarders_shares(beacon, lambda at: blobs[at].keys.signing.secret) == 0
    assert hoarders_shares(beacon, lambda at: blobs[at].keys.sealing.secret) == 0
    shares = [committee.cores[at]._booted().custody.share for at in range(3)]
    assert hoarders_shares(beacon, lambda at: shares[at].secret.to_bytes()) == 3  # type: ignore[union-attr]


def test_a_restarted_member_says_nothing_before_its_master_share_is_back() -> None:
    committee = Committee(FakeChain(configuration(custodian=Custodian("none"))), 3, 2)
    committee.hold_genesis()
    committee.run()
    beacon = Beacon(committee=committee)
    beacon.begin()
    first = beacon.look(2)
    committee.crash(2)
    beacon.prove(2)
    assert refusal(committee.cores[2], beacon.message()) == "beacon.no_master_share"
    committee.recover(2, [0, 1])
    assert beacon.look(2).message == first.message
