"""What a network accepts now, as the chain proves it, and the calls of its guardian and proposer (PROTOCOL 1.4).

Names of announced measurements and distrusted subjects come from the node's logs, which could leave one out; what is
said of each name is proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from coprocessor.attestation.roots import KNOWN_ROOTS
from coprocessor.chain.development import development_keys
from coprocessor.client.chain_state import wait_for
from coprocessor.client.session import Session
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol import layout
from coprocessor.protocol.terms import GENESIS_VERSION, compute_effect, compute_least_evaluation, has_ended
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import Digest, to_hex

__all__ = ["Measurement", "NetworkPolicy", "Pins", "Seat", "look_at_policy", "office_key", "send_policy"]

_NUMBERS = ("paused_until", "minimum_version", "minimum_evaluation", "pinned_until", "refresh", "delay")
_FINAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement (32 bytes), its version, and from when it counts in seconds (0: since the genesis)."""

    digest: Digest
    version: int
    counts_from: int


@dataclass(frozen=True, slots=True)
class Pins:
    """The pinned collateral of a refresh, and until when only it counts, in seconds."""

    refresh: int
    until: int
    digests: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """A gatekeeper's address, and what the network distrusts of what it says of itself ("" for nothing)."""

    url: str
    distrusted: str


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """What a network accepts.

    Args:
        now: chain time of the block that all is proven at, seconds since 1970.
        roots: accepted vendors: digest and name ("" for one this release does not know).
        measurements: accepted code, the genesis' first.
        minimum_version: least version that is admitted.
        minimum_evaluation: least TCB evaluation number, the genesis' or the chain's.
        maximum_level: greatest accepted confidence level.
        pins: of collateral, or None.
        distrusted: subject to the end of its distrust, seconds.
        paused_until: seconds; admission is open from then on.
        delay: seconds between an announcement and its effect.
        seats: the gatekeepers that the network file hints at.
        guardian, proposer: 20 bytes each.
    """

    now: int
    roots: tuple[tuple[Digest, str], ...]
    measurements: tuple[Measurement, ...]
    minimum_version: int
    minimum_evaluation: int
    maximum_level: int
    pins: Pins | None
    distrusted: tuple[tuple[Digest, int], ...]
    paused_until: int
    delay: int
    seats: tuple[Seat, ...]
    guardian: bytes
    proposer: bytes


async def look_at_policy(session: Session) -> NetworkPolicy:
    """All of it under one finalised block.

    Raises:
        CoprocessorError: the node does not answer, or what it shows does not hold.
    """
    head = await session.chain.refresh()
    announced = [Digest(one["measurement"]) for one in await _events(session, "MeasurementAnnounced")]
    subjects = list(dict.fromkeys(Digest(one["subject"]) for one in await _events(session, "Distrusted")))
    numbers = {name: layout.registry_policy(name) for name in _NUMBERS}
    until = {subject: layout.registry_distrusted(subject) for subject in subjects}
    records = {
        (digest, field): layout.registry_measurement(digest, field)
        for digest in announced
        for field in ("version", "since")
    }
    slots = [*numbers.values(), *until.values(), *records.values()]
    proven = await session.chain.prove({"Registry": slots}, head)
    value = {name: proven.value("Registry", slot) for name, slot in numbers.items()}
    now = head.header.timestamp
    configuration = session.target.network.configuration
    floor, development = configuration.attestation, configuration.development
    ends = {subject: proven.value("Registry", slot) for subject, slot in until.items()}
    distrusted = {subject: end for subject, end in ends.items() if not has_ended(end, now)}
    registry = session.contracts["Registry"]
    is_pinned = not has_ended(value["pinned_until"], now)
    pins = await _pins(session, value["refresh"], value["pinned_until"]) if is_pinned else None
    return NetworkPolicy(
        now=now,
        roots=tuple((root, _name(root)) for root in floor.roots),
        measurements=(
            *(Measurement(digest, GENESIS_VERSION, 0) for digest in floor.measurements),
            *(
                Measurement(
                    digest,
                    proven.value("Registry", records[digest, "version"]),
                    compute_effect(
                        proven.value("Registry", records[digest, "since"]), value["delay"], development=development
                    ),
                )
                for digest in announced
            ),
        ),
        minimum_version=max(GENESIS_VERSION, value["minimum_version"]),
        minimum_evaluation=compute_least_evaluation(floor.minimum_evaluation, value["minimum_evaluation"]),
        maximum_level=floor.maximum_level,
        pins=pins,
        distrusted=tuple(distrusted.items()),
        paused_until=value["paused_until"],
        delay=value["delay"],
        seats=tuple([await _seat(session, url, distrusted) for url in _gatekeepers(session)]),
        guardian=await registry.read("GUARDIAN"),
        proposer=await registry.read("PROPOSER"),
    )


async def office_key(session: Session, *offices: str) -> PrivateKey | None:
    """The key of ``GUARDIAN`` or ``PROPOSER``, where that is one of the development chain's public ones; else None."""
    registry = session.contracts["Registry"]
    holders = [await registry.read(office) for office in offices]
    return next((key for key in development_keys() if key.address in holders), None)


async def send_policy(session: Session, author: PrivateKey, function: str, *arguments: object) -> None:
    """Sends one of ``Registry``'s calls of the policy; returns once it is final.

    Raises:
        TransactionReverted: the author does not hold the office, or the contract refuses.
    """
    registry = session.contracts["Registry"]
    sent = await session.sender(author).send(registry.address, registry.encode(function, *arguments))
    reached = partial(session.chain.reach, sent.block_number)
    await wait_for(reached, _FINAL_SECONDS, "policy.not_final", f"block {sent.block_number} is not final yet")


async def _events(session: Session, name: str) -> list[dict[str, Any]]:
    registry = session.contracts["Registry"]
    head = await session.chain.refresh()
    topics = [registry.interface.event(name).topic]
    logs = await session.node.logs([registry.address], topics, 0, head.header.number)
    return registry.events(logs, name)


async def _pins(session: Session, refresh: int, until: int) -> Pins:
    found = [one for one in await _events(session, "CollateralPinned") if one["refresh"] == refresh]
    digests = found[-1]["digests"] if found else ()
    return Pins(refresh, until, tuple(Digest(digest) for digest in digests))


async def _seat(session: Session, url: str, distrusted: dict[Digest, int]) -> Seat:
    """A gatekeeper's word on its vendor, measurement and platform, and the network's on those."""
    try:
        said = (await session.workers.api.status(url)).get("subjects")
    except CoprocessorError as error:
        return Seat(url, f"unknown: {error.code}")
    named = said if isinstance(said, dict) else {}
    known = {to_hex(subject) for subject in distrusted}
    return Seat(url, ", ".join(sorted(what for what, digest in named.items() if digest in known)))


def _gatekeepers(session: Session) -> list[str]:
    hints = session.target.hints.get("gatekeepers", [])
    return [url for url in hints if isinstance(url, str)] if isinstance(hints, list) else []


def _name(root: Digest) -> str:
    return next((known.name for known in KNOWN_ROOTS if known.digest == root), "")
