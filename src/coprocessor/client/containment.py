"""Containing a break: ending the enclaves, giving their clusters other keys, renewing the committee's shares; then
waiting until nothing that is written from now on can be opened by what was broken (PROTOCOL 1.4, 8.2, 8.3, 9.5).

Everything is sent with the guardian's key, and nothing but the chain is believed: a cluster counts as contained once
the chain proves that its next epoch has begun, that all input keys of that epoch are recorded, and that the grace of
the epoch before is over; a committee once it has handed the key over to shares that the broken member has no part in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from coprocessor.audit.exposure import Exposure, grace_of
from coprocessor.audit.names import Subject
from coprocessor.audit.state import AuditState
from coprocessor.chain.development import development_keys
from coprocessor.chain.errors import TransactionReverted
from coprocessor.client.session import Session
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol import layout
from coprocessor.values.errors import CallerMisuse, PeerUnreachable
from coprocessor.values.identities import Address, ClusterId, WorkerId, to_hex

__all__ = ["ClusterContained", "Containment", "contain", "guardian_key"]

_LOOK_SECONDS = 0.5
_MOST_AT_ONCE = 16
"""Members that one call of ``contain`` removes."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ClusterContained:
    """A cluster with other keys.

    Args:
        cluster: 32 bytes.
        epoch: the new one.
        seconds: from the first transaction until the break opens nothing that is written from then on.
    """

    cluster: ClusterId
    epoch: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Containment:
    """What was done.

    Args:
        seconds: until everything was contained.
        transactions: what was sent, in words.
        clusters: those with other keys.
        committee: number of the committee whose shares the broken have no part in; 0 where none was concerned.
    """

    seconds: float
    transactions: tuple[str, ...]
    clusters: tuple[ClusterContained, ...]
    committee: int


async def guardian_key(session: Session, given: PrivateKey | None) -> PrivateKey:
    """The guardian's key: ``given``, or on development networks one of the chain's public ones.

    Raises:
        CallerMisuse: ``drill.guardian``: it is another account's, or none was given.
    """
    guardian = Address(await session.contracts["Registry"].read("GUARDIAN"))
    known = [given] if given is not None else []
    if given is None and session.target.network.configuration.development:
        known = list(development_keys())
    found = next((key for key in known if key.address == guardian), None)
    if found is None:
        raise CallerMisuse(
            "drill.guardian",
            f"only the network's guardian {to_hex(guardian)} can contain a break",
            "no key of it was given" if given is None else f"the key given is that of {to_hex(given.address)}",
            "give its key with --key FILE",
        )
    return found


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
        TransactionReverted: the contracts refuse, for example to end so many gatekeepers that fewer than t remain.
        PeerUnreachable: ``drill.not_contained``: not in time; what was sent stays sent, and works on.
    """
    return await _Containing(session, state, subject, exposure, key, timeout, progress).run()


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

    async def run(self) -> Containment:
        await self._end_enclaves()
        raised = [(cluster, await self._change_keys(cluster)) for cluster in self._clusters()]
        committee = await self._end_gatekeepers()
        contained = await asyncio.gather(*(self._wait_for_cluster(cluster, epoch) for cluster, epoch in raised))
        if committee:
            await self._wait_for_committee(committee)
        return Containment(time.monotonic() - self._began, tuple(self._sent), tuple(contained), committee)

    async def _send(self, what: str, contract: str, function: str, *arguments: object) -> None:
        self._progress(what)
        called = self._session.contracts[contract]
        await self._sender.send(called.address, called.encode(function, *arguments))
        self._sent.append(what)

    async def _end_enclaves(self) -> None:
        """The registry refuses them from now on: whoever asks gatekeepers for a key gets none."""
        subject = self._subject
        if subject.kind in ("vendor", "platform"):
            if not self._state.distrusts(subject.digest):
                await self._send(f"distrust {subject.kind} {subject.name}", "Registry", "distrust", subject.digest)
            return
        for worker in sorted(subject.broken.workers):
            if self._state.workers[worker].revoked is None:
                await self._send(f"revoke worker {to_hex(worker)}", "Registry", "revoke", worker)

    def _clusters(self) -> list[ClusterId]:
        """Clusters whose present keys the broken enclaves have, and those that still have a broken member."""
        found = []
        for cluster in self._state.clusters.values():
            exposed = {one.epoch for one in self._exposure.now if one.cluster == cluster.cluster}
            if len(cluster.epochs) in exposed or self._members(cluster.cluster):
                found.append(cluster.cluster)
        return found

    def _members(self, cluster: ClusterId) -> list[WorkerId]:
        memberships = self._state.clusters[cluster].memberships
        return [one.worker for one in memberships if one.left is None and one.worker in self._subject.broken.workers]

    async def _change_keys(self, cluster: ClusterId) -> int:
        """Removal and new epoch in one transaction; the new epoch."""
        members = self._members(cluster)
        for start in range(0, len(members) - _MOST_AT_ONCE, _MOST_AT_ONCE):
            for worker in members[start : start + _MOST_AT_ONCE]:
                await self._send(f"remove worker {to_hex(worker)}", "Clusters", "remove", cluster, worker)
        rest = members[-_MOST_AT_ONCE:]
        what = f"give cluster {to_hex(cluster)} new keys without {len(rest)} of its members"
        await self._send(what, "Clusters", "contain", cluster, rest)
        return int((await self._session.contracts["Clusters"].read("terms", cluster))[0])

    async def _end_gatekeepers(self) -> int:
        """Revokes broken members of the committee; the number that the next committee must have, or 0."""
        committee = self._state.committee
        if committee is None:
            return 0
        broken = [signer for signer in committee.signers if signer in self._subject.broken.gatekeepers]
        assumed = set(self._subject.assumed)
        for signer in broken:
            if signer not in assumed and signer not in self._state.revoked_gatekeepers:
                await self._revoke_gatekeeper(signer)
        return committee.number + 1 if set(broken) - assumed else 0

    async def _revoke_gatekeeper(self, signer: Address) -> None:
        try:
            await self._send(f"revoke gatekeeper {to_hex(signer)}", "Gatekeeping", "revoke", signer)
        except TransactionReverted as error:
            if error.reason != "gatekeeping: threshold":
                raise
            raise PeerUnreachable(
                "drill.threshold",
                f"gatekeeper {to_hex(signer)} cannot be revoked: fewer than t with shares would remain",
                f"done so far: {'; '.join(self._sent) or 'nothing'}",
                "have the proposer announce another committee (phat gatekeeper), and revoke it once that is in office",
            ) from error

    async def _wait_for_cluster(self, cluster: ClusterId, epoch: int) -> ClusterContained:
        await self._wait(
            f"cluster {to_hex(cluster)[:18]}… to write under epoch {epoch}", self._is_cluster, cluster, epoch
        )
        return ClusterContained(cluster, epoch, time.monotonic() - self._began)

    async def _wait_for_committee(self, number: int) -> None:
        await self._wait(f"committee {number} to take over the key", self._is_committee, number)

    async def _is_cluster(self, cluster: ClusterId, epoch: int) -> bool:
        """The epoch has begun, all keys of it are recorded, and the grace before it is over: all proven."""
        chain = self._session.chain
        head = await chain.refresh()
        fields = {name: layout.cluster_field(cluster, name) for name in ("epoch", "first_open")}
        raised = layout.cluster_epoch(cluster, epoch, "raised")
        subjects = [program.program for program in self._state.programs.values() if program.cluster == cluster]
        keys = [layout.input_key(subject, epoch) for subject in subjects]
        proven = await chain.prove({"Clusters": [*fields.values(), raised], "Programs": keys}, head)
        if proven.value("Clusters", fields["epoch"]) < epoch:
            return False
        if not all(proven.value("Programs", slot) for slot in keys):
            return False
        is_closed = proven.value("Clusters", fields["first_open"]) >= epoch
        return is_closed or head.header.timestamp > proven.value("Clusters", raised) + grace_of(self._state)

    async def _is_committee(self, number: int) -> bool:
        slot = layout.gatekeeping_committee()
        return (await self._session.chain.prove({"Gatekeeping": [slot]})).value("Gatekeeping", slot) >= number

    async def _wait(self, what: str, look: Callable[..., Awaitable[bool]], *arguments: object) -> None:
        deadline = self._began + self._timeout
        while not await look(*arguments):
            self._progress(f"waiting for {what}")
            if time.monotonic() > deadline:
                raise PeerUnreachable(
                    "drill.not_contained",
                    f"after {self._timeout:.0f} s still waiting for {what}",
                    f"done so far: {'; '.join(self._sent) or 'nothing'}",
                    "it goes on by itself once enough members answer; see phat epoch and phat status",
                )
            await asyncio.sleep(_LOOK_SECONDS)
