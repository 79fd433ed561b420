"""A sealed-bid auction: bids are secret until it closes, and then only the winner and the price come out.

First price: the winner pays what it bid. Among equal bids the one that came first into the inbox wins.
"""

from __future__ import annotations

from dataclasses import dataclass

from phat import Address, Contract, Error, Event, Map, Uint32, Uint64, Uint256, command, query, request

NOBODY = Address()


@dataclass(frozen=True)
class Bid:
    """A live bid and its place in the inbox."""

    amount: Uint256
    link: Uint64
    position: Uint32

    @property
    def rank(self) -> tuple[int, int, int]:
        """Greater is better: more money, then earlier."""
        return self.amount, -self.link, -self.position


@dataclass(frozen=True)
class Status:
    """What anybody may know; winner and price only once the auction is closed."""

    bids: int
    minimum: Uint256
    closes_at: Uint64
    closed: bool
    winner: Address | None
    price: Uint256 | None


class BidTaken(Event):
    """Goes into the bidder's own sealed output."""

    amount: Uint256


class Auction(Contract):
    """Sold by whoever deploys it, for the smart contract that the seller appoints."""

    seller: Address
    house: Address = NOBODY
    minimum: Uint256
    closes_at: Uint64
    bids: Map[Address, Bid]
    closed: bool = False
    winner: Address = NOBODY
    price: Uint256 = 0

    def init(self, minimum: Uint256 = 1, closes_at: Uint64 = 0) -> None:
        """``closes_at``: seconds since 1970 before which the auction cannot close; 0 leaves it to the seller."""
        if minimum == 0:
            raise Error("the least bid must be at least 1")
        self.seller = self.env.caller
        self.minimum = minimum
        self.closes_at = closes_at

    @command
    def appoint(self, house: Address) -> None:
        """Names the smart contract that may close the auction. The seller does so once: the house needs the program's
        id before it can exist, so ``init`` cannot know it."""
        if self.env.caller != self.seller:
            raise Error("only the seller appoints the auction house")
        if house == NOBODY:
            raise Error("the auction house has no address")
        if self.house not in (NOBODY, house):
            raise Error(f"{self.house} is the auction house already")
        self.house = house

    @command
    def bid(self, amount: Uint256) -> int:
        """Bids, or raises the caller's own bid; returns how many bidders there are."""
        if self.closed:
            raise Error("the auction is closed")
        if amount < self.minimum:
            raise Error(f"the least bid is {self.minimum}")
        bidder = self.env.caller
        mine = self.bids.get(bidder)
        if mine is not None and amount <= mine.amount:
            raise Error(f"your bid is {mine.amount} already: bid more, or let it stand")
        self.bids[bidder] = Bid(amount, self.env.link, self.env.position)
        self.emit(BidTaken(amount=amount))
        return len(self.bids)

    @request
    def close(self) -> tuple[Address, Uint256]:
        """Winner and price for the auction house; zeros if nobody bid. Asked again, it answers the same."""
        if self.house == NOBODY or self.env.origin != self.house:
            raise Error("only the appointed auction house closes the auction")
        if self.env.timestamp < self.closes_at:
            raise Error(f"the auction is open until {self.closes_at}, now it is {self.env.timestamp}")
        if not self.closed:
            self._decide()
        return self.winner, self.price

    @query
    def status(self) -> Status:
        """Counts and terms; no amount and no bidder before the auction is closed."""
        is_sold = self.closed and self.winner != NOBODY
        return Status(
            bids=len(self.bids),
            minimum=self.minimum,
            closes_at=self.closes_at,
            closed=self.closed,
            winner=self.winner if is_sold else None,
            price=self.price if is_sold else None,
        )

    @query
    def my_bid(self) -> Uint256:
        """The live bid of whoever signed the query; 0 if there is none."""
        if self.env.caller == NOBODY:
            raise Error("sign the query: a bid is shown to its bidder alone")
        mine = self.bids.get(self.env.caller)
        return 0 if mine is None else mine.amount

    def _decide(self) -> None:
        """Compares all bids now and not as they come: a leader kept up to date would show an operator, by the writes
        of a command, whether it took the lead."""
        self.closed = True
        ranked = [(bid.rank, bidder) for bidder, bid in self.bids.items()]
        if ranked:
            (self.price, _, _), self.winner = max(ranked)
