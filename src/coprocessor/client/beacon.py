"""The beacon's newest values, as a client verifies them for itself (PROTOCOL 10).

Rules enforced:
1. values, keys and window are proven under one finalised block;
2. a value counts as the beacon's only if its signature is the key's over the height, checked here by pairing, and the
   key is the one whose hash the chain proves;
3. what stands in where no signature came is told apart: ``is_fallback``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from coprocessor.client.session import Session
from coprocessor.crypto.hashing import keccak256
from coprocessor.keys.beacon import BeaconRound, compute_fallback_value, verify_beacon
from coprocessor.protocol import layout
from coprocessor.values.errors import CallerMisuse, EvidenceRefused
from coprocessor.values.identities import ZERO_DIGEST, Digest

__all__ = ["MAX_VALUES", "BeaconState", "BeaconValue", "ProvenRow", "judge_value", "look_at_beacon"]

MAX_VALUES: Final = 64
"""Windows that are looked at at once."""


@dataclass(frozen=True, slots=True)
class ProvenRow:
    """A height's row in ``Beacon.values``, and the hash of the key that it names; all proven."""

    height: int
    value: Digest
    committee: int
    is_fallback: bool
    key_hash: Digest


@dataclass(frozen=True, slots=True)
class BeaconValue:
    """A verified value.

    Args:
        height: number of the window's first block.
        value: 32 bytes.
        is_fallback: it is no signature's hash but comes from a block's randomness.
        committee: whose key signed; 0 for a fallback.
        key, signature: 96 and 48 bytes, so that anybody can check it without a chain; empty for a fallback.
        prevrandao: 32 bytes for a fallback, else empty.
    """

    height: int
    value: Digest
    is_fallback: bool
    committee: int
    key: bytes
    signature: bytes
    prevrandao: bytes


@dataclass(frozen=True, slots=True)
class BeaconState:
    """The beacon at a finalised block.

    Args:
        block: its number.
        window: blocks of a window.
        committee: number of the newest one with a key; 0 while there is none.
        threshold: of that key.
        values: newest first.
        missing: heights of the windows looked at that have no value.
    """

    block: int
    window: int
    committee: int
    threshold: int
    values: tuple[BeaconValue, ...]
    missing: tuple[int, ...]


def judge_value(row: ProvenRow, round_: BeaconRound, key: bytes, signature: bytes, prevrandao: bytes) -> BeaconValue:
    """A height's value from its proven row and what a node says of it (rules 2 and 3).

    Raises:
        EvidenceRefused: ``beacon.foreign_key``, ``beacon.signature``, ``beacon.value``.
    """
    if row.is_fallback:
        if compute_fallback_value(round_.network, row.height, prevrandao) != row.value:
            raise _other_value(row)
        return BeaconValue(row.height, row.value, True, 0, b"", b"", prevrandao)
    if keccak256(key) != row.key_hash:
        raise EvidenceRefused(
            "beacon.foreign_key",
            f"the node names another beacon key of committee {row.committee} than the chain proves",
            next="ask another node",
        )
    if verify_beacon(key, round_, signature) != row.value:
        raise _other_value(row)
    return BeaconValue(row.height, row.value, False, row.committee, key, signature, b"")


async def look_at_beacon(session: Session, count: int = 4, height: int | None = None) -> BeaconState:
    """The newest windows' values, or those up to a height.

    Args:
        session: with the network.
        count: windows that are looked at, 1 to ``MAX_VALUES``.
        height: of the last window; the newest one that can have a value by default.

    Raises:
        EvidenceRefused: a proof does not hold, or the node gave what is not the chain's.
        CallerMisuse: ``beacon.count``; ``beacon.no_height``: no window begins there.
    """
    if not 1 <= count <= MAX_VALUES:
        raise CallerMisuse("beacon.count", f"{count} values are asked for", next=f"ask for 1 to {MAX_VALUES}")
    variables = {name: layout.beacon_variable(name) for name in ("window", "committee", "newest")}
    proven = await session.chain.prove({"Beacon": list(variables.values())})
    window, committee, newest = (proven.value("Beacon", slot) for slot in variables.values())
    block = proven.head.header.number
    last = max(newest, block - block % window) if height is None else height
    if last % window or not 0 <= last <= block:
        raise CallerMisuse(
            "beacon.no_height",
            f"no window begins at block {last}",
            f"windows of {window} blocks begin at its multiples, up to block {block}",
            f"ask for a height like {block - block % window}",
        )
    heights = [last - at * window for at in range(count) if last - at * window >= 0]
    fields = layout.STRUCTS["Beacon.values"]
    slots = {(at, name): layout.beacon_value(at, name) for at in heights for name in fields}
    rows = await session.chain.prove({"Beacon": list(slots.values())}, proven.head)
    numbers = sorted({rows.value("Beacon", slots[at, "committee"]) for at in heights} | {committee})
    keys = {(at, name): layout.beacon_key(at, name) for at in numbers for name in ("key_hash", "threshold", "recorded")}
    records = await session.chain.prove({"Beacon": list(keys.values())}, proven.head)
    values = []
    for at in heights:
        value = Digest(rows.digest("Beacon", slots[at, "value"]))
        if value == ZERO_DIGEST:
            continue
        who, is_fallback = (rows.value("Beacon", slots[at, name]) for name in ("committee", "is_fallback"))
        key_hash, recorded = (keys[who, name] for name in ("key_hash", "recorded"))
        row = ProvenRow(at, value, who, bool(is_fallback), Digest(records.digest("Beacon", key_hash)))
        values.append(await _verified(session, row, records.value("Beacon", recorded), block))
    known = {one.height for one in values}
    threshold = records.value("Beacon", keys[committee, "threshold"])
    missing = tuple(at for at in heights if at not in known)
    return BeaconState(block, window, committee, threshold, tuple(values), missing)


async def _verified(session: Session, row: ProvenRow, recorded: int, block: int) -> BeaconValue:
    """The row with what the node's log says of it."""
    insecure = session.target.network.configuration.allow_simulated
    round_ = BeaconRound(session.network_id, row.height, insecure)
    if row.is_fallback:
        said = await _event(session, "FellBack", row.height, row.height, block)
        return judge_value(row, round_, b"", b"", said["prevrandao"])
    made = await _event(session, "Completed", row.committee, recorded, recorded)
    said = await _event(session, "Posted", row.height, row.height, block)
    return judge_value(row, round_, made["beacon_key"], said["signature"], b"")


async def _event(session: Session, name: str, topic: int, first: int, last: int) -> dict[str, Any]:
    beacon = session.contracts["Beacon"]
    topics = [beacon.interface.event(name).topic, topic.to_bytes(32, "big")]
    logs = await session.node.logs([beacon.address], topics, first, last)
    events = beacon.events(logs, name)
    if not events:
        raise EvidenceRefused(
            "beacon.no_log",
            f"the chain proves a value that the node has no event {name} of",
            "the node keeps no old events, or holds this one back",
            "ask another node",
        )
    return events[-1]


def _other_value(row: ProvenRow) -> EvidenceRefused:
    return EvidenceRefused(
        "beacon.value",
        f"the value of height {row.height} does not follow from what the node says of it",
        next="ask another node",
    )
