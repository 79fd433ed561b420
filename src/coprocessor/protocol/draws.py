"""Draws from a value of the beacon: who is chosen, in which order, and who wins a lottery (PROTOCOL 10).

Rules:

1. A seed binds network, value, height and what is drawn: two draws from one value have nothing to do with each other.
2. Candidates count in the order of their identities, so that nobody gains by the order of a list.
3. A number below n is uniform: digests at or above the largest multiple of n are thrown away, not folded.
4. A candidate is drawn with the probability that its weight has among those who are left; weight 0 is never drawn.
5. A lottery's ticket wins where keccak256(identity, seed) <= target, which a contract can check by itself.

Everybody MUST fix candidates, weights and height before the height's value can be known, or the draw can be bent.

**Source:** sampling without replacement in draws by probability proportional to weight (Yates and Grundy, 1953).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import InternalError, MalformedInput
from coprocessor.values.identities import Digest, NetworkId, checked_digest

__all__ = ["MAX_CANDIDATES", "MAX_WEIGHT", "compute_seed", "compute_target", "draw", "draw_order", "is_winner"]

MAX_CANDIDATES: Final = 65_536
MAX_WEIGHT: Final = 2**128 - 1
_WORD: Final = 1 << 256


def compute_seed(network: NetworkId, value: bytes, height: int, purpose: bytes) -> Digest:
    """What one draw goes by, 32 bytes (rule 1).

    Args:
        network: 32 bytes.
        value: 32 bytes, of the beacon.
        height: of its window.
        purpose: what is drawn, and for whom: at most 256 bytes, different for each draw from one value.

    Raises:
        MalformedInput: a length differs.
    """
    if len(purpose) > 256 or not 0 <= height < 1 << 64:
        raise MalformedInput("draw.purpose", f"a purpose of {len(purpose)} bytes at height {height}")
    parts = (checked_digest(value, "beacon value"), height.to_bytes(8, "big"), purpose)
    return sha256(Label.DRAW.context(network, *parts))


def draw(seed: Digest, weights: Mapping[bytes, int], count: int) -> tuple[bytes, ...]:
    """``count`` different candidates, in the order in which they are drawn (rules 2 to 4).

    Args:
        seed: 32 bytes, of this draw alone.
        weights: by identity: whole numbers from 0 to ``MAX_WEIGHT``.
        count: how many; 0 to the number of candidates with a weight.

    Raises:
        MalformedInput: too many candidates, a weight out of range, or fewer with a weight than are wanted.
    """
    if len(weights) > MAX_CANDIDATES:
        raise MalformedInput("draw.candidates", f"{len(weights)} candidates, at most {MAX_CANDIDATES} are drawn from")
    for identity, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= MAX_WEIGHT:
            raise MalformedInput("draw.weight", f"candidate 0x{identity.hex()} has the weight {weight!r}")
    left = [(identity, weights[identity]) for identity in sorted(weights) if weights[identity]]
    if not 0 <= count <= len(left):
        raise MalformedInput("draw.too_few", f"{count} are to be drawn, {len(left)} have a weight")
    numbers = _Numbers(seed)
    total = sum(weight for _, weight in left)
    drawn: list[bytes] = []
    for _ in range(count):
        at = _place(left, numbers.below(total))
        identity, weight = left.pop(at)
        total -= weight
        drawn.append(identity)
    return tuple(drawn)


def draw_order(seed: Digest, identities: Iterable[bytes]) -> tuple[bytes, ...]:
    """All identities in an order that nobody chose: a draw of all with equal weights."""
    weights = dict.fromkeys(identities, 1)
    return draw(seed, weights, len(weights))


def is_winner(identity: bytes, seed: Digest, target: int) -> bool:
    """Whether an identity (32 bytes) wins the lottery of a seed (rule 5)."""
    ticket = keccak256(checked_digest(identity, "identity") + checked_digest(seed, "seed"))
    return int.from_bytes(ticket, "big") <= target


def compute_target(numerator: int, denominator: int) -> int:
    """The target by which each identity wins with this probability.

    Raises:
        MalformedInput: not above 0 and at most 1.
    """
    if not 0 < numerator <= denominator:
        raise MalformedInput("draw.probability", f"{numerator}/{denominator} is no probability above 0")
    return max(_WORD * numerator // denominator - 1, 0)


class _Numbers:
    """The numbers that follow from a seed: SHA-256 of it with a counter of 8 bytes."""

    def __init__(self, seed: Digest) -> None:
        self._seed = checked_digest(seed, "seed")
        self._count = 0

    def below(self, bound: int) -> int:
        """A uniform number from 0 to ``bound`` - 1 (rule 3); ``bound`` is far below 2**256."""
        limit = _WORD - _WORD % bound
        while True:
            number = int.from_bytes(sha256(self._seed + self._count.to_bytes(8, "big")), "big")
            self._count += 1
            if number < limit:
                return number % bound


def _place(left: list[tuple[bytes, int]], number: int) -> int:
    """Whose share of the weights, laid side by side, the number falls into."""
    for at, (_, weight) in enumerate(left):
        if number < weight:
            return at
        number -= weight
    raise InternalError("draw.place", "a number lies above the sum of all weights", "the weights changed meanwhile")
