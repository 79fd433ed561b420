"""``vectors/upgrades.json``: upgrade policies, what voters sign, the payload of an UPGRADE link (PROTOCOL 12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol.system import decode_upgrade
from coprocessor.protocol.upgrade_policy import MAX_DELAY, decode_policy, upgrade_digest, withdrawal_digest
from coprocessor.values.identities import Address, CodeHash, ProgramId
from tests.vectors import world
from tests.vectors.form import Case, Subject, raw

PROGRAMS = bytes.fromhex("00000000000000000000000000000000000000aa")
CODE = keccak256(b"the next version")
KEYS = sorted(world.secret(name).address for name in ("voter 1", "voter 2", "voter 3"))


def _policy(given: Mapping[str, Any]) -> dict[str, Any]:
    keys = [raw(key) for key in given["keys"]]
    policy = decode_policy(given["kind"], given["delay"], given["threshold"], keys)
    tag = keccak256(b"coprocessor/v1/upgrade-policy")
    preimage = abi.encode(["bytes32", "uint8", "uint64", "uint8", "address[]"], [tag, *policy.fields])
    if not any(policy.digest()):
        return {"digest": policy.digest()}
    assert keccak256(preimage) == policy.digest()
    return {"preimage": preimage, "digest": policy.digest()}


def _vote(given: Mapping[str, Any]) -> dict[str, Any]:
    where = given["chain_id"], Address(raw(given["contract"])), ProgramId(raw(given["program"]))
    number = given["announcement"]
    code = CodeHash(raw(given["code_hash"]))
    return {
        "upgrade": upgrade_digest(*where, number, code, given["fuel_limit"]),
        "withdrawal": withdrawal_digest(*where, number),
    }


def _link(given: Mapping[str, Any]) -> dict[str, Any]:
    change = decode_upgrade(raw(given["payload"]))
    return {
        "program": change.program,
        "number": change.number,
        "code_hash": change.code_hash,
        "fuel_limit": change.fuel_limit,
    }


def _given(kind: int, delay: int = 0, threshold: int = 0, keys: list[bytes] | None = None) -> dict[str, Any]:
    return {"kind": kind, "delay": delay, "threshold": threshold, "keys": list(keys or [])}


def subject() -> Subject:
    """The file."""
    vote = {"chain_id": 31_337, "contract": PROGRAMS, "program": world.PROGRAM, "announcement": 3}
    vote |= {"code_hash": CODE, "fuel_limit": 50_000_000_000}
    payload = abi.encode(["bytes32", "uint256", "bytes32", "uint256"], [world.PROGRAM, 1, CODE, 50_000_000_000])
    malformed = "policy.malformed"
    cases = (
        Case("frozen", "12", "policy", _given(0)),
        Case("a timelock of a day", "12", "policy", _given(1, 86_400)),
        Case("two of three votes", "12", "policy", _given(2, 86_400, 2, KEYS)),
        Case("a timelock without delay", "12", "policy", _given(1), malformed),
        Case("a delay of more than ten years", "12", "policy", _given(1, MAX_DELAY + 1), malformed),
        Case("frozen with a delay", "12", "policy", _given(0, 1), malformed),
        Case("a timelock with a key", "12", "policy", _given(1, 5, 0, KEYS[:1]), malformed),
        Case("keys out of order", "12", "policy", _given(2, 5, 1, KEYS[::-1]), malformed),
        Case("a key twice", "12", "policy", _given(2, 5, 1, [KEYS[0], KEYS[0]]), malformed),
        Case("more votes than keys", "12", "policy", _given(2, 5, 4, KEYS), malformed),
        Case("no votes", "12", "policy", _given(2, 5, 0, KEYS), malformed),
        Case("an unknown kind", "12", "policy", _given(3, 5), malformed),
        Case("what voters sign", "12", "vote", vote),
        Case("an UPGRADE link", "12", "link", {"payload": payload}),
        Case("a payload cut short", "12", "link", {"payload": payload[:-1]}, "abi.malformed"),
    )
    return Subject(
        "upgrades", "docs/specification/upgrades.md", {"policy": _policy, "vote": _vote, "link": _link}, cases
    )
