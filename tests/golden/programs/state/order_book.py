"""An order book: nested dataclasses in maps, changed in place, matched in price order, with an event for each trade."""

from __future__ import annotations

from dataclasses import dataclass, field

from phat import Address, Contract, Event, Map, command, query

# > sell [105, 10]
# > sell [101, 4]
# > sell [103, 6]
# > buy [102, 3]
# > buy [104, 9]
# > buy [90, 5]
# > book []
# > cancel [105]
# > cancel [1]
# > book []


@dataclass
class Offer:
    amount: int
    makers: list[Address] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)


class Traded(Event):
    price: int
    amount: int


class Book(Contract):
    asks: Map[int, Offer]
    bids: Map[int, Offer]
    volume: int = 0

    def _add(self, side: Map[int, Offer], price: int, amount: int) -> None:
        if price not in side:
            side[price] = Offer(0)
        offer = side[price]
        offer.amount += amount
        offer.makers.append(self.env.caller)
        offer.notes[f"link {self.env.link}"] = amount

    @command
    def sell(self, price: int, amount: int) -> None:
        self._add(self.asks, price, amount)

    @command
    def buy(self, price: int, amount: int) -> int:
        left = amount
        for ask, offer in self.asks.items():
            if ask > price or not left:
                break
            taken = min(left, offer.amount)
            offer.amount -= taken
            left -= taken
            self.volume += taken * ask
            self.emit(Traded(ask, taken))
            if not offer.amount:
                del self.asks[ask]
        if left:
            self._add(self.bids, price, left)
        return left

    @command
    def cancel(self, price: int) -> int:
        offer = self.asks[price]
        del self.asks[price]
        return offer.amount

    @query
    def book(self) -> dict[str, list[str]]:
        return {
            "asks": [f"{price}x{offer.amount} {offer.notes}" for price, offer in self.asks.items()],
            "bids": [f"{price}x{offer.amount} {len(offer.makers)}" for price, offer in self.bids.items()],
            "volume": [str(self.volume)],
        }
