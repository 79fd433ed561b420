"""A small ballot: fields, a map, an event, a refusal that leaves no trace, the constructor."""

from __future__ import annotations

from phat import Contract, Error, Event, Map, command, query

# > init ["Where to?", ["sea", "hills"]]
# > vote ["sea"]
# > vote ["sea"]
# > vote ["desert"]
# > vote ["hills"]
# > tally []
# > close []
# > vote ["sea"]
# > tally []
# > vote [7]
# > vote ["sea"] fuel=100_000


class Closed(Error):
    """Voting is over."""


class Voted(Event):
    choice: str
    votes: int


class Ballot(Contract):
    question: str
    is_open: bool = True
    votes: Map[str, int]

    def init(self, question: str, choices: list[str]) -> None:
        self.question = question
        for choice in choices:
            self.votes[choice] = 0

    @command
    def vote(self, choice: str) -> int:
        self.votes[choice] = self.votes.get(choice, 0) + 1
        if not self.is_open:
            raise Closed(f"the ballot {self.question!r} is closed")
        if self.votes[choice] == 1 and choice not in ("sea", "hills"):
            raise KeyError(choice)
        self.emit(Voted(choice, self.votes[choice]))
        return self.votes[choice]

    @command
    def close(self) -> None:
        self.is_open = False
        print("closed with", len(self.votes), "choices")

    @query
    def tally(self) -> dict[str, int]:
        return dict(self.votes.items())
