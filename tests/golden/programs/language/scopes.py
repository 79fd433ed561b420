"""Comprehensions, the walrus, unpacking, ``global``, ``del``, chained assignment, evaluation order."""

from __future__ import annotations

from phat import Contract, query

# > comprehensions [12]
# > unpacking []
# > order []
# > globals []
# > deleted []

counter = 0


def _step(name: str, log: list[str], value: object = None) -> object:
    log.append(name)
    return value


class Scopes(Contract):
    @query
    def comprehensions(self, limit: int) -> list[str]:
        pairs = [(x, y) for x in range(limit) if x % 3 == 0 for y in range(x) if (square := x * y) > 50]
        nested = {row: [column for column in range(row)] for row in range(4)}
        lazy = (number for number in iter(lambda: 1, 2) if number)
        return [str(pairs), str(nested), str({x % 5 for x in range(limit)}), str(next(lazy)), str(square)]

    @query
    def unpacking(self) -> list[str]:
        first, *rest, (a, [b, *c]) = 1, 2, 3, (4, [5, 6, 7])
        x = y = [*range(2), *"ab", *{"k": 1}]
        x.append(0)
        merged = {**{"a": 1, "b": 2}, "b": 3, **{"c": 4}}

        def call(*positional: object, keyword: object = None, **rest: object) -> str:
            return f"{positional} {keyword} {rest}"

        return [f"{first} {rest} {a} {b} {c}", str(y), str(merged), call(*[1, 2], keyword=3, **{"z": 4, "y": 5})]

    @query
    def order(self) -> list[str]:
        log: list[str] = []
        {_step("key", log): _step("value", log), **_step("mapping", log, {})}
        _step("left", log, 1) < _step("middle", log, 0) < _step("right", log, 2)
        holder = [0, 0]
        holder[_step("index", log, 0)] = _step("assigned", log)
        _step("argument", log) if _step("condition", log) else _step("alternative", log)
        return log

    @query
    def globals(self) -> list[int]:
        global counter
        counter += 1
        counter += 1
        return [counter]

    @query
    def deleted(self) -> int:
        value = 1
        del value
        return value
