"""Statistics and transcendental functions: every digit of every float is the same on all machines."""

from __future__ import annotations

import math
import statistics

from phat import Contract, query

# > describe [[2.5, 3.25, 5.5, 11.25, 11.75, 3.25]]
# > describe [[]]
# > regression [[1, 2, 3, 4], [1.1, 3.9, 6.2, 7.8]]
# > normal []
# > functions [0.7]
# > functions [1e5]
# > printing []
# > sums []


class Figures(Contract):
    @query
    def describe(self, values: list[float]) -> list[str]:
        functions = [
            statistics.fmean,
            statistics.median,
            statistics.mode,
            statistics.stdev,
            statistics.pvariance,
            statistics.harmonic_mean,
            statistics.geometric_mean,
        ]
        return [
            *(repr(function(values)) for function in functions),
            str(statistics.quantiles(values, n=5)),
            str(statistics.multimode(values)),
        ]

    @query
    def regression(self, xs: list[int], ys: list[float]) -> list[str]:
        line = statistics.linear_regression(xs, ys)
        return [
            repr(line.slope),
            repr(line.intercept),
            repr(statistics.correlation(xs, ys)),
            repr(statistics.covariance(xs, ys)),
        ]

    @query
    def normal(self) -> list[str]:
        bell = statistics.NormalDist(100, 15)
        samples = bell.samples(3, seed=7)
        return [
            repr(bell.cdf(120)),
            repr(bell.inv_cdf(0.975)),
            repr(bell.pdf(100)),
            repr(bell.overlap(statistics.NormalDist(110, 10))),
            str(samples),
        ]

    @query
    def functions(self, x: float) -> list[str]:
        names = """sin cos tan asinh atan exp expm1 log log2 log10 log1p sqrt cbrt erf erfc gamma lgamma sinh tanh exp2
        degrees radians floor ceil trunc"""
        said = []
        for name in names.split():
            try:
                said.append(f"{name}={getattr(math, name)(x)!r}")
            except (ValueError, OverflowError) as error:
                said.append(f"{name}! {error}")
        return [
            *said,
            repr(x**0.3),
            repr(x % 0.1),
            repr(math.hypot(x, 1, 2)),
            repr(math.atan2(x, -x)),
            repr(math.fma(x, x, 1)),
            repr(math.remainder(x, 0.3)),
        ]

    @query
    def printing(self) -> list[str]:
        values = [
            0.1,
            1 / 3,
            1e16,
            1e15,
            123456789.123,
            1e-5,
            5e-324,
            1.7976931348623157e308,
            2.5,
            0.1 + 0.2,
            1e22,
            1e23,
        ]
        return [f"{value!r} {value:.3g} {value:.0f} {value:e} {round(value, 1)}"[:80] for value in values]

    @query
    def sums(self) -> list[str]:
        values = [0.1] * 10 + [1e16, 1.0, -1e16]
        return [
            repr(sum(values)),
            repr(math.fsum(values)),
            repr(math.sumprod(values, values)),
            repr(math.prod(values[:10])),
            repr(math.dist([1, 2], [4, 6])),
        ]
