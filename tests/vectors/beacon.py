"""``vectors/beacon.json``: heights, values, fallbacks and draws (PROTOCOL 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.crypto.bls import BlsSignature, G1Element, Purpose
from coprocessor.crypto.eip2537 import expand_g1, expand_public_key
from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.keys.beacon import (
    MAX_HEIGHT,
    BeaconRound,
    combine_beacon,
    compute_beacon_session,
    compute_fallback_value,
    sign_beacon,
    verify_beacon,
)
from coprocessor.keys.partial import PartialSignature
from coprocessor.protocol.draws import compute_seed, compute_target, draw, is_winner
from coprocessor.protocol.statements import BeaconKeyRecord
from coprocessor.values.identities import Digest
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, raw
from tests.vectors.keys import COMMITTEE, SHARES

HEIGHT = 64


def _round(given: Mapping[str, Any]) -> BeaconRound:
    return BeaconRound(raw(given["network"]), given["height"], given["insecure"])  # type: ignore[arg-type]


def _message(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"message": _round(given).message()}


def _combine(given: Mapping[str, Any]) -> dict[str, Any]:
    parts = [PartialSignature(at, BlsSignature(G1Element(raw(part)))) for at, part in given["parts"]]
    combined = combine_beacon(COMMITTEE, _round(given), parts)
    return {
        "signature": combined.signature,
        "point": expand_g1(combined.signature),
        "culprits": combined.culprits,
        "value": verify_beacon(COMMITTEE.group, _round(given), combined.signature),
    }


def _value(given: Mapping[str, Any]) -> dict[str, Any]:
    key, signature = raw(given["key"]), raw(given["signature"])
    return {"key_point": expand_public_key(key), "value": verify_beacon(key, _round(given), signature)}


def _fallback(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": compute_fallback_value(raw(given["network"]), given["height"], raw(given["prevrandao"]))}  # type: ignore[arg-type]


def _session(given: Mapping[str, Any]) -> dict[str, Any]:
    session = compute_beacon_session(raw(given["network"]), given["committee"], given["opened"])  # type: ignore[arg-type]
    record = BeaconKeyRecord(session, keccak256(raw(given["key"])), Digest(raw(given["share_keys_hash"])))
    return {"session": session, "statement": record.digest(given["chain_id"], raw(given["beacon"]))}  # type: ignore[arg-type]


def _draw(given: Mapping[str, Any]) -> dict[str, Any]:
    seed = compute_seed(raw(given["network"]), raw(given["value"]), given["height"], raw(given["purpose"]))  # type: ignore[arg-type]
    weights = {raw(identity): weight for identity, weight in given["weights"]}
    return {"seed": seed, "drawn": draw(seed, weights, given["count"])}


def _lottery(given: Mapping[str, Any]) -> dict[str, Any]:
    target = compute_target(given["numerator"], given["denominator"])
    return {"target": target, "wins": is_winner(raw(given["identity"]), Digest(raw(given["seed"])), target)}


def _cases() -> list[Case]:
    def case(name: str, check: str, error: str = "", **changes: Any) -> Case:
        return Case(name, "10", check, {**given, **changes}, error or None)

    given: dict[str, Any] = {"network": world.NETWORK_ID, "height": HEIGHT, "insecure": True}
    round_ = BeaconRound(world.NETWORK_ID, HEIGHT, insecure=True)
    parts = [(share.index, sign_beacon(share, round_).signature) for share in SHARES.values()]
    signature = combine_beacon(COMMITTEE, round_, (sign_beacon(share, round_) for share in SHARES.values())).signature
    value = keccak256(signature)
    wrong = SHARES[1].secret.sign(round_.message(), Purpose.CLUSTER_IDENTITY)
    beacon = world.NETWORK.configuration.contract("Beacon").address
    ceremony = {
        "committee": 2,
        "opened": 77,
        "key": COMMITTEE.group,
        "share_keys_hash": sha256(b"share keys"),
        "chain_id": world.NETWORK.configuration.chain_id,
        "beacon": beacon,
    }
    weights = [(sha256(b"candidate %d" % at), at) for at in range(6)]
    by = {"value": value, "purpose": b"turns", "weights": weights, "count": 3}
    lottery = {"identity": weights[0][0], "seed": sha256(b"seed"), "numerator": 1, "denominator": 3}
    return [
        case("a height", "message"),
        case("real hardware", "message", insecure=False),
        case("the greatest height", "message", height=MAX_HEIGHT),
        case("a height of 65 bits", "message", "beacon.height", height=MAX_HEIGHT + 1),
        case("t parts make the value", "combine", parts=parts[: COMMITTEE.threshold]),
        case("other parts make the same", "combine", parts=parts[1:]),
        case("a wrong part is named", "combine", parts=[(1, wrong), *parts[1:]]),
        case("too few parts", "combine", "keys.not_enough_partials", parts=parts[: COMMITTEE.threshold - 1]),
        case("a posted value", "value", key=COMMITTEE.group, signature=signature),
        case("another height's", "value", "beacon.signature", height=128, key=COMMITTEE.group, signature=signature),
        case("a cluster's signature", "value", "beacon.signature", key=COMMITTEE.group, signature=wrong),
        case("an altered signature", "value", "bls.point", key=COMMITTEE.group, signature=altered(signature, 5)),
        case("a fallback", "fallback", prevrandao=sha256(b"prevrandao")),
        case("a ceremony", "session", **ceremony),
        case("three of five by weight", "draw", **by),
        case("for another purpose", "draw", **{**by, "purpose": b"probes"}),
        case("more than have a weight", "draw", "draw.too_few", **{**by, "count": 6}),
        case("a ticket", "lottery", **lottery),
        case("a certain ticket", "lottery", **{**lottery, "numerator": 3}),
        case("no chance at all", "lottery", "draw.probability", **{**lottery, "numerator": 0}),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {
        "message": _message,
        "combine": _combine,
        "value": _value,
        "fallback": _fallback,
        "session": _session,
        "draw": _draw,
        "lottery": _lottery,
    }
    return Subject("beacon", "docs/specification/beacon.md", checks, _cases())
