"""Enumerations: names and values in the state, flags, automatic values, aliases, members with behaviour."""

from __future__ import annotations

from enum import Enum, Flag, IntEnum, StrEnum, auto, unique

from phat import Contract, Map, command, query

# > paint ["door", "RED"]
# > paint ["wall", "BLUE"]
# > paint ["wall", "MAUVE"]
# > all []
# > flags [5]
# > flags [64]
# > tricks []


class Colour(Enum):
    RED = 1
    BLUE = 2
    CRIMSON = 1


class Right(Flag):
    READ = auto()
    WRITE = auto()
    SHARE = auto()
    ALL = READ | WRITE | SHARE


class Level(IntEnum):
    LOW = 1
    HIGH = 10


class Unit(StrEnum):
    METRE = auto()
    FOOT = auto()


class House(Contract):
    walls: Map[str, Colour]

    @command
    def paint(self, what: str, colour: Colour) -> Colour:
        self.walls[what] = colour
        return colour

    @query
    def all(self) -> dict[str, str]:
        return {what: f"{colour.name}={colour.value}" for what, colour in self.walls.items()}

    @query
    def flags(self, bits: int) -> list[str]:
        rights = Right(bits)
        return [str(rights), repr(~rights), str(Right.WRITE in rights), *(right.name or "" for right in rights)]

    @query
    def tricks(self) -> list[str]:
        try:

            @unique
            class _Twice(Enum):
                ONE = 1
                UNE = 1

            said = "accepted"
        except ValueError as error:
            said = str(error)
        return [
            repr(Colour.CRIMSON),
            str(Level.HIGH > 3),
            f"{Level.LOW:03d}",
            Unit.FOOT.upper(),
            repr(list(Unit)),
            str(Colour["RED"] is Colour(1)),
            said,
            repr(Enum("Made", "a b c")(2)),
        ]
