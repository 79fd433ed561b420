"""What an attacker makes of every sealed blob and every message ever, all platforms' seal keys, and some memories."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from coprocessor.crypto.bls import ORDER, Purpose, SecretScalar
from coprocessor.crypto.hpke import SealingKey
from coprocessor.enclave.sealed_share import OuterShare, SealedShare, open_inner, open_outer
from coprocessor.keys.derivation import ClusterKeys, derive_cluster_keys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.pads import (
    PIECE_LENGTH,
    Offer,
    PadRecord,
    _info,
    combine_pieces,
    decode_offer,
    verify_piece,
)
from coprocessor.keys.shares import CommitteeKeys, lagrange_weights
from coprocessor.values.errors import CoprocessorError


@dataclass
class HoardAttack:
    """One attacker.

    Args:
        blobs: all that ever lay on a gatekeeper's disk.
        seal_keys: of the platforms.
        offers: all that hosts ever carried, encoded.
        shown: public keys that anybody has shown as its memory's.
        committees: public keys of every committee.
        identity: the cluster epoch whose key is wanted.
    """

    blobs: Sequence[bytes]
    seal_keys: Sequence[bytes]
    offers: Sequence[bytes]
    shown: Collection[bytes]
    committees: Sequence[CommitteeKeys]
    identity: ClusterIdentity
    outers: dict[bytes, tuple[OuterShare, bytes]] = field(default_factory=dict)
    opened: dict[bytes, SealedShare] = field(default_factory=dict)
    pieces: dict[tuple[bytes, int], SecretScalar] = field(default_factory=dict)
    tried: int = 0
    """Secrets that were tried somewhere."""

    def derive(self, memories: Iterable[Sequence[bytes]]) -> ClusterKeys | None:
        """The keys of the cluster, or None where no way leads to them."""
        values = {value for memory in memories for value in memory} | set(self.seal_keys)
        for blob in self.blobs:
            for word in self._words(values):
                self._try_outer(blob, word)
        for outer, _ in self.outers.values():
            values |= {outer.keys.signing.secret, outer.keys.sealing.secret}
        records = {outer.record for outer, _ in self.outers.values() if outer.record is not None}
        self._open_offers(values)
        for value in values:
            if len(value) == PIECE_LENGTH:
                self._try_piece(records, value)
        for blob, (outer, seal_key) in self.outers.items():
            self._try_inner(blob, outer, seal_key, values)
        return self._interpolate(values)

    @staticmethod
    def _words(values: Iterable[bytes]) -> list[bytes]:
        return sorted(value for value in values if len(value) == 32)

    def _try_outer(self, blob: bytes, word: bytes) -> None:
        self.tried += 1
        try:
            self.outers[blob] = (open_outer(blob, word), word)
        except CoprocessorError:
            return

    def _open_offers(self, values: set[bytes]) -> None:
        """With every word that is the secret of a key to which something could have been sealed."""
        receivers = [key for key in map(SealingKey, self._words(values)) if key.public_key in self.shown]
        for offer in (decode_offer(encoded) for encoded in self.offers):
            for receiver in receivers:
                self.tried += 1
                piece = _opened(offer, receiver)
                if piece is not None:
                    values.add(piece)

    def _try_piece(self, records: Iterable[PadRecord], piece: bytes) -> None:
        for record in records:
            for kind, most in ((b"peer", len(record.holders)), (b"custodian", 3)):
                for index in range(1, most + 1):
                    self.tried += 1
                    try:
                        value = verify_piece(record, kind, index, piece)
                    except CoprocessorError:
                        continue
                    if kind == b"peer":
                        self.pieces[record.digest, index] = value

    def _try_inner(self, blob: bytes, outer: OuterShare, seal_key: bytes, values: set[bytes]) -> None:
        pads: list[SecretScalar | None] = [None]
        record = outer.record
        if record is not None:
            pads += [SecretScalar(number) for number in map(_number, self._words(values)) if 0 < number < ORDER]
            own = {index: value for (pad, index), value in self.pieces.items() if pad == record.digest}
            for size in range(1, len(own) + 1):
                try:
                    pads.append(combine_pieces(record, own, size))
                except CoprocessorError:
                    continue
        for pad in pads:
            self.tried += 1
            try:
                self.opened[blob] = open_inner(outer, pad, seal_key)
            except CoprocessorError:
                continue

    def _interpolate(self, values: set[bytes]) -> ClusterKeys | None:
        """Every set of known shares of each committee, taken for a whole one."""
        known = [SecretScalar(number) for number in map(_number, self._words(values)) if 0 < number < ORDER]
        for share in self.opened.values():
            known += [one.secret for one in (share.share, share.handover and share.handover.share) if one is not None]
        public = {scalar.public_key(): scalar for scalar in known}
        for committee in self.committees:
            shares = {index: public[key] for index, key in committee.shares if key in public}
            for chosen in (c for size in range(1, len(shares) + 1) for c in combinations(sorted(shares), size)):
                pairs = zip(lagrange_weights(chosen), chosen, strict=True)
                value = sum(weight * shares[index].value for weight, index in pairs) % ORDER
                if value and SecretScalar(value).public_key() == committee.group:
                    signature = SecretScalar(value).sign(self.identity.message(), Purpose.CLUSTER_IDENTITY)
                    return derive_cluster_keys(signature, self.identity, committee.group)
        return None


def _opened(offer: Offer, receiver: SealingKey) -> bytes | None:
    try:
        return receiver.open(offer.sealed, _info(offer.record, b"offer", offer.index, receiver.public_key))
    except CoprocessorError:
        return None


def _number(word: bytes) -> int:
    return int.from_bytes(word, "big")
