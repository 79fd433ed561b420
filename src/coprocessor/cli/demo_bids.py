"""The demonstration's bids: who bids what when, and who must win."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey

__all__ = ["Bid", "best_bid", "make_bids"]

_WINNER = 17
_WINNING_PLACES = (4, 9, 30, 61)
"""Where the winner's bids stand, for batches of 50: the last is in the batch that the killed worker takes with it."""


@dataclass(frozen=True, slots=True)
class Bid:
    """An author's bid in wei."""

    author: PrivateKey
    amount: int


def make_bids(authors: int, rounds: int) -> list[Bid]:
    """Bids in the order of their submission: each author raises its own ``rounds`` times, one of them wins early."""
    keys = [PrivateKey(keccak256(b"coprocessor demo author %d" % at)) for at in range(authors)]
    bids = [
        Bid(keys[at], (turn + 1) * 10**15 + at * 37 % authors * 10**12)
        for turn in range(rounds)
        for at in range(authors)
        if at != _WINNER
    ]
    for turn, place in enumerate(_WINNING_PLACES[:rounds]):
        bids.insert(place, Bid(keys[_WINNER], (turn + 2) * 10**15 + 999 * 10**12))
    return bids


def best_bid(bids: list[Bid]) -> Bid:
    """The bid that must win: the highest, and among equals the first."""
    return max(bids, key=lambda bid: bid.amount)
