"""Powers, factorials and conversions that grow without end: fuel, memory or Python's own limits stop them alike."""

from __future__ import annotations

import decimal
import fractions
import math

from phat import Contract, query

# > power [3, 100000]
# > power [3, 100000000] fuel=200_000_000
# > tower [9] fuel=200_000_000
# > factorial [3000]
# > factorial [10000000] fuel=200_000_000
# > modular [1500]
# > to_text [4300]
# > to_text [4301]
# > from_text [4301]
# > hexadecimal [20000]
# > shift [1000000000000000000000]
# > fraction [14]
# > collatz [27]
# > decimal_power []
# > square_root [5000]
# > loop [] fuel=100_000_000


class Numbers(Contract):
    @query
    def power(self, base: int, exponent: int) -> int:
        return (base**exponent).bit_length()

    @query
    def tower(self, base: int) -> int:
        return (base**base**base).bit_length()

    @query
    def factorial(self, n: int) -> int:
        return math.factorial(n).bit_length()

    @query
    def modular(self, bits: int) -> int:
        prime = (1 << bits) - 159
        return pow(3, prime - 2, prime) % 1_000_000_007

    @query
    def to_text(self, digits: int) -> int:
        return len(str(10 ** (digits - 1)))

    @query
    def from_text(self, digits: int) -> int:
        return int("9" * digits) % 7

    @query
    def hexadecimal(self, digits: int) -> int:
        return int("f" * digits, 16).bit_count()

    @query
    def shift(self, by: int) -> int:
        return 1 << by

    @query
    def fraction(self, rounds: int) -> int:
        value = fractions.Fraction(1, 3)
        for _ in range(rounds):
            value = value * value + value
        return value.denominator.bit_length()

    @query
    def collatz(self, start: int) -> list[int]:
        steps, highest = 0, start
        while start != 1:
            start = start * 3 + 1 if start % 2 else start // 2
            steps, highest = steps + 1, max(highest, start)
        return [steps, highest]

    @query
    def decimal_power(self) -> str:
        return str(decimal.Decimal(10) ** decimal.Decimal(10**20))

    @query
    def square_root(self, digits: int) -> int:
        return math.isqrt(2 * 10 ** (2 * digits)) % 10**9

    @query
    def loop(self) -> None:
        while True:
            pass
