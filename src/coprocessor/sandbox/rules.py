"""What a runtime decides by numbers alone: prices of the host's work, the fuel of a load, limits of an item.

One release may carry two runtimes whose rules differ, so they are a value that goes from the executor's start to every
call, never a constant that a call looks up. All of it is part of the runtime id (PROTOCOL 5.3, 12).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coprocessor.values.errors import CallerMisuse
from coprocessor.values.limits import MAX_CALL_DEPTH, MAX_FUEL, MAX_LOG_BYTES, MAX_STATE_WRITE_BYTES

__all__ = ["LOAD_FUEL", "NEXT_RULES", "PRICES", "RULES", "Price", "Rules"]

LOAD_FUEL: Final = 20_000_000_000
"""Fuel limit of a load: compiling a few thousand lines of Python with room to spare."""


@dataclass(frozen=True, slots=True)
class Price:
    """Fuel of one host function: once, and for each byte that it moves."""

    base: int
    per_byte: int = 0


PRICES: Final[Mapping[str, Price]] = {
    "kv_get": Price(8_000, 2),
    "kv_set": Price(40_000, 16),
    "kv_delete": Price(40_000, 16),
    "kv_scan": Price(20_000, 4),
    "kv_scan_entry": Price(1_000),
    "log": Price(4_000, 4),
    "derive_key": Price(20_000, 4),
    "sign": Price(100_000),
    "random": Price(10_000, 8),
    "call": Price(200_000, 4),
}
"""One unit of fuel is about a nanosecond of guest code; writes pay for the authenticated map behind them, too."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers of one runtime. Limits are at most those that the encodings of this release take.

    Attributes:
        prices: by host function, and of an entry that a scan looks at.
        load_fuel: limit of a load.
        log_bytes: log text of one item.
        state_write_bytes: keys and values that one item writes.
        call_depth: programs that may be active at once in one item.
    """

    prices: Mapping[str, Price]
    load_fuel: int = LOAD_FUEL
    log_bytes: int = MAX_LOG_BYTES
    state_write_bytes: int = MAX_STATE_WRITE_BYTES
    call_depth: int = MAX_CALL_DEPTH

    def __post_init__(self) -> None:
        bounds = (
            (self.load_fuel, MAX_FUEL),
            (self.log_bytes, MAX_LOG_BYTES),
            (self.state_write_bytes, MAX_STATE_WRITE_BYTES),
            (self.call_depth, MAX_CALL_DEPTH),
        )
        if set(self.prices) != set(PRICES) or not all(0 < number <= most for number, most in bounds):
            raise CallerMisuse("sandbox.rules", "these prices and limits are no rules of a runtime")


RULES: Final = Rules(PRICES)
"""Of the runtime under which new clusters begin."""

NEXT_RULES: Final = Rules({**PRICES, "kv_scan_entry": Price(4_000)})
"""Of the runtime to which clusters can switch. A page of 100 entries takes the host about 460 microseconds, and paid
128,000 units where one is about a nanosecond: four times too little."""
