"""The guest SDK: what a Phat contract written in Python is made of. Standard library only.

from phat import Contract, Map, command, query

class Ballot(Contract):
    votes: Map[str, int]

    @command
    def vote(self, choice: str) -> int:
        self.votes[choice] = self.votes.get(choice, 0) + 1
        return self.votes[choice]

    @query
    def tally(self) -> dict[str, int]:
        return dict(self.votes.items())
"""

from __future__ import annotations

from phat.contract import Contract, command, query, request
from phat.data import read_data
from phat.environment import Environment
from phat.errors import CallFailed, Error, Unavailable, revert
from phat.events import Event
from phat.fields import Map
from phat.keccak import keccak256
from phat.types import (
    Address,
    Digest,
    Int8,
    Int16,
    Int32,
    Int64,
    Int128,
    Int256,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uint128,
    Uint256,
)  # fmt: skip

__all__ = [
    "Address",
    "CallFailed",
    "Contract",
    "Digest",
    "Environment",
    "Error",
    "Event",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Int128",
    "Int256",
    "Map",
    "Uint8",
    "Uint16",
    "Uint32",
    "Uint64",
    "Uint128",
    "Uint256",
    "Unavailable",
    "command",
    "keccak256",
    "query",
    "read_data",
    "request",
    "revert",
]  # fmt: skip
