"""What the interface accepts: widths of integers, optional values, defaults, nested types; all else is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from phat import Address, Contract, Digest, Int8, Uint8, Uint64, command, query

# > small [255, -128]
# > small [256, 0]
# > small [0, -129]
# > small [1.0, 0]
# > small [true, 0]
# > optional [null]
# > optional ["x"]
# > optional []
# > optional ["x", "y"]
# > nested [{"when": 3, "points": [[1, 2]], "mode": "FAST", "names": {"a": null}}]
# > nested [{"when": 3, "points": [[1, 2, 3]], "mode": "FAST", "names": {}}]
# > nested [{"when": 3, "points": [], "mode": "SLOW", "names": {}}]
# > nested [{"when": 3, "points": [], "mode": "FAST"}]
# > nested [{"when": 3, "points": [], "mode": "FAST", "names": {}, "more": 1}]
# > bytes_and_digests ["0x00ff", "0x1111111111111111111111111111111111111111111111111111111111111111"]
# > bytes_and_digests ["00ff", "0x11"]
# > floats [0.1, 1e300, 5]
# > wrong_result []
# > missing_field []
# > assign_wrong []
# > undeclared []
# > nothing_like_it []


class Mode(Enum):
    FAST = "f"
    SAFE = "s"


@dataclass
class Plan:
    when: Uint64
    points: list[tuple[int, int]]
    mode: Mode
    names: dict[str, Address | None]


class Typed(Contract):
    plan: Plan
    level: Uint8 = 3

    @query
    def small(self, unsigned: Uint8, signed: Int8) -> int:
        return unsigned + signed

    @query
    def optional(self, text: str | None = "default") -> str | None:
        return text

    @command
    def nested(self, plan: Plan) -> Plan:
        self.plan = plan
        self.plan.points.append((9, 9))
        return self.plan

    @query
    def bytes_and_digests(self, data: bytes, digest: Digest) -> tuple[bytes, Digest]:
        return data[::-1], Digest(digest[::-1])

    @query
    def floats(self, one: float, two: float, three: float) -> list[float]:
        return [one + two, three / 3, -0.0, 1e-7, 1e21]

    @query
    def wrong_result(self) -> int:
        return "seven"

    @query
    def missing_field(self) -> str:
        del type(self).plan
        return str(self.plan)

    @command
    def assign_wrong(self) -> None:
        self.level = 300

    @command
    def undeclared(self) -> None:
        self.other = 1
