"""Containing a break: ending the enclaves, giving their clusters other keys, renewing the committee's shares; then
waiting until nothing that is written from now on can be opened by what was broken (PROTOCOL 1.4, 8.2, 8.3, 9.5).

Everything is sent with the guardian's key, and nothing but the chain is believed. Rules:

1. t broken shares of the present committee are beyond containment: nothing is sent.
2. A cluster counts as contained once the chain proves that its next epoch has begun, that the grace of the epoch before
   is over, and that all keys of the new epoch are recorded, or that too few members are left to record any.
3. A committee counts as contained once the chain proves that the broken members were dealt no share of it and are
   revoked or out of it (``client.shares``).
4. Members' hosts do the same by themselves (``host.epoch_watch``, ``host.renewal``): what is done already is not done
   twice.
5. What the contracts refuse for one part does not keep the other parts from being contained; it is told at the end.
6. A grace ends by the chain's time. Where a development chain is idle, since nobody is left to send anything, an empty
   transaction makes its next block.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from coprocessor.audit.damage import find_uncontained
from coprocessor.audit.exposure import Broken, Exposure, compute_exposure, grace_of
from coprocessor.audit.names import Subject
from coprocessor.audit.state import AuditState
from coprocessor.chain.errors import TransactionReverted
from coprocessor.client.session import Session
from coprocessor.client.shares import ProvenShares, prove_shares
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol import layout
from coprocessor.values.errors import CallerMisuse, PeerUnreachable
from coprocessor.values.identities import Address, ClusterId, WorkerId, to_hex

__all__ = ["ClusterContained", "CommitteeContained", "Containment", "check_contained", "contain"]

_LOOK_SECONDS = 0.5
_MOST_AT_ONCE = 16
"""Members that one call of ``contain`` removes."""

_NUDGE_SECONDS = 3.0
"""How long a development chain is idle before it is made to go on (rule 6)."""

_ATTEMPTS = 4
"""How often new keys are asked for where members' hosts come in between."""

Progress = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClusterContained:
    """A cluster with other keys.

    Args:
        cluster: 32 bytes.
        epoch: the new one.
        stands_still: too few members are left to write under it, until others join.
        seconds: from the first transaction until the break opens nothing that is written from then on.
    """

    cluster: ClusterId
    epoch: int
    stands_still: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class CommitteeContained:
    """A committee of whose shares the broken have none.

    Args:
        number: of the committee.
        holders: how many members hold a share.
        threshold: shares that make the master key.
        block: the finalised block that proves it.
        seconds: from the first transaction until then.
    """

    number: int
    holders: int
    threshold: int
    block: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Containment:
    """What was done.

    Args:
        seconds: until everything was contained.
        transactions: what was sent, in words.
        clusters: those with other keys.
        committee: the present one, or None where no broken gatekeeper sat in it.
    """

    seconds: float
    transactions: tuple[str, ...]
    clusters: tuple[ClusterContained, ...]
    committee: CommitteeContained | None


async def contain(
    session: Session,
    state: AuditState,
    subject: Subject,
    exposure: Exposure,
    key: PrivateKey,
    timeout: float,
    progress: Progress = lambda _: None,
) -> Containment:
    """Contains a break and waits until it is.

    Args:
        session: of the network.
        state: the network, replayed.
        subject: what broke.
        exposure: by it.
        key: the guardian's.
        timeout: seconds to wait.

    Raises:
        CallerMisuse: ``drill.beyond``: the master key is exposed (rule 1).
        TransactionReverted: the contracts refuse.
        PeerUnreachable: ``drill.threshold``, ``drill.epochs``: a part cannot be contained now (rule 5);
            ``drill.not_contained``: not in time; what was sent stays sent, and works on.
    """
    return await _Containing(session, state, subject, exposure, key, timeout, progress).run()


def check_contained(after: AuditState, subject: Subject) -> None:
    """Judges the containment by the network's record, replayed afterwards.

    Raises:
        PeerUnreachable: ``drill.not_contained``: the break reaches something that is written from now on.
    """
    left = find_uncontained(after, subject)
    if left:
        raise PeerUnreachable(
            "drill.not_contained",
            f"the record up to block {after.now.number} does not show it contained",
            "; ".join(left),
            "contain again; phat network verify shows what else happened",
        )


class _Containing:
    def __init__(
        self,
        session: Session,
        state: AuditState,
        subject: Subject,
        exposure: Exposure,
        key: PrivateKey,
        timeout: float,
        progress: Progress,
    ) -> None:
        self._session = session
        self._state = state
        self._subject = subject
        self._exposure = exposure
        self._sender = session.sender(key)
        self._timeout = timeout
        self._progress = progress
        self._began = time.monotonic()
        self._sent: list[str] = []
        self._refused: list[PeerUnreachable] = []
        self._newest = (-1, self._began)
        assumed = set(subject.assumed)
        self._gatekeepers = sorted(one for one in subject.broken.gatekeepers if one not in assumed)

    async def run(self) -> Containment:
        self._check_not_beyond()
        await self._end_enclaves()
        concerned = await self._end_gatekeepers()
        raised = [(cluster, await self._change_keys(cluster)) for cluster in self._clusters()]
        raised += self._in_grace({cluster for cluster, _ in raised})
        waits = [self._wait_for_cluster(cluster, epoch) for cluster, epoch in raised if epoch]
        contained = await asyncio.gather(*waits)
        committee = await self._wait_for_committee(concerned) if concerned else None
        if self._refused:
            raise self._refused[0]
        return Containment(time.monotonic() - self._began, tuple(self._sent), tuple(contained), committee)

    def _check_not_beyond(self) -> None:
        """Rule 1; gatekeepers of unknown hardware, which are only assumed to be broken, do not count."""
        broken = Broken(self._subject.broken.workers, frozenset(self._gatekeepers))
        exposure = compute_exposure(self._state, broken)
        if exposure.master:
            present = next(one for one in exposure.committees if one.is_present)
            raise CallerMisuse(
                "drill.beyond",
                "this break cannot be contained: the master key is exposed, and every later key follows from it",
                f"{present.broken} of {present.shares} shares are broken, {present.threshold} make the key; "
                "nothing was sent",
                "tell everybody, found a new network on other hardware (docs/drills.md), and let authors move",
            )

    async def _send(self, what: str, contract: str, function: str, *arguments: object) -> None:
        self._progress(what)
        called = self._session.contracts[contract]
        await self._sender.send(called.address, called.encode(function, *arguments))
        self._sent.append(what)

    async def _end_enclaves(self) -> None:
        """The registry refuses them from now on: whoever asks gatekeepers for a key gets none."""
        subject = self._subject
        if subject.kind in ("vendor", "platform"):
            for digest in subject.digests:
                if not self._state.distrusts(digest):
                    await self._send(f"distrust {subject.kind} {to_hex(digest)}", "Registry", "distrust", digest)
            return
        for worker in sorted(subject.broken.workers):
            if self._state.workers[worker].revoked is None:
                await self._send(f"revoke worker {to_hex(worker)}", "Registry", "revoke", worker)

    async def _end_gatekeepers(self) -> list[Address]:
        """Revokes broken members of the present committee; those of whom it must be proven that they have no share."""
        concerned = []
        for signer in self._gatekeepers:
            if self._state.committee is None or signer not in self._state.committee.signers:
                continue
            if signer in self._state.revoked_gatekeepers or await self._revoke_gatekeeper(signer):
                concerned.append(signer)
        return concerned

    async def _revoke_gatekeeper(self, signer: Address) -> bool:
        """Whether the contract took it."""
        try:
            await self._send(f"revoke gatekeeper {to_hex(signer)}", "Gatekeeping", "revoke", signer)
        except TransactionReverted as error:
            if error.reason != "gatekeeping: threshold":
                raise
            self._refuse(
                "drill.threshold",
                f"gatekeeper {to_hex(signer)} cannot be revoked: fewer than t with shares would remain",
                "have the proposer announce another committee (phat gatekeeper), and revoke it once that is in office",
            )
            return False
        return True

    def _refuse(self, code: str, what: str, next: str) -> None:
        self._refused.append(PeerUnreachable(code, what, f"done so far: {'; '.join(self._sent) or 'nothing'}", next))

    # ---- clusters

    def _clusters(self) -> list[ClusterId]:
        """Clusters whose present keys the broken enclaves have, and those that still have a broken member."""
        found = []
        for cluster in self._state.clusters.values():
            exposed = {one.epoch for one in self._exposure.now if one.cluster == cluster.cluster}
            if len(cluster.epochs) in exposed or self._members(cluster.cluster):
                found.append(cluster.cluster)
        return found

    def _in_grace(self, changed: set[ClusterId]) -> list[tuple[ClusterId, int]]:
        """Other clusters whose present epoch follows one that is exposed: its grace may not be over yet."""
        exposed = {(one.cluster, one.epoch) for one in self._exposure.now}
        newest = {one.cluster: len(one.epochs) for one in self._state.clusters.values()}
        return [(one, epoch) for one, epoch in newest.items() if one not in changed and (one, epoch - 1) in exposed]

    def _members(self, cluster: ClusterId) -> list[WorkerId]:
        memberships = self._state.clusters[cluster].memberships
        return [one.worker for one in memberships if one.left is None and one.worker in self._subject.broken.workers]

    async def _change_keys(self, cluster: ClusterId) -> int:
        """Removal and new epoch in one transaction; the new epoch, 0 where none can begin now (rules 4 and 5)."""
        clusters, name = self._session.contracts["Clusters"], to_hex(cluster)
        for attempt in range(_ATTEMPTS):
            epoch = int((await clusters.read("clusters", cluster))[1])
            members = [one for one in self._members(cluster) if await clusters.read("members", cluster, one)]
            is_due = members or await clusters.read("is_exposed", cluster)
            if not is_due and epoch > len(self._state.clusters[cluster].epochs):
                return epoch
            try:
                for worker in members[:-_MOST_AT_ONCE]:
                    await self._send(f"remove worker {to_hex(worker)}", "Clusters", "remove", cluster, worker)
                rest = members[-_MOST_AT_ONCE:]
                what = f"give cluster {name} new keys without {len(rest)} of its members"
                await self._send(what, "Clusters", "contain", cluster, rest)
                return int((await clusters.read("clusters", cluster))[1])
            except TransactionReverted as error:
                if error.reason == "clusters: epochs":
                    break
                if error.reason != "clusters: not a member" or attempt == _ATTEMPTS - 1:
                    raise
        for worker in members:
            await self._send(f"remove worker {to_hex(worker)}", "Clusters", "remove", cluster, worker)
        self._refuse(
            "drill.epochs",
            f"cluster {name} cannot have new keys: as many epochs are open as may be",
            "let an older one close (phat epoch), then contain again",
        )
        return 0

    async def _wait_for_cluster(self, cluster: ClusterId, epoch: int) -> ClusterContained:
        what = f"cluster {to_hex(cluster)[:18]}… to write under epoch {epoch}"
        stands_still = await self._wait(what, self._look_at_cluster, cluster, epoch)
        return ClusterContained(cluster, epoch, stands_still, time.monotonic() - self._began)

    async def _look_at_cluster(self, cluster: ClusterId, epoch: int) -> bool | None:
        """Whether the cluster stands still; None while it is not contained (rule 2): all proven."""
        chain = self._session.chain
        head = await chain.refresh()
        names = ("epoch", "first_open", "member_count", "quorum")
        fields = {name: layout.cluster_field(cluster, name) for name in names}
        raised = layout.cluster_epoch(cluster, epoch, "raised")
        subjects = [program.program for program in self._state.programs.values() if program.cluster == cluster]
        keys = [layout.input_key(subject, epoch) for subject in subjects]
        proven = await chain.prove({"Clusters": [*fields.values(), raised], "Programs": keys}, head)
        value = {name: proven.value("Clusters", slot) for name, slot in fields.items()}
        is_closed = value["first_open"] >= epoch
        is_over = head.header.timestamp > proven.value("Clusters", raised) + grace_of(self._state)
        if value["epoch"] < epoch or not (is_closed or is_over):
            await self._nudge(head.header.number)
            return None
        if all(proven.value("Programs", slot) for slot in keys):
            return False
        return True if value["member_count"] < value["quorum"] else None

    async def _nudge(self, block: int) -> None:
        """Makes a block where none has come for a while (rule 6)."""
        now = time.monotonic()
        if block != self._newest[0]:
            self._newest = (block, now)
        elif now - self._newest[1] >= _NUDGE_SECONDS and self._state.network.configuration.development:
            self._newest = (block, now)
            await self._sender.send(self._sender.address, b"")

    # ---- the committee

    async def _wait_for_committee(self, concerned: list[Address]) -> CommitteeContained:
        what = f"shares of the master key that the {len(concerned)} broken gatekeeper(s) have no part in"
        shares = await self._wait(what, self._look_at_shares, concerned)
        return CommitteeContained(
            shares.committee, len(shares.holders), shares.threshold, shares.block, time.monotonic() - self._began
        )

    async def _look_at_shares(self, concerned: list[Address]) -> ProvenShares | None:
        """The present committee; None while a broken gatekeeper has a part in it (rule 3)."""
        shares = await prove_shares(self._session)
        return shares if all(shares.is_without(signer) for signer in concerned) else None

    async def _wait(self, what: str, look: Callable[..., Awaitable[T | None]], *arguments: object) -> T:
        deadline = self._began + self._timeout
        while (found := await look(*arguments)) is None:
            self._progress(f"waiting for {what}")
            if time.monotonic() > deadline:
                raise PeerUnreachable(
                    "drill.not_contained",
                    f"after {self._timeout:.0f} s still waiting for {what}",
                    f"done so far: {'; '.join(self._sent) or 'nothing'}",
                    "it goes on by itself once enough members answer; see phat epoch and phat gatekeeper show",
                )
            await asyncio.sleep(_LOOK_SECONDS)
        return found
