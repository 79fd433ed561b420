"""A secret ballot: everybody sees the tally, nobody sees who voted for what."""

from __future__ import annotations

from phat import Address, Contract, Error, Map, command, query


class Ballot(Contract):
    """One vote per author; the choices are fixed when the program is made."""

    choices: list[str]
    voters: Map[Address, bool]
    votes: Map[str, int]

    def init(self, choices: list[str]) -> None:
        """``choices``: at least two, all different."""
        if len(choices) < 2 or len(set(choices)) != len(choices):
            raise Error("a ballot has at least two choices, all different")
        self.choices = choices

    @command
    def vote(self, choice: str) -> None:
        """Casts the caller's only vote."""
        if choice not in self.choices:
            raise Error(f"vote for one of: {', '.join(self.choices)}")
        if self.env.caller in self.voters:
            raise Error("you have voted already")
        self.voters[self.env.caller] = True
        self.votes[choice] = self.votes.get(choice, 0) + 1

    @query
    def tally(self) -> dict[str, int]:
        """Votes by choice."""
        return {choice: self.votes.get(choice, 0) for choice in self.choices}
