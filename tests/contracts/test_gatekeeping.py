"""Gatekeeping: write-once committee, ceremony messages, master key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.keys.transcript import Entry, compute_transcript_head
from coprocessor.protocol.layout import (
    gatekeeping_master_key_hash,
    gatekeeping_transcript_count,
    gatekeeping_transcript_head,
)
from coprocessor.protocol.statements import NO_SHARE
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.contracts.network import PHASE_BLOCKS, THRESHOLD, TestNetwork, digest, genesis_digest, secret

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MASTER_KEY = b"\x01" * 96
SHARE_KEYS = [bytes([2 + index]) * 96 for index in range(3)]

Members = list[tuple[bytes, bytes, bytes, bytes]]


@pytest.fixture
def fresh(evm: Evm) -> Deployed:
    """A Gatekeeping of the first account, before `initialize`."""
    return evm.deploy("Gatekeeping", *(key.address for key in evm.keys[:3]), PHASE_BLOCKS)


def members(count: int) -> Members:
    """Distinct members of one operator."""
    return [(b"\x0a" * 20, secret(f"m{i}").address, digest(f"s{i}"), digest(f"e{i}")) for i in range(count)]


def signed(fresh: Deployed, threshold: int, listed: Members, genesis: bytes = digest("g")) -> tuple[Any, ...]:
    """What `initialize` takes for members made by `members`."""
    statement = genesis_digest(fresh, threshold, listed, genesis)
    return threshold, listed, genesis, [secret(f"m{i}").sign(statement) for i in range(len(listed))]


def high_s(signature: bytes) -> bytes:
    """The other valid form of a signature, which must be refused."""
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


def test_genesis_is_recorded(network: TestNetwork) -> None:
    gatekeeping = network.gatekeeping
    assert gatekeeping.read("genesis") == network.genesis
    assert gatekeeping.read("threshold") == THRESHOLD
    assert gatekeeping.read("member_count") == 3
    for index, member in enumerate(network.genesis_members()):
        assert tuple(gatekeeping.read("members", index)) == member
        assert gatekeeping.read("is_gatekeeper", member[1])
    assert not gatekeeping.read("is_gatekeeper", network.stranger.address)
    assert not gatekeeping.read("is_gatekeeper", network.deployer.address)


def test_initialize_says_so(fresh: Deployed, network: TestNetwork) -> None:
    mined = fresh.send(network.deployer, "initialize", *signed(fresh, 1, members(1)))
    event = fresh.event(mined, "Initialized")
    assert event == {"genesis": digest("g"), "threshold": 1, "members": members(1)}
    assert fresh.event(mined, "Opened") == {"session": digest("g")}
    assert (fresh.read("session"), fresh.read("opened")) == (digest("g"), fresh.evm.block_number())
    assert fresh.read("phase_blocks") == fresh.read("PHASE_BLOCKS") == PHASE_BLOCKS


@pytest.mark.parametrize(("threshold", "count"), [(0, 1), (2, 1), (1, 0), (3, 4), (17, 32)])
def test_initialize_refuses_thresholds(fresh: Deployed, network: TestNetwork, threshold: int, count: int) -> None:
    arguments = signed(fresh, threshold, members(count))
    fresh.refuses("gatekeeping: threshold", "initialize", *arguments, sender=network.deployer.address)


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (2, 3), (3, 5), (16, 32)])
def test_initialize_takes_thresholds(fresh: Deployed, network: TestNetwork, threshold: int, count: int) -> None:
    fresh.read("initialize", *signed(fresh, threshold, members(count)), sender=network.deployer.address)


def test_initialize_needs_every_members_signature(fresh: Deployed, network: TestNetwork) -> None:
    threshold, listed, genesis, good = signed(fresh, 2, members(3))
    *_, other_threshold = signed(fresh, 1, members(3))
    *_, other_genesis = signed(fresh, 2, members(3), digest("h"))
    broken = {
        "gatekeeping: signatures": good[:2],
        "gatekeeping: order": [good[1], good[0], good[2]],
        "gatekeeping: signer": [*good[:2], secret("stranger").sign(digest("x"))],
        "gatekeeping: signature": [*good[:2], bytes(65)],
    }
    sender = network.deployer.address
    for reason, signatures in broken.items():
        fresh.refuses(reason, "initialize", threshold, listed, genesis, signatures, sender=sender)
    for foreign in (other_threshold, other_genesis):
        fresh.refuses("gatekeeping: signer", "initialize", threshold, listed, genesis, foreign, sender=sender)
    fresh.read("initialize", threshold, listed, genesis, good, sender=sender)


def test_a_phase_has_blocks(evm: Evm) -> None:
    with pytest.raises(Reverted) as refused:
        evm.deploy("Gatekeeping", *(key.address for key in evm.keys[:3]), 0)
    assert refused.value.reason == "gatekeeping: phase"


@pytest.mark.parametrize("field", range(4))
def test_initialize_refuses_zero_fields(fresh: Deployed, network: TestNetwork, field: int) -> None:
    broken = [list(member) for member in members(3)]
    broken[1][field] = bytes(len(broken[1][field]))
    arguments = (2, broken, digest("g"), [])
    fresh.refuses("gatekeeping: member zero", "initialize", *arguments, sender=network.deployer.address)


@pytest.mark.parametrize("field", [1, 2])
def test_initialize_refuses_one_key_twice(fresh: Deployed, network: TestNetwork, field: int) -> None:
    broken = [list(member) for member in members(3)]
    broken[2][field] = broken[0][field]
    arguments = (2, broken, digest("g"), [])
    fresh.refuses("gatekeeping: member twice", "initialize", *arguments, sender=network.deployer.address)


def test_initialize_is_the_deployers_and_once(fresh: Deployed, network: TestNetwork) -> None:
    arguments = signed(fresh, 1, members(1))
    fresh.refuses("gatekeeping: deployer", "initialize", *arguments, sender=network.stranger.address)
    no_genesis = (1, members(1), ZERO_DIGEST, [])
    fresh.refuses("gatekeeping: genesis", "initialize", *no_genesis, sender=network.deployer.address)
    fresh.send(network.deployer, "initialize", *arguments)
    fresh.refuses("gatekeeping: initialized", "initialize", *arguments, sender=network.deployer.address)


def test_nothing_can_be_completed_before_initialize(fresh: Deployed) -> None:
    fresh.refuses("gatekeeping: genesis", "complete", MASTER_KEY, [], [])
    fresh.refuses("gatekeeping: genesis", "reopen")
    signature = secret("anybody").sign(digest("anything"))
    fresh.refuses("gatekeeping: signer", "check_signatures", digest("anything"), [signature])


def test_post_by_operator_and_by_signer(fresh: Deployed, network: TestNetwork) -> None:
    operator, signer = network.operators[0], network.operators[1]
    listed = [(operator.address, signer.address, digest("s"), digest("e")), *members(2)]
    statement = genesis_digest(fresh, 2, listed, digest("g"))
    signatures = [key.sign(statement) for key in (signer, secret("m0"), secret("m1"))]
    fresh.send(network.deployer, "initialize", 2, listed, digest("g"), signatures)
    for kind, speaker in enumerate((operator, signer)):
        mined = fresh.send(speaker, "post", digest("g"), 0, kind, b"message")
        event = fresh.event(mined, "Transcript")
        assert event == {"session": digest("g"), "member": 0, "kind": kind, "data": b"message"}
        fresh.refuses("gatekeeping: not a member", "post", digest("g"), 1, 7, b"", sender=speaker.address)
    for member in (0, 3):
        fresh.refuses("gatekeeping: not a member", "post", digest("g"), member, 7, b"", sender=network.stranger.address)
    fresh.refuses("gatekeeping: not a member", "post", digest("g"), 3, 7, b"", sender=ZERO_ADDRESS)


def test_messages_are_bounded_in_number_and_size(evm: Evm) -> None:
    network = TestNetwork(evm)
    gatekeeping, session, largest = network.gatekeeping, network.genesis, b"\xff" * 65536
    mined = gatekeeping.send(network.deployer, "post", session, 0, 1, largest)
    assert gatekeeping.event(mined, "Transcript")["data"] == largest
    sender = network.deployer.address
    with pytest.raises(Reverted):
        gatekeeping.read("post", session, 0, 2, largest + b"\0", sender=sender)
    gatekeeping.refuses("gatekeeping: spoken", "post", session, 0, 1, b"again", sender=sender)
    gatekeeping.refuses("gatekeeping: kind", "post", session, 0, 8, b"", sender=sender)
    gatekeeping.refuses("gatekeeping: session", "post", digest("another"), 0, 2, b"", sender=sender)
    gatekeeping.read("post", session, 1, 1, b"another member", sender=sender)


def test_the_transcript_is_a_hash_chain_that_enclaves_replay(evm: Evm) -> None:
    network = TestNetwork(evm)
    gatekeeping, session = network.gatekeeping, network.genesis
    entries: list[Entry] = []
    for member, kind, data in ((2, 1, b"first"), (0, 1, b""), (0, 3, b"\x01" * 300)):
        assert evm.storage(gatekeeping.address, gatekeeping_transcript_count(session)) == len(entries)
        head = evm.storage(gatekeeping.address, gatekeeping_transcript_head(session))
        assert head.to_bytes(32, "big") == compute_transcript_head(session, entries)
        gatekeeping.send(network.deployer, "post", session, member, kind, data)
        entries.append(Entry(member, kind, evm.block_number(), data))
    assert gatekeeping.read("transcript_heads", session) == compute_transcript_head(session, entries)
    for altered in (entries[::-1], entries[1:], [replace(entries[0], block_number=1), *entries[1:]]):
        assert compute_transcript_head(session, altered) != gatekeeping.read("transcript_heads", session)


def test_a_ceremony_without_an_outcome_begins_anew(evm: Evm) -> None:
    network = TestNetwork(evm)
    gatekeeping, first = network.gatekeeping, network.genesis
    opened = gatekeeping.read("opened")
    gatekeeping.refuses("gatekeeping: not a member", "reopen", sender=network.stranger.address)
    while evm.block_number() < opened + 5 * PHASE_BLOCKS:
        gatekeeping.refuses("gatekeeping: open", "reopen", sender=network.gatekeepers[1].address)
        evm.mine()
    mined = gatekeeping.send(network.deployer, "reopen")
    second = keccak256(first)
    assert gatekeeping.event(mined, "Opened") == {"session": second}
    assert (gatekeeping.read("session"), gatekeeping.read("opened")) == (second, evm.block_number())
    gatekeeping.refuses("gatekeeping: session", "post", first, 0, 1, b"", sender=network.deployer.address)
    stale = [key.sign(network.master_key_digest(MASTER_KEY, SHARE_KEYS)) for key in network.gatekeepers]
    gatekeeping.refuses("gatekeeping: signer", "complete", MASTER_KEY, SHARE_KEYS, stale)


def test_complete_needs_the_threshold_of_members_with_shares(evm: Evm) -> None:
    network = TestNetwork(evm)
    gatekeeping, statement = network.gatekeeping, network.master_key_digest(MASTER_KEY, SHARE_KEYS)
    good = [key.sign(statement) for key in network.gatekeepers]
    foreign = [*good[:2], secret("stranger").sign(statement)]
    other = [*good[:2], network.gatekeepers[2].sign(digest("other"))]

    gatekeeping.refuses("gatekeeping: signatures", "complete", MASTER_KEY, SHARE_KEYS, good[:1])
    gatekeeping.refuses("gatekeeping: order", "complete", MASTER_KEY, SHARE_KEYS, [good[1], good[0], good[2]])
    gatekeeping.refuses("gatekeeping: order", "complete", MASTER_KEY, SHARE_KEYS, [good[0], good[0], good[1]])
    gatekeeping.refuses("gatekeeping: signer", "complete", MASTER_KEY, SHARE_KEYS, foreign)
    gatekeeping.refuses("gatekeeping: signer", "complete", MASTER_KEY, SHARE_KEYS, other)
    gatekeeping.refuses("gatekeeping: share keys", "complete", MASTER_KEY, SHARE_KEYS[:2], good)
    gatekeeping.refuses("gatekeeping: share keys", "complete", MASTER_KEY, [*SHARE_KEYS[:2], b"\4" * 95], good)
    gatekeeping.refuses("gatekeeping: master key", "complete", MASTER_KEY[1:], SHARE_KEYS, good)
    for altered in ([b"\x09" + MASTER_KEY[1:], SHARE_KEYS], [MASTER_KEY, [*SHARE_KEYS[:2], SHARE_KEYS[0]]]):
        gatekeeping.refuses("gatekeeping: signer", "complete", *altered, good)

    left_out = [SHARE_KEYS[0], NO_SHARE, SHARE_KEYS[2]]
    by = [key.sign(network.master_key_digest(MASTER_KEY, left_out)) for key in network.gatekeepers]
    gatekeeping.refuses("gatekeeping: no share", "complete", MASTER_KEY, left_out, by)
    gatekeeping.read("complete", MASTER_KEY, left_out, [by[0], by[2]])

    mined = gatekeeping.send(network.stranger, "complete", MASTER_KEY, SHARE_KEYS, good[1:])
    event = gatekeeping.event(mined, "Completed")
    assert event == {"genesis": network.genesis, "master_key": MASTER_KEY, "share_keys": SHARE_KEYS}
    assert gatekeeping.read("master_key_hash") == keccak256(MASTER_KEY)
    proven = evm.storage(gatekeeping.address, gatekeeping_master_key_hash())
    assert proven.to_bytes(32, "big") == keccak256(MASTER_KEY)
    gatekeeping.refuses("gatekeeping: completed", "complete", MASTER_KEY, SHARE_KEYS, good)
    gatekeeping.refuses("gatekeeping: completed", "reopen", sender=network.deployer.address)


def test_check_signatures_returns_who_signed(network: TestNetwork) -> None:
    statement = digest("anything")
    by = [key.sign(statement) for key in network.gatekeepers]
    check = network.gatekeeping.read
    assert check("check_signatures", statement, []) == []
    assert check("check_signatures", statement, by) == [0, 1, 2]
    assert check("check_signatures", statement, [by[0], by[2]]) == [0, 2]
    network.gatekeeping.refuses("gatekeeping: order", "check_signatures", statement, [by[2], by[0]])
    network.gatekeeping.refuses("gatekeeping: order", "check_signatures", statement, [by[1], by[1]])


def malformed(signature: bytes) -> dict[str, bytes]:
    """Every form of a signature that must not be accepted, by name."""
    return {
        "empty": b"",
        "short": signature[:64],
        "v 0": signature[:64] + b"\x00",
        "v 1": signature[:64] + b"\x01",
        "v 29": signature[:64] + b"\x1d",
        "high s": high_s(signature),
        "r zero": bytes(32) + signature[32:],
        "s zero": signature[:32] + bytes(32) + signature[64:],
        "r too large": ORDER.to_bytes(32, "big") + signature[32:],
        "compact (EIP-2098)": signature[:32] + ((signature[64] - 27) << 255 | 1).to_bytes(32, "big"),
    }


@pytest.mark.parametrize("form", list(malformed(bytes(64) + b"\x1b")))
def test_a_signature_has_one_form(network: TestNetwork, form: str) -> None:
    statement = digest("anything")
    broken = malformed(network.gatekeepers[0].sign(statement))[form]
    network.gatekeeping.refuses("gatekeeping: signature", "check_signatures", statement, [broken])


def test_high_s_is_the_malleable_twin() -> None:
    twin = high_s(PrivateKey(b"\x01" * 32).sign(digest("anything")))
    assert int.from_bytes(twin[32:64], "big") > HALF_ORDER
    assert twin[64] in (27, 28)
