"""Exceptions: chains, notes, groups with ``except*``, finally that overrides, the author's own classes, bare exits."""

from __future__ import annotations

from phat import Contract, Error, command, query, revert

# > chained []
# > groups []
# > finally_wins []
# > refuse ["not today"]
# > undo []
# > kept []
# > exit []
# > interrupt []
# > unprintable []
# > no_text []
# > key []
# > long_text [5000]
# > surrogate []


class TooLate(Error):
    def __init__(self, by: int) -> None:
        super().__init__(f"{by} seconds too late")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Failures(Contract):
    count: int = 0

    @query
    def chained(self) -> list[str]:
        try:
            try:
                {}["missing"]
            except KeyError as error:
                error.add_note("seen once")
                raise TooLate(3) from error
        except TooLate as error:
            cause = error.__cause__
            return [str(error), repr(cause), str(cause.__notes__), str(error.__suppress_context__)]

    @query
    def groups(self) -> list[str]:
        said = []
        try:
            raise ExceptionGroup(
                "many", [ValueError(1), TypeError(2), ExceptionGroup("inner", [ValueError(3), OSError(4)])]
            )
        except* ValueError as group:
            said.append(f"{group!r}")
        except* (TypeError, OSError) as group:
            said.append(f"{len(group.exceptions)} {group.derive([KeyError(1)])!r}")
        return said

    @query
    def finally_wins(self) -> str:
        def inner() -> str:
            try:
                raise ValueError("lost")
            finally:
                return "won"  # noqa: B012

        return inner()

    @command
    def refuse(self, why: str) -> None:
        self.count += 1
        revert(why)

    @command
    def undo(self) -> None:
        self.count += 1
        raise TooLate(9)

    @query
    def kept(self) -> int:
        return self.count

    @command
    def exit(self) -> None:
        raise SystemExit(3)

    @command
    def interrupt(self) -> None:
        raise KeyboardInterrupt

    @command
    def unprintable(self) -> None:
        raise Mute

    @command
    def no_text(self) -> None:
        assert not self

    @command
    def key(self) -> None:
        {1: 2}[(3, 4)]

    @command
    def long_text(self, length: int) -> None:
        raise ValueError("é" * length)

    @command
    def surrogate(self) -> None:
        raise ValueError("half \ud83d of a pair")
