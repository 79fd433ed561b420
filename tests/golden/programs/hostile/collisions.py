"""Dictionary keys that collide: quadratic work that fuel pays for, and order that stays the order of insertion."""

from __future__ import annotations

import sys

from phat import Contract, query

# > colliding_integers [300]
# > colliding_objects [300]
# > constant_hash [2000] fuel=200_000_000
# > lying_equality []
# > changing_hash []
# > huge_hash []


class Same:
    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return 42

    def __eq__(self, other):
        return self.value == other.value


class Liar:
    answers = iter([False, True, False])

    def __hash__(self):
        return 1

    def __eq__(self, other):
        return next(self.answers)


class Collisions(Contract):
    @query
    def colliding_integers(self, count: int) -> list[int]:
        modulus = sys.hash_info.modulus
        table = {modulus * index: index for index in range(1, count)}
        return [len(table), len({hash(key) for key in table}), table[modulus * 7], list(table.values())[-1]]

    @query
    def colliding_objects(self, count: int) -> int:
        return len({Same(index % 200) for index in range(count)})

    @query
    def constant_hash(self, count: int) -> int:
        return len({Same(index): index for index in range(count)})

    @query
    def lying_equality(self) -> int:
        return len({Liar(), Liar(), Liar()})

    @query
    def changing_hash(self) -> list[bool]:
        key = Same(1)
        table = {key: "found"}
        key.value = 2
        other = type("Other", (), {"__hash__": lambda self: next(numbers), "__eq__": lambda self, other: True})
        numbers = iter(range(10))
        moving = other()
        return [Same(1) in table, Same(2) in table, moving in {moving: 1}]

    @query
    def huge_hash(self) -> list[int]:
        wide = type("Wide", (), {"__hash__": lambda self: 2**200 + 7})
        return [hash(wide()), hash(float("inf")), hash(float("nan")), hash(2**61 - 1), hash(-1), hash(1j)]
