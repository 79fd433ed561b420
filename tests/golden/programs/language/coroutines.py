"""``async def`` without an event loop: coroutines are stepped by hand, as a small round-robin scheduler."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any

from phat import Contract, query

# > race [[["tortoise", 1], ["hare", 3], ["snail", 1]], 6]
# > asynchronous_comprehension [5]
# > unawaited []


class _Pause:
    def __await__(self) -> Generator[str, None, None]:
        yield "pause"


async def runner(name: str, speed: int, goal: int, log: list[str]) -> str:
    place = 0
    while place < goal:
        place += speed
        log.append(f"{name}@{place}")
        await _Pause()
    return name


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await _Pause()
        yield number


def finish(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, int]:
    steps = 0
    while True:
        try:
            coroutine.send(None)
            steps += 1
        except StopIteration as stop:
            return stop.value, steps


class Race(Contract):
    @query
    def race(self, runners: list[tuple[str, int]], goal: int) -> list[str]:
        log: list[str] = []
        waiting = deque(runner(name, speed, goal, log) for name, speed in runners)
        while waiting:
            task = waiting.popleft()
            try:
                task.send(None)
            except StopIteration as stop:
                log.append(f"{stop.value} is there")
            else:
                waiting.append(task)
        return log

    @query
    def asynchronous_comprehension(self, count: int) -> list[int]:
        async def squares() -> list[int]:
            return [number * number async for number in numbers(count) if number % 2 == 0]

        values, steps = finish(squares())
        return [*values, steps]

    @query
    def unawaited(self) -> str:
        runner("nobody", 1, 1, [])
        return "a warning about it goes to the log"
