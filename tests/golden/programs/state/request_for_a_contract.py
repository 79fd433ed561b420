"""A request answers a smart contract: Ethereum ABI in and out, and commands cannot be asked that way."""

from __future__ import annotations

from phat import Address, Contract, Uint256, command, request

# > remember [7]
# > request scaled
# > request scaled 00
# > command scaled []
# > request remember 07


class Oracle(Contract):
    factor: Uint256 = 1

    @command
    def remember(self, factor: Uint256) -> None:
        self.factor = factor

    @request
    def scaled(self) -> tuple[Uint256, Address, str]:
        return self.factor * 3, self.env.origin, "done"
