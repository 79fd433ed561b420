"""Gatekeeping: from one committee to the next, and to the same one with new shares (PROTOCOL 9.4, 9.5)."""

from __future__ import annotations

from typing import Any

import pytest

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.layout import gatekeeping_next_member
from coprocessor.protocol.statements import NO_SHARE, HandoverRecord, MasterKeyRecord, compute_handover_session
from coprocessor.values.identities import ZERO_DIGEST, Address, Digest
from tests.contracts.evm import Evm
from tests.contracts.network import PHASE_BLOCKS, THRESHOLD, TestNetwork, digest, secret

MASTER_KEY = b"\x01" * 96
FIRST_KEYS = [bytes([2 + at]) * 96 for at in range(3)]
NEXT_KEYS = [bytes([12 + at]) * 96 for at in range(5)]


class Handover:
    """A network whose first key stands, and a next committee: its members 0 and 2 stay, three are new."""

    def __init__(self, evm: Evm) -> None:
        self.network = TestNetwork(evm)
        self.evm, self.contract = evm, self.network.gatekeeping
        self.old = self.network.gatekeepers
        good = [key.sign(self.network.master_key_digest(MASTER_KEY, FIRST_KEYS)) for key in self.old]
        self.contract.send(self.network.stranger, "complete", MASTER_KEY, FIRST_KEYS, good)
        self.next = [self.old[0], secret("new/0"), self.old[2], secret("new/1"), secret("new/2")]
        present = self.network.genesis_members()
        operator = self.network.operators[1].address
        fresh = [(operator, self.next[at].address, digest(f"ns/{at}"), digest(f"ne/{at}")) for at in range(5)]
        self.members = [present[0], fresh[1], present[2], fresh[3], fresh[4]]

    def propose(self, threshold: int = 3) -> None:
        """The list of five."""
        self.contract.send(self.network.proposer, "propose", threshold, self.members)

    def opening(self, by: list[PrivateKey]) -> list[bytes]:
        """Signatures over the next session."""
        record = HandoverRecord(Digest(self.contract.read("next_session")))
        statement = record.digest(self.evm.chain_id, self.contract.address)
        return [key.sign(statement) for key in by]

    def begin(self) -> Digest:
        """Opened by the threshold; the session."""
        session = Digest(self.contract.read("next_session"))
        self.contract.send(self.network.stranger, "begin_handover", self.opening(self.old[:THRESHOLD]))
        return session

    def outcome(self, by: list[PrivateKey], keys: list[bytes] = NEXT_KEYS) -> list[bytes]:
        """Signatures over the present session's outcome."""
        session = Digest(self.contract.read("session"))
        record = MasterKeyRecord(session, keccak256(MASTER_KEY), keccak256(b"".join(keys)))
        return [key.sign(record.digest(self.evm.chain_id, self.contract.address)) for key in by]


@pytest.fixture
def handover(evm: Evm) -> Handover:
    return Handover(evm)


def test_a_committee_hands_over(handover: Handover) -> None:
    contract, network = handover.contract, handover.network
    assert (contract.read("committee"), contract.read("share_keys_hash")) == (1, keccak256(b"".join(FIRST_KEYS)))
    contract.refuses("gatekeeping: proposer", "propose", 3, handover.members, sender=network.deployer.address)
    mined = contract.send(network.proposer, "propose", 3, handover.members)
    assert contract.event(mined, "Proposed") == {"committee": 2, "threshold": 3, "members": handover.members}
    assert (contract.read("next_threshold"), contract.read("next_count")) == (3, 5)
    assert [tuple(contract.read("next_members", at)) for at in range(5)] == handover.members
    for field, value in zip(("operator", "signer", "sealing_key", "evidence_digest"), handover.members[4], strict=True):
        stored = handover.evm.storage(contract.address, gatekeeping_next_member(4, field))
        assert stored.to_bytes(32, "big") == bytes(value).rjust(32, b"\0")
    contract.refuses("gatekeeping: signatures", "begin_handover", handover.opening(handover.old[:1]))
    contract.refuses("gatekeeping: signer", "begin_handover", handover.opening([secret("a"), secret("b")]))
    session = handover.begin()
    assert (contract.read("session"), contract.read("is_handover")) == (session, True)
    contract.refuses("gatekeeping: open", "begin_handover", handover.opening(handover.old))

    old, new = handover.outcome(handover.old[:2]), handover.outcome([handover.next[at] for at in (0, 2, 4)])
    broken: dict[str, list[tuple[Any, ...]]] = {
        "gatekeeping: master key": [(b"\x09" * 96, NEXT_KEYS, old, new)],
        "gatekeeping: share keys": [(MASTER_KEY, NEXT_KEYS[:4], old, new)],
        "gatekeeping: signatures": [(MASTER_KEY, NEXT_KEYS, old[:1], new), (MASTER_KEY, NEXT_KEYS, old, new[:2])],
        "gatekeeping: order": [(MASTER_KEY, NEXT_KEYS, old, [new[1], new[0], new[2]])],
        "gatekeeping: signer": [
            (MASTER_KEY, NEXT_KEYS, old, [*old, new[2]]),
            (MASTER_KEY, [*FIRST_KEYS, *NEXT_KEYS[:2]], old, new),
        ],
    }
    for reason, calls in broken.items():
        for call in calls:
            contract.refuses(reason, "hand_over", *call)
    left_out = [NO_SHARE, *NEXT_KEYS[1:]]
    by = [handover.next[at] for at in (0, 2, 4)]
    lacking = (left_out, handover.outcome(handover.old[:2], left_out), handover.outcome(by, left_out))
    contract.refuses("gatekeeping: no share", "hand_over", MASTER_KEY, *lacking)

    mined = contract.send(network.stranger, "hand_over", MASTER_KEY, NEXT_KEYS, old, new)
    assert contract.event(mined, "Completed")["share_keys"] == NEXT_KEYS
    assert (contract.read("committee"), contract.read("threshold"), contract.read("member_count")) == (2, 3, 5)
    assert contract.read("share_keys_hash") == keccak256(b"".join(NEXT_KEYS))
    assert contract.read("master_key_hash") == keccak256(MASTER_KEY)
    assert [tuple(contract.read("members", at)) for at in range(5)] == handover.members
    assert not contract.read("is_gatekeeper", handover.old[1].address)
    assert all(contract.read("is_gatekeeper", key.address) for key in handover.next)
    signed = [key.sign(digest("x")) for key in handover.next]
    assert contract.read("check_signatures", digest("x"), signed) == [0, 1, 2, 3, 4]
    contract.refuses("gatekeeping: no handover", "hand_over", MASTER_KEY, NEXT_KEYS, old, new)
    contract.refuses("gatekeeping: no list", "begin_handover", [])


def test_both_committees_speak_in_a_handover(handover: Handover) -> None:
    contract, network = handover.contract, handover.network
    handover.propose()
    contract.refuses("gatekeeping: not a member", "post", network.genesis, 3, 0, b"", sender=handover.next[0].address)
    session = handover.begin()
    operator = network.operators[1]
    for member, sender in ((0, network.deployer), (3, network.deployer), (4, operator), (7, operator)):
        mined = contract.send(sender, "post", session, member, 1, b"message")
        assert contract.event(mined, "Transcript")["member"] == member
    for member, sender in ((0, operator), (4, network.deployer), (8, operator)):
        contract.refuses("gatekeeping: not a member", "post", session, member, 2, b"", sender=sender.address)


def test_a_handover_that_fails_leaves_the_old_committee_and_begins_anew(handover: Handover) -> None:
    contract, network = handover.contract, handover.network
    handover.propose()
    first = handover.begin()
    stale = handover.outcome(handover.old), handover.outcome(handover.next)
    contract.refuses("gatekeeping: open", "propose", 3, handover.members, sender=network.proposer.address)
    handover.evm.mine(5 * PHASE_BLOCKS)
    second = handover.begin()
    assert second != first
    contract.refuses("gatekeeping: signer", "hand_over", MASTER_KEY, NEXT_KEYS, *stale)
    handover.evm.mine(5 * PHASE_BLOCKS)
    handover.propose(2)
    assert not contract.read("is_handover")
    assert contract.read("next_session") not in (first, second, ZERO_DIGEST)
    contract.refuses("gatekeeping: no handover", "hand_over", MASTER_KEY, NEXT_KEYS, [], [])
    contract.refuses("gatekeeping: completed", "reopen", sender=handover.old[0].address)
    assert (contract.read("committee"), contract.read("threshold")) == (1, THRESHOLD)


def test_a_refresh_is_a_handover_to_the_same_list(handover: Handover) -> None:
    contract, network = handover.contract, handover.network
    contract.refuses("gatekeeping: not a member", "propose_refresh", sender=network.stranger.address)
    contract.send(network.deployer, "propose_refresh")
    present = network.genesis_members()
    assert [tuple(contract.read("next_members", at)) for at in range(3)] == present
    contract.refuses("gatekeeping: announced", "propose_refresh", sender=network.deployer.address)
    handover.begin()
    keys = NEXT_KEYS[:3]
    signed = handover.outcome(handover.old[1:], keys)
    contract.send(network.stranger, "hand_over", MASTER_KEY, keys, signed, signed)
    assert contract.read("committee") == 2
    assert [tuple(contract.read("members", at)) for at in range(3)] == present
    assert all(contract.read("is_gatekeeper", key.address) for key in handover.old)


def test_nothing_is_announced_before_there_is_a_key(evm: Evm) -> None:
    network = TestNetwork(evm)
    members = network.genesis_members()
    network.gatekeeping.refuses("gatekeeping: no key", "propose", 2, members, sender=network.proposer.address)
    network.gatekeeping.refuses("gatekeeping: no key", "propose_refresh", sender=network.deployer.address)


@pytest.mark.parametrize(
    ("threshold", "change", "reason"),
    [
        (4, lambda listed: listed, "gatekeeping: threshold"),
        (3, lambda listed: [*listed[:4], listed[0]], "gatekeeping: member twice"),
        (3, lambda listed: [*listed[:4], (*listed[4][:2], listed[0][2], listed[4][3])], "gatekeeping: member twice"),
        (3, lambda listed: [*listed[:4], (bytes(20), *listed[4][1:])], "gatekeeping: member zero"),
    ],
)
def test_a_list_must_be_sound(handover: Handover, threshold: int, change: Any, reason: str) -> None:
    sender = handover.network.proposer.address
    handover.contract.refuses(reason, "propose", threshold, change(handover.members), sender=sender)


def test_the_session_covers_the_list(handover: Handover) -> None:
    contract = handover.contract
    handover.propose()
    members_hash = keccak256(abi.encode(["(address,address,bytes32,bytes32)[]"], [handover.members]))
    fields = (contract.read("session"), 1, 3, contract.read("next_announced"), members_hash)
    expected = keccak256(abi.encode(["bytes32", "uint256", "uint256", "uint256", "bytes32"], fields))
    assert contract.read("next_session") == expected
    rows = [(Address(a), Address(b), c, Digest(d)) for a, b, c, d in handover.members]
    announced = contract.read("next_announced")
    assert compute_handover_session(Digest(contract.read("session")), 1, 3, announced, rows) == expected
