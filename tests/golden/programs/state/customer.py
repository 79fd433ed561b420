"""A program that calls another: its results, its refusals, undone changes, refused re-entry, fuel that it shares."""

from __future__ import annotations

from phat import CallFailed, Contract, command, query

# > with bank
# > save ["$bank", [5, 7]]
# > save ["$bank", [1, -1, 2]]
# > careful ["$bank", [1, -1, 2]]
# > deposits []
# > ask ["$bank"]
# > re_enter ["$bank"]
# > burn ["$bank"] fuel=100_000_000
# > deep ["$bank"]
# > unknown ["$bank"]
# > bad_arguments ["$bank"]
# > itself []
# > undeclared ["0x3333333333333333333333333333333333333333333333333333333333333333"]
# > query_that_writes ["$bank"]
# > raw ["$bank"]


class Customer(Contract):
    count: int = 0

    @command
    def save(self, bank: str, amounts: list[int]) -> list[int]:
        said = []
        for amount in amounts:
            self.count += 1
            said.append(self.env.call(bank, "deposit", amount))
        return said

    @command
    def careful(self, bank: str, amounts: list[int]) -> list[str]:
        said = []
        for amount in amounts:
            self.count += 1
            try:
                said.append(str(self.env.call(bank, "deposit", amount)))
            except CallFailed as error:
                said.append(f"{error.status}: {error}")
        self.emit("Saved", times=self.count)
        return said

    @query
    def deposits(self) -> int:
        return self.count

    @query
    def ask(self, bank: str) -> int:
        return self.env.call(bank, "balance", "0x" + self.env.program.hex()[-40:])

    def _try(self, bank: str, method: str, *arguments: object) -> str:
        try:
            return str(self.env.call(bank, method, *arguments))
        except CallFailed as error:
            return f"{error.status}: {error}"

    @command
    def re_enter(self, bank: str) -> str:
        self.count += 100
        return self._try(bank, "call_back", str(self.env.program))

    @command
    def burn(self, bank: str) -> str:
        return self._try(bank, "spin")

    @command
    def deep(self, bank: str) -> str:
        return self._try(bank, "dig")

    @command
    def unknown(self, bank: str) -> str:
        return self._try(bank, "rob")

    @command
    def bad_arguments(self, bank: str) -> str:
        return self._try(bank, "deposit", "all")

    @command
    def itself(self) -> str:
        return self._try(str(self.env.program), "deposits")

    @command
    def undeclared(self, program: str) -> str:
        return self._try(program, "deposit", 1)

    @query
    def query_that_writes(self, bank: str) -> str:
        return self._try(bank, "deposit", 1)

    @command
    def raw(self, bank: str) -> str:
        return self.env.call_raw(bank, bytes(4)).hex()
