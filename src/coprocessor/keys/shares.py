"""Polynomials over the scalar field, Lagrange weights and Feldman commitments.

Rules:

1. An index is a position in a list of the chain, 1 to ``MAX_MEMBERS``; never 0, never repeated (PROTOCOL 9.3).
2. A polynomial of threshold t has exactly t coefficients, and its commitment exactly t points (PROTOCOL 9.3).

**Source:** Shamir, "How to share a secret" (1979); Feldman, "A practical scheme for non-interactive verifiable secret
sharing" (1987).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coprocessor.crypto.bls import ORDER, BlsPublicKey, SecretScalar, combine_public_keys, evaluate_public_keys
from coprocessor.crypto.hashing import sha256
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, InternalError, MalformedInput

__all__ = [
    "MAX_MEMBERS",
    "CommitteeKeys",
    "KeyShare",
    "Polynomial",
    "check_index",
    "check_threshold",
    "evaluate_commitment",
    "evaluate_commitment_at",
    "lagrange_weights",
]

MAX_MEMBERS: Final = 64
"""Members of a committee; more would make ceremonies too long for one transaction a member."""


_FACTOR: Final = 16
"""Bytes of the numbers that keep checks apart which are made at once."""


class Polynomial:
    """A secret polynomial whose constant term is what is shared. Prints redacted."""

    __slots__ = ("_coefficients",)

    def __init__(self, coefficients: Sequence[SecretScalar]) -> None:
        if not 1 <= len(coefficients) <= MAX_MEMBERS:
            raise CallerMisuse("keys.degree", f"a polynomial has 1 to {MAX_MEMBERS} coefficients")
        self._coefficients = tuple(coefficients)

    @property
    def constant(self) -> SecretScalar:
        """The shared secret."""
        return self._coefficients[0]

    def commitment(self) -> tuple[BlsPublicKey, ...]:
        """Each coefficient times the generator of G2: lets receivers check their shares, and hides the secret."""
        return tuple(coefficient.public_key() for coefficient in self._coefficients)

    def evaluate(self, index: int) -> SecretScalar:
        """The share of ``index``. Raises InternalError for a share of zero, which has no chance to occur."""
        check_index(index)
        value = 0
        for coefficient in reversed(self._coefficients):
            value = (value * index + coefficient.value) % ORDER
        if value == 0:
            raise InternalError("keys.zero_share", "a share is zero", "the entropy is broken")
        return SecretScalar(value)

    def __repr__(self) -> str:
        return f"Polynomial(threshold={len(self._coefficients)}, redacted)"


@dataclass(frozen=True, slots=True)
class CommitteeKeys:
    """What everybody knows of a shared key.

    Args:
        threshold: members needed to sign.
        group: the public key that t partial signatures together satisfy.
        shares: (index, public key of that member's share), in ascending order of index.
    """

    threshold: int
    group: BlsPublicKey
    shares: tuple[tuple[int, BlsPublicKey], ...]

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= len(self.shares) <= MAX_MEMBERS:
            raise MalformedInput("keys.committee", f"{len(self.shares)} members with a threshold of {self.threshold}")
        indices = [index for index, _ in self.shares]
        if indices != sorted(set(indices)):
            raise MalformedInput("keys.committee", "members are out of order or double", repr(indices))
        for index in indices:
            check_index(index)
        self._check_polynomial(indices)

    def _check_polynomial(self, indices: list[int]) -> None:
        """Group key and all further members' keys lie on the polynomial that the first t members fix.

        All at once, each times a number that follows from all keys (Fiat, Shamir 1986): where one does not fit, the
        sums differ but for a chance of 2**-128. Only then they are looked at one by one.
        """
        first, keys = indices[: self.threshold], [key for _, key in self.shares[: self.threshold]]
        expected = {0: self.group} | dict(self.shares[self.threshold :])
        seed = sha256(self.group + b"".join(key for _, key in self.shares))
        factors = {at: int.from_bytes(sha256(seed + bytes((at,)))[:_FACTOR], "big") | 1 for at in expected}
        weights = [0] * len(first)
        for at, factor in factors.items():
            for place, weight in enumerate(lagrange_weights(first, at)):
                weights[place] = (weights[place] + factor * weight) % ORDER
        if combine_public_keys(keys, weights) == combine_public_keys(list(expected.values()), list(factors.values())):
            return
        for at, key in expected.items():
            if combine_public_keys(keys, lagrange_weights(first, at)) != key:
                who = f"member {at}'s key" if at else "the group key"
                raise EvidenceRefused("keys.committee", f"{who} does not fit the other members' keys")

    @property
    def indices(self) -> tuple[int, ...]:
        """All members."""
        return tuple(index for index, _ in self.shares)

    def share_key(self, index: int) -> BlsPublicKey | None:
        """The public key of a member's share, or None where there is no such member."""
        return next((key for member, key in self.shares if member == index), None)


@dataclass(frozen=True, slots=True, repr=False)
class KeyShare:
    """One member's part of the master key. Prints redacted.

    Args:
        index: the member's position, from 1.
        secret: the share.
        committee: public keys of the ceremony that made it.
    """

    index: int
    secret: SecretScalar
    committee: CommitteeKeys

    def __post_init__(self) -> None:
        if self.committee.share_key(self.index) != self.secret.public_key():
            raise EvidenceRefused("keys.share", f"the share does not belong to member {self.index} of this committee")

    def __repr__(self) -> str:
        return f"KeyShare(index={self.index}, group=0x{self.committee.group[:8].hex()}…, secret=redacted)"


def check_index(index: int) -> int:
    """Returns ``index`` if rule 1 allows it. Raises MalformedInput otherwise."""
    if isinstance(index, bool) or not isinstance(index, int) or not 1 <= index <= MAX_MEMBERS:
        raise MalformedInput("keys.index", f"a member's index lies in 1 to {MAX_MEMBERS}, not {index!r}")
    return index


def check_threshold(threshold: int, members: int) -> None:
    """Raises MalformedInput unless 1 <= threshold <= members <= MAX_MEMBERS and members >= 2 t - 1 (PROTOCOL 9.2)."""
    if not 1 <= threshold <= members <= MAX_MEMBERS or members < 2 * threshold - 1:
        raise MalformedInput(
            "keys.threshold",
            f"a threshold of {threshold} does not suit {members} members",
            f"1 <= t, 2 t - 1 <= n <= {MAX_MEMBERS}",
        )


def lagrange_weights(indices: Sequence[int], at: int = 0) -> list[int]:
    """Weights w with f(at) = sum of w[i] f(indices[i]) for every polynomial of fewer coefficients than indices.

    Raises:
        MalformedInput: an index is zero, out of range or repeated.
    """
    if len(set(indices)) != len(indices) or not indices:
        raise MalformedInput("keys.index", "indices are repeated or missing", repr(list(indices)))
    for index in indices:
        check_index(index)
    weights = []
    for own in indices:
        numerator = denominator = 1
        for other in indices:
            if other != own:
                numerator = numerator * (at - other) % ORDER
                denominator = denominator * (own - other) % ORDER
        weights.append(numerator * pow(denominator, -1, ORDER) % ORDER)
    return weights


def evaluate_commitment(commitment: Sequence[BlsPublicKey], index: int) -> BlsPublicKey:
    """The public key of the share that a committed polynomial gives to ``index``."""
    return evaluate_commitment_at(commitment, (index,))[0]


def evaluate_commitment_at(commitment: Sequence[BlsPublicKey], indices: Sequence[int]) -> list[BlsPublicKey]:
    """``evaluate_commitment`` at several indices, whose points are decoded once."""
    for index in indices:
        check_index(index)
    return evaluate_public_keys(commitment, indices)
