"""NaN payloads, signed zeros and subnormals: what a float is in bits is the same on every processor."""

from __future__ import annotations

import array
import math
import statistics
import struct

from phat import Contract, query

# > payloads []
# > made_by_arithmetic []
# > signs []
# > through_containers []
# > subnormals []
# > parsed []
# > result_nan []
# > result_infinity []
# > conversions []


def bits(value: float) -> str:
    return struct.pack(">d", value).hex()


def from_bits(number: int) -> float:
    return struct.unpack(">d", number.to_bytes(8, "big"))[0]


QUIET, SIGNALLING = 0x7FF8DEADBEEF0001, 0x7FF4DEADBEEF0001


class Nans(Contract):
    @query
    def payloads(self) -> list[str]:
        quiet, signalling = from_bits(QUIET), from_bits(SIGNALLING)
        single = struct.unpack(">f", bytes.fromhex("7fa12345"))[0]
        return [
            bits(quiet),
            bits(signalling),
            bits(-quiet),
            bits(quiet + 1),
            bits(signalling * 2),
            bits(quiet + signalling),
            bits(math.sqrt(quiet)),
            bits(abs(-quiet)),
            bits(single),
            struct.pack(">f", quiet).hex(),
            struct.pack(">e", quiet).hex(),
            bits(float(quiet)),
            bits(math.copysign(quiet, -1.0)),
            bits(quiet % 3),
            bits(quiet**2),
            bits(1**quiet),
            bits(math.fmod(signalling, 2)),
        ]

    @query
    def made_by_arithmetic(self) -> list[str]:
        infinity = float("inf")
        made = [infinity - infinity, infinity * 0.0, -infinity + infinity, math.nan, -math.nan, infinity * 0.0 * -1]
        for function in (math.sin, math.sqrt, math.log, math.gamma):
            try:
                made.append(function(-infinity))
            except ValueError:
                made.append(0.0)
        return [bits(value) for value in made]

    @query
    def signs(self) -> list[str]:
        zero = -0.0
        return [
            repr(zero),
            repr(zero + 0.0),
            repr(0.0 * -1),
            repr(math.atan2(zero, -1)),
            repr(max(0.0, zero)),
            repr(min(zero, 0.0)),
            repr(round(-0.4)),
            repr(-0.0 % 3),
        ]

    @query
    def through_containers(self) -> list[str]:
        values = array.array("d", [from_bits(QUIET), from_bits(SIGNALLING), 1.0])
        values.byteswap()
        values.byteswap()
        singles = array.array("f", [from_bits(QUIET)])
        return [
            values.tobytes().hex(),
            singles.tobytes().hex(),
            bits(sum([values[0], 1.0])),
            str(statistics.median([values[0], 1.0, 2.0])),
        ]

    @query
    def subnormals(self) -> list[str]:
        least = 5e-324
        return [
            repr(least / 2),
            repr(least * 1.5),
            repr(2.2250738585072014e-308 / 3),
            bits(least),
            repr(math.nextafter(0.0, 1.0)),
            repr(math.ulp(0.0)),
            repr(1e-310 + 1e-320),
        ]

    @query
    def parsed(self) -> list[str]:
        return [
            bits(float(text))
            for text in ("nan", "-nan", "inf", "-inf", "1e400", "-1e-400", "0x1p-1074".replace("0x1p-1074", "4.9e-324"))
        ]

    @query
    def result_nan(self) -> float:
        return float("nan")

    @query
    def result_infinity(self) -> float:
        return 1e308 * 10

    @query
    def conversions(self) -> list[str]:
        said = []
        for value in (1e300, float("nan"), float("inf"), -1.5, 2.5, 1e22):
            try:
                said.append(f"{int(value)} {round(value)}"[:40])
            except (OverflowError, ValueError) as error:
                said.append(str(error))
        return said
