"""What Python leaves to the machine - addresses, hashes, the order of sets - is fixed by the program's image."""

from __future__ import annotations

import gc
import sys
import weakref

from phat import Address, Contract, query

# > hashes []
# > addresses []
# > set_order [["pear", "fig", "plum", "quince", "kiwi"]]
# > default_representations []
# > reference_counts []
# > interning []
# > limits []


class Plain:
    pass


class Identities(Contract):
    @query
    def hashes(self) -> list[int]:
        values = [
            "",
            "a",
            "text",
            b"bytes",
            1.5,
            -1,
            2**70,
            (1, "a"),
            frozenset("abc"),
            None,
            True,
            range(3),
            Address("0x" + "11" * 20),
            int,
            len,
        ]
        return [hash(value) for value in values]

    @query
    def addresses(self) -> list[int]:
        one, two = Plain(), Plain()
        return [id(one) - id(two), id(None) % 16, id(one) % 8, int(id([]) == id([])), id(self) % 4096]

    @query
    def set_order(self, names: list[str]) -> list[str]:
        chosen = set(names)
        return [
            *chosen,
            *{name[0] for name in chosen},
            *(chosen - {"fig"}),
            *frozenset(names[:3]),
            str({1.5, "x", None, (2,)}),
        ]

    @query
    def default_representations(self) -> list[str]:
        return [
            repr(Plain()),
            repr(self.hashes),
            repr(lambda: 0),
            repr(iter([])),
            repr(weakref.ref(Plain)),
            repr(Plain),
        ]

    @query
    def reference_counts(self) -> list[int]:
        held = Plain()
        again = [held] * 5
        return [
            sys.getrefcount(held),
            len(again),
            len(gc.get_referrers(held)),
            sys.getsizeof([]),
            sys.getsizeof("é" * 9),
        ]

    @query
    def interning(self) -> list[bool]:
        left, right = "name", "".join(["na", "me"])
        return [left is right, left is sys.intern(right), 256 is int("256"), 257 is int("257"), () is tuple([])]  # noqa: F632

    @query
    def limits(self) -> list[str]:
        return [
            sys.version,
            sys.byteorder,
            str(sys.maxsize),
            str(sys.hash_info),
            str(sys.float_info),
            str(sys.int_info),
            str(sys.getrecursionlimit()),
        ]
