"""Values that change while they are walked: dictionaries, sets and lists under iteration, and maps of the state."""

from __future__ import annotations

import re

from phat import Contract, Map, command, query

# > fill [300]
# > dictionary []
# > set_while_iterating []
# > key_function []
# > map_while_iterating []
# > map_deleting []
# > left []
# > comparison_clears []
# > replace_callback []
# > repr_of_itself []
# > iterator_mutation []


class Shrinks:
    def __init__(self, values):
        self.values = values

    def __eq__(self, other):
        self.values.clear()
        return False

    __hash__ = None


class Changing(Contract):
    numbers: Map[int, int]

    @command
    def fill(self, count: int) -> int:
        for number in range(count):
            self.numbers[number] = number * number
        return len(self.numbers)

    @query
    def dictionary(self) -> int:
        table = {1: 1}
        for key in table:
            table[key + 1] = 1
        return len(table)

    @query
    def set_while_iterating(self) -> int:
        values = {1, 2, 3}
        for value in values:
            values.discard(value)
        return len(values)

    @query
    def key_function(self) -> list[int]:
        values = list(range(10))
        return [max(values, key=lambda value: (values.pop() if len(values) > 5 else 0, value)), *values]

    @command
    def map_while_iterating(self) -> list[int]:
        seen = 0
        for number in self.numbers:
            seen += 1
            if number % 100 == 0:
                self.numbers[number + 1000] = 0
        return [seen, len(self.numbers)]

    @command
    def map_deleting(self) -> int:
        for number in self.numbers:
            del self.numbers[number]
        return len(self.numbers)

    @query
    def left(self) -> list[int]:
        return list(self.numbers)

    @query
    def comparison_clears(self) -> list[int]:
        values: list[object] = []
        values += [Shrinks(values) for _ in range(100)]
        return [values.count(1), len(values), int(values in [values])]

    @query
    def replace_callback(self) -> str:
        return re.sub("a", lambda found: re.sub("b", "c", found.string)[:2], "aba")

    @query
    def repr_of_itself(self) -> str:
        values: list[object] = [1]
        table = {"values": values, "self": None}
        table["self"] = table
        values.append(table)
        values.append(values)
        return repr(values)

    @query
    def iterator_mutation(self) -> list[int]:
        values = [1, 2, 3]
        iterator = iter(values)
        next(iterator)
        values[:] = values * 2
        del values[0]
        return [*iterator, *(item for item in reversed(values) if values.pop() or True)]
