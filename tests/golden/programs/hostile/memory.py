"""Asking for more memory than there is: at once, by doubling, in small pieces, in C, and inside an error's own text."""

from __future__ import annotations

import decimal
import re

from phat import Contract, command, query

# > at_once [1073741824]
# > at_once [80000000]
# > negative []
# > doubling []
# > small_pieces []
# > list_times [100000000]
# > text_times [1000000000]
# > bytes_join []
# > range_list []
# > power_of_two [1000000000]
# > decimal_places [1000000000]
# > format_width [1000000000]
# > justify [1000000000]
# > regex_subject []
# > dictionary []
# > generator_of_lists []
# > caught_and_continued []
# > error_text []
# > error_without_room []
# > exception_in_handler []
# > keeps_going_when_full []
# > state_after_failure []
# > count []


class Greedy(Exception):
    def __str__(self):
        return "x" * (1 << 30)


class Memory(Contract):
    calls: int = 0

    @query
    def at_once(self, size: int) -> int:
        return len(bytearray(size))

    @query
    def negative(self) -> int:
        return len(bytearray(-1))

    @query
    def doubling(self) -> int:
        text = "ab"
        while True:
            text += text

    @query
    def small_pieces(self) -> int:
        held = []
        while True:
            held.append(bytearray(1000))

    @query
    def list_times(self, count: int) -> int:
        return len([None] * count)

    @query
    def text_times(self, count: int) -> int:
        return len("\U0001f600" * count)

    @query
    def bytes_join(self) -> int:
        piece = bytes(1 << 20)
        return len(piece.join([piece] * 200))

    @query
    def range_list(self) -> int:
        return len(list(range(10**9)))

    @query
    def power_of_two(self, exponent: int) -> int:
        return (1 << exponent).bit_length()

    @query
    def decimal_places(self, places: int) -> str:
        decimal.getcontext().prec = places
        return str(decimal.Decimal(1) / 7)[:10]

    @query
    def format_width(self, width: int) -> int:
        return len(f"{1:{width}}")

    @query
    def justify(self, width: int) -> int:
        return len("x".center(width))

    @query
    def regex_subject(self) -> int:
        return len(re.findall("(a)|b", "a" * 100_000))

    @query
    def dictionary(self) -> int:
        held = {}
        while True:
            held[len(held)] = bytes(2000)

    @query
    def generator_of_lists(self) -> int:
        return sum(len(page) for page in [[0] * 1_000_000 for _ in range(10_000)])

    @query
    def caught_and_continued(self) -> list[int]:
        refused = 0
        for size in (1 << 40, 1 << 31, 1 << 30, 1 << 29, 1 << 28, 1 << 27):
            try:
                bytes(size)
            except (MemoryError, OverflowError):
                refused += 1
        return [refused, len(bytes(1 << 20))]

    @command
    def error_text(self) -> None:
        self.calls += 1
        raise Greedy

    @command
    def error_without_room(self) -> None:
        """Fails with every byte of memory taken, so that the error itself cannot be put into words."""
        held = []
        size = 1 << 26
        while size >= 16:
            try:
                held.append(bytes(size))
            except MemoryError:
                size //= 2
        raise ValueError(f"no room for this: {held}")

    @command
    def exception_in_handler(self) -> None:
        held = [b""]
        try:
            while True:
                held.append(held[-1] + bytes(1 << 16))
        except MemoryError as error:
            raise RuntimeError([bytes(1 << 16) for _ in range(10_000)]) from error

    @command
    def keeps_going_when_full(self) -> int:
        held, refused = [], 0
        while refused < 2000:
            try:
                held.append(bytearray(100_000))
            except MemoryError:
                refused += 1
        return len(held)

    @command
    def state_after_failure(self) -> int:
        self.calls += 1
        try:
            bytes(1 << 30)
        except MemoryError:
            self.calls += 10
        return self.calls

    @query
    def count(self) -> int:
        return self.calls
