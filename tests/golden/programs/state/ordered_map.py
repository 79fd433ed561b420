"""Map keys of every kind keep their order: negative numbers, bytes, tuples, enums; paging by ``after``; counting."""

from __future__ import annotations

from enum import Enum

from phat import Contract, Digest, Map, command, query

# > put [[5, -3, 0, 1000000, -1000000, 7]]
# > numbers_in_order []
# > page [-3]
# > fill [600]
# > count_after [300]
# > mixed []
# > pairs []
# > remove [[0, 7, 12345]]
# > numbers_in_order []
# > empty_out []
# > numbers_in_order []
# > bad_key []


class Side(Enum):
    BUY = 1
    SELL = 2


class Ordered(Contract):
    numbers: Map[int, str]
    many: Map[int, int]
    texts: Map[str, int]
    raw: Map[bytes, int]
    digests: Map[Digest, bool]
    orders: Map[tuple[Side, int, str], int]

    @command
    def put(self, numbers: list[int]) -> int:
        for place, number in enumerate(numbers):
            self.numbers[number] = f"#{place}"
        return len(self.numbers)

    @query
    def numbers_in_order(self) -> list[tuple[int, str]]:
        return list(self.numbers.items())

    @query
    def page(self, after: int) -> list[int]:
        return list(self.numbers.keys(after=after))

    @command
    def fill(self, count: int) -> int:
        for number in range(count):
            self.many[number * 7919 % count] = number
        return len(self.many)

    @query
    def count_after(self, after: int) -> list[int]:
        keys = list(self.many.keys(after))
        return [len(keys), keys[0], keys[-1], int(keys == sorted(keys))]

    @command
    def mixed(self) -> list[str]:
        for text in ("b", "", "a", "é", "aa", "a\0", "\U0001f600", "/", "#"):
            self.texts[text] = len(text)
            self.raw[text.encode()] = len(text)
        self.digests[Digest("0x" + "ff" * 32)] = True
        self.digests[Digest()] = False
        return [ascii(list(self.texts)), str(list(self.raw)), str([digest[0] for digest in self.digests])]

    @command
    def pairs(self) -> list[str]:
        for key in ((Side.SELL, 3, "x"), (Side.BUY, -2, "y"), (Side.BUY, 10, ""), (Side.BUY, 10, "a")):
            self.orders[key] = key[1]
        return [f"{side.name} {price} {who}" for side, price, who in self.orders]

    @command
    def remove(self, numbers: list[int]) -> list[bool]:
        return [self.numbers.delete(number) for number in numbers]

    @command
    def empty_out(self) -> int:
        for number in list(self.numbers):
            del self.numbers[number]
        return len(self.numbers) + int(bool(self.numbers))

    @command
    def bad_key(self) -> None:
        self.numbers["seven"] = "7"
