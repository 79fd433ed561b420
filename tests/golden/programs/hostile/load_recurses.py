"""A module that recurses in C while it is loaded: the depth limit refuses the program."""

from __future__ import annotations

from phat import Contract

VALUE: tuple[object, ...] = ()
for _ in range(100_000):
    VALUE = (VALUE,)
HASH = hash(VALUE)


class Never(Contract):
    pass
