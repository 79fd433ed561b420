"""What an attacker makes of the memories of gatekeepers, with everything that chain and disks ever held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from coprocessor.crypto.bls import ORDER, BlsSignature, G1Element, Purpose, SecretScalar, is_valid_signature
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import SIGNATURE_LENGTH
from coprocessor.enclave.sealed_share import open_share
from coprocessor.keys.dealing import Dealing, DkgSession, _pad, _xor
from coprocessor.keys.derivation import ClusterKeys, derive_cluster_keys
from coprocessor.keys.dkg import Announcement, DkgMember, judge
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.messages import Complaints, DkgMessage, decode_dkg_message
from coprocessor.keys.partial import PartialSignature, combine_partials
from coprocessor.keys.shares import CommitteeKeys, evaluate_commitment, lagrange_weights
from coprocessor.keys.transcript import Entry, Phase
from coprocessor.values.errors import CoprocessorError


@dataclass
class MemoryAttack:
    """One attacker.

    Args:
        session: of the key ceremony, public.
        entries: its transcript, public.
        identity: the cluster epoch whose key is wanted.
        blobs: what lies on the gatekeepers' disks.
    """

    session: DkgSession
    entries: Sequence[Entry]
    identity: ClusterIdentity
    blobs: Sequence[bytes] = ()
    shares: dict[int, SecretScalar] = field(default_factory=dict)
    dealt: dict[tuple[int, int], SecretScalar] = field(default_factory=dict)
    """By (dealer, receiver): parts of shares that were learnt."""

    def __post_init__(self) -> None:
        messages = [_message(entry) for entry in self.entries if entry.kind <= Phase.COMPLAIN]
        self.announcements = {one.receiver: one for one in messages if isinstance(one, Announcement)}
        self.dealings = {one.dealer: one for one in messages if isinstance(one, Dealing)}
        complaints = [one for part in messages if isinstance(part, Complaints) for one in part.complaints]
        judgement = judge(self.session, self.announcements.values(), self.dealings.values(), complaints)
        self.qualified, self.committee = judgement.qualified, judgement.committee

    def derive(self, memories: Iterable[Sequence[bytes]]) -> ClusterKeys | None:
        """The keys of the cluster, or None where no way leads to them."""
        values = {value for memory in memories for value in memory}
        signature = next((value for value in values if len(value) == 48 and self._is_signature(value)), None)
        if signature is not None:
            return self._keys(signature)
        words = sorted(value for value in values if len(value) == 32)
        for word in words:
            self._try_word(word)
            for blob in self.blobs:
                self._try_blob(blob, word)
        self._add_up()
        return self._interpolate() or self._combine()

    def _try_word(self, word: bytes) -> None:
        """A word may be a share, a ceremony's entropy, its ceremony key, or the ephemeral secret of a dealing."""
        number = int.from_bytes(word, "big")
        if 0 < number < ORDER:
            scalar = SecretScalar(number)
            public, point = scalar.public_key(), scalar.g1_element()
            self.shares |= {index: scalar for index, key in self.committee.shares if key == public}
            self._try_points(scalar, point)
            self.dealt |= {
                (dealer, receiver): scalar
                for dealer, dealing in self.dealings.items()
                for receiver in self.session.receivers
                if evaluate_commitment(dealing.commitment, receiver) == public
            }
        for index in self.session.receivers:
            who = (b"entropy", bytes((index, index)), b"ceremony-key")
            key = SecretScalar.derive(word, self.session.context(Label.DKG_SESSION, *who))
            if key.g1_element() == self.announcements[index].ceremony_key:
                member = DkgMember(self.session, word, index, index)
                self._try_points(key, key.g1_element())
                for receiver in self.session.receivers:
                    self.dealt[index, receiver] = member._polynomial.evaluate(receiver)

    def _try_points(self, scalar: SecretScalar, point: G1Element) -> None:
        for dealer, dealing in self.dealings.items():
            for share in dealing.shares:
                receiver_key = G1Element(self.announcements[share.receiver].ceremony_key)
                if point == receiver_key:
                    shared = scalar.multiply_g1(dealing.ephemeral)
                elif point == dealing.ephemeral:
                    shared = scalar.multiply_g1(receiver_key)
                else:
                    continue
                pad = _pad(self.session, dealer, share.receiver, shared)
                self.dealt[dealer, share.receiver] = SecretScalar.from_bytes(_xor(share.data, pad))

    def _try_blob(self, blob: bytes, word: bytes) -> None:
        try:
            opened = open_share(blob, word)
        except CoprocessorError:
            return
        if opened.share is not None:
            self.shares[opened.share.index] = opened.share.secret
        if opened.ceremony is not None:
            self._try_word(opened.ceremony.entropy)

    def _add_up(self) -> None:
        """Who knows all parts of a share knows the share."""
        for receiver in self.committee.indices:
            parts = [self.dealt.get((dealer, receiver)) for dealer in self.qualified]
            if all(part is not None for part in parts):
                self.shares[receiver] = SecretScalar(sum(part.value for part in parts if part is not None) % ORDER)

    def _interpolate(self) -> ClusterKeys | None:
        """Every set of known shares, taken for a whole one."""
        for size in range(1, len(self.shares) + 1):
            for chosen in combinations(sorted(self.shares), size):
                pairs = zip(lagrange_weights(chosen), chosen, strict=True)
                master = SecretScalar(sum(weight * self.shares[index].value for weight, index in pairs) % ORDER)
                if master.public_key() == self.committee.group:
                    return self._keys(master.sign(self.identity.message(), Purpose.CLUSTER_IDENTITY))
        return None

    def _combine(self) -> ClusterKeys | None:
        """Partial signatures of the known shares, under every threshold that would do."""
        message = self.identity.message()
        signed = {at: share.sign(message, Purpose.CLUSTER_IDENTITY) for at, share in self.shares.items()}
        partials = [PartialSignature(index, signature) for index, signature in signed.items()]
        for threshold in range(1, len(partials) + 1):
            forged = object.__new__(CommitteeKeys)
            for name, value in (
                ("threshold", threshold),
                ("group", self.committee.group),
                ("shares", self.committee.shares),
            ):
                object.__setattr__(forged, name, value)
            try:
                return self._keys(combine_partials(forged, self.identity, partials).signature)
            except CoprocessorError:
                continue
        return None

    def _is_signature(self, value: bytes) -> bool:
        try:
            return is_valid_signature(
                self.committee.group, self.identity.message(), Purpose.CLUSTER_IDENTITY, BlsSignature(G1Element(value))
            )
        except CoprocessorError:
            return False

    def _keys(self, signature: bytes) -> ClusterKeys:
        return derive_cluster_keys(signature, self.identity, self.committee.group)


def _message(entry: Entry) -> DkgMessage:
    return decode_dkg_message(entry.data[SIGNATURE_LENGTH:])
