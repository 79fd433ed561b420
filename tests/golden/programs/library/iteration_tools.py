"""itertools and functools together: combinatorics, grouping, caching, dispatch, reduction, a lazy pipeline."""

from __future__ import annotations

import functools
import itertools
import operator

from phat import Contract, query

# > combinations ["abcd"]
# > groups [["apple", "ant", "bee", "bat", "cat"]]
# > pipeline [40]
# > cached [60]
# > dispatch []
# > ordering []
# > knapsack [[[12, 4], [2, 2], [1, 1], [4, 10], [1, 2]], 15]


@functools.singledispatch
def describe(value: object) -> str:
    return f"something {value}"


@describe.register
def _(value: int) -> str:
    return f"integer {value}"


@describe.register(list)
def _(value: list[object]) -> str:
    return "list of " + ", ".join(describe(item) for item in value)


@functools.total_ordering
class Version:
    def __init__(self, text: str) -> None:
        self.parts = tuple(map(int, text.split(".")))

    def __eq__(self, other: object) -> bool:
        return self.parts == other.parts

    def __lt__(self, other: Version) -> bool:
        return self.parts < other.parts

    __hash__ = None


class Tools(Contract):
    @query
    def combinations(self, letters: str) -> list[str]:
        return [
            " ".join(map("".join, itertools.combinations(letters, 2))),
            " ".join(map("".join, itertools.permutations(letters[:3]))),
            str(len(list(itertools.product(letters, repeat=3)))),
            " ".join(map("".join, itertools.combinations_with_replacement(letters[:3], 2))),
            " ".join(map("".join, itertools.pairwise(letters))),
            str(list(itertools.batched(letters, 3))),
        ]

    @query
    def groups(self, words: list[str]) -> dict[str, list[str]]:
        return {key: list(group) for key, group in itertools.groupby(words, key=operator.itemgetter(0))}

    @query
    def pipeline(self, limit: int) -> list[int]:
        squares = map(pow, itertools.count(1), itertools.repeat(2))
        odd = filter(lambda value: value % 2, squares)
        small = itertools.takewhile(lambda value: value < limit * limit, odd)
        sums = itertools.accumulate(small, initial=0)
        return list(itertools.islice(itertools.chain(sums, itertools.compress(range(9), [1, 0, 1])), 2, None, 3))

    @query
    def cached(self, number: int) -> list[str]:
        @functools.cache
        def fibonacci(n: int) -> int:
            return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

        @functools.lru_cache(maxsize=2)
        def square(n: int) -> int:
            return n * n

        [square(n) for n in (1, 2, 1, 3, 2)]
        return [str(fibonacci(number)), str(fibonacci.cache_info()), str(square.cache_info())]

    @query
    def dispatch(self) -> list[str]:
        return [
            describe(1),
            describe([True, 2.5, []]),
            describe(None),
            str(functools.reduce(operator.mul, range(1, 20))),
        ]

    @query
    def ordering(self) -> list[str]:
        versions = [Version(text) for text in ("1.10", "1.9", "1.9.1")]
        return [".".join(map(str, version.parts)) for version in sorted(versions)] + [str(versions[0] >= versions[1])]

    @query
    def knapsack(self, items: list[tuple[int, int]], room: int) -> int:
        @functools.cache
        def best(index: int, left: int) -> int:
            if index == len(items):
                return 0
            weight, value = items[index]
            without = best(index + 1, left)
            return max(without, value + best(index + 1, left - weight)) if weight <= left else without

        return best(0, room)
