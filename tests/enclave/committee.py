"""Gatekeepers around one fake chain: genesis, the key ceremony over the transcript, crashes at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from coprocessor.attestation.evidence import decode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.attesters.simulated import SimulatedAttester
from coprocessor.codec import cbor
from coprocessor.crypto.bls import check_public_key
from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave import messages as m
from coprocessor.enclave.gatekeeper import GatekeeperCore, GatekeeperSurroundings
from coprocessor.host import slots as host_slots
from coprocessor.keys.pads import read_record
from coprocessor.keys.shares import CommitteeKeys
from coprocessor.keys.transcript import CLOSING, Entry, Phase, compute_transcript_head
from coprocessor.protocol import layout
from coprocessor.protocol.statements import NO_SHARE
from coprocessor.values.identities import Digest, NetworkId
from tests.enclave import cores
from tests.enclave.cores import OPERATOR, admit_request, ask, attester, counted_entropy, platform_of, policy_proof
from tests.support.fake_chain import FakeChain

PHASE_BLOCKS = 14

Place = tuple[bytes, SimulatedAttester]
"""Operator and machine of a gatekeeper."""


class Committee:
    """The first gatekeepers of a network.

    Args:
        chain: where they speak.
        members: n.
        threshold: t.
        places: operator and machine of each member; None: one operator with as many machines.
    """

    def __init__(self, chain: FakeChain, members: int, threshold: int, places: Sequence[Place] | None = None) -> None:
        self.chain = chain
        self.threshold = threshold
        places = places or [(OPERATOR, attester(b"gatekeeper" + bytes((at,)))) for at in range(members)]
        self.operators = [operator for operator, _ in places]
        self.machines = [machine for _, machine in places]
        self.sealed = [b""] * members
        self.hoard: list[tuple[int, bytes]] = []
        """Every blob that was ever sealed, with the machine's position."""
        self.traffic: list[tuple[int, int, bytes]] = []
        """Every offer that hosts carried: giver, holder, bytes."""
        self.memory_keys: set[bytes] = set()
        """Every key that a gatekeeper has shown as its memory's."""
        self.committees: list[CommitteeKeys] = []
        """Public keys of every committee so far."""
        self.starts = 0
        self.entries: list[Entry] = []
        self.session = Digest(bytes(32))
        self.network = NetworkId(bytes(32))
        self.master_key = b""
        self.share_keys: tuple[bytes, ...] = ()
        self.signatures: dict[int, bytes] = {}
        self.next_threshold = 0
        self.next_keys: tuple[bytes, ...] = ()
        self.committee_number = 1
        self.evidence: dict[int, m.Admit] = {}
        self.digests: dict[int, bytes] = {}
        self.closings: set[int] = set()
        self.proven: set[int] = set()
        self.present = list(range(members))
        """Who sits in the committee, as positions in ``cores``."""
        self.following: list[int] = []
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
        booted = ask(core, m.BootGatekeeper(self.chain.network_json(), self.operators[at], self.sealed[at]))
        self.show_headers(core)
        return core, booted

    def show_headers(self, core: GatekeeperCore) -> None:
        """All blocks that a core has not seen."""
        state = core._state
        assert state is not None
        head = state.view._chain.head
        first = 0 if head is None else head.number + 1
        if first <= self.chain.number:
            ask(core, self.chain.headers_message(first))

    def keep(self, at: int, sealed: bytes) -> None:
        """What a host makes durable."""
        if sealed:
            self.sealed[at] = sealed
            self.hoard.append((at, sealed))

    def crash(self, at: int) -> None:
        """The enclave ends; another begins with what the host made durable."""
        self.cores[at], self.booted[at] = self._start(at)

    def signers(self) -> list[bytes]:
        """Signing addresses of the present members, in order."""
        return [self.booted[at].signer for at in self.present]

    def chosen(self, by: Sequence[int] | None) -> list[GatekeeperCore]:
        """Some of the cores, by position; all by default."""
        return self.cores if by is None else [self.cores[at] for at in by]

    def ask_all(self, message: Any, by: Sequence[int] | None = None) -> list[Any]:
        """The replies of some gatekeepers that have all headers."""
        replies = []
        for core in self.chosen(by):
            self.show_headers(core)
            if isinstance(message, m.Admit):
                ask(core, policy_proof(message, self.chain))
            replies.append(ask(core, message))
        return replies

    def add_candidate(self, place: Place | None = None) -> int:
        """A gatekeeper that may become a member; its keys are durable. Its position."""
        at = len(self.cores)
        operator, machine = place or (OPERATOR, attester(b"gatekeeper" + bytes((at,))))
        self.operators.append(operator)
        self.machines.append(machine)
        self.sealed.append(b"")
        core, booted = self._start(at)
        self.cores.append(core)
        self.booted.append(booted)
        self.keep(at, ask(core, m.SealKeys()).sealed)
        return at

    # ---- pads (PROTOCOL 9.5)

    @property
    def has_pads(self) -> bool:
        """Whether shares rest under pads of the others' memories."""
        return self.chain.configuration.custodian.kind != "file"

    def presence(self, at: int) -> m.Admit:
        """A gatekeeper's fresh evidence over its memory's key."""
        core = self.cores[at]
        self.show_headers(core)
        claims = core.memory_claims()
        self.memory_keys.add(claims.sealing_key)
        shown = SimpleNamespace(claims=core.memory_claims, chain_time=core.chain_time)
        names = replace(self.booted[at], sealing_key=claims.sealing_key, signing_key=claims.signing_key)
        names = replace(names, signer=claims.signer)
        return admit_request(shown, self.machines[at], names, self.chain, role=2, operator=self.operators[at])

    def prove_members(self, at: int) -> GatekeeperCore:
        """A core that knows the newest block, who the members are there, and whom the network distrusts."""
        core, chain = self.cores[at], self.chain
        self.show_headers(core)
        storage = chain.storage["Gatekeeping"]
        count, following = layout.gatekeeping_member_count(), layout.gatekeeping_next("count")
        slots = [count, following]
        slots += [layout.gatekeeping_member(number, "signer") for number in range(storage.get(count, 0))]
        slots += [layout.gatekeeping_next_member(number, "signer") for number in range(storage.get(following, 0))]
        slots += [layout.gatekeeping_revoked(storage.get(slot, 0).to_bytes(32, "big")[12:]) for slot in slots[2:]]
        wanted = [("Gatekeeping", slot) for slot in dict.fromkeys(slots)]
        for machine in self.machines:
            for name, named in host_slots.policy(*cores.subjects_of(machine), self.booted[0].signer).items():
                wanted += [(name, slot) for slot in named if (name, slot) not in wanted]
        ask(core, chain.proof(*wanted))
        return core

    def offer(self, giver: int, holders: Sequence[int]) -> list[bytes]:
        """Pieces of a giver's newest pad go to some others; their receipts."""
        presences = tuple(self.presence(at) for at in holders if at != giver)
        self.prove_members(giver)
        signers = {self.signer(at): at for at in holders}
        receipts = []
        for offered in ask(self.cores[giver], m.MakeOffers(presences)).offers:
            holder = signers[offered.holder]
            self.traffic.append((giver, holder, offered.offer))
            receipts.append(ask(self.prove_members(holder), m.KeepPiece(offered.offer)).receipt)
        return receipts

    def signer(self, at: int) -> bytes:
        """A gatekeeper's lasting signing address."""
        state = self.cores[at]._state
        assert state is not None
        return state.keys.signing.address

    def count(self, giver: int, receipts: Sequence[bytes]) -> bytes:
        """The giver counts receipts; what is to be kept, or nothing."""
        return bytes(ask(self.cores[giver], m.CountReceipts(tuple(receipts))).sealed)

    def confirm(self, giver: int, holders: Sequence[int]) -> None:
        """The giver's blob is durable: the others forget its earlier pads."""
        confirmation = ask(self.cores[giver], m.ShareKept()).confirmation
        for holder in holders:
            if confirmation and holder != giver:
                ask(self.cores[holder], m.ConfirmPad(confirmation))

    def share_pads(self, givers: Sequence[int] | None = None, holders: Sequence[int] | None = None) -> None:
        """What hosts do all the time: pieces to everybody, receipts back, the new blob kept, the old pads forgotten."""
        if not self.has_pads:
            return
        everybody = range(len(self.cores)) if holders is None else holders
        for giver in range(len(self.cores)) if givers is None else givers:
            self.keep(giver, self.count(giver, self.offer(giver, everybody)))
            self.confirm(giver, everybody)

    def pieces(self, at: int, by: Sequence[int]) -> tuple[bytes, ...]:
        """What some members give back to a restarted one."""
        presence, pad = self.presence(at), self.pad(at)
        return tuple(ask(self.prove_members(holder), m.GivePiece(presence, pad)).answer for holder in by)

    def pad(self, at: int) -> bytes:
        """Digest of the pad that a gatekeeper waits for, or whose pieces it gives out."""
        record = ask(self.cores[at], m.GetCustody()).record
        return read_record(cbor.loads(record, 4096)).digest if record else bytes(32)

    def recover(self, at: int, by: Sequence[int]) -> m.Unwrapped:
        """A restarted gatekeeper gets its pad back from some others."""
        back: m.Unwrapped = ask(self.cores[at], m.TakePieces(self.pieces(at, by), ()))
        self.keep(at, back.sealed)
        return back

    # ---- genesis

    def genesis_message(self) -> m.Genesis:
        """The evidence of all."""
        return m.Genesis(self.threshold, tuple(self._evidence_of(at) for at in range(len(self.cores))))

    def _evidence_of(self, at: int) -> m.Admit:
        core, machine, booted = self.cores[at], self.machines[at], self.booted[at]
        return admit_request(core, machine, booted, self.chain, role=2, operator=self.operators[at])

    def hold_genesis(self, *, crash: bool = False) -> None:
        """Every member signs; then the chain names the network and opens the ceremony."""
        message = self.genesis_message()
        for at, core in enumerate(self.cores):
            signed = ask(core, message)
            self.keep(at, signed.sealed)
            self.network = NetworkId(signed.network)
        now = self.cores[0].chain_time()
        self.chain.gatekeepers = tuple(
            Digest(verify_evidence(decode_evidence(member.evidence), now).body_digest) for member in message.members
        )
        self.share_pads()
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
            layout.gatekeeping_committee(),
        )
        return self.chain.proof(*(("Gatekeeping", slot) for slot in slots))

    def message(self, entries: Sequence[Entry] | None = None) -> m.Ceremony:
        """The transcript as a host passes it on."""
        plain = (m.TranscriptEntry(e.member, e.kind, e.block_number, e.data) for e in entries or self.entries)
        return m.Ceremony(tuple(plain))

    def look(self, at: int) -> m.CeremonyStep:
        """How a member sees the ceremony at the newest block; what it seals is kept."""
        core = self.cores[at]
        self.show_headers(core)
        ask(core, self.proof())
        step: m.CeremonyStep = ask(core, self.message())
        self.keep(at, step.sealed)
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
        steps = [self.look(at) for at in present]
        self.share_pads(present)
        return steps

    def complete(self) -> None:
        """What ``Gatekeeping.complete`` does."""
        assert len(self.signatures) >= self.threshold
        self.chain.set("Gatekeeping", layout.gatekeeping_master_key_hash(), keccak256(self.master_key))
        self.chain.set("Gatekeeping", layout.gatekeeping_share_keys_hash(), keccak256(b"".join(self.share_keys)))
        self.chain.set("Gatekeeping", layout.gatekeeping_committee(), 1)
        self.chain.mine()
        self._record_keys()

    def _record_keys(self) -> None:
        keys = [(at, key) for at, key in enumerate(self.share_keys, start=1) if key != NO_SHARE]
        shares = tuple((at, check_public_key(key)) for at, key in keys)
        self.committees.append(CommitteeKeys(self.threshold, check_public_key(self.master_key), shares))

    # ---- handover

    def admission(self, at: int) -> m.Admit:
        """A member's evidence, fresh."""
        self.show_headers(self.cores[at])
        return self._evidence_of(at)

    def record_members(self) -> None:
        """The present members in full, as ``initialize`` records them; evidence of genesis stands for itself."""
        for place, at in enumerate(self.present):
            self._set_member(layout.gatekeeping_member, place, at, keccak256(b"evidence" + bytes((at,))))
        self.chain.mine()

    def _set_member(self, slot: Any, place: int, at: int, evidence_digest: bytes) -> None:
        fields = (self.operators[at], self.booted[at].signer, self.booted[at].sealing_key, evidence_digest)
        for name, value in zip(("operator", "signer", "sealing_key", "evidence_digest"), fields, strict=True):
            self.chain.set("Gatekeeping", slot(place, name), value)

    def propose(self, following: Sequence[int], threshold: int) -> None:
        """What ``Gatekeeping.propose`` does."""
        self.following, self.next_threshold = list(following), threshold
        self.evidence = {at: self.admission(at) for at in following if at not in self.present}
        now = self.cores[0].chain_time()
        for place, at in enumerate(following):
            digest = keccak256(b"evidence" + bytes((at,)))
            if at in self.evidence:
                digest = verify_evidence(decode_evidence(self.evidence[at].evidence), now).body_digest
            self.digests[at] = digest
            self._set_member(layout.gatekeeping_next_member, place, at, digest)
        for name, value in (("threshold", threshold), ("count", len(following)), ("announced", self.chain.timestamp)):
            self.chain.set("Gatekeeping", layout.gatekeeping_next(name), value)
        self.chain.mine()

    def handover_proof(self) -> m.ChainProof:
        """All slots of a handover under the newest block."""
        fields = ("operator", "signer", "sealing_key", "evidence_digest")
        everybody = {self.booted[at].signer for at in (*self.present, *self.following)}
        slots = [layout.gatekeeping_revoked(signer) for signer in sorted(everybody)]
        slots += [layout.gatekeeping_member(at, name) for at in range(len(self.present)) for name in fields]
        slots += [layout.gatekeeping_next_member(at, name) for at in range(len(self.following)) for name in fields]
        slots += [layout.gatekeeping_next(name) for name in ("threshold", "count", "announced")]
        slots += [
            layout.gatekeeping_threshold(),
            layout.gatekeeping_member_count(),
            layout.gatekeeping_share_keys_hash(),
            layout.gatekeeping_is_handover(),
        ]
        first = self.proof()
        more = self.chain.proof(*(("Gatekeeping", slot) for slot in slots))
        account = replace(first.accounts[0], slots=first.accounts[0].slots + more.accounts[0].slots)
        return replace(first, accounts=(account,))

    def sync_handover(self, at: int) -> GatekeeperCore:
        """A core with all headers and proofs."""
        core = self.cores[at]
        self.show_headers(core)
        ask(core, self.handover_proof())
        return core

    def verify(self, at: int) -> None:
        """A member is shown the evidence of every candidate."""
        for admission in self.evidence.values():
            ask(self.sync_handover(at), policy_proof(admission, self.chain))
            ask(self.cores[at], m.VerifyCandidate(admission))

    def begin_handover(self, by: Sequence[int]) -> Digest:
        """The threshold agrees; what ``Gatekeeping.begin_handover`` does."""
        sessions = set()
        for at in by:
            self.verify(at)
            sessions.add(ask(self.sync_handover(at), m.SignHandover()).session)
        (session,) = sessions
        self.chain.set("Gatekeeping", layout.gatekeeping_is_handover(), 1)
        self.open(Digest(session))
        self.closings, self.proven = set(), set()
        return Digest(session)

    def look_handover(self, at: int) -> m.HandoverStep:
        """How a gatekeeper sees it at the newest block; what it seals is kept."""
        core = self.sync_handover(at)
        plain = tuple(m.TranscriptEntry(e.member, e.kind, e.block_number, e.data) for e in self.entries)
        step: m.HandoverStep = ask(core, m.Handover(self.master_key, self.share_keys, plain))
        self.keep(at, step.sealed)
        return step

    def step_handover(self, at: int) -> m.HandoverStep:
        """One look, and what is said, said."""
        step = self.look_handover(at)
        if self.has_pads and not ask(self.cores[at], m.GetCustody()).is_durable:
            self.share_pads([at])
            step = self.look_handover(at)
        if step.unknown:
            self.verify(at)
        for said in step.says:
            self.post(said.member, said.kind, said.data)
            if said.kind == Phase.OUTCOME:
                self.proven.add(at)
            if said.kind == CLOSING:
                self.closings.add(at)
        self.next_keys = step.share_keys or self.next_keys
        return step

    def run_handover(self, by: Sequence[int] | None = None) -> list[m.HandoverStep]:
        """The whole handover of those who take part; the last looks."""
        people = sorted({*self.present, *self.following} if by is None else by)
        for _ in range(5 * PHASE_BLOCKS + 8):
            if len(self.closings) >= self.threshold and len(self.proven) >= self.next_threshold:
                break
            if sum(len(self.step_handover(at).says) for at in people) == 0:
                self.chain.mine()
        self.switch()
        steps = [self.look_handover(at) for at in people]
        self.share_pads(people)
        return steps

    def revoke(self, at: int) -> None:
        """What ``Gatekeeping.revoke`` does."""
        chain = self.chain
        chain.set("Gatekeeping", layout.gatekeeping_revoked(self.booted[at].signer), chain.number + 1)
        chain.set("Gatekeeping", layout.gatekeeping_is_handover(), 0)
        if at in self.following:
            chain.set("Gatekeeping", layout.gatekeeping_next("count"), 0)
            self.following = []
        chain.mine()

    def switch(self) -> None:
        """What ``Gatekeeping.hand_over`` does."""
        assert len(self.closings) >= self.threshold
        assert len(self.proven) >= self.next_threshold
        for place, at in enumerate(self.following):
            self._set_member(layout.gatekeeping_member, place, at, self.digests[at])
        chain = self.chain
        chain.set("Gatekeeping", layout.gatekeeping_threshold(), self.next_threshold)
        chain.set("Gatekeeping", layout.gatekeeping_member_count(), len(self.following))
        chain.set("Gatekeeping", layout.gatekeeping_share_keys_hash(), keccak256(b"".join(self.next_keys)))
        self.committee_number += 1
        chain.set("Gatekeeping", layout.gatekeeping_committee(), self.committee_number)
        chain.set("Gatekeeping", layout.gatekeeping_is_handover(), 0)
        chain.set("Gatekeeping", layout.gatekeeping_next("count"), 0)
        chain.mine()
        self.present, self.threshold, self.share_keys = self.following, self.next_threshold, self.next_keys
        self.following = []
        self._record_keys()
