"""The versions of a program: which one runs, which one is announced, and who may announce (PROTOCOL 12).

Rules enforced:
1. number, code and link of every version are proven by storage;
2. an upgrade counts as running only where its link's output, under a final receipt, says that it took effect; the
   cluster refuses code that does not load, and goes on with the version before;
3. a policy counts where it hashes to the digest in the program's record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from coprocessor.chain.instants import show_time
from coprocessor.client.programs import Announcement, ProgramRecord
from coprocessor.client.session import Session
from coprocessor.client.settled import fetch_settled_output, find_settled_receipt
from coprocessor.protocol import layout
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.upgrade_policy import FROZEN, UpgradePolicy, decode_policy
from coprocessor.values.errors import MalformedInput, PeerUnreachable
from coprocessor.values.identities import ClusterId, CodeHash, ProgramId, to_hex

__all__ = ["Lineage", "Version", "VersionState", "look_at_versions", "present_record", "warning_of"]

_ANNOUNCEMENT = ("number", "code_hash", "ready", "expires", "fuel_limit")
_PATIENCE = 5.0
"""Seconds in which workers are asked again for the output of an upgrade."""


class VersionState(StrEnum):
    """What became of an upgrade."""

    RAN = "ran"
    """It took effect; the newest that did is the one that runs."""
    REFUSED = "refused"
    """Its code did not load, or its method ``upgrade`` failed."""
    UNKNOWN = "unknown"
    """Its link is not settled, or no worker serves its output."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version: number from 1, code hash (32 bytes), link at which it came (None for the first), and what became."""

    number: int
    code_hash: CodeHash
    link: int | None
    state: VersionState


@dataclass(frozen=True, slots=True)
class Lineage:
    """Everything about a program's versions.

    Args:
        policy: who may change the code, or None where nobody has disclosed what the program's digest stands for.
        versions: all, the first one first.
        announced: the upgrade that waits, or None.
    """

    policy: UpgradePolicy | None
    versions: tuple[Version, ...]
    announced: Announcement | None


async def present_record(session: Session, program: ProgramId) -> ProgramRecord:
    """The record of the version that runs, with the upgrade that is announced.

    Where no worker shows what became of the newest upgrade, the record is of that one, and says so (``is_proven``).

    Raises:
        CallerMisuse: there is no such program (``program.unknown``).
    """
    first = await session.programs.record(program)
    if not first.may_change:
        return first
    count, announced = await _look(session, program)
    if not count:
        return replace(first, announced=announced)
    known = session.programs.versions.get((program, count))
    if known is None:
        known = await _find_present(session, first, count)
        if known.is_proven:
            session.programs.versions[program, count] = known
    return replace(known, announced=announced)


async def look_at_versions(session: Session, record: ProgramRecord) -> Lineage:
    """The whole lineage of a program."""
    first = await session.programs.record(record.program)
    count, announced = await _look(session, record.program)
    versions = [Version(1, first.code_hash, None, VersionState.RAN)]
    for number in range(1, count + 1):
        versions.append(await _version(session, record.program, record.cluster, number))
    return Lineage(await _find_policy(session, first), tuple(versions), announced)


def warning_of(record: ProgramRecord) -> str:
    """What everybody who uses the program should know, or nothing."""
    if record.announced is not None:
        until = show_time(record.announced.ready)
        return (
            f"UPGRADE ANNOUNCED: from {until} on, {to_hex(record.program)} may run code "
            f"{to_hex(record.announced.code_hash)}; who does not want that leaves until then"
        )
    if not record.is_proven:
        return f"version {record.version} of {to_hex(record.program)} is not proven to run: no worker shows its outcome"
    return ""


async def _look(session: Session, program: ProgramId) -> tuple[int, Announcement | None]:
    """How many upgrades were executed, and the one that waits; it waits no more once it has expired."""
    slots = {name: layout.program_announcement(program, name) for name in _ANNOUNCEMENT}
    count_slot = layout.program_upgrade_count(program)
    proven = await session.chain.prove({"Programs": [count_slot, *slots.values()]})
    number, code_hash, ready, expires, fuel = (proven.value("Programs", slots[name]) for name in _ANNOUNCEMENT)
    waiting = None
    if ready and proven.head.header.timestamp < expires:
        waiting = Announcement(number, CodeHash(code_hash.to_bytes(32, "big")), ready, expires, fuel)
    return proven.value("Programs", count_slot), waiting


async def _find_present(session: Session, first: ProgramRecord, count: int) -> ProgramRecord:
    """The newest version that took effect (rule 2), or the newest one, unproven."""
    for number in range(count, 0, -1):
        version = await _version(session, first.program, first.cluster, number)
        if version.state is VersionState.REFUSED:
            continue
        code = await session.programs.code(version.code_hash)
        return replace(
            first,
            code_hash=version.code_hash,
            interface=code.interface,
            private=code.private,
            version=version.number,
            is_proven=version.state is VersionState.RAN,
        )
    return first


async def _version(session: Session, program: ProgramId, cluster: ClusterId, number: int) -> Version:
    slots = [layout.program_upgrade(program, number, name) for name in ("code_hash", "link")]
    proven = await session.chain.prove({"Programs": slots})
    code_hash, link = CodeHash(proven.digest("Programs", slots[0])), proven.value("Programs", slots[1])
    return Version(number + 1, code_hash, link, await _find_state(session, cluster, link))


async def _find_state(session: Session, cluster: ClusterId, link: int) -> VersionState:
    receipt = await find_settled_receipt(session, cluster, link)
    if receipt is None:
        return VersionState.UNKNOWN
    try:
        output = await fetch_settled_output(session, cluster, receipt, link, 0, _PATIENCE)
    except PeerUnreachable:
        return VersionState.UNKNOWN
    return VersionState.RAN if output.served.leaf.status == Status.OK else VersionState.REFUSED


async def _find_policy(session: Session, record: ProgramRecord) -> UpgradePolicy | None:
    if not record.may_change:
        return FROZEN
    programs = session.contracts["Programs"]
    event = programs.interface.event("PolicyDisclosed")
    head = await session.chain.refresh()
    logs = await session.node.logs([programs.address], [event.topic, record.policy], 0, head.header.number)
    for log in logs:
        fields = event.decode(log)
        try:
            policy = decode_policy(fields["kind"], fields["delay"], fields["threshold"], fields["keys"])
        except MalformedInput:
            continue
        if policy.digest() == record.policy:
            return policy
    return None
