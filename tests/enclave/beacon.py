"""The beacon around one fake chain: what ``Beacon`` and hosts would do for a committee's cores."""

from __future__ import annotations

from collections.abc import Sequence

from coprocessor.crypto.bls import BlsSignature, G1Element, check_public_key
from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave import messages as m
from coprocessor.keys.beacon import BeaconRound, combine_beacon, compute_beacon_session, verify_beacon
from coprocessor.keys.partial import PartialSignature
from coprocessor.keys.shares import CommitteeKeys
from coprocessor.keys.transcript import Entry, Phase, compute_transcript_head
from coprocessor.protocol import layout
from coprocessor.protocol.statements import NO_SHARE
from coprocessor.values.identities import Digest
from tests.enclave.committee import PHASE_BLOCKS, Committee
from tests.enclave.cores import ask, refusal
from tests.support.fake_chain import FakeChain

__all__ = ["WINDOW", "Beacon", "part"]

WINDOW = 4
_PLAIN = ("session", "opened", "in_ceremony", "phase_blocks", "committee", "former_committee", "window")


class Beacon:
    """What ``Beacon`` does, on the fake chain of a committee whose master ceremony is over."""

    def __init__(self, members: int = 3, threshold: int = 2, committee: Committee | None = None) -> None:
        if committee is None:
            committee = Committee(FakeChain(), members, threshold)
            committee.hold_genesis()
            committee.run()
        self.committee = committee
        self.chain = committee.chain
        self.entries: list[Entry] = []
        self.keys: dict[int, tuple[bytes, tuple[bytes, ...]]] = {}
        self.signatures: dict[int, bytes] = {}
        self.outcome: tuple[bytes, tuple[bytes, ...]] = (b"", ())
        self._set("window", WINDOW)
        self._set("phase_blocks", PHASE_BLOCKS)
        for name in ("committee", "former_committee", "session", "opened", "in_ceremony"):
            self._set(name, 0)
        self.session, self.opened = Digest(bytes(32)), 0

    def _set(self, name: str, value: int | bytes) -> None:
        self.chain.set("Beacon", layout.beacon_variable(name), value)

    def begin(self) -> None:
        """A ceremony of the present committee."""
        number, opened = self.committee.committee_number, self.chain.number + 1
        self.opened = opened
        self.session = compute_beacon_session(self.committee.network, number, opened)
        self.entries, self.signatures = [], {}
        self._set("session", self.session)
        self._set("opened", opened)
        self._set("in_ceremony", number)
        self.chain.mine()

    def post(self, member: int, kind: int, data: bytes) -> None:
        """A message, in a block of its own."""
        self.entries.append(Entry(member, kind, self.chain.number + 1, data))
        head = compute_transcript_head(self.session, self.entries)
        self.chain.set("Beacon", layout.beacon_transcript_head(self.session), head)
        self.chain.set("Beacon", layout.beacon_transcript_count(self.session), len(self.entries))
        self.chain.mine()

    def prove(self, at: int) -> None:
        """Headers, and all slots of the beacon, under the newest block."""
        members = range(len(self.committee.cores))
        number = self.committee.committee_number
        slots = [("Beacon", layout.beacon_variable(name)) for name in _PLAIN]
        slots += [
            ("Beacon", layout.beacon_transcript_head(self.session)),
            ("Beacon", layout.beacon_transcript_count(self.session)),
            ("Gatekeeping", layout.gatekeeping_genesis()),
            ("Gatekeeping", layout.gatekeeping_committee()),
            ("Gatekeeping", layout.gatekeeping_threshold()),
            ("Gatekeeping", layout.gatekeeping_member_count()),
            *(("Gatekeeping", layout.gatekeeping_member(who, "signer")) for who in members),
        ]
        for committee in range(max(number - 1, 1), number + 1):
            slots += [("Beacon", layout.beacon_key(committee, name)) for name in ("key_hash", "recorded")]
        core = self.committee.cores[at]
        ask(core, self.chain.headers_message())
        ask(core, self.chain.proof(*slots))

    def message(self, entries: Sequence[Entry] | None = None) -> m.BeaconCeremony:
        """The transcript as a host passes it on."""
        chosen = self.entries if entries is None else entries
        return m.BeaconCeremony(tuple(m.TranscriptEntry(e.member, e.kind, e.block_number, e.data) for e in chosen))

    def look(self, at: int) -> m.BeaconStep:
        """How a member sees it at the newest block."""
        self.prove(at)
        step: m.BeaconStep = ask(self.committee.cores[at], self.message())
        return step

    def run(self, by: Sequence[int] | None = None) -> list[m.BeaconStep]:
        """A whole ceremony of those who take part; the last looks."""
        present = list(range(len(self.committee.cores))) if by is None else list(by)
        self.begin()
        for _ in range(4 * PHASE_BLOCKS + 8):
            steps = []
            for at in present:
                steps.append(step := self.look(at))
                if step.message:
                    self.post(at, step.phase, step.message)
                if step.signature:
                    self.signatures[at] = step.signature
                    self.outcome = step.beacon_key, step.share_keys
            if all(step.phase == Phase.OUTCOME for step in steps):
                break
            if not any(step.message for step in steps):
                self.chain.mine()
        self.complete()
        return [self.look(at) for at in present]

    def complete(self) -> None:
        """The outcome is recorded in the next block."""
        assert len(self.signatures) >= self.committee.threshold
        number, (key, _) = self.committee.committee_number, self.outcome
        self._set("former_committee", number - 1)
        self._set("committee", number)
        self.chain.set("Beacon", layout.beacon_key(number, "key_hash"), keccak256(key))
        self.chain.set("Beacon", layout.beacon_key(number, "recorded"), self.chain.number + 1)
        self.keys[number] = self.outcome
        self.chain.mine()

    def next_height(self) -> int:
        """The next height; its block is mined."""
        height = (self.chain.number // WINDOW + 1) * WINDOW
        while self.chain.number < height:
            self.chain.mine()
        return height

    def sign(self, at: int, height: int) -> m.BeaconSigned:
        """A member's part."""
        self.prove(at)
        signed: m.BeaconSigned = ask(self.committee.cores[at], m.SignBeacon(height))
        return signed

    def refused(self, at: int, height: int) -> str:
        """Why a member does not sign."""
        self.prove(at)
        return refusal(self.committee.cores[at], m.SignBeacon(height))

    def public(self, number: int = 1) -> CommitteeKeys:
        """A committee's keys as the chain's log has them."""
        key, share_keys = self.keys[number]
        shares = tuple((at, check_public_key(one)) for at, one in enumerate(share_keys, start=1) if one != NO_SHARE)
        return CommitteeKeys(self.committee.threshold, check_public_key(key), shares)

    def round(self, height: int) -> BeaconRound:
        return BeaconRound(self.committee.network, height, insecure=True)

    def value(self, height: int, by: Sequence[int], number: int = 1) -> bytes:
        """What some members make together, verified."""
        signed = [part(self.sign(at, height)) for at in by]
        whole = combine_beacon(self.public(number), self.round(height), signed).signature
        return verify_beacon(self.public(number).group, self.round(height), whole)


def part(signed: m.BeaconSigned) -> PartialSignature:
    return PartialSignature(signed.index, BlsSignature(G1Element(signed.signature)))
