"""What a person calls an enclave, a vendor or a machine, and which enclaves that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coprocessor.attestation.roots import KNOWN_ROOTS
from coprocessor.audit.exposure import Broken
from coprocessor.audit.state import AuditState
from coprocessor.protocol.statements import ROLE_GATEKEEPER, ROLE_WORKER
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import Address, Digest

__all__ = ["KINDS", "Subject", "find_subject", "name_of_root"]

KINDS: Final = ("worker", "gatekeeper", "vendor", "platform")
"""What can break."""

_SHORTEST: Final = 4
"""Hexadecimal digits that a shortened name must have."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What breaks.

    Args:
        kind: one of ``KINDS``.
        name: for people.
        digests: what the registry would distrust: all roots of a maker, or a platform; none for single enclaves.
        broken: the enclaves that break with it.
        assumed: gatekeepers of whose hardware the chain says nothing: they count as broken with any vendor or machine.
    """

    kind: str
    name: str
    digests: tuple[Digest, ...]
    broken: Broken
    assumed: tuple[Address, ...] = ()


def find_subject(state: AuditState, kind: str, name: str) -> Subject:
    """The subject that a person names.

    Args:
        state: the network.
        kind: one of ``KINDS``.
        name: a worker's id, signing key or operator; a gatekeeper's number, signing key or operator; a vendor's name or
            root; a platform's digest. Hexadecimal may be cut short where it stays unique.

    Raises:
        CallerMisuse: ``drill.unknown``, ``drill.ambiguous``.
    """
    match kind:
        case "worker":
            return _worker(state, name)
        case "gatekeeper":
            return _gatekeeper(state, name)
        case "vendor":
            return _vendor(state, name)
        case _:
            return _platform(state, name)


def name_of_root(root: bytes) -> str:
    """A vendor's name for people."""
    return next((known.name for known in KNOWN_ROOTS if known.digest == root), f"0x{root.hex()[:16]}…")


def _worker(state: AuditState, name: str) -> Subject:
    names: dict[str, set[bytes]] = {}
    for record in state.workers.values():
        if record.live.role == ROLE_WORKER:
            for label in (record.worker, record.live.signer, record.live.operator):
                names.setdefault(label.hex(), set()).add(record.worker)
    worker = _unique(names, name, "worker")
    record = next(one for one in state.workers.values() if one.worker == worker)
    return Subject("worker", f"0x{worker.hex()}", (), Broken(workers=frozenset({record.worker})))


def _gatekeeper(state: AuditState, name: str) -> Subject:
    seats = [seat for committee in state.committees for seat in committee.seats]
    names: dict[str, set[bytes]] = {}
    for seat in seats:
        for label in (seat[1], seat[0]):
            names.setdefault(label.hex(), set()).add(seat[1])
    present = state.committees[-1].seats if state.committees else ()
    names |= {str(at): {seat[1]} for at, seat in enumerate(present)}
    signer = Address(_unique(names, name, "gatekeeper"))
    return Subject("gatekeeper", f"0x{signer.hex()}", (), Broken(gatekeepers=frozenset({signer})))


def _vendor(state: AuditState, name: str) -> Subject:
    """A maker breaks with all its roots that the network accepts or has accepted: AMD has one for each generation of
    processors, and whoever is to be kept out comes with any of them."""
    roots = {record.live.root for record in state.workers.values()} | set(state.gatekeeper_roots.values())
    roots |= set(state.network.configuration.attestation.roots)
    names = {root.hex(): {bytes(root)} for root in roots}
    makers: dict[str, set[Digest]] = {}
    for known in KNOWN_ROOTS:
        if known.digest in roots:
            names.setdefault(known.name.lower(), set()).add(bytes(known.digest))
            makers.setdefault(known.name.split()[0].lower(), set()).add(known.digest)
    listed = {**names, **{maker: set[bytes]() for maker in makers}}
    found = makers.get(name.lower()) or {Digest(_unique(listed, name, "vendor"))}
    shown = " and ".join(sorted(name_of_root(root) for root in found))
    workers = frozenset(one.worker for one in state.workers.values() if one.live.root in found)
    return _on_hardware(state, "vendor", shown, tuple(sorted(found)), workers, state.gatekeeper_roots)


def _platform(state: AuditState, name: str) -> Subject:
    names: dict[str, set[bytes]] = {}
    for record in state.workers.values():
        names.setdefault(record.live.platform.hex(), set()).add(bytes(record.live.platform))
    for known in state.gatekeeper_platforms.values():
        names.setdefault(known.hex(), set()).add(bytes(known))
    platform = Digest(_unique(names, name, "platform"))
    workers = frozenset(one.worker for one in state.workers.values() if one.live.platform == platform)
    return _on_hardware(state, "platform", f"0x{platform.hex()}", (platform,), workers, state.gatekeeper_platforms)


def _on_hardware(
    state: AuditState,
    kind: str,
    name: str,
    digests: tuple[Digest, ...],
    workers: frozenset[bytes],
    hardware: Mapping[Address, Digest],
) -> Subject:
    """All enclaves on it; gatekeepers whose evidence the chain does not hold are assumed to be among them."""
    signers = [seat[1] for committee in state.committees for seat in committee.seats]
    on_it = {signer for signer in signers if hardware.get(signer) in digests}
    unknown = tuple(dict.fromkeys(signer for signer in signers if signer not in hardware))
    admitted = {
        one.live.signer
        for one in state.workers.values()
        if one.live.role == ROLE_GATEKEEPER and {one.live.root, one.live.platform} & set(digests)
    }
    present = state.committees[-1].signers if state.committees else {}
    gatekeepers = frozenset(on_it | set(unknown) | admitted)
    assumed = tuple(signer for signer in unknown if signer in present)
    broken = Broken(frozenset(one for one in state.workers if one in workers), gatekeepers)
    return Subject(kind, name, digests, broken, assumed)


def _unique(names: Mapping[str, set[bytes]], name: str, what: str) -> bytes:
    wanted = name.lower().removeprefix("0x")
    found = set(names.get(wanted, ()))
    if not found and len(wanted) >= _SHORTEST:
        found = set().union(*(values for label, values in names.items() if label.startswith(wanted)))
    if len(found) > 1:
        raise CallerMisuse("drill.ambiguous", f"{name[:80]!r} names {len(found)} {what}s", next="give more of the name")
    if not found:
        listed = ", ".join(sorted(label if len(label) < 32 else f"0x{label[:12]}…" for label in names)) or "none"
        raise CallerMisuse(
            "drill.unknown", f"the network has no {what} {name[:80]!r}", f"it has: {listed[:400]}", "give one of these"
        )
    return found.pop()
