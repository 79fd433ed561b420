"""Floods: output, logs, events, state and arguments beyond what a call may have. The call fails and leaves nothing."""

from __future__ import annotations

import sys

from phat import Contract, Map, command, query

# > output [60000]
# > output [66000]
# > output [1000000]
# > logs [1000, 60]
# > logs [1000, 70]
# > logs [0, 9000]
# > one_long_line [70000]
# > printed_without_end [] fuel=100_000_000
# > errors_to_the_log []
# > events [64]
# > events [65]
# > wide_events [10, 7000]
# > event_names ["not a name"]
# > event_names ["é"]
# > big_value [65000]
# > big_value [65537]
# > many_values [18, 60000]
# > many_values [10, 60000]
# > same_value_again [20, 60000]
# > long_key [1030]
# > deleted_after_all [18, 60000]
# > size []


class Floods(Contract):
    note: str = ""
    pages: Map[str, str]

    @query
    def output(self, size: int) -> str:
        return "x" * size

    @command
    def logs(self, width: int, lines: int) -> int:
        self.note = "written before the flood"
        for number in range(lines):
            self.env.log(f"{number:0{width}}" if width else "", level="warning")
        return lines

    @command
    def one_long_line(self, size: int) -> None:
        print("x" * size)

    @command
    def printed_without_end(self) -> None:
        self.note = "lost"
        while True:
            print("again", end="")

    @command
    def errors_to_the_log(self) -> None:
        print("to the error stream", file=sys.stderr)
        print("no line end, half a pair \udc80", end="")

    @command
    def events(self, count: int) -> int:
        for number in range(count):
            self.emit("Counted", number=number)
        return count

    @command
    def wide_events(self, count: int, width: int) -> None:
        for _ in range(count):
            self.emit("Wide", text="x" * width)

    @command
    def event_names(self, name: str) -> None:
        self.emit(name)

    @command
    def big_value(self, size: int) -> int:
        self.note = "x" * (size - 2)
        return size

    @command
    def many_values(self, count: int, size: int) -> int:
        for number in range(count):
            self.pages[f"page {number}"] = "x" * size
        return len(self.pages)

    @command
    def same_value_again(self, times: int, size: int) -> int:
        """Only the last assignment is written."""
        for number in range(times):
            self.pages["one"] = f"{number}" * size if number < 10 else "x" * size
        return len(self.pages)

    @command
    def long_key(self, size: int) -> None:
        self.pages["k" * size] = ""

    @command
    def deleted_after_all(self, count: int, size: int) -> int:
        for number in range(count):
            self.pages[f"other {number}"] = "x" * size
            del self.pages[f"other {number}"]
        return len(self.pages)

    @query
    def size(self) -> int:
        return len(self.pages)
