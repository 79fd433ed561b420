"""Partial signatures, above all on a cluster's identity, and their combination to the one signature of the group key.

Any t members give the same signature; fewer give nothing. A worker combines first and checks the result once against
the group key; only if that fails are the parts checked one by one, and the culprits named.

**Source:** Boldyreva, "Threshold signatures, multisignatures and blind signatures based on the gap-Diffie-Hellman-group
signature scheme" (2003).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coprocessor.crypto.bls import (
    BlsSignature,
    Purpose,
    combine_g1,
    is_valid_signature,
    verify_signature,
)
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.shares import MAX_MEMBERS, CommitteeKeys, KeyShare, lagrange_weights
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput

__all__ = [
    "MAX_PARTIALS",
    "Combined",
    "NotEnoughPartials",
    "PartialSignature",
    "combine_partials",
    "combine_parts",
    "sign_partial",
    "verify_part",
    "verify_partial",
]

MAX_PARTIALS: Final = 4 * MAX_MEMBERS
"""Parts that are looked at for one key; a host could send any number."""


@dataclass(frozen=True, slots=True)
class PartialSignature:
    """One member's part: a secret of the cluster's members, so it prints redacted.

    Args:
        index: who signed.
        signature: 48 bytes.
    """

    index: int
    signature: BlsSignature

    def __repr__(self) -> str:
        return f"PartialSignature(index={self.index}, redacted)"


@dataclass(frozen=True, slots=True)
class Combined:
    """The group's signature: the root of a cluster's keys, so it prints redacted.

    Args:
        signature: 48 bytes, verified against the group key.
        signed: indices of the members whose parts went in.
        missing: members that sent nothing usable.
        culprits: indices whose parts are not theirs, or not of this committee.
    """

    signature: BlsSignature
    signed: tuple[int, ...]
    missing: tuple[int, ...]
    culprits: tuple[int, ...]

    def __repr__(self) -> str:
        return f"Combined(signed={self.signed}, missing={self.missing}, culprits={self.culprits}, redacted)"


class NotEnoughPartials(EvidenceRefused):
    """Fewer than t usable parts.

    Attributes:
        signed, missing, culprits: member indices, as in ``Combined``.
        threshold: how many are needed.
    """

    def __init__(
        self, threshold: int, signed: tuple[int, ...], missing: tuple[int, ...], culprits: tuple[int, ...]
    ) -> None:
        super().__init__(
            "keys.not_enough_partials",
            f"{len(signed)} usable parts of a key, {threshold} are needed",
            f"missing: {list(missing)}, wrong: {list(culprits)}",
            "ask the missing gatekeepers; report the wrong ones",
        )
        self.threshold = threshold
        self.signed = signed
        self.missing = missing
        self.culprits = culprits


def sign_partial(share: KeyShare, identity: ClusterIdentity) -> PartialSignature:
    """This member's part of the key of ``identity``. It MUST be sealed to an admitted member before it leaves."""
    return PartialSignature(share.index, share.secret.sign(identity.message(), Purpose.CLUSTER_IDENTITY))


def verify_partial(partial: PartialSignature, committee: CommitteeKeys, identity: ClusterIdentity) -> None:
    """Raises EvidenceRefused or MalformedInput unless the part is that of a member of ``committee``."""
    verify_part(partial, committee, identity.message(), Purpose.CLUSTER_IDENTITY)


def combine_partials(
    committee: CommitteeKeys, identity: ClusterIdentity, partials: Iterable[PartialSignature]
) -> Combined:
    """The group's signature on ``identity``.

    Args:
        committee: public keys, as the chain states them.
        identity: what was asked for.
        partials: what came in, at most ``MAX_PARTIALS``. Several of one index are tried in turn, so that a forged one
            beside a member's own neither spoils it nor blames the member.

    Raises:
        NotEnoughPartials: fewer than t are usable; says who signed, who is missing, who cheated.
        MalformedInput: too many parts.
    """
    return combine_parts(committee, identity.message(), Purpose.CLUSTER_IDENTITY, partials)


def verify_part(partial: PartialSignature, committee: CommitteeKeys, message: bytes, purpose: Purpose) -> None:
    """As ``verify_partial``, for any message and purpose."""
    key = committee.share_key(partial.index)
    if key is None:
        raise EvidenceRefused("keys.unknown_member", f"member {partial.index} is not in the committee")
    verify_signature(key, message, purpose, partial.signature)


def combine_parts(
    committee: CommitteeKeys, message: bytes, purpose: Purpose, partials: Iterable[PartialSignature]
) -> Combined:
    """As ``combine_partials``, for any message and purpose."""
    candidates = _by_member(partials)
    culprits = {index for index in candidates if committee.share_key(index) is None}
    first = {index: parts[0] for index, parts in sorted(candidates.items()) if index not in culprits}
    combined = _try_combine(committee, message, purpose, first)
    if combined is None:
        first = {}
        for index, parts in sorted(candidates.items()):
            valid = next((part for part in parts if _is_valid(part, committee, message, purpose)), None)
            if valid is not None:
                first[index] = valid
            else:
                culprits.add(index)
        combined = _try_combine(committee, message, purpose, first)
    missing = tuple(i for i in committee.indices if i not in first and i not in culprits)
    wrong = tuple(sorted(culprits))
    if combined is None:
        raise NotEnoughPartials(committee.threshold, tuple(first), missing, wrong)
    return Combined(combined, tuple(first)[: committee.threshold], missing, wrong)


def _by_member(partials: Iterable[PartialSignature]) -> dict[int, list[PartialSignature]]:
    candidates: dict[int, list[PartialSignature]] = {}
    for count, partial in enumerate(partials):
        if count >= MAX_PARTIALS:
            raise MalformedInput("keys.too_many_partials", f"more than {MAX_PARTIALS} parts of one key")
        same = candidates.setdefault(partial.index, [])
        if partial not in same:
            same.append(partial)
    return candidates


def _is_valid(partial: PartialSignature, committee: CommitteeKeys, message: bytes, purpose: Purpose) -> bool:
    try:
        verify_part(partial, committee, message, purpose)
    except CoprocessorError:
        return False
    return True


def _try_combine(
    committee: CommitteeKeys, message: bytes, purpose: Purpose, parts: dict[int, PartialSignature]
) -> BlsSignature | None:
    indices = list(parts)[: committee.threshold]
    if len(indices) < committee.threshold:
        return None
    try:
        points = [parts[index].signature for index in indices]
        signature = BlsSignature(combine_g1(points, lagrange_weights(indices)))
        valid = is_valid_signature(committee.group, message, purpose, signature)
    except CoprocessorError:
        return None
    return signature if valid else None
