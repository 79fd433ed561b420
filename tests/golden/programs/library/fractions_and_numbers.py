"""Exact rationals, complex numbers, integer mathematics: continued fractions, primes, roots, Egyptian fractions."""

from __future__ import annotations

import cmath
import math
from fractions import Fraction

from phat import Contract, query

# > continued ["415/93"]
# > egyptian ["7/15"]
# > bernoulli [12]
# > approximate [3.141592653589793, 1000]
# > integers [3628800, 1001]
# > complex_numbers []
# > primes [10007]
# > formats ["22/7"]


class Numbers(Contract):
    @query
    def continued(self, text: str) -> list[int]:
        value, terms = Fraction(text), []
        while True:
            whole = math.floor(value)
            terms.append(whole)
            if value == whole:
                return terms
            value = 1 / (value - whole)

    @query
    def egyptian(self, text: str) -> list[str]:
        left, parts = Fraction(text), []
        while left:
            part = Fraction(1, math.ceil(1 / left))
            parts.append(str(part))
            left -= part
        return parts

    @query
    def bernoulli(self, count: int) -> list[str]:
        numbers: list[Fraction] = []
        for m in range(count + 1):
            numbers.append(Fraction(m == 0) - sum(math.comb(m, k) * numbers[k] / (m - k + 1) for k in range(m)))
        return [str(number) for number in numbers]

    @query
    def approximate(self, value: float, limit: int) -> list[str]:
        return [
            str(Fraction(value).limit_denominator(limit)),
            str(Fraction(value)),
            str(value.as_integer_ratio()),
            value.hex(),
        ]

    @query
    def integers(self, left: int, right: int) -> list[str]:
        return [
            str(math.gcd(left, right)),
            str(math.lcm(left, right)),
            str(math.isqrt(left)),
            str(divmod(-left, right)),
            str(pow(right, -1, 3628801)),
            str(math.perm(20, 5)),
            left.to_bytes(4, "big").hex(),
            f"{left:_b}",
            str((-left) >> 3),
            str(~left & right),
        ]

    @query
    def complex_numbers(self) -> list[str]:
        z = 3 + 4j
        return [
            repr(z**2),
            repr(abs(z)),
            repr(z.conjugate() / (1 - 2j)),
            repr(cmath.exp(1j * math.pi)),
            repr(cmath.polar(-z)),
            repr(cmath.sqrt(-1)),
            repr(complex("1e3-2.5j")),
        ]

    @query
    def primes(self, number: int) -> list[int]:
        def is_prime(n: int) -> bool:
            d, r = n - 1, 0
            while d % 2 == 0:
                d, r = d // 2, r + 1
            for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
                if n % base == 0:
                    return n == base
                x = pow(base, d, n)
                if x not in (1, n - 1) and all((x := x * x % n) != n - 1 for _ in range(r - 1)):
                    return False
            return True

        return [candidate for candidate in range(number, number + 100) if is_prime(candidate)] + [
            int(is_prime(2**127 - 1))
        ]

    @query
    def formats(self, text: str) -> list[str]:
        value = Fraction(text)
        return [
            f"{value:.5f}",
            f"{value:+.3e}",
            f"{value:>10}",
            f"{round(value, 2)}",
            f"{value.__floor__()} {value.__ceil__()}",
            str(value == 22 / 7),
            str(hash(value)),
        ]
