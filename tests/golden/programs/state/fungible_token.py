"""A fungible token: addresses as keys, 128-bit amounts, allowances by pair, typed events, an owner who mints."""

from __future__ import annotations

from phat import Address, Contract, Error, Event, Map, Uint128, command, query

# > init ["Shell", 1000]
# > transfer ["0x1111111111111111111111111111111111111111", 300]
# > transfer ["0x1111111111111111111111111111111111111111", 701]
# > approve ["0x2222222222222222222222222222222222222222", 50]
# > allowance ["0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", "0x2222222222222222222222222222222222222222"]
# > transfer ["0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1", 10]
# > transfer ["0x1111", 1]
# > transfer ["0x1111111111111111111111111111111111111111", -1]
# > mint ["0x1111111111111111111111111111111111111111", 340282366920938463463374607431768211455]
# > holders []
# > transfer ["0x1111111111111111111111111111111111111111", 700]
# > holders []


class Transfer(Event):
    sender: Address
    to: Address
    amount: Uint128


class TooLittle(Error):
    pass


class Token(Contract):
    name: str
    owner: Address
    supply: Uint128 = 0
    balances: Map[Address, Uint128]
    allowances: Map[tuple[Address, Address], Uint128]

    def init(self, name: str, supply: Uint128) -> None:
        self.name, self.owner = name, self.env.caller
        self._mint(self.owner, supply)

    def _mint(self, to: Address, amount: int) -> None:
        self.supply += amount
        self.balances[to] = self.balances.get(to, 0) + amount
        self.emit(Transfer(Address(), to, amount))

    @command
    def mint(self, to: Address, amount: Uint128) -> None:
        if self.env.caller != self.owner:
            raise Error("only the owner mints")
        self._mint(to, amount)

    @command
    def transfer(self, to: Address, amount: Uint128) -> Uint128:
        sender = self.env.caller
        left = self.balances.get(sender, 0) - amount
        if left < 0:
            raise TooLittle(f"{sender} lacks {-left}")
        self.balances[sender] = left
        self.balances[to] = self.balances.get(to, 0) + amount
        if left == 0:
            self.balances.delete(sender)
        self.emit(Transfer(sender, to, amount))
        return self.balances.get(sender, 0)

    @command
    def approve(self, spender: Address, amount: Uint128) -> None:
        self.allowances[self.env.caller, spender] = amount

    @query
    def allowance(self, owner: Address, spender: Address) -> Uint128:
        return self.allowances.get((owner, spender), 0)

    @query
    def holders(self) -> dict[str, Uint128]:
        return {str(holder): amount for holder, amount in self.balances.items()}
