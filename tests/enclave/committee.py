"""Gatekeepers around one fake chain: genesis, the key ceremony over the transcript, crashes at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave import messages as m
from coprocessor.enclave.gatekeeper import GatekeeperCore, GatekeeperSurroundings
from coprocessor.keys.transcript import Entry, Phase, compute_transcript_head
from coprocessor.protocol import layout
from coprocessor.values.identities import Digest, NetworkId
from tests.enclave.cores import OPERATOR, admit_request, ask, attester, counted_entropy, platform_of
from tests.support.fake_chain import FakeChain

PHASE_BLOCKS = 6


class Committee:
    """The first gatekeepers of a network.

    Args:
        chain: where they speak.
        members: n.
        threshold: t.
    """

    def __init__(self, chain: FakeChain, members: int, threshold: int) -> None:
        self.chain = chain
        self.threshold = threshold
        self.machines = [attester(b"gatekeeper" + bytes((at,))) for at in range(members)]
        self.sealed = [b""] * members
        self.starts = 0
        self.entries: list[Entry] = []
        self.session = Digest(bytes(32))
        self.network = NetworkId(bytes(32))
        self.master_key = b""
        self.share_keys: tuple[bytes, ...] = ()
        self.signatures: dict[int, bytes] = {}
        started = [self._start(at) for at in range(members)]
        self.cores = [core for core, _ in started]
        self.booted = [booted for _, booted in started]

    # ---- cores

    def make(self, at: int) -> GatekeeperCore:
        """A fresh core on a member's machine; no two share entropy."""
        self.starts += 1
        surroundings = GatekeeperSurroundings(
            entropy=counted_entropy(b"gatekeeper" + bytes((at, self.starts))),
            seal_key=self.machines[at].seal_key(b"gatekeeper-share"),
            platform=platform_of(self.machines[at]),
            simulated=True,
        )
        return GatekeeperCore(surroundings)

    def _start(self, at: int) -> tuple[GatekeeperCore, m.Booted]:
        core = self.make(at)
        booted = ask(core, m.BootGatekeeper(self.chain.network_json(), OPERATOR, self.sealed[at]))
        ask(core, self.chain.headers_message())
        return core, booted

    def crash(self, at: int) -> None:
        """The enclave ends; another begins with what the host made durable."""
        self.cores[at], self.booted[at] = self._start(at)

    def chosen(self, by: Sequence[int] | None) -> list[GatekeeperCore]:
        """Some of the cores, by position; all by default."""
        return self.cores if by is None else [self.cores[at] for at in by]

    def ask_all(self, message: Any, by: Sequence[int] | None = None) -> list[Any]:
        """The replies of some gatekeepers that have all headers."""
        replies = []
        for core in self.chosen(by):
            ask(core, self.chain.headers_message())
            replies.append(ask(core, message))
        return replies

    # ---- genesis

    def genesis_message(self) -> m.Genesis:
        """The evidence of all."""
        together = zip(self.cores, self.machines, self.booted, strict=True)
        members = tuple(admit_request(core, machine, booted, self.chain, role=2) for core, machine, booted in together)
        return m.Genesis(self.threshold, members)

    def hold_genesis(self, *, crash: bool = False) -> None:
        """Every member signs; then the chain names the network and opens the ceremony."""
        message = self.genesis_message()
        for at, core in enumerate(self.cores):
            signed = ask(core, message)
            self.sealed[at], self.network = signed.sealed, NetworkId(signed.network)
        now = self.cores[0].chain_time()
        self.chain.gatekeepers = tuple(
            Digest(verify_evidence(decode_evidence(member.evidence), now).body_digest) for member in message.members
        )
        if crash:
            for at in range(len(self.cores)):
                self.crash(at)
        chain = self.chain
        chain.set("Gatekeeping", layout.gatekeeping_genesis(), self.network)
        chain.set("Gatekeeping", layout.gatekeeping_threshold(), self.threshold)
        chain.set("Gatekeeping", layout.gatekeeping_member_count(), len(self.cores))
        chain.set("Gatekeeping", layout.gatekeeping_phase_blocks(), PHASE_BLOCKS)
        for at, booted in enumerate(self.booted):
            chain.set("Gatekeeping", layout.gatekeeping_member(at, "signer"), booted.signer)
        self.open(Digest(self.network))

    def open(self, session: Digest) -> None:
        """A ceremony begins."""
        self.session, self.entries, self.signatures = session, [], {}
        self.chain.set("Gatekeeping", layout.gatekeeping_session(), session)
        self.chain.set("Gatekeeping", layout.gatekeeping_opened(), self.chain.number + 1)
        self.chain.mine()

    # ---- the ceremony

    def post(self, member: int, kind: int, data: bytes) -> None:
        """What ``Gatekeeping.post`` does, in a block of its own."""
        self.entries.append(Entry(member, kind, self.chain.number + 1, data))
        chain, head = self.chain, compute_transcript_head(self.session, self.entries)
        chain.set("Gatekeeping", layout.gatekeeping_transcript_head(self.session), head)
        chain.set("Gatekeeping", layout.gatekeeping_transcript_count(self.session), len(self.entries))
        chain.mine()

    def proof(self) -> m.ChainProof:
        """The slots of the ceremony under the newest block."""
        slots = (
            layout.gatekeeping_genesis(),
            layout.gatekeeping_master_key_hash(),
            layout.gatekeeping_session(),
            layout.gatekeeping_opened(),
            layout.gatekeeping_phase_blocks(),
            layout.gatekeeping_transcript_head(self.session),
            layout.gatekeeping_transcript_count(self.session),
        )
        return self.chain.proof(*(("Gatekeeping", slot) for slot in slots))

    def message(self, entries: Sequence[Entry] | None = None) -> m.Ceremony:
        """The transcript as a host passes it on."""
        plain = (m.TranscriptEntry(e.member, e.kind, e.block_number, e.data) for e in entries or self.entries)
        return m.Ceremony(tuple(plain))

    def look(self, at: int) -> m.CeremonyStep:
        """How a member sees the ceremony at the newest block; what it seals is kept."""
        core = self.cores[at]
        ask(core, self.chain.headers_message())
        ask(core, self.proof())
        step: m.CeremonyStep = ask(core, self.message())
        self.sealed[at] = step.sealed or self.sealed[at]
        return step

    def step(self, at: int) -> m.CeremonyStep:
        """One look of a member, and what it says, said."""
        step = self.look(at)
        if step.message:
            self.post(at, step.phase, step.message)
        if step.signature:
            self.signatures[at] = step.signature
            self.master_key, self.share_keys = step.master_key, step.share_keys
        return step

    def run(self, by: Sequence[int] | None = None) -> list[m.CeremonyStep]:
        """The whole ceremony of those who take part, with blocks for those who are silent; the last looks."""
        present = list(range(len(self.cores))) if by is None else list(by)
        for _ in range(4 * PHASE_BLOCKS + 8):
            steps = [self.step(at) for at in present]
            if all(step.phase == Phase.OUTCOME for step in steps):
                break
            if not any(step.message for step in steps):
                self.chain.mine()
        self.complete()
        return [self.look(at) for at in present]

    def complete(self) -> None:
        """What ``Gatekeeping.complete`` does."""
        assert len(self.signatures) >= self.threshold
        self.chain.set("Gatekeeping", layout.gatekeeping_master_key_hash(), keccak256(self.master_key))
        self.chain.mine()
