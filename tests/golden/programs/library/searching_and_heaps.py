"""heapq, bisect and graphlib: shortest paths, an event queue, merging, sorted lists, task order and its cycles."""

from __future__ import annotations

import bisect
import graphlib
import heapq

from phat import Contract, query

# > shortest [[["a", "b", 7], ["a", "c", 3], ["c", "b", 1], ["b", "d", 2], ["c", "d", 8]], "a", "d"]
# > shortest [[["a", "b", 7]], "b", "a"]
# > merged [[[1, 4, 9], [2, 4, 8], []]]
# > grades [[33, 99, 77, 70, 89, 90, 100]]
# > tasks [{"shoes": ["socks"], "coat": ["shirt"], "shirt": [], "tie": ["shirt"]}]
# > tasks [{"a": ["b"], "b": ["c"], "c": ["a"]}]
# > queens [6]
# > sudoku ["53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"]


class Search(Contract):
    @query
    def shortest(self, roads: list[tuple[str, str, int]], start: str, goal: str) -> tuple[int, str]:
        near: dict[str, list[tuple[str, int]]] = {}
        for one, other, length in roads:
            near.setdefault(one, []).append((other, length))
        queue, seen = [(0, start)], set()
        while queue:
            distance, path = heapq.heappop(queue)
            place = path[-1]
            if place == goal:
                return distance, path
            if place not in seen:
                seen.add(place)
                for other, length in near.get(place, ()):
                    heapq.heappush(queue, (distance + length, path + other))
        raise LookupError(f"no road leads from {start} to {goal}")

    @query
    def merged(self, lists: list[list[int]]) -> list[str]:
        flat = sum(lists, [])
        return [
            str(list(heapq.merge(*lists))),
            str(heapq.nlargest(3, flat)),
            str(heapq.nsmallest(2, flat, key=lambda v: -v)),
            str(heapq.heappushpop(flat, 0)),
        ]

    @query
    def grades(self, scores: list[int]) -> list[str]:
        marks = ["FDCBA"[bisect.bisect([60, 70, 80, 90], score)] for score in scores]
        ordered: list[int] = []
        for score in scores:
            bisect.insort(ordered, score, key=lambda value: -value)
        return [*marks, str(ordered)]

    @query
    def tasks(self, needs: dict[str, list[str]]) -> list[str]:
        try:
            return list(graphlib.TopologicalSorter(needs).static_order())
        except graphlib.CycleError as error:
            return ["circle", *error.args[1]]

    @query
    def queens(self, size: int) -> list[list[int]]:
        def place(rows: list[int]) -> list[list[int]]:
            row = len(rows)
            if row == size:
                return [rows]
            free = [c for c in range(size) if all(c != o and abs(c - o) != row - r for r, o in enumerate(rows))]
            return [found for column in free for found in place([*rows, column])]

        return place([])

    @query
    def sudoku(self, grid: str) -> str:
        peers = [
            {
                j
                for j in range(81)
                if j != i and (i // 9 == j // 9 or i % 9 == j % 9 or (i // 27 == j // 27 and i % 9 // 3 == j % 9 // 3))
            }
            for i in range(81)
        ]

        def solve(cells: str) -> str:
            open_cells = [
                (len(free), index, free)
                for index in range(81)
                if cells[index] == "."
                for free in [sorted(set("123456789") - {cells[peer] for peer in peers[index]})]
            ]
            if not open_cells:
                return cells
            _, index, free = min(open_cells)
            return next((found for digit in free if (found := solve(cells[:index] + digit + cells[index + 1 :]))), "")

        return solve(grid)
