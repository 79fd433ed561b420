"""A bank that other programs call: deposits by calling program, a refusal, a call back, an endless loop."""

from __future__ import annotations

from phat import Address, Contract, Error, Map, command, query

# > deposit [5]
# > balance ["0xa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"]
# > spin [] fuel=50_000_000


class Bank(Contract):
    balances: Map[Address, int]

    @command
    def deposit(self, amount: int) -> int:
        if amount <= 0:
            raise Error(f"{amount} is no deposit")
        self.balances[self.env.caller] = self.balances.get(self.env.caller, 0) + amount
        self.emit("Deposited", amount=amount)
        print("deposit of", amount)
        return self.balances[self.env.caller]

    @query
    def balance(self, who: Address) -> int:
        return self.balances.get(who, 0)

    @command
    def spin(self) -> None:
        while True:
            pass

    @command
    def call_back(self, program: str) -> int:
        return self.env.call(program, "deposits")

    @command
    def dig(self) -> int:
        def deeper(n: int) -> int:
            return deeper(n + 1)

        return deeper(0)
