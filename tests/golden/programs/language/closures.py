"""Closures: late binding, cells that are shared, nonlocal counters, decorators that keep a record, currying."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from phat import Contract, query

# > late_binding []
# > counters []
# > traced [5]
# > cells []


def trace(log: list[str]) -> Callable[[Callable[[int], int]], Callable[[int], int]]:
    def decorate(function: Callable[[int], int]) -> Callable[[int], int]:
        @wraps(function)
        def traced(number: int) -> int:
            log.append(f"> {function.__name__}({number})")
            result = function(number)
            log.append(f"< {result}")
            return result

        return traced

    return decorate


class Closures(Contract):
    @query
    def late_binding(self) -> list[int]:
        late = [lambda: index for index in range(3)]
        early = [lambda index=index: index for index in range(3)]
        return [function() for function in late + early]

    @query
    def counters(self) -> list[int]:
        def make(start: int) -> tuple[Callable[[], int], Callable[[], int]]:
            def up() -> int:
                nonlocal start
                start += 1
                return start

            def down() -> int:
                nonlocal start
                start -= 1
                return start

            return up, down

        up, down = make(10)
        other, _ = make(0)
        return [up(), up(), down(), other(), up()]

    @query
    def traced(self, number: int) -> list[str]:
        log: list[str] = []

        @trace(log)
        def fibonacci(n: int) -> int:
            return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

        fibonacci(number)
        return [f"{len(log)} lines", *log[:6], fibonacci.__qualname__]

    @query
    def cells(self) -> str:
        def outer() -> Callable[[], int]:
            if False:
                value = 1

            def inner() -> int:
                return value

            return inner

        return str(outer()())
