"""Sorting with keys and comparisons that raise, lie, or change the list that is being sorted."""

from __future__ import annotations

import bisect
import functools
import heapq
import itertools

from phat import Contract, query

# > key_raises []
# > comparison_raises []
# > mixed_types []
# > list_changes []
# > inconsistent [200]
# > nan_among_numbers []
# > raises_in_the_middle [500]
# > heap_of_liars []
# > never_ending [] fuel=200_000_000
# > frozen_sets []


class Moody:
    turn = itertools.count()

    def __init__(self, value):
        self.value = value

    def __lt__(self, other):
        if next(self.turn) == 700:
            raise InterruptedError(f"between {self.value} and {other.value}")
        return self.value < other.value


class Random:
    state = 12345

    def __lt__(self, other):
        Random.state = Random.state * 1103515245 + 12345 & 0x7FFFFFFF
        return Random.state & 0x10000 > 0


class Sorts(Contract):
    @query
    def key_raises(self) -> list[int]:
        return sorted([3, 2, 0, 1], key=lambda value: 1 // value)

    @query
    def comparison_raises(self) -> str:
        values = [complex(3), complex(1), complex(2)]
        try:
            values.sort()
        except TypeError as error:
            return f"{error}: {values}"
        return "sorted"

    @query
    def mixed_types(self) -> str:
        values: list[object] = [3, "2", 1.5, None, b"x"]
        try:
            values.sort()
        except TypeError as error:
            return f"{error}: {values}"
        return "sorted"

    @query
    def list_changes(self) -> str:
        values = [5, 4, 3, 2, 1]

        def key(value):
            values.append(value)
            return value

        try:
            values.sort(key=key)
        except ValueError as error:
            return f"{error}: {values}"
        return "sorted"

    @query
    def inconsistent(self, count: int) -> list[int]:
        values = [Random() for _ in range(count)]
        places = {id(value): place for place, value in enumerate(values)}
        return [places[id(value)] for value in sorted(values)][:40]

    @query
    def nan_among_numbers(self) -> list[str]:
        nan = float("nan")
        return [str(sorted([3.0, nan, 1.0, 2.0, nan, 0.0])), str(max(nan, 1.0)), str(max(1.0, nan)), str(nan in [nan])]

    @query
    def raises_in_the_middle(self, count: int) -> str:
        values = [Moody(index * 7919 % count) for index in range(count)]
        try:
            values.sort()
        except InterruptedError as error:
            return f"{error}, {[value.value for value in values[:20]]} {len({value.value for value in values})}"
        return "sorted"

    @query
    def heap_of_liars(self) -> int:
        heap = [Random() for _ in range(50)]
        heapq.heapify(heap)
        for _ in range(20):
            heapq.heapreplace(heap, Random())
        bisect.insort(heap, Random())
        return Random.state

    @query
    def never_ending(self) -> list[int]:
        return sorted(iter(lambda: 1, 2))

    @query
    def frozen_sets(self) -> str:
        """Sets are ordered only in part, so that the result depends on the algorithm alone."""
        values = [{1, 2}, {3}, {1}, {2, 3}, set(), {1, 2, 3}, {2}]
        by_size = sorted(values, key=functools.cmp_to_key(lambda a, b: len(a) - len(b)))
        return f"{sorted(values)} {by_size}"
