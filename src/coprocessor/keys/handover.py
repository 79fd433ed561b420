"""Handing the key over to the next committee: who speaks, and the signature by which it proves what it holds.

Rules (PROTOCOL 9.4, 9.5):

1. Present members with shares deal them; next members receive. Present members come first in the order of speakers, so
   whoever stays has two places and speaks for each. A revoked member has a place and no voice: it deals nothing, and
   nothing is dealt to it (PROTOCOL 1.4).
2. The next committee has proven itself when the threshold of its members have given partial signatures over the session
   that together are the group's own. They are made for this purpose alone: what a cluster's key comes from is never
   signed.

**Source:** Desmedt, Jajodia, "Redistributing secret shares to new access structures" (1997).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coprocessor.crypto.bls import (
    BlsPublicKey,
    BlsSignature,
    G1Element,
    Purpose,
    check_g1,
    combine_g1,
    is_valid_signature,
)
from coprocessor.crypto.labels import Label
from coprocessor.keys.dealing import DkgSession
from coprocessor.keys.shares import CommitteeKeys, KeyShare, lagrange_weights
from coprocessor.keys.transcript import Speaker
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import ZERO_ADDRESS, Address, Digest, NetworkId

__all__ = ["compute_speakers", "has_proven_itself", "make_session", "prove_share"]


def make_session(
    network: NetworkId, identifier: Digest, present: CommitteeKeys, threshold: int, members: int, *, insecure: bool
) -> DkgSession:
    """The ceremony that gives ``members`` new members shares of the present committee's key.

    Args:
        network: 32 bytes.
        identifier: 32 bytes, of the session.
        present: who deals, and what.
        threshold: of the next committee.
        members: its number of members.
        insecure: simulated hardware.
    """
    receivers = tuple(range(1, members + 1))
    constants: tuple[BlsPublicKey, ...] = tuple(key for _, key in present.shares)
    return DkgSession(
        network, identifier, threshold, receivers, present.indices, constants, present.threshold, insecure
    )


def compute_speakers(present: CommitteeKeys, signers: Sequence[Address], following: Sequence[Address]) -> list[Speaker]:
    """Everybody who may speak, by number (rule 1).

    Args:
        present: who deals; a revoked member's share is not among its shares.
        signers: addresses of the present members, in order.
        following: of the next ones; zero for one that is revoked.
    """
    old = [Speaker(signer, 0, at if present.share_key(at) else 0) for at, signer in enumerate(signers, start=1)]
    places = enumerate(following, start=1)
    return old + [Speaker(signer, 0 if signer == ZERO_ADDRESS else at, 0) for at, signer in places]


def prove_share(share: KeyShare, session: DkgSession) -> BlsSignature:
    """A next member's partial signature over the session (rule 2)."""
    return share.secret.sign(_message(session), Purpose.HANDOVER)


def has_proven_itself(session: DkgSession, committee: CommitteeKeys, parts: Mapping[int, bytes]) -> bool:
    """Whether the next committee's members have made a signature of the group's key (rule 2).

    Args:
        session: of the handover.
        committee: the next one.
        parts: what members gave, by index; wrong ones do not count.
    """
    message = _message(session)
    good: dict[int, BlsSignature] = {}
    for index, key in committee.shares:
        part = parts.get(index)
        if part is not None and _is_valid(key, message, part):
            good[index] = BlsSignature(G1Element(part))
    chosen = list(good)[: committee.threshold]
    if len(chosen) < committee.threshold:
        return False
    whole = BlsSignature(combine_g1([check_g1(good[index]) for index in chosen], lagrange_weights(chosen)))
    return is_valid_signature(committee.group, message, Purpose.HANDOVER, whole)


def _is_valid(key: BlsPublicKey, message: bytes, part: bytes) -> bool:
    try:
        return is_valid_signature(key, message, Purpose.HANDOVER, BlsSignature(check_g1(part)))
    except CoprocessorError:
        return False


def _message(session: DkgSession) -> bytes:
    return session.context(Label.DKG_SESSION, b"handover")
