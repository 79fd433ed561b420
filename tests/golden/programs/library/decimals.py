"""Decimal arithmetic: contexts, rounding modes, traps, exact money, and a loan's schedule."""

from __future__ import annotations

from decimal import (
    ROUND_HALF_EVEN,
    ROUND_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    getcontext,
    localcontext,
)

from phat import Contract, query

# > rounding ["2.675"]
# > precise [50]
# > loan ["10000", "0.07", 12]
# > special []
# > traps []
# > functions ["2"]


class Money(Contract):
    @query
    def rounding(self, text: str) -> list[str]:
        value = Decimal(text)
        modes = [
            "ROUND_UP",
            "ROUND_DOWN",
            "ROUND_CEILING",
            "ROUND_FLOOR",
            "ROUND_HALF_UP",
            "ROUND_HALF_DOWN",
            "ROUND_HALF_EVEN",
            "ROUND_05UP",
        ]
        return [f"{mode[6:]} {value.quantize(Decimal('0.01'), mode)}" for mode in modes] + [str(Decimal(float(text)))]

    @query
    def precise(self, digits: int) -> list[str]:
        with localcontext(Context(prec=digits)):
            one = Decimal(1)
            return [
                str(one / 7),
                str(one.exp()),
                str(Decimal(2).sqrt()),
                str(Decimal(10).ln()),
                str(Decimal(2) ** Decimal("0.5")),
            ]

    @query
    def loan(self, amount: str, rate: str, months: int) -> list[str]:
        cent, owed, monthly = Decimal("0.01"), Decimal(amount), Decimal(rate) / 12
        payment = (owed * monthly / (1 - (1 + monthly) ** -months)).quantize(cent, ROUND_UP)
        said = []
        while owed:
            interest = (owed * monthly).quantize(cent, ROUND_HALF_EVEN)
            paid = min(payment, owed + interest)
            owed += interest - paid
            said.append(f"{paid} {owed:,}")
        return said

    @query
    def special(self) -> list[str]:
        values = [
            Decimal("NaN"),
            Decimal("sNaN123"),
            Decimal("-0"),
            Decimal("Infinity"),
            Decimal("1E+3"),
            Decimal("1.10"),
        ]
        return [
            f"{value!r} {value.as_tuple().exponent} {value.normalize() if value.is_finite() else '-'}"
            for value in values
        ]

    @query
    def traps(self) -> list[str]:
        said = []
        with localcontext() as context:
            context.traps[Inexact] = True
            for action in (
                lambda: Decimal(1) / 3,
                lambda: Decimal(1) / 0,
                lambda: Decimal("x"),
                lambda: Decimal(0) / 0,
            ):
                try:
                    said.append(str(action()))
                except (Inexact, DivisionByZero, InvalidOperation) as error:
                    said.append(f"{type(error).__name__}")
        return [*said, str(getcontext())]

    @query
    def functions(self, text: str) -> list[str]:
        value = Decimal(text)
        return [
            str(value.fma(3, 4)),
            str(value.logb()),
            str(value.next_plus()),
            str(value.compare_total(Decimal(2))),
            str(hash(value) == hash(2)),
            f"{value:.3e}",
            f"{value:010.2%}",
        ]
