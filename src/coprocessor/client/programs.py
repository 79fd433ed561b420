"""A program as the chain proves it: its record, its code, its input key; and its cluster's code key (PROTOCOL 4.4)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.chain.code import fetch_code
from coprocessor.chain.deployment import NetworkContracts
from coprocessor.client.chain_state import ChainState, wait_for
from coprocessor.client.published_code import PublishedCode, read_published
from coprocessor.protocol import layout
from coprocessor.protocol.interface import Interface
from coprocessor.protocol.private_code import PrivateCode
from coprocessor.values.errors import CallerMisuse, EvidenceRefused
from coprocessor.values.identities import ZERO_DIGEST, Address, ClusterId, CodeHash, ProgramId, to_hex

__all__ = ["Announcement", "InputKey", "ProgramRecord", "ProgramRecords"]

KEY_SECONDS = 60.0
"""How long to wait for the input key of a program that was just deployed."""


@dataclass(frozen=True, slots=True)
class ProgramRecord:
    """A deployed program: all fields proven by storage, the interface by the code's hash.

    Of a program whose policy allows upgrades, ``client.versions.present_record`` gives the present one.

    Args:
        program: 32 bytes.
        owner: who deployed it.
        cluster: 32 bytes.
        code_hash: 32 bytes, of the version that this record is of.
        handle: its short name inside the cluster.
        interface: what that version offers.
        private: the clear part of private code, or None where the code is public.
        policy: 32 bytes, digest of the upgrade policy; zero where the program is frozen (PROTOCOL 12).
        version: 1 for the first code.
        announced: the upgrade that waits, or None.
        is_proven: it is proven that this version runs; else it is the newest, and may have been refused.
    """

    program: ProgramId
    owner: Address
    cluster: ClusterId
    code_hash: CodeHash
    handle: int
    interface: Interface
    private: PrivateCode | None = None
    policy: bytes = ZERO_DIGEST
    version: int = 1
    announced: Announcement | None = None
    is_proven: bool = True

    @property
    def may_change(self) -> bool:
        """Its policy allows other code."""
        return bool(self.policy) and any(self.policy)


@dataclass(frozen=True, slots=True)
class Announcement:
    """New code that waits.

    Args:
        number: of the program's announcements, from 0.
        code_hash: 32 bytes.
        ready: from when on it can be executed, seconds since 1970 by the chain.
        expires: until when.
        fuel_limit: of its method ``upgrade``.
    """

    number: int
    code_hash: CodeHash
    ready: int
    expires: int
    fuel_limit: int


@dataclass(frozen=True, slots=True)
class InputKey:
    """The key (X25519, 32 bytes) to which inputs, or code, of an epoch are sealed."""

    epoch: int
    key: bytes


class ProgramRecords:
    """Looks programs up, once each; input keys each time, since they change with the epoch."""

    def __init__(self, contracts: NetworkContracts, chain: ChainState) -> None:
        self._contracts = contracts
        self._chain = chain
        self._known: dict[ProgramId, ProgramRecord] = {}
        self.versions: dict[tuple[ProgramId, int], ProgramRecord] = {}
        """By program and number of upgrades: what ``client.versions`` found to run after them."""

    async def record(self, program: ProgramId) -> ProgramRecord:
        """The program's record as it was made, with its first code.

        Raises:
            CallerMisuse: the finalised chain has no such program (``program.unknown``).
        """
        if program not in self._known:
            self._known[program] = await self._look(program)
        return self._known[program]

    async def input_key(self, record: ProgramRecord) -> InputKey:
        """The input key of the cluster's present epoch, proven; waits for that of a young program.

        Raises:
            PeerUnreachable: no worker publishes one (``program.no_key``).
            EvidenceRefused: a member disputes the recorded one (``program.key_disputed``).
        """
        return await self._proven_key(
            record.cluster,
            record.program,
            "program.no_key",
            f"the cluster has published no input key of {to_hex(record.program)}",
        )

    async def code_key(self, cluster: ClusterId, timeout: float = KEY_SECONDS) -> InputKey:
        """The key of the cluster's present epoch to which private code is sealed, proven; waits so many seconds for a
        young cluster's.

        Raises:
            PeerUnreachable: no worker publishes one (``cluster.no_code_key``).
            EvidenceRefused: a member disputes the recorded one (``program.key_disputed``).
        """
        return await self._proven_key(
            cluster,
            ProgramId(cluster),
            "cluster.no_code_key",
            f"cluster {to_hex(cluster)} has published no code key",
            timeout,
        )

    async def _proven_key(
        self, cluster: ClusterId, subject: ProgramId, code: str, what: str, timeout: float = KEY_SECONDS
    ) -> InputKey:
        async def look() -> InputKey | None:
            return await self._recorded_key(cluster, subject)

        found = await wait_for(look, timeout, code, what, "see with `phat status` whether a worker executes")
        await self._check_disputes(subject, found)
        return found

    async def published(self, record: ProgramRecord) -> PublishedCode:
        """A program's code as it was published, checked against its hash."""
        return await self.code(record.code_hash)

    async def code(self, code_hash: CodeHash) -> PublishedCode:
        """Published code by its hash, against which it is checked."""
        head = await self._chain.refresh()
        return await self._fetch(code_hash, head.header.number)

    async def _fetch(self, code_hash: CodeHash, last_block: int) -> PublishedCode:
        chunks = await fetch_code(self._contracts.node, self._contracts["Programs"], code_hash, last_block)
        return read_published(b"".join(chunks))

    async def _look(self, program: ProgramId) -> ProgramRecord:
        names = ("owner", "cluster", "code_hash", "handle", "policy")
        slots = {name: layout.program_field(program, name) for name in names}
        proven = await self._chain.prove({"Programs": list(slots.values())})
        fields = {name: proven.digest("Programs", slot) for name, slot in slots.items()}
        if not any(fields["cluster"]):
            raise CallerMisuse(
                "program.unknown",
                f"the network has no program {to_hex(program)}",
                f"looked at finalised block {proven.head.header.number}",
                "check the id and the network (--network)",
            )
        code_hash = CodeHash(fields["code_hash"])
        code = await self._fetch(code_hash, proven.head.header.number)
        return ProgramRecord(
            program,
            Address(fields["owner"][12:]),
            ClusterId(fields["cluster"]),
            code_hash,
            int.from_bytes(fields["handle"], "big"),
            code.interface,
            code.private,
            fields["policy"],
        )

    async def _recorded_key(self, cluster: ClusterId, subject: ProgramId) -> InputKey | None:
        """The newest recorded key of an epoch that is not closed: for a moment after an epoch has begun, that is the
        one before, to which inputs may still be sealed (PROTOCOL 8.3)."""
        epoch_slot, open_slot = layout.cluster_field(cluster, "epoch"), layout.cluster_field(cluster, "first_open")
        head = await self._chain.refresh()
        proven = await self._chain.prove({"Clusters": [epoch_slot, open_slot]}, head)
        present, first_open = proven.value("Clusters", epoch_slot), proven.value("Clusters", open_slot)
        slots = {epoch: layout.input_key(subject, epoch) for epoch in range(present, first_open - 1, -1) if epoch}
        recorded = await self._chain.prove({"Programs": list(slots.values())}, head)
        keys = {epoch: recorded.digest("Programs", slot) for epoch, slot in slots.items()}
        return next((InputKey(epoch, key) for epoch, key in keys.items() if any(key)), None)

    async def _check_disputes(self, subject: ProgramId, found: InputKey) -> None:
        programs = self._contracts["Programs"]
        topics = [
            programs.interface.event("InputKeyDisputed").topic,
            subject,
            found.epoch.to_bytes(32, "big"),
        ]
        head = await self._chain.refresh()
        if await self._contracts.node.logs([programs.address], topics, 0, head.header.number):
            raise EvidenceRefused(
                "program.key_disputed",
                f"a member of the cluster derives another key for {to_hex(subject)}",
                "some members of the cluster are broken or lie",
                "seal nothing to this key until the network's guardian has acted",
            )
