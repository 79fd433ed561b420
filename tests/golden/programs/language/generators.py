"""Generators: sent values, thrown errors, delegation, laziness, and a cleanup that runs when one is dropped."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from phat import Contract, query

# > primes [30]
# > average [[10, 20, 60]]
# > delegate [4]
# > cleanup []
# > broken []


def sieve() -> Iterator[int]:
    found: dict[int, list[int]] = {}
    number = 2
    while True:
        for prime in found.pop(number, ()):
            found.setdefault(number + prime, []).append(prime)
        else:
            pass
        if number not in found and all(number % prime for primes in found.values() for prime in primes):
            yield number
            found.setdefault(number * number, []).append(number)
        number += 1


def running_average() -> Generator[float, int, str]:
    total = count = 0
    average = 0.0
    try:
        while True:
            total += yield average
            count += 1
            average = total / count
    except ValueError as error:
        return f"{count} values, {error}"


def countdown(start: int) -> Generator[int, None, int]:
    if start:
        yield start
        return (yield from countdown(start - 1)) + start
    return 0


class Streams(Contract):
    @query
    def primes(self, limit: int) -> list[int]:
        found = []
        for prime in sieve():
            if prime > limit:
                break
            found.append(prime)
        return found

    @query
    def average(self, values: list[int]) -> list[str]:
        generator = running_average()
        next(generator)
        said = [f"{generator.send(value):.3f}" for value in values]
        try:
            generator.throw(ValueError("enough"))
        except StopIteration as stop:
            said.append(stop.value)
        return said

    @query
    def delegate(self, start: int) -> list[int]:
        total: list[int] = []

        def outer() -> Iterator[int]:
            total.append((yield from countdown(start)))

        return [*outer(), *total]

    @query
    def cleanup(self) -> list[str]:
        said: list[str] = []

        def guarded() -> Iterator[int]:
            try:
                yield 1
                yield 2
            finally:
                said.append("closed")

        for value in guarded():
            said.append(str(value))
            break
        said.append("after the loop")
        return said

    @query
    def broken(self) -> int:
        def stops() -> Iterator[int]:
            yield 1
            raise StopIteration

        return sum(stops())
