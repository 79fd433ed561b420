"""Long chains of exceptions: contexts, causes in a circle, groups, notes, tracebacks that nobody asked for."""

from __future__ import annotations

import traceback

from phat import Contract, query

# > contexts [300]
# > contexts_by_loop [20000]
# > circle []
# > notes [1000]
# > printed [200]
# > formatted [50]
# > group_of_many [5000]
# > raise_while_handling [400]
# > unraisable []
# > lost_traceback []


def deep(levels):
    try:
        raise ValueError(levels)
    except ValueError:
        if levels:
            deep(levels - 1)
        raise


class Chains(Contract):
    @query
    def contexts(self, levels: int) -> None:
        deep(levels)

    @query
    def contexts_by_loop(self, count: int) -> str:
        error = None
        for number in range(count):
            made = KeyError(number)
            made.__context__ = error
            error = made
        raise error

    @query
    def circle(self) -> str:
        one, two = ValueError("one"), ValueError("two")
        one.__cause__, two.__cause__ = two, one
        return str(len(traceback.format_exception(one)))

    @query
    def notes(self, count: int) -> None:
        error = ValueError("annotated")
        for number in range(count):
            error.add_note(f"note {number}")
        raise error

    @query
    def printed(self, levels: int) -> int:
        try:
            deep(levels)
        except ValueError:
            traceback.print_exc(limit=2)
        return levels

    @query
    def formatted(self, levels: int) -> int:
        try:
            deep(levels)
        except ValueError as error:
            return len(traceback.format_exception(error))
        return 0

    @query
    def group_of_many(self, count: int) -> None:
        raise BaseExceptionGroup("many", [KeyboardInterrupt(number) for number in range(count)])

    @query
    def raise_while_handling(self, levels: int) -> None:
        def handle(left):
            try:
                [][left]
            except IndexError:
                if left:
                    handle(left - 1)
                else:
                    raise RuntimeError("at the bottom") from None

        handle(levels)

    @query
    def unraisable(self) -> str:
        class Bad:
            def __del__(self):
                raise ValueError("raised by a destructor")

        Bad()
        return "goes on"

    @query
    def lost_traceback(self) -> None:
        error = ValueError("without its traceback")
        error.__traceback__ = None
        raise error.with_traceback(None)
