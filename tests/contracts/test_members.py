"""Gatekeeping: where members are reached, what their evidence was, and members that the guardian ends (1.4)."""

from __future__ import annotations

from typing import Any

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.layout import gatekeeping_revoked
from coprocessor.protocol.statements import NO_SHARE
from coprocessor.values.identities import Digest
from tests.contracts.evm import Evm, Reverted
from tests.contracts.network import THRESHOLD, TestNetwork, digest
from tests.contracts.test_handover import FIRST_KEYS, MASTER_KEY, NEXT_KEYS, Handover

CLAIMS = (b"\x02" * 33, 7, digest("checkpoint"), 9, digest("block"))


@pytest.fixture
def handover(evm: Evm) -> Handover:
    return Handover(evm)


def revoke(handover: Handover, key: PrivateKey) -> dict[str, Any]:
    """The guardian ends a member; the event."""
    mined = handover.contract.send(handover.network.guardian, "revoke", key.address)
    return handover.contract.event(mined, "Revoked")


def test_operators_say_where_present_and_announced_members_are_reached(handover: Handover) -> None:
    contract, network = handover.contract, handover.network
    own, newcomer, operator = handover.old[1].address, handover.next[1].address, network.operators[1]
    mined = contract.send(network.deployer, "set_endpoint", own, "http://somewhere:1")
    assert contract.event(mined, "EndpointSet") == {"signer": own, "endpoint": "http://somewhere:1"}
    assert contract.read("endpoints", own) == "http://somewhere:1"
    contract.refuses("gatekeeping: operator", "set_endpoint", newcomer, "x", sender=operator.address)
    handover.propose()
    contract.send(operator, "set_endpoint", newcomer, "x" * 256)
    assert contract.read("endpoints", newcomer) == "x" * 256
    with pytest.raises(Reverted):
        contract.read("set_endpoint", newcomer, "x" * 257, sender=operator.address)
    for signer, sender in ((own, operator), (newcomer, network.deployer), (network.stranger.address, network.stranger)):
        contract.refuses("gatekeeping: operator", "set_endpoint", signer, "y", sender=sender.address)


def test_an_announced_list_takes_no_present_members_endpoint(handover: Handover) -> None:
    """A list may name a present key under another operator; its word does not count while the member sits."""
    contract, network = handover.contract, handover.network
    thief = network.operators[2]
    stolen = [(thief.address, *handover.members[0][1:]), *handover.members[1:]]
    contract.send(network.proposer, "propose", 3, stolen)
    contract.refuses("gatekeeping: operator", "set_endpoint", stolen[0][1], "y", sender=thief.address)


def test_evidence_is_published_by_operators_and_for_newcomers_by_the_proposer(handover: Handover) -> None:
    contract, network = handover.contract, handover.network
    own, newcomer = handover.old[0].address, handover.next[1].address
    largest = b"\xee" * 24_576
    mined = contract.send(network.deployer, "publish_evidence", own, CLAIMS, largest)
    event = contract.event(mined, "EvidencePublished")
    assert (event["signer"], tuple(event["claims"]), event["evidence"]) == (own, CLAIMS, largest)
    with pytest.raises(Reverted):
        contract.read("publish_evidence", own, CLAIMS, largest + b"\0", sender=network.deployer.address)
    proposer = network.proposer.address
    contract.refuses("gatekeeping: not a member", "publish_evidence", newcomer, CLAIMS, b"e", sender=proposer)
    handover.propose()
    for sender in (network.proposer, network.operators[1]):
        contract.send(sender, "publish_evidence", newcomer, CLAIMS, b"e")
    refused = ("publish_evidence", newcomer, CLAIMS, b"e")
    contract.refuses("gatekeeping: operator", *refused, sender=network.stranger.address)


def test_the_guardian_ends_a_member_and_nothing_of_it_counts(handover: Handover) -> None:
    contract, network = handover.contract, handover.network
    victim = handover.old[1]
    contract.refuses("gatekeeping: not a member", "revoke", network.stranger.address, sender=network.guardian.address)
    event = revoke(handover, victim)
    assert event == {"committee": 1, "member": 1, "signer": victim.address}
    assert contract.read("revoked", victim.address) == handover.evm.block_number()
    stored = handover.evm.storage(contract.address, gatekeeping_revoked(victim.address))
    assert stored == handover.evm.block_number()
    assert not contract.read("is_gatekeeper", victim.address)
    assert contract.read("is_gatekeeper", handover.old[0].address)
    signed = [key.sign(digest("x")) for key in handover.old]
    contract.refuses("gatekeeping: revoked", "check_signatures", digest("x"), signed[:2])
    assert contract.read("check_signatures", digest("x"), [signed[0], signed[2]]) == [0, 2]
    for function in ("propose_refresh", "reopen"):
        reason = "gatekeeping: not a member" if function == "propose_refresh" else "gatekeeping: completed"
        contract.refuses(reason, function, sender=victim.address)
    contract.refuses("gatekeeping: revoked", "revoke", victim.address, sender=network.guardian.address)


def test_an_admission_that_a_revoked_member_signed_is_refused(handover: Handover) -> None:
    network = handover.network
    revoke(handover, handover.old[1])
    enclave = network.enclave()
    admission = network.admission(enclave)
    for by, reason in (((0, 1), "gatekeeping: revoked"), ((0,), "registry: signatures")):
        signatures = network.sign_admission(admission, by)
        network.registry.refuses(
            reason, "admit", admission, b"e", signatures, sender=enclave.operator.address
        )
    network.registry.send(enclave.operator, "admit", admission, b"e", network.sign_admission(admission, (0, 2)))


def test_the_threshold_of_share_holders_remains(handover: Handover) -> None:
    contract, guardian = handover.contract, handover.network.guardian
    revoke(handover, handover.old[0])
    assert len(handover.old) - 1 == THRESHOLD
    for key in handover.old[1:]:
        contract.refuses("gatekeeping: threshold", "revoke", key.address, sender=guardian.address)


def test_members_without_a_share_do_not_count_as_remaining(evm: Evm) -> None:
    network = TestNetwork(evm)
    gatekeeping, keys = network.gatekeeping, [FIRST_KEYS[0], NO_SHARE, FIRST_KEYS[2]]
    refused = ("revoke", network.gatekeepers[0].address)
    gatekeeping.refuses("gatekeeping: no key", *refused, sender=network.guardian.address)
    by = [key.sign(network.master_key_digest(MASTER_KEY, keys)) for key in network.gatekeepers]
    gatekeeping.send(network.stranger, "complete", MASTER_KEY, keys, [by[0], by[2]])
    gatekeeping.refuses("gatekeeping: threshold", *refused, sender=network.guardian.address)
    gatekeeping.send(network.guardian, "revoke", network.gatekeepers[1].address)  # it held nothing


def test_a_revocation_ends_the_handover_under_way(handover: Handover) -> None:
    """The list stays where it does not name the revoked one; the handover begins again under another session."""
    contract, network = handover.contract, handover.network
    handover.propose()  # members 0 and 2 stay
    first = handover.begin()
    old, new = handover.outcome(handover.old[:2]), handover.outcome(handover.next[:3])
    revoke(handover, handover.old[1])
    assert not contract.read("is_handover")
    contract.refuses("gatekeeping: no handover", "hand_over", MASTER_KEY, NEXT_KEYS, old, new)
    contract.refuses("gatekeeping: revoked", "begin_handover", handover.opening(handover.old[:2]))
    session = Digest(contract.read("next_session"))
    contract.send(network.stranger, "begin_handover", handover.opening([handover.old[0], handover.old[2]]))
    assert contract.read("session") == session != first
    contract.refuses("gatekeeping: revoked", "post", session, 1, 1, b"m", sender=handover.old[1].address)
    mixed = handover.outcome(handover.old[:2]), handover.outcome(handover.next[:3])
    contract.refuses("gatekeeping: revoked", "hand_over", MASTER_KEY, NEXT_KEYS, *mixed)
    good = handover.outcome([handover.old[0], handover.old[2]]), handover.outcome(handover.next[:3])
    contract.send(network.stranger, "hand_over", MASTER_KEY, NEXT_KEYS, *good)
    assert contract.read("committee") == 2


def test_a_list_that_names_a_revoked_member_is_forgotten_and_none_comes_back(handover: Handover) -> None:
    contract, network = handover.contract, handover.network
    handover.propose()
    revoke(handover, handover.old[0])
    assert contract.read("next_count") == 0
    contract.refuses("gatekeeping: no list", "begin_handover", [])
    contract.refuses("gatekeeping: revoked", "propose", 3, handover.members, sender=network.proposer.address)


def test_in_a_refresh_a_revoked_member_keeps_its_place_and_no_voice(handover: Handover) -> None:
    contract, network = handover.contract, handover.network
    revoke(handover, handover.old[1])
    contract.send(network.deployer, "propose_refresh")
    assert contract.read("next_count") == 3
    contract.send(network.stranger, "begin_handover", handover.opening([handover.old[0], handover.old[2]]))
    session = contract.read("session")
    for place in (1, 4):
        contract.refuses("gatekeeping: revoked", "post", session, place, 1, b"m", sender=network.deployer.address)
    keys = [NEXT_KEYS[0], NO_SHARE, NEXT_KEYS[2]]
    by = handover.outcome([handover.old[0], handover.old[2]], keys)
    with_revoked = handover.outcome(handover.old[:2], keys)
    contract.refuses("gatekeeping: revoked", "hand_over", MASTER_KEY, keys, by, with_revoked)
    contract.send(network.stranger, "hand_over", MASTER_KEY, keys, by, by)
    assert contract.read("share_keys_hash") == keccak256(b"".join(keys))
    assert not contract.read("is_gatekeeper", handover.old[1].address)
    contract.refuses(
        "gatekeeping: threshold", "revoke", handover.old[0].address, sender=network.guardian.address
    )
