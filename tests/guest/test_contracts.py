"""Whole contracts as an author would write them."""

from __future__ import annotations

from tests.guest.worlds import OK, REVERTED, World, command, init, query, request

BALLOT = """
from phat import Contract, Map, command, query, revert

class Ballot(Contract):
    choices: list[str] = []
    votes: Map[str, int]
    voted: Map[bytes, bool]

    def init(self, choices: list[str]) -> None:
        self.choices = choices

    @command
    def vote(self, choice: str) -> int:
        if choice not in self.choices:
            revert(f"no such choice: {choice}")
        if bytes(self.env.caller) in self.voted:
            revert("already voted")
        self.voted[bytes(self.env.caller)] = True
        self.votes[choice] = self.votes.get(choice, 0) + 1
        return self.votes[choice]

    @query
    def tally(self) -> dict[str, int]:
        return dict(self.votes.items())
"""

TOKEN = """
from phat import Address, Contract, Error, Event, Map, Uint256, command, query

class NotEnough(Error):
    pass

class Transfer(Event):
    sender: Address
    to: Address
    amount: Uint256

class Token(Contract):
    name: str
    supply: Uint256 = 0
    balances: Map[Address, Uint256]
    allowances: Map[tuple[Address, Address], Uint256]

    def init(self, name: str, supply: Uint256) -> None:
        self.name = name
        self.supply = supply
        self.balances[self.env.caller] = supply

    @command
    def transfer(self, to: Address, amount: Uint256) -> None:
        self._move(self.env.caller, to, amount)

    @command
    def approve(self, spender: Address, amount: Uint256) -> None:
        self.allowances[self.env.caller, spender] = amount

    @command
    def transfer_from(self, sender: Address, to: Address, amount: Uint256) -> None:
        allowed = self.allowances.get((sender, self.env.caller), 0)
        if allowed < amount:
            raise NotEnough(f"allowance {allowed}, needed {amount}")
        self.allowances[sender, self.env.caller] = allowed - amount
        self._move(sender, to, amount)

    @query
    def balance(self) -> Uint256:
        return self.balances.get(self.env.caller, 0)

    def _move(self, sender: Address, to: Address, amount: int) -> None:
        balance = self.balances.get(sender, 0)
        if balance < amount:
            raise NotEnough(f"balance {balance}, needed {amount}")
        self.balances[sender] = balance - amount
        self.balances[to] = self.balances.get(to, 0) + amount
        self.emit(Transfer(sender=sender, to=to, amount=amount))
"""

AUCTION = """
from dataclasses import dataclass
from phat import Address, Contract, Map, Uint256, command, query, request, revert

@dataclass
class Winner:
    bidder: Address
    amount: Uint256

class Auction(Contract):
    closes_at: int
    bids: Map[Address, Uint256]
    settled: bool = False

    def init(self, closes_at: int) -> None:
        self.closes_at = closes_at

    @command
    def bid(self, amount: Uint256) -> None:
        if self.env.timestamp >= self.closes_at:
            revert("the auction is over")
        if amount <= self.bids.get(self.env.caller, 0):
            revert("bid more than before")
        self.bids[self.env.caller] = amount

    @query
    def my_bid(self) -> Uint256 | None:
        return self.bids.get(self.env.caller)

    @request
    def settle(self) -> Winner:
        if self.env.timestamp < self.closes_at:
            revert("the auction is still open")
        self.settled = True
        best = Winner(Address(), 0)
        for bidder, amount in self.bids.items():
            if amount > best.amount:
                best = Winner(bidder, amount)
        return best
"""

ALICE, BOB = b"\x01" * 20, b"\x02" * 20


def hexed(address: bytes) -> str:
    return "0x" + address.hex()


def test_ballot(world: World) -> None:
    program = world.load(BALLOT)
    assert init(program, ["a", "b"]).status == OK
    assert command(program, "vote", "b", caller=ALICE).value == 1
    assert "already voted" in command(program, "vote", "b", caller=ALICE).text
    assert command(program, "vote", "b", caller=BOB).value == 2
    assert "no such choice: c" in command(program, "vote", "c").text
    assert query(program, "tally").value == {"b": 2}


def test_token(world: World) -> None:
    program = world.load(TOKEN)
    assert init(program, "Coin", 100, caller=ALICE).status == OK
    reply = command(program, "transfer", hexed(BOB), 30, caller=ALICE)
    assert reply.events == [("Transfer", {"sender": hexed(ALICE), "to": hexed(BOB), "amount": 30})]
    assert query(program, "balance", caller=ALICE).value == 70
    reply = command(program, "transfer", hexed(BOB), 71, caller=ALICE)
    assert reply.status == REVERTED
    assert reply.text.startswith("NotEnough: balance 70, needed 71 (contract.py:")
    command(program, "approve", hexed(BOB), 50, caller=ALICE)
    assert command(program, "transfer_from", hexed(ALICE), hexed(BOB), 50, caller=BOB).status == OK
    assert "allowance 0, needed 1" in command(program, "transfer_from", hexed(ALICE), hexed(BOB), 1, caller=BOB).text
    assert query(program, "balance", caller=BOB).value == 80
    total = sum(int(value) for key, value in program.host.state.items() if key.startswith(b"balances/"))
    assert total == 100


def test_a_transfer_to_oneself_changes_nothing(world: World) -> None:
    program = world.load(TOKEN)
    init(program, "Coin", 100, caller=ALICE)
    command(program, "transfer", hexed(ALICE), 40, caller=ALICE)
    assert query(program, "balance", caller=ALICE).value == 100


def test_auction(world: World) -> None:
    program = world.load(AUCTION)
    init(program, 2000)
    assert command(program, "bid", 10, caller=ALICE, timestamp=1000).status == OK
    assert command(program, "bid", 12, caller=BOB, timestamp=1500).status == OK
    assert "bid more than before" in command(program, "bid", 12, caller=BOB, timestamp=1500).text
    assert "still open" in request(program, "settle", b"", timestamp=1999).text
    assert "is over" in command(program, "bid", 99, caller=ALICE, timestamp=2000).text
    assert query(program, "my_bid", caller=ALICE).value == 10
    assert query(program, "my_bid", caller=b"\x03" * 20).value is None
    reply = request(program, "settle", b"", timestamp=2000, origin=b"\x09" * 20)
    assert reply.result == bytes(12) + BOB + (12).to_bytes(32, "big")
    assert program.host.state[b"settled"] == b"true"
