"""Every operator that a class can define, with reflected and in-place forms: a ring of numbers modulo a prime."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod

from phat import Contract, query

# > ring [17, 5, 12]
# > table []
# > abstract []
# > comparisons []


class Ring(ABC):
    @property
    @abstractmethod
    def prime(self) -> int: ...

    @abstractmethod
    def __add__(self, other: object) -> object: ...


class Residue(Ring):
    def __init__(self, value: int, prime: int) -> None:
        self.value, self._prime = value % prime, prime

    @property
    def prime(self) -> int:
        return self._prime

    def _like(self, value: int) -> Residue:
        return Residue(value, self._prime)

    def __add__(self, other):
        return self._like(self.value + int(other)) if isinstance(other, Residue | int) else NotImplemented

    __radd__ = __add__

    def __mul__(self, other):
        return self._like(self.value * int(other))

    def __rsub__(self, other):
        return self._like(other - self.value)

    def __truediv__(self, other):
        return self * other.__pow__(-1)

    def __pow__(self, exponent, modulus=None):
        return self._like(pow(self.value, exponent, self._prime))

    def __imatmul__(self, other):
        self.value = (self.value * 2 + int(other)) % self._prime
        return self

    def __neg__(self):
        return self._like(-self.value)

    def __invert__(self):
        return self**-1

    def __index__(self):
        return self.value

    __int__ = __index__

    def __eq__(self, other):
        return self.value == int(other)

    def __hash__(self):
        return self.value

    def __lt__(self, other):
        return self.value < int(other)

    def __contains__(self, other):
        return other % self._prime == self.value

    def __getitem__(self, key):
        return (self.value, key)

    def __format__(self, spec):
        return f"{self.value} mod {self._prime}{spec}"

    def __repr__(self):
        return f"{self}"


class Algebra(Contract):
    @query
    def ring(self, prime: int, left: int, right: int) -> dict[str, str]:
        a, b = Residue(left, prime), Residue(right, prime)
        matrix = Residue(left, prime)
        matrix @= b
        try:
            a + "text"
            said = "added"
        except TypeError as error:
            said = str(error)
        return {
            "sum": f"{a + b}",
            "int": f"{3 + a}",
            "rsub": f"{1 - a}",
            "div": f"{a / b}",
            "pow": f"{a**100}",
            "neg": f"{-a}",
            "inverse": f"{~a * a:!}",
            "matrix": f"{matrix}",
            "hex": hex(a),
            "in": str(22 in a),
            "slice": str(a[1:2, ...]),
            "max": f"{max(a, b)}",
            "text": said,
            "set": str(len({a, Residue(left + prime, prime)})),
        }

    @query
    def table(self) -> list[str]:
        names = sorted(
            name for name in vars(operator) if not name.startswith("_") and name not in ("call", "length_hint")
        )
        said = []
        for name in names:
            try:
                said.append(f"{name}={getattr(operator, name)(12, 5)}")
            except Exception as error:
                said.append(f"{name}!{type(error).__name__}")
        return said

    @query
    def abstract(self) -> str:
        Ring()
        return "made"

    @query
    def comparisons(self) -> list[bool]:
        return [
            1 < 2 < 3 != 4,
            [1, 2] < [1, 2, 0],
            (1, "a") < (1, "b"),
            {1} < {1, 2},
            "Z" < "a",
            float("nan") != float("nan"),
        ]
