"""Work without end in C code, where no Python instruction runs: fuel counts there too."""

from __future__ import annotations

import collections
import itertools

from phat import Contract, query

# > consume_count [] fuel=100_000_000
# > sum_cycle [] fuel=100_000_000
# > any_repeat [] fuel=100_000_000
# > list_extends_itself [] fuel=100_000_000
# > infinite_generator [] fuel=100_000_000
# > infinite_json [] fuel=100_000_000
# > permutations [] fuel=100_000_000
# > deque_rotation [] fuel=100_000_000
# > iterator_of_callable [] fuel=100_000_000
# > string_search [] fuel=100_000_000
# > finally_again [] fuel=100_000_000
# > catch_everything [] fuel=100_000_000
# > text_replaced [] fuel=100_000_000


class Endless(Contract):
    @query
    def consume_count(self) -> None:
        collections.deque(itertools.count(), maxlen=0)

    @query
    def sum_cycle(self) -> int:
        return sum(itertools.cycle([1, -1]))

    @query
    def any_repeat(self) -> bool:
        return any(itertools.repeat(0))

    @query
    def list_extends_itself(self) -> None:
        values = [1]
        for value in values:
            values.append(value)

    @query
    def infinite_generator(self) -> int:
        def naturals():
            number = 0
            while True:
                yield number
                number += 1

        return max(number % 3 for number in naturals())

    @query
    def infinite_json(self) -> str:
        import json

        class Endless(list):
            def __iter__(self):
                return itertools.repeat(1)

        return "".join(json.JSONEncoder(check_circular=False).iterencode(Endless([1])))

    @query
    def permutations(self) -> int:
        return sum(1 for _ in itertools.permutations(range(20)))

    @query
    def deque_rotation(self) -> None:
        ring = collections.deque(range(1000))
        while True:
            ring.rotate(499)

    @query
    def iterator_of_callable(self) -> list[int]:
        return [0 for _ in iter(int, 1)]

    @query
    def string_search(self) -> int:
        text = "a" * 500_000
        return sum(text.count("a" * 1000 + "b") for _ in itertools.count())

    @query
    def finally_again(self) -> None:
        while True:
            try:
                continue
            finally:
                continue  # noqa: B012

    @query
    def catch_everything(self) -> None:
        while True:
            try:
                raise SystemExit
            except BaseException:
                pass

    @query
    def text_replaced(self) -> int:
        text = "a" * 1000
        while True:
            text = text.replace("a", "bb").replace("bb", "a")
