"""Gatekeeping: write-once committee, ceremony messages, master key."""

from __future__ import annotations

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.layout import gatekeeping_master_key_hash
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST
from tests.contracts.evm import Deployed, Evm, Reverted
from tests.contracts.network import THRESHOLD, TestNetwork, digest, secret

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MASTER_KEY = b"\x01" * 96
SHARE_KEYS = [bytes([2 + index]) * 96 for index in range(3)]

Members = list[tuple[bytes, bytes, bytes, bytes]]


@pytest.fixture
def fresh(evm: Evm) -> Deployed:
    """A Gatekeeping of the first account, before `initialize`."""
    return evm.deploy("Gatekeeping", evm.keys[0].address)


def members(count: int) -> Members:
    """Distinct members of one operator."""
    return [(b"\x0a" * 20, secret(f"m{i}").address, digest(f"s{i}"), digest(f"e{i}")) for i in range(count)]


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
    mined = fresh.send(network.deployer, "initialize", 1, members(1), digest("g"))
    event = fresh.event(mined, "Initialized")
    assert event == {"genesis": digest("g"), "threshold": 1, "members": members(1)}


@pytest.mark.parametrize(("threshold", "count"), [(0, 1), (2, 1), (1, 0), (3, 4), (17, 32)])
def test_initialize_refuses_thresholds(fresh: Deployed, network: TestNetwork, threshold: int, count: int) -> None:
    arguments = (threshold, members(count), digest("g"))
    fresh.refuses("gatekeeping: threshold", "initialize", *arguments, sender=network.deployer.address)


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (2, 3), (3, 5), (16, 32)])
def test_initialize_takes_thresholds(fresh: Deployed, network: TestNetwork, threshold: int, count: int) -> None:
    fresh.read("initialize", threshold, members(count), digest("g"), sender=network.deployer.address)


@pytest.mark.parametrize("field", range(4))
def test_initialize_refuses_zero_fields(fresh: Deployed, network: TestNetwork, field: int) -> None:
    broken = [list(member) for member in members(3)]
    broken[1][field] = bytes(len(broken[1][field]))
    arguments = (2, broken, digest("g"))
    fresh.refuses("gatekeeping: member zero", "initialize", *arguments, sender=network.deployer.address)


@pytest.mark.parametrize("field", [1, 2])
def test_initialize_refuses_one_key_twice(fresh: Deployed, network: TestNetwork, field: int) -> None:
    broken = [list(member) for member in members(3)]
    broken[2][field] = broken[0][field]
    arguments = (2, broken, digest("g"))
    fresh.refuses("gatekeeping: member twice", "initialize", *arguments, sender=network.deployer.address)


def test_initialize_is_the_deployers_and_once(fresh: Deployed, network: TestNetwork) -> None:
    arguments = (1, members(1), digest("g"))
    fresh.refuses("gatekeeping: deployer", "initialize", *arguments, sender=network.stranger.address)
    no_genesis = (1, members(1), ZERO_DIGEST)
    fresh.refuses("gatekeeping: genesis", "initialize", *no_genesis, sender=network.deployer.address)
    fresh.send(network.deployer, "initialize", *arguments)
    fresh.refuses("gatekeeping: initialized", "initialize", *arguments, sender=network.deployer.address)


def test_nothing_can_be_completed_before_initialize(fresh: Deployed) -> None:
    fresh.refuses("gatekeeping: genesis", "complete", MASTER_KEY, [], [])
    signature = secret("anybody").sign(digest("anything"))
    fresh.refuses("gatekeeping: signer", "check_signatures", digest("anything"), [signature])


def test_post_by_operator_and_by_signer(fresh: Deployed, network: TestNetwork) -> None:
    operator, signer = network.operators[0], network.operators[1]
    listed = [(operator.address, signer.address, digest("s"), digest("e")), *members(2)]
    fresh.send(network.deployer, "initialize", 2, listed, digest("g"))
    for speaker in (operator, signer):
        mined = fresh.send(speaker, "post", digest("session"), 0, 7, b"message")
        event = fresh.event(mined, "Transcript")
        assert event == {"session": digest("session"), "member": 0, "kind": 7, "data": b"message"}
        fresh.refuses("gatekeeping: not a member", "post", digest("session"), 1, 7, b"", sender=speaker.address)
    for member in (0, 3):
        fresh.refuses(
            "gatekeeping: not a member", "post", digest("session"), member, 7, b"", sender=network.stranger.address
        )
    fresh.refuses("gatekeeping: not a member", "post", digest("session"), 3, 7, b"", sender=ZERO_ADDRESS)


def test_post_is_bounded(network: TestNetwork) -> None:
    largest = b"\xff" * 65536
    mined = network.gatekeeping.send(network.deployer, "post", digest("session"), 0, 1, largest)
    assert network.gatekeeping.event(mined, "Transcript")["data"] == largest
    with pytest.raises(Reverted):
        network.gatekeeping.read("post", digest("s"), 0, 1, largest + b"\0", sender=network.deployer.address)


def test_complete_needs_every_member(evm: Evm) -> None:
    network = TestNetwork(evm)
    gatekeeping, signed = network.gatekeeping, network.master_key_digest(MASTER_KEY, SHARE_KEYS)
    good = [key.sign(signed) for key in network.gatekeepers]
    foreign = [*good[:2], secret("stranger").sign(signed)]
    other = [*good[:2], network.gatekeepers[2].sign(digest("other"))]

    gatekeeping.refuses("gatekeeping: signatures", "complete", MASTER_KEY, SHARE_KEYS, good[:2])
    gatekeeping.refuses("gatekeeping: order", "complete", MASTER_KEY, SHARE_KEYS, [good[1], good[0], good[2]])
    gatekeeping.refuses("gatekeeping: order", "complete", MASTER_KEY, SHARE_KEYS, [good[0], good[0], good[1]])
    gatekeeping.refuses("gatekeeping: signer", "complete", MASTER_KEY, SHARE_KEYS, foreign)
    gatekeeping.refuses("gatekeeping: signer", "complete", MASTER_KEY, SHARE_KEYS, other)
    gatekeeping.refuses("gatekeeping: share keys", "complete", MASTER_KEY, SHARE_KEYS[:2], good)
    gatekeeping.refuses("gatekeeping: share keys", "complete", MASTER_KEY, [*SHARE_KEYS[:2], b"\4" * 95], good)
    gatekeeping.refuses("gatekeeping: master key", "complete", MASTER_KEY[1:], SHARE_KEYS, good)
    for altered in ([b"\x09" + MASTER_KEY[1:], SHARE_KEYS], [MASTER_KEY, [*SHARE_KEYS[:2], SHARE_KEYS[0]]]):
        gatekeeping.refuses("gatekeeping: signer", "complete", *altered, good)

    mined = gatekeeping.send(network.stranger, "complete", MASTER_KEY, SHARE_KEYS, good)
    event = gatekeeping.event(mined, "Completed")
    assert event == {"genesis": network.genesis, "master_key": MASTER_KEY, "share_keys": SHARE_KEYS}
    assert gatekeeping.read("master_key_hash") == keccak256(MASTER_KEY)
    proven = evm.storage(gatekeeping.address, gatekeeping_master_key_hash())
    assert proven.to_bytes(32, "big") == keccak256(MASTER_KEY)
    gatekeeping.refuses("gatekeeping: completed", "complete", MASTER_KEY, SHARE_KEYS, good)


def test_check_signatures_returns_who_signed(network: TestNetwork) -> None:
    signed = digest("anything")
    by = [key.sign(signed) for key in network.gatekeepers]
    check = network.gatekeeping.read
    assert check("check_signatures", signed, []) == []
    assert check("check_signatures", signed, by) == [0, 1, 2]
    assert check("check_signatures", signed, [by[0], by[2]]) == [0, 2]
    network.gatekeeping.refuses("gatekeeping: order", "check_signatures", signed, [by[2], by[0]])
    network.gatekeeping.refuses("gatekeeping: order", "check_signatures", signed, [by[1], by[1]])


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
    signed = digest("anything")
    broken = malformed(network.gatekeepers[0].sign(signed))[form]
    network.gatekeeping.refuses("gatekeeping: signature", "check_signatures", signed, [broken])


def test_high_s_is_the_malleable_twin() -> None:
    twin = high_s(PrivateKey(b"\x01" * 32).sign(digest("anything")))
    assert int.from_bytes(twin[32:64], "big") > HALF_ORDER
    assert twin[64] in (27, 28)
