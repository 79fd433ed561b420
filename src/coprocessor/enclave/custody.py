"""What a gatekeeper's enclave guards: its share, from genesis through each handover, and what of it lies on a disk.

Rules enforced:
1. genesis: every first gatekeeper's evidence is verified by each, and the key ceremony's session is the genesis digest
   (PROTOCOL 9.1; ``enclave.ceremony``);
2. an outcome counts once the chain has recorded it, and what led to it is erased then;
3. the present share serves until the chain has switched to the next committee; then it is erased too (PROTOCOL 9.4,
   ``enclave.handover``);
4. what the host keeps suffices to go on at every moment, with the others' memories or the network's custodian; nothing
   that follows from it leaves before that holds (PROTOCOL 9.5, ``enclave.at_rest``);
5. once this gatekeeper's own revocation is proven, share and secrets are erased, and it serves nobody (PROTOCOL 1.4);
6. it signs no genesis and agrees to no list that gives one operator or one vendor t shares (PROTOCOL 8.9,
   ``enclave.diversity``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from coprocessor.attestation.verdict import Verdict
from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave import messages as m
from coprocessor.enclave.at_rest import SharesAtRest
from coprocessor.enclave.ceremony import KeyCeremony, checked_members, outcome_record, share_keys_of
from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.diversity import Diversity
from coprocessor.enclave.handover import Handover, HandoverLook, Member, members_of
from coprocessor.enclave.identity import EnclaveKeys, Entropy
from coprocessor.enclave.key_release import KeyReleases
from coprocessor.enclave.own_pads import check_peers
from coprocessor.enclave.sealed_share import CeremonySecret, HandoverSecret, SealedShare
from coprocessor.keys.shares import CommitteeKeys, KeyShare, check_threshold
from coprocessor.keys.transcript import Entry, Phase
from coprocessor.protocol import layout
from coprocessor.protocol.genesis import compute_network_id
from coprocessor.protocol.statements import (
    ROLE_GATEKEEPER,
    GenesisRecord,
    HandoverRecord,
    MasterKeyRecord,
    compute_members_hash,
)
from coprocessor.values.errors import CallerMisuse, EvidenceRefused
from coprocessor.values.identities import Address, Digest, NetworkId
from coprocessor.values.network import Network, NetworkConfiguration

__all__ = ["Judge", "KeyCustody"]


class Judge(Protocol):
    """Verifies evidence for a role by the policy of this moment; at genesis by its floor alone. Evidence ``of_memory``
    is a member's over a key of its memory (``enclave.at_rest``)."""

    def __call__(
        self, message: m.Admit, role: int, *, at_genesis: bool = False, of_memory: bool = False
    ) -> Verdict:
        """Raises EvidenceRefused, MalformedInput."""
        ...



class KeyCustody:
    """One gatekeeper's share and its way through ceremonies.

    Args:
        configuration: of the network.
        view: this enclave's own finalised chain.
        judge: verifies evidence for a role.
        entropy, seal_key: from the measured loop.
        network: as the host named it; without gatekeepers before genesis.
        sealed: what an earlier run handed out, or empty.
    """

    def __init__(
        self,
        configuration: NetworkConfiguration,
        view: ChainView,
        judge: Judge,
        entropy: Entropy,
        seal_key: bytes,
        network: Network,
        sealed: bytes,
    ) -> None:
        self._configuration = configuration
        self._insecure = configuration.allow_simulated
        self._view = view
        self._judge = judge
        self._entropy = entropy
        self.keys = EnclaveKeys(entropy)
        self._diversity = Diversity(is_demanded=not configuration.development)
        self.rest = SharesAtRest(configuration, view, self._judge_presence, entropy, seal_key)
        self.network: NetworkId | None = compute_network_id(network) if network.gatekeepers else None
        self.share: KeyShare | None = None
        self._committee = 0
        self._releases: KeyReleases | None = None
        self._ceremony: KeyCeremony | None = None
        self._kept: KeyShare | None = None  # sealed, and not on the chain yet as far as this enclave knows
        self._done = self.network is not None  # who comes later has no part in the first ceremony
        self._handover_secret: HandoverSecret | None = None
        self._verified: set[Member] = set()
        self._is_revoked = False
        self._handover = self._make_handover()
        if sealed:
            self._restore(sealed)

    @property
    def releases(self) -> KeyReleases:
        """Answers to key requests. Raises EvidenceRefused once revoked, CallerMisuse where there is no share."""
        self.check_standing()
        if self._releases is None:
            raise CallerMisuse(
                "gatekeeper.no_share",
                "this gatekeeper holds no share",
                "a key ceremony is under way, or left it without one",
                "ask the other gatekeepers",
            )
        return self._releases

    def share_of(self, committee: int) -> KeyShare | None:
        """The share of this committee's key, where it is the one that this enclave holds."""
        return self.share if committee == self._committee else None

    # ---- revocation

    def check_standing(self) -> None:
        """Raises EvidenceRefused where the chain proves that this gatekeeper is revoked (rule 5)."""
        self.notice_revocation()
        if self._is_revoked:
            raise EvidenceRefused(
                "gatekeeper.revoked",
                "the guardian has revoked this gatekeeper",
                "its share is erased, and nothing that it signs counts",
                "ask the other gatekeepers",
            )

    def notice_revocation(self) -> None:
        """Erases share and secrets once this gatekeeper's own revocation is proven (rule 5). MUST follow each proof."""
        slot = layout.gatekeeping_revoked(self.keys.signing.address)
        if self._is_revoked or not self._view.has("Gatekeeping", slot) or not self._view.value("Gatekeeping", slot):
            return
        self._is_revoked = True
        self._ceremony = self._kept = self._handover_secret = None
        self._done = True
        self._verified.clear()
        self.rest.leave()
        self._hold(None, self._committee)

    # ---- genesis and first ceremony

    def sign_genesis(self, message: m.Genesis) -> m.GenesisSigned:
        """Verifies every member's evidence, then signs the genesis (PROTOCOL 9.1)."""
        self.rest.check_open()
        self.check_standing()
        if self.share is not None or self._done:
            raise CallerMisuse("genesis.done", "this gatekeeper has had its genesis")
        check_threshold(message.threshold, len(message.members))
        rows = [self._judged(member, at_genesis=True) for member in message.members]
        signers = tuple(signer for _, signer, _, _ in rows)
        checked_members(signers, self.keys.signing.address)
        self._diversity.check([(operator, signer) for operator, signer, _, _ in rows], message.threshold)
        self.network = compute_network_id(Network(self._configuration, tuple(digest for *_, digest in rows)))
        record = GenesisRecord(self.network, message.threshold, compute_members_hash(rows))
        self.rest.name_first(signers)
        self.rest.wrap(self.network, self.keys, 0, signers, message.threshold)
        self._begin(CeremonySecret(message.threshold, signers, self._entropy(32)))
        return m.GenesisSigned(self.network, self._sign(record), self._seal())

    def _judge_presence(self, presence: m.Admit) -> Verdict:
        verdict = self._judge(presence, ROLE_GATEKEEPER, of_memory=True)
        self._diversity.note(Address(presence.signer), verdict.kind)
        return verdict

    def _judged(self, member: m.Admit, *, at_genesis: bool = False) -> Member:
        verdict = self._judge(member, ROLE_GATEKEEPER, at_genesis=at_genesis)
        self._diversity.note(Address(member.signer), verdict.kind)
        return Address(member.operator), Address(member.signer), member.sealing_key, Digest(verdict.body_digest)

    def _begin(self, secret: CeremonySecret) -> None:
        assert self.network is not None
        self._ceremony = KeyCeremony(self.network, self._insecure, self.keys, secret)

    def step_ceremony(self, message: m.Ceremony) -> m.CeremonyStep:
        """How the first key ceremony stands (PROTOCOL 9.3); says nothing before its secret is durable (rule 4)."""
        self.rest.check_open()
        if self._done:
            return self._finished(b"")
        if self._ceremony is None:
            raise CallerMisuse("genesis.not_begun", "the key ceremony begins with Genesis")
        recorded = self._view.digest("Gatekeeping", layout.gatekeeping_master_key_hash())
        if self._kept is not None and recorded == keccak256(self._kept.committee.group):
            return self._adopt(self._kept)
        if self._view.value("Gatekeeping", layout.gatekeeping_committee()) > 1:
            return self._adopt(None)  # the key has moved on without this gatekeeper
        look = self._ceremony.look(self._view, _entries(message.entries))
        if look.committee is None:
            says = look.message if self.rest.is_durable else b""
            return m.CeremonyStep(look.session, look.phase, says, b"", (), b"", b"", False, False, look.failure)
        if any(recorded):
            if recorded != keccak256(look.committee.group):
                raise EvidenceRefused(
                    "ceremony.foreign_key",
                    "the chain records another master key than the ceremony's transcript gives",
                    "the threshold of gatekeepers signed a false outcome",
                    "trust nothing of this network",
                )
            return self._adopt(look.share)
        return self._outcome(look.session, look.committee, look.share)

    def _outcome(self, session: Digest, committee: CommitteeKeys, share: KeyShare | None) -> m.CeremonyStep:
        """The outcome to sign; the share is sealed before anything public depends on it (PROTOCOL 9.5)."""
        members = len(self._ceremony.secret.signers) if self._ceremony is not None else 0
        keys = share_keys_of(committee, members)
        self._kept = share
        is_shown = share is not None and self.rest.is_durable
        signature = self._sign(outcome_record(session, committee, members)) if is_shown else b""
        sealed = b"" if share is None else self._seal()
        return m.CeremonyStep(
            session, Phase.OUTCOME, b"", committee.group, keys, signature, sealed, False, share is not None, ""
        )

    def _adopt(self, share: KeyShare | None) -> m.CeremonyStep:
        """The outcome stands on the chain: the secret of the ceremony is erased (rule 2)."""
        secret = self._ceremony.secret if self._ceremony is not None else None
        self._ceremony = self._kept = None
        self._done = True
        self._hold(share, 1)
        self._enter(1, () if secret is None else secret.signers, 0 if secret is None else secret.threshold)
        return self._finished(self._seal())

    def _finished(self, sealed: bytes) -> m.CeremonyStep:
        return m.CeremonyStep(b"", Phase.OUTCOME, b"", b"", (), b"", sealed, True, self.share is not None, "")

    # ---- handover

    def verify_candidate(self, candidate: m.Admit) -> m.Ready:
        """Verifies the evidence of a member of the next committee; this enclave deals to nobody else (PROTOCOL 9.4).
        Fresh evidence of one that stays shows whose hardware it runs on (rule 6)."""
        self._verified.add(self._judged(candidate))
        return m.Ready()

    def sign_handover(self) -> m.HandoverSigned:
        """This present member's agreement to begin the handover to the announced committee (PROTOCOL 9.4)."""
        self.rest.check_open()
        self.check_standing()
        if self.share is None:
            raise CallerMisuse("gatekeeper.no_share", "only who holds a share agrees to hand it over")
        threshold = self._view.value("Gatekeeping", layout.gatekeeping_next("threshold"))
        following = self._view.value("Gatekeeping", layout.gatekeeping_next("count"))
        check_peers(self._configuration.custodian, following, threshold)
        session = self._handover.agreed_session(self._view, self._verified, development=self._configuration.development)
        return m.HandoverSigned(session, self._sign(HandoverRecord(session)))

    def step_handover(self, message: m.Handover) -> m.HandoverStep:
        """How the handover under way stands, and what this enclave has to say, once its secret is durable (rule 4);
        nothing once it is revoked."""
        self.rest.check_open()
        self.notice_revocation()
        committee = self._view.value("Gatekeeping", layout.gatekeeping_committee())
        if self._is_revoked:
            self._hold(None, committee)
            return self._handover_step(HandoverLook(Digest(bytes(32)), 0), self._seal())
        if self._committee == 0 and self._handover_secret is None:
            self._committee = committee  # a candidate learns where it stands
        if committee != self._committee:
            return self._switch(committee, _entries(message.entries))
        if not self._view.value("Gatekeeping", layout.gatekeeping_is_handover()):
            return self._handover_step(HandoverLook(Digest(bytes(32)), 0), b"")
        look = self._handover.look(
            self._view, message.master_key, message.share_keys, _entries(message.entries), self._verified, self.share
        )
        sealed = b""
        if look.secret is not None and look.secret != self._handover_secret:
            self._handover_secret = look.secret
            if not self.rest.is_wrapped and self.network is not None:
                self.rest.wrap(self.network, self.keys, committee, look.secret.signers, look.secret.present.threshold)
            sealed = self._seal()
        return self._handover_step(look if self.rest.is_durable else replace(look, says=()), sealed)

    def _switch(self, committee: int, entries: tuple[Entry, ...]) -> m.HandoverStep:
        """The chain has another committee: its share is taken, the former one erased (rule 3)."""
        pending = self._handover_secret
        recorded = self._view.digest("Gatekeeping", layout.gatekeeping_share_keys_hash())
        members = self._view.value("Gatekeeping", layout.gatekeeping_member_count())
        share = None if pending is None else pending.share or self._handover.finish(self._view, entries)
        if share is not None and keccak256(b"".join(share_keys_of(share.committee, members))) != recorded:
            share = None
        self._handover_secret = None
        self._hold(share, committee)
        signers = [signer for _, signer, _, _ in members_of(self._view)]
        self._enter(committee, signers, self._view.value("Gatekeeping", layout.gatekeeping_threshold()))
        return self._handover_step(HandoverLook(Digest(bytes(32)), 0), self._seal())

    def _handover_step(self, look: HandoverLook, sealed: bytes) -> m.HandoverStep:
        return m.HandoverStep(
            session=look.session,
            phase=look.phase,
            says=tuple(m.Said(member, kind, data) for member, kind, data in look.says),
            share_keys=look.share_keys,
            sealed=sealed,
            unknown=look.unknown,
            committee=self._committee,
            has_share=self.share is not None,
            failure=look.failure,
        )

    def _make_handover(self) -> Handover:
        network = NetworkId(bytes(32)) if self.network is None else self.network
        own = self.keys, self._entropy, self._sign, self._handover_secret
        return Handover(network, self._insecure, *own, self._diversity)

    # ---- what lies on a disk

    def seal_keys(self) -> m.Sealed:
        """What the host keeps of a candidate, so that it has the same keys when a committee names it."""
        return m.Sealed(self._seal())

    def count_receipts(self, message: m.CountReceipts) -> m.Wrapped:
        """Others keep pieces of the newest pad; once they are enough it wraps the blob (``enclave.own_pads``)."""
        return m.Wrapped(self._seal() if self.rest.count(message) else b"")

    def take_pieces(self, message: m.TakePieces) -> m.Unwrapped:
        """The pad comes back after a restart: this gatekeeper goes on where it was."""
        share, wrong = self.rest.take(self.keys, message)
        self._adopt_opened(share)
        return m.Unwrapped(wrong, self._seal())

    def _enter(self, committee: int, members: Sequence[Address], threshold: int) -> None:
        """A period begins: with a pad of its own where there is a share."""
        self.rest.enter(committee)
        if self.share is None:
            self.rest.leave()
        elif self.network is not None:
            self.rest.wrap(self.network, self.keys, committee, members, threshold)

    def _hold(self, share: KeyShare | None, committee: int) -> None:
        assert self.network is not None
        self.share, self._committee = share, committee
        self._handover = self._make_handover()
        if share is None:
            self._releases = None
        elif self._releases is None:
            self._releases = KeyReleases(self.network, self._insecure, self._view, share, self.keys.signing)
        else:
            self._releases.replace_share(share)

    def _sign(self, record: GenesisRecord | MasterKeyRecord | HandoverRecord) -> bytes:
        gatekeeping = self._configuration.contract("Gatekeeping").address
        return self.keys.signing.sign(record.digest(self._configuration.chain_id, gatekeeping))

    def _seal(self) -> bytes:
        assert self.network is not None
        ceremony, share = None if self._ceremony is None else self._ceremony.secret, self.share or self._kept
        kept = SealedShare(self.network, self.keys, share, ceremony, self._committee, self._handover_secret)
        return self.rest.seal(kept)

    def _restore(self, sealed: bytes) -> None:
        outer = self.rest.open(sealed)
        if self.network is None or outer.network != self.network:
            raise EvidenceRefused("share.foreign", "the sealed share belongs to another network")
        self.keys, self._committee = outer.keys, outer.committee
        self._handover = self._make_handover()
        if outer.record is None or outer.secret is not None:
            self._adopt_opened(self.rest.unwrap(outer))

    def _adopt_opened(self, opened: SealedShare) -> None:
        self._handover_secret = opened.handover
        if opened.ceremony is not None:
            self._kept, self._done = opened.share, False
            self._begin(opened.ceremony)
            return
        self._hold(opened.share, opened.committee)


def _entries(plain: tuple[m.TranscriptEntry, ...]) -> tuple[Entry, ...]:
    return tuple(Entry(one.member, one.kind, one.block_number, one.data) for one in plain)
