"""What a break means to people: an exposure with its clusters, programs and inputs counted, and what stays closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coprocessor.audit.exposure import (
    Broken,
    CommitteeExposure,
    EpochExposure,
    Exposure,
    compute_exposure,
    weigh_inputs,
)
from coprocessor.audit.names import Subject
from coprocessor.audit.state import AuditState, ClusterHistory
from coprocessor.values.identities import ClusterId, ProgramId

__all__ = ["ClusterDamage", "Damage", "compute_damage", "find_uncontained"]


@dataclass(frozen=True, slots=True)
class ClusterDamage:
    """A cluster that a break reaches.

    Args:
        cluster: 32 bytes.
        epochs: whose keys are exposed now.
        earlier: closed ones, exposed only if the break is older than their closing.
        programs: all of the cluster.
        links, items, size: of inputs that the exposed epochs' keys open; sealed bytes.
        is_quorum: the broken can settle what never happened.
    """

    cluster: ClusterId
    epochs: tuple[EpochExposure, ...]
    earlier: tuple[EpochExposure, ...]
    programs: tuple[ProgramId, ...]
    links: int
    items: int
    size: int
    is_quorum: bool


@dataclass(frozen=True, slots=True)
class Damage:
    """What a break exposes as of a block, and what it does not."""

    block: int
    is_nothing: bool
    master: bool
    master_earlier: bool
    clusters: tuple[ClusterDamage, ...]
    committees: tuple[CommitteeExposure, ...]
    not_exposed: tuple[str, ...]
    for_ever: tuple[str, ...]
    simulated: bool


def compute_damage(state: AuditState, subject: Subject) -> Damage:
    """The damage that a subject's break does."""
    exposure = compute_exposure(state, subject.broken)
    clusters = tuple(_clusters(state, exposure))
    return Damage(
        block=state.now.number,
        is_nothing=exposure.is_nothing,
        master=exposure.master,
        master_earlier=exposure.master_earlier,
        clusters=clusters,
        committees=exposure.committees,
        not_exposed=tuple(_not_exposed(state, subject, exposure, clusters)),
        for_ever=tuple(_for_ever(exposure, clusters)),
        simulated=state.network.configuration.allow_simulated,
    )


def find_uncontained(state: AuditState, subject: Subject) -> tuple[str, ...]:
    """What a break still reaches of what is written from now on, in words; nothing where it is contained.

    Gatekeepers of unknown hardware, which are only assumed to be broken, do not count.
    """
    broken = Broken(subject.broken.workers, subject.broken.gatekeepers - set(subject.assumed))
    exposure = compute_exposure(state, broken)
    newest = {one.cluster: len(one.epochs) for one in state.clusters.values()}
    found = [
        f"cluster {_short(one.cluster)}: its present epoch {one.epoch}"
        for one in exposure.now
        if one.epoch == newest[one.cluster]
    ]
    found += [f"cluster {_short(one)}: the broken are a quorum" for one in exposure.quorums]
    for one in exposure.committees:
        if one.is_present and one.broken:
            found.append(f"committee {one.number}: {one.broken} of its shares")
    return tuple(found)


def _clusters(state: AuditState, exposure: Exposure) -> Iterator[ClusterDamage]:
    for cluster in state.clusters.values():
        now = tuple(one for one in exposure.now if one.cluster == cluster.cluster)
        earlier = tuple(one for one in exposure.earlier if one.cluster == cluster.cluster)
        is_quorum = cluster.cluster in exposure.quorums
        if now or earlier or is_quorum:
            weight = weigh_inputs(state, cluster, [one.epoch for one in now])
            yield ClusterDamage(cluster.cluster, now, earlier, _programs(state, cluster), *weight, is_quorum)


def _programs(state: AuditState, cluster: ClusterHistory) -> tuple[ProgramId, ...]:
    return tuple(one.program for one in state.programs.values() if one.cluster == cluster.cluster)


def _not_exposed(
    state: AuditState, subject: Subject, exposure: Exposure, clusters: tuple[ClusterDamage, ...]
) -> Iterator[str]:
    """What stays closed, and why."""
    if exposure.master:
        return
    reached = {one.cluster for one in clusters}
    others = [one for one in state.clusters if one not in reached]
    if others:
        which = f"the other {len(others)}" if reached else f"all {len(others)}"
        yield f"{which} cluster(s): no broken worker had their keys, and a cluster's key opens no other's"
    for damage in clusters:
        total = len(state.clusters[damage.cluster].epochs)
        closed = total - len(damage.epochs) - len(damage.earlier)
        if closed:
            name = _short(damage.cluster)
            yield f"{closed} of {total} epochs of cluster {name}: no broken enclave could have had their keys"
    committee = state.committee
    if committee is not None:
        present = next((one for one in exposure.committees if one.is_present), None)
        missing = committee.threshold if present is None else present.missing
        yield f"the master key: {missing} more share(s) of committee {committee.number} are missing"
    if subject.broken.workers and not exposure.quorums:
        yield "settled results: the broken are no quorum of any cluster"


def _for_ever(exposure: Exposure, clusters: tuple[ClusterDamage, ...]) -> Iterator[str]:
    """What no containment takes back: what was written under exposed keys may have been copied."""
    if exposure.master:
        yield "everything, past and to come: the master key is exposed, and only a new network has another"
        return
    for committee in exposure.committees:
        if not committee.missing:
            yield (
                f"everything, past and to come, if the break is older than the end of committee {committee.number}: "
                f"{committee.broken} of its shares were broken, {committee.threshold} make the master key"
            )
    for damage in clusters:
        if damage.epochs:
            numbers = ", ".join(str(one.epoch) for one in damage.epochs)
            yield (
                f"cluster {_short(damage.cluster)}: {damage.items} inputs ({damage.size} sealed bytes), state and "
                f"outputs of epoch {numbers}, for whoever copied them"
            )
        if damage.earlier:
            numbers = ", ".join(str(one.epoch) for one in damage.earlier)
            yield f"cluster {_short(damage.cluster)}: epoch {numbers} as well, if the break is older than its closing"


def _short(cluster: ClusterId) -> str:
    return f"0x{cluster.hex()[:16]}…"
