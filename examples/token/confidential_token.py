"""A confidential token: the supply is public, balances and allowances are their owners' business.

Events go into the sealed output of the command that emits them, so a transfer's author has a proof of it and nobody
else sees that it took place.
"""

from __future__ import annotations

from phat import Address, Contract, Error, Event, Map, Uint256, command, query

NOBODY = Address()


class Transferred(Event):
    """``amount`` moved from ``sender`` to ``recipient``."""

    sender: Address
    recipient: Address
    amount: Uint256


class Approved(Event):
    """``spender`` may move ``amount`` of ``owner``'s."""

    owner: Address
    spender: Address
    amount: Uint256


class Token(Contract):
    """The whole supply belongs to whoever deploys it."""

    name: str
    supply: Uint256
    balances: Map[Address, Uint256]
    allowances: Map[tuple[Address, Address], Uint256]

    def init(self, name: str, supply: Uint256) -> None:
        """``supply``: all that there will ever be."""
        self.name = name
        self.supply = supply
        self.balances[self.env.caller] = supply

    @command
    def transfer(self, recipient: Address, amount: Uint256) -> Uint256:
        """Moves the caller's own tokens; returns what the caller has left."""
        self._move(self.env.caller, recipient, amount)
        return self.balances.get(self.env.caller, 0)

    @command
    def approve(self, spender: Address, amount: Uint256) -> None:
        """Lets ``spender`` move up to ``amount`` of the caller's tokens, instead of what it was allowed before."""
        owner = self.env.caller
        if amount == 0:
            self.allowances.delete((owner, spender))
        else:
            self.allowances[owner, spender] = amount
        self.emit(Approved(owner=owner, spender=spender, amount=amount))

    @command
    def transfer_from(self, owner: Address, recipient: Address, amount: Uint256) -> None:
        """Moves tokens of an owner who has approved the caller.

        Everything that could fail by the owner's balance says the same as a lack of allowance: a spender learns no more
        about a balance than what it was allowed to spend.
        """
        spender = self.env.caller
        allowed = self.allowances.get((owner, spender), 0)
        if amount > min(allowed, self.balances.get(owner, 0)):
            raise Error("this much is not allowed or not there")
        if allowed == amount:
            self.allowances.delete((owner, spender))
        else:
            self.allowances[owner, spender] = allowed - amount
        self._move(owner, recipient, amount)

    @query
    def total_supply(self) -> Uint256:
        """Public."""
        return self.supply

    @query
    def balance_of(self, account: Address) -> Uint256:
        """The balance of ``account``, told to the account itself: it must have signed the query."""
        self._expect(account)
        return self.balances.get(account, 0)

    @query
    def allowance(self, owner: Address, spender: Address) -> Uint256:
        """What ``spender`` may still move, told to either of the two."""
        self._expect(owner, spender)
        return self.allowances.get((owner, spender), 0)

    def _expect(self, *readers: Address) -> None:
        if self.env.caller == NOBODY or self.env.caller not in readers:
            raise Error("sign the query with the key of the account that it is about")

    def _move(self, sender: Address, recipient: Address, amount: int) -> None:
        if recipient == NOBODY:
            raise Error("tokens cannot be sent to nobody")
        held = self.balances.get(sender, 0)
        if amount > held:
            raise Error(f"you have {held}, which is less than {amount}")
        self._set(sender, held - amount)
        self._set(recipient, self.balances.get(recipient, 0) + amount)
        self.emit(Transferred(sender=sender, recipient=recipient, amount=amount))

    def _set(self, account: Address, amount: int) -> None:
        if amount:
            self.balances[account] = amount
        else:
            self.balances.delete(account)
