"""Beacon: the ceremony's transcript, one key for each committee, and values that nobody can choose (PROTOCOL 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from coprocessor.crypto.bls import ORDER, BlsSignature, Purpose, SecretScalar, check_g1, combine_g1, hash_to_g1
from coprocessor.crypto.eip2537 import expand_g1, expand_public_key
from coprocessor.crypto.hashing import keccak256
from coprocessor.devnode.header import BlockHeader
from coprocessor.headers.header import parse_header
from coprocessor.keys.beacon import (
    BeaconRound,
    combine_beacon,
    compute_beacon_session,
    compute_fallback_value,
    sign_beacon,
    verify_beacon,
)
from coprocessor.keys.shares import KeyShare, lagrange_weights
from coprocessor.keys.transcript import Entry, compute_transcript_head
from coprocessor.protocol.layout import (
    STRUCTS,
    beacon_key,
    beacon_transcript_count,
    beacon_transcript_head,
    beacon_value,
    beacon_variable,
)
from coprocessor.protocol.statements import NO_SHARE, BeaconKeyRecord, HandoverRecord, MasterKeyRecord
from coprocessor.values.identities import ZERO_DIGEST, Digest, NetworkId
from tests.contracts.evm import Deployed, Evm, Mined, Reverted
from tests.contracts.network import BEACON_WINDOW, PHASE_BLOCKS, digest, genesis_digest, secret
from tests.keys.ceremony import shared_key

MASTER_KEY = b"\x01" * 96
MASTER_SHARES = [bytes([2 + index]) * 96 for index in range(3)]


class Scene:
    """A committee of three, threshold two, whose master ceremony is over; its beacon's shares are real."""

    def __init__(self, evm: Evm, *, window: int = BEACON_WINDOW, simulated: bool = True) -> None:
        self.evm = evm
        self.deployer, self.proposer, self.stranger, self.operator = evm.keys[:4]
        self.signers = [secret(f"beacon member {at}") for at in range(3)]
        self.network = NetworkId(digest("beacon network"))
        self.simulated = simulated
        self.gatekeeping = evm.deploy(
            "Gatekeeping", self.deployer.address, self.proposer.address, self.stranger.address, PHASE_BLOCKS
        )
        self.beacon = evm.deploy("Beacon", self.gatekeeping, PHASE_BLOCKS, window, simulated)
        self.window = window
        signed = genesis_digest(self.gatekeeping, 2, self.members(), self.network)
        signatures = [key.sign(signed) for key in self.signers]
        self.gatekeeping.send(self.deployer, "initialize", 2, self.members(), self.network, signatures)

    def members(self) -> list[tuple[bytes, bytes, bytes, bytes]]:
        return [
            (self.operator.address, key.address, digest(f"beacon seal {at}"), digest(f"beacon evidence {at}"))
            for at, key in enumerate(self.signers)
        ]

    def end_master_ceremony(self) -> None:
        self.gatekeeping.send(self.stranger, "complete", MASTER_KEY, MASTER_SHARES, self._sign_master_key())

    def refresh(self) -> None:
        """The same list hands the master key over to itself: the committee after it."""
        contract = self.gatekeeping
        contract.send(self.operator, "propose_refresh")
        agreement = HandoverRecord(Digest(contract.read("next_session"))).digest(self.evm.chain_id, contract.address)
        contract.send(self.stranger, "begin_handover", [key.sign(agreement) for key in self.signers[:2]])
        signed = self._sign_master_key()
        contract.send(self.stranger, "hand_over", MASTER_KEY, MASTER_SHARES, signed, signed)

    def _sign_master_key(self) -> list[bytes]:
        session = Digest(self.gatekeeping.read("session"))
        record = MasterKeyRecord(session, keccak256(MASTER_KEY), keccak256(b"".join(MASTER_SHARES)))
        signed = record.digest(self.evm.chain_id, self.gatekeeping.address)
        return [key.sign(signed) for key in self.signers[:2]]

    def begin(self) -> Digest:
        self.beacon.send(self.stranger, "begin")
        return Digest(self.beacon.read("session"))

    def outcome(self, shares: dict[int, KeyShare], without: Sequence[int] = ()) -> tuple[bytes, list[bytes]]:
        """Key as the chain takes it, and share keys; ``without`` have none."""
        committee = shares[1].committee
        keys = [NO_SHARE if at in without else bytes(committee.share_key(at) or b"") for at in (1, 2, 3)]
        return expand_public_key(committee.group), keys

    def signed(self, session: bytes, key: bytes, share_keys: list[bytes], by: Sequence[int] = (0, 1)) -> list[bytes]:
        record = BeaconKeyRecord(Digest(session), keccak256(key), keccak256(b"".join(share_keys)))
        signed = record.digest(self.evm.chain_id, self.beacon.address)
        return [self.signers[at].sign(signed) for at in by]

    def make_key(self, seed: bytes = b"beacon") -> dict[int, KeyShare]:
        """A ceremony from ``begin`` to ``complete``, its messages left out."""
        shares, session = shared_key(2, 3, seed), self.begin()
        point, keys = self.outcome(shares)
        group = shares[1].committee.group
        self.beacon.send(self.stranger, "complete", session, point, keys, self.signed(session, group, keys))
        return shares

    def next_height(self) -> int:
        """A height that begins now: its block and one more are mined."""
        height = (self.evm.block_number() // self.window + 1) * self.window
        self.evm.mine(height + 1 - self.evm.block_number())
        return height

    def round(self, height: int) -> BeaconRound:
        return BeaconRound(self.network, height, self.simulated)

    def sign(self, shares: dict[int, KeyShare], height: int, by: Sequence[int] = (1, 2)) -> BlsSignature:
        round_ = self.round(height)
        parts = [sign_beacon(shares[at], round_) for at in by]
        return combine_beacon(shares[1].committee, round_, parts).signature

    def post(self, height: int, signature: bytes) -> Mined:
        return self.beacon.send(self.stranger, "post", height, expand_g1(signature))

    def header(self, number: int) -> bytes:
        return BlockHeader.from_rpc(self.evm.block(number)).encode()


@pytest.fixture(scope="module")
def scene(evm: Evm) -> Scene:
    scene = Scene(evm)
    scene.end_master_ceremony()
    return scene


@pytest.fixture(scope="module")
def shares(scene: Scene) -> dict[int, KeyShare]:
    return scene.make_key()


def slot(contract: Deployed, where: Digest) -> bytes:
    return contract.evm.storage(contract.address, where).to_bytes(32, "big")


# The ceremony


def test_a_ceremony_has_a_session_of_its_own_and_a_proven_transcript(evm: Evm) -> None:
    scene = Scene(evm)
    scene.beacon.refuses("beacon: no committee", "begin")
    scene.end_master_ceremony()
    mined = scene.beacon.send(scene.stranger, "begin")
    session = compute_beacon_session(scene.network, 1, mined.block_number)
    assert scene.beacon.event(mined, "Opened") == {"session": session, "committee": 1}
    assert session not in (scene.gatekeeping.read("session"), scene.network)
    entries = []
    for member, kind in ((0, 1), (2, 1), (0, 2)):
        sent = scene.beacon.send(scene.operator, "post_message", session, member, kind, b"message")
        entries.append(Entry(member, kind, sent.block_number, b"message"))
        assert scene.beacon.event(sent, "Transcript")["data"] == b"message"
    assert slot(scene.beacon, beacon_transcript_head(session)) == compute_transcript_head(session, entries)
    assert int.from_bytes(slot(scene.beacon, beacon_transcript_count(session)), "big") == 3


def test_only_members_speak_each_once_and_in_time(evm: Evm) -> None:
    scene = Scene(evm)
    scene.end_master_ceremony()
    refuses, operator = scene.beacon.refuses, scene.operator.address
    refuses("beacon: session", "post_message", ZERO_DIGEST, 0, 1, b"m", sender=operator)
    session = scene.begin()
    refuses("beacon: open", "begin")
    refuses("beacon: session", "post_message", digest("another"), 0, 1, b"m", sender=operator)
    refuses("beacon: not a member", "post_message", session, 0, 1, b"m", sender=scene.stranger.address)
    refuses("beacon: not a member", "post_message", session, 3, 1, b"m", sender=operator)
    refuses("beacon: kind", "post_message", session, 0, 8, b"m", sender=operator)
    scene.beacon.send(scene.operator, "post_message", session, 0, 1, b"m")
    refuses("beacon: spoken", "post_message", session, 0, 1, b"other", sender=operator)
    scene.beacon.read("post_message", session, 1, 1, b"m", sender=scene.signers[1].address)
    evm.mine(5 * PHASE_BLOCKS)
    assert scene.begin() != session
    refuses("beacon: session", "post_message", session, 0, 2, b"m", sender=operator)


def test_the_outcome_takes_the_threshold_of_members_with_shares(evm: Evm) -> None:
    scene, shares = Scene(evm), shared_key(2, 3, b"beacon")
    scene.end_master_ceremony()
    session, group = scene.begin(), shares[1].committee.group
    point, keys = scene.outcome(shares)
    good = scene.signed(session, group, keys)

    def refused(reason: str, *arguments: Any) -> None:
        scene.beacon.refuses(reason, "complete", *arguments)

    refused("beacon: signatures", session, point, keys, good[:1])
    refused("gatekeeping: order", session, point, keys, good[::-1])
    refused("gatekeeping: signer", session, point, keys, scene.signed(digest("other"), group, keys))
    refused("gatekeeping: signer", session, point, [*keys[:2], NO_SHARE], good)
    refused("beacon: key", session, point[:-1], keys, good)
    refused("beacon: share keys", session, point, keys[:2], good)
    refused("beacon: share keys", session, point, [*keys[:2], keys[2][:-1]], good)
    refused("beacon: session", digest("other"), point, keys, good)
    _, without = scene.outcome(shares, without=(2,))
    refused("beacon: no share", session, point, without, scene.signed(session, group, without))
    negated = SecretScalar(ORDER - 5).public_key(), SecretScalar(5).public_key()
    for other in negated:  # the two points with one x are told apart
        refused("gatekeeping: signer", session, expand_public_key(other), keys, good)
    record = MasterKeyRecord(session, keccak256(group), keccak256(b"".join(keys)))  # what the master key's outcome is
    master = [key.sign(record.digest(evm.chain_id, scene.beacon.address)) for key in scene.signers[:2]]
    refused("gatekeeping: signer", session, point, keys, master)

    mined = scene.beacon.send(scene.stranger, "complete", session, point, keys, good)
    event = scene.beacon.event(mined, "Completed")
    assert event == {"committee": 1, "beacon_key": group, "share_keys": keys}
    words = (keccak256(group), keccak256(b"".join(keys)), 2, mined.block_number)
    assert tuple(scene.beacon.read("keys", 1)) == words
    proven = [slot(scene.beacon, beacon_key(1, field)) for field in STRUCTS["Beacon.keys"]]
    assert proven == [word if isinstance(word, bytes) else word.to_bytes(32, "big") for word in words]
    refused("beacon: completed", session, point, keys, good)
    scene.beacon.refuses("beacon: completed", "begin")
    scene.beacon.refuses("beacon: completed", "post_message", session, 0, 1, b"m", sender=scene.operator.address)


@pytest.mark.parametrize("secret_", [5, ORDER - 5, 77, ORDER - 77])
def test_the_chain_compresses_keys_as_the_library_does(evm: Evm, secret_: int) -> None:
    scene = Scene(evm)
    scene.end_master_ceremony()
    session, key = scene.begin(), SecretScalar(secret_).public_key()
    signed = scene.signed(session, key, [key] * 3)
    mined = scene.beacon.send(scene.stranger, "complete", session, expand_public_key(key), [key] * 3, signed)
    assert scene.beacon.event(mined, "Completed")["beacon_key"] == key


# Values


def test_a_value_is_the_hash_of_the_one_signature(scene: Scene, shares: dict[int, KeyShare]) -> None:
    height = scene.next_height()
    signature = scene.sign(shares, height)
    assert signature == scene.sign(shares, height, by=(2, 3))
    scene.beacon.refuses("beacon: early", "post", height + scene.window, expand_g1(signature))
    mined = scene.post(height, signature)
    assert scene.beacon.event(mined, "Posted") == {"height": height, "committee": 1, "signature": signature}
    value = verify_beacon(shares[1].committee.group, scene.round(height), signature)
    assert tuple(scene.beacon.read("value_at", height)) == (value, 1, False)
    proven = [slot(scene.beacon, beacon_value(height, field)) for field in STRUCTS["Beacon.values"]]
    assert proven == [value, (1).to_bytes(32, "big"), bytes(32)]
    assert scene.beacon.read("newest") == height
    scene.beacon.refuses("beacon: known", "post", height, expand_g1(signature))


def test_nothing_but_the_keys_signature_over_the_height_is_taken(scene: Scene, shares: dict[int, KeyShare]) -> None:
    height = scene.next_height()
    good = scene.sign(shares, height)
    round_ = scene.round(height)
    one_share = shares[1].secret.sign(round_.message(), Purpose.BEACON)
    wrong = {
        "one member's part": one_share,
        "another height": scene.sign(shares, height - scene.window),
        "another network": _signed(shares, BeaconRound(NetworkId(digest("other")), height, True).message()),
        "real hardware": _signed(shares, BeaconRound(scene.network, height, False).message()),
        "another purpose": _signed(shares, round_.message(), Purpose.CLUSTER_IDENTITY),
        "the hashed point": hash_to_g1(round_.message(), Purpose.BEACON),
    }
    for what, signature in wrong.items():
        scene.beacon.refuses("beacon: signature", "post", height, expand_g1(signature))
        assert signature != good, what
    point = expand_g1(good)
    negated = point[:64] + (FIELD - int.from_bytes(point[64:], "big")).to_bytes(64, "big")
    bad_points = (
        bytes(128),  # the identity
        negated,
        point[:-1],
        point[:63] + bytes([point[63] ^ 1]) + point[64:],  # off the curve
        (int.from_bytes(point[:64], "big") + FIELD).to_bytes(64, "big") + point[64:],  # not below the prime
        OUTSIDE,  # on the curve, outside the subgroup
    )
    for bad in bad_points:
        scene.beacon.refuses("beacon: signature", "post", height, bad)
    scene.post(height, good)


def _signed(shares: dict[int, KeyShare], message: bytes, purpose: Purpose = Purpose.BEACON) -> bytes:
    parts = [check_g1(shares[at].secret.sign(message, purpose)) for at in (1, 2)]
    return combine_g1(parts, lagrange_weights((1, 2)))



FIELD = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB


def _outside_the_subgroup() -> bytes:
    """A point of the curve y² = x³ + 4 that is not of prime order: the first one found almost surely is not."""
    x = 0
    while True:
        x += 1
        square = (x**3 + 4) % FIELD
        y = pow(square, (FIELD + 1) // 4, FIELD)
        if y * y % FIELD == square:
            return x.to_bytes(64, "big") + y.to_bytes(64, "big")


OUTSIDE = _outside_the_subgroup()


def test_values_come_for_whole_windows_and_in_time(scene: Scene, shares: dict[int, KeyShare]) -> None:
    height = scene.next_height()
    point = expand_g1(scene.sign(shares, height))
    scene.beacon.refuses("beacon: height", "post", height + 1, point)
    scene.evm.mine(2 * scene.window)
    scene.beacon.refuses("beacon: late", "post", height, point)
    scene.beacon.refuses("beacon: none", "value_at", height)


def test_other_labels_other_values(evm: Evm) -> None:
    """The same bytes on a network of real hardware: what the label says is part of what is signed."""
    scene = Scene(evm, simulated=False)
    scene.end_master_ceremony()
    shares = scene.make_key()
    height = scene.next_height()
    simulated = BeaconRound(scene.network, height, insecure=True)
    parts = [sign_beacon(shares[at], simulated) for at in (1, 2)]
    wrong = combine_beacon(shares[1].committee, simulated, parts).signature
    scene.beacon.refuses("beacon: signature", "post", height, expand_g1(wrong))
    scene.post(height, scene.sign(shares, height))


# The fallback


def test_a_missed_window_falls_back_to_one_later_block(scene: Scene, shares: dict[int, KeyShare]) -> None:
    height = scene.next_height()
    source = height + 2 * scene.window
    scene.evm.mine(source - scene.evm.block_number() - 1)  # calls are made in the newest block or in the next one
    scene.beacon.refuses("beacon: early", "fall_back", height, b"")
    scene.evm.mine(3)
    header = scene.header(source)
    for wrong in (scene.header(source + 1), scene.header(source - 1), header + b"\0", b""):
        scene.beacon.refuses("beacon: header", "fall_back", height, wrong)
    mined = scene.beacon.send(scene.stranger, "fall_back", height, header)
    randomness = parse_header(header).prevrandao
    assert scene.beacon.event(mined, "FellBack") == {"height": height, "prevrandao": randomness}
    value = compute_fallback_value(scene.network, height, randomness)
    assert tuple(scene.beacon.read("value_at", height)) == (value, 0, True)
    proven = [slot(scene.beacon, beacon_value(height, field)) for field in STRUCTS["Beacon.values"]]
    assert proven == [value, bytes(32), (1).to_bytes(32, "big")]
    scene.beacon.refuses("beacon: known", "fall_back", height, header)
    scene.beacon.refuses("beacon: height", "fall_back", height + 1, header)
    newest = scene.next_height()
    scene.post(newest, scene.sign(shares, newest))
    assert scene.beacon.read("newest") == newest


def test_after_256_blocks_a_window_stays_without_a_value(scene: Scene) -> None:
    height = scene.next_height()
    source = height + 2 * scene.window
    scene.evm.mine(2 * scene.window + 256)
    scene.beacon.refuses("beacon: late", "fall_back", height, scene.header(source))


# Committees


def test_the_key_before_serves_until_the_next_is_recorded(evm: Evm) -> None:
    scene = Scene(evm)
    scene.end_master_ceremony()
    height = scene.next_height()
    scene.beacon.refuses("beacon: no key", "post", height, expand_g1(hash_to_g1(b"any", Purpose.BEACON)))
    old = scene.make_key()
    scene.beacon.refuses("beacon: no key", "post", height, expand_g1(scene.sign(old, height)))
    scene.refresh()
    before = scene.next_height()
    scene.post(before, scene.sign(old, before))  # committee 2 has none yet
    new = scene.make_key(b"second")
    between = (scene.beacon.read("keys", 2)[3] // scene.window) * scene.window
    assert scene.beacon.read("serving", between) == 1
    if between != before:
        scene.evm.mine()
        scene.beacon.refuses("beacon: signature", "post", between, expand_g1(scene.sign(new, between)))
    after = scene.next_height()
    assert scene.beacon.read("serving", after) == 2
    scene.beacon.refuses("beacon: signature", "post", after, expand_g1(scene.sign(old, after)))
    scene.post(after, scene.sign(new, after))
    assert tuple(scene.beacon.read("value_at", after))[1:] == (2, False)
    named = {"committee": 2, "former_committee": 1, "in_ceremony": 2, "newest": after, "window": scene.window}
    for name, value in {**named, "phase_blocks": PHASE_BLOCKS, "opened": scene.beacon.read("opened")}.items():
        assert scene.beacon.read(name) == value
        assert int.from_bytes(slot(scene.beacon, beacon_variable(name)), "big") == value
    assert slot(scene.beacon, beacon_variable("session")) == scene.beacon.read("session")


def test_a_ceremony_ends_with_its_committee(evm: Evm) -> None:
    scene, shares = Scene(evm), shared_key(2, 3, b"beacon")
    scene.end_master_ceremony()
    session = scene.begin()
    scene.refresh()
    point, keys = scene.outcome(shares)
    signed = scene.signed(session, shares[1].committee.group, keys)
    scene.beacon.refuses("beacon: committee", "complete", session, point, keys, signed)
    refused = ("post_message", session, 0, 1, b"m")
    scene.beacon.refuses("beacon: committee", *refused, sender=scene.operator.address)
    assert scene.begin() != session  # without waiting for the phases of a ceremony that is over
    assert scene.beacon.read("in_ceremony") == 2


@pytest.mark.parametrize(("phase_blocks", "window", "reason"), [(0, 4, "phase"), (5, 0, "window"), (5, 129, "window")])
def test_bad_settings_are_not_deployed(evm: Evm, phase_blocks: int, window: int, reason: str) -> None:
    with pytest.raises(Reverted) as caught:
        evm.deploy("Beacon", b"\1" * 20, phase_blocks, window, True)
    assert caught.value.reason == f"beacon: {reason}"
