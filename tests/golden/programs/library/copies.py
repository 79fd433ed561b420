"""Copying: shallow, deep, with cycles and shared parts, by pickle, with classes that say how; weak references."""

from __future__ import annotations

import copy
import pickle
import weakref

from phat import Contract, query

# > copies []
# > shared []
# > own_way []
# > pickles []
# > hostile_pickle []
# > weak []


class Account:
    made = 0

    def __init__(self, owner: str) -> None:
        self.owner, self.cache = owner, {"secret": 1}

    def __deepcopy__(self, memo: dict[int, object]) -> Account:
        Account.made += 1
        return Account(copy.deepcopy(self.owner, memo) + "'s copy")

    def __getstate__(self) -> dict[str, object]:
        return {"owner": self.owner}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.owner, self.cache = state["owner"], {}


class Evil:
    def __reduce__(self) -> object:
        return (__import__, ("socket",))


class Copies(Contract):
    @query
    def copies(self) -> list[str]:
        original = {"a": [1, [2]], "b": (3, [4])}
        shallow, deep = copy.copy(original), copy.deepcopy(original)
        original["a"][1].append(5)
        original["b"][1].append(6)
        return [str(shallow), str(deep), str(copy.deepcopy((1, "x")) is (1, "x"))]

    @query
    def shared(self) -> list[bool]:
        part: list[object] = []
        ring = [part, part]
        part.append(ring)
        again = copy.deepcopy(ring)
        restored = pickle.loads(pickle.dumps(ring))
        return [again[0] is again[1], again[0][0] is again, again is not ring, restored[1][0] is restored]

    @query
    def own_way(self) -> list[str]:
        account = Account("Ada")
        deep, shallow = copy.deepcopy([account, account]), copy.copy(account)
        return [
            deep[0].owner,
            str(deep[0] is deep[1]),
            str(Account.made),
            str(shallow.cache),
            pickle.loads(pickle.dumps(account)).owner,
        ]

    @query
    def pickles(self) -> list[str]:
        value = {"t": (1, 2.5, None), "s": {3}, "b": b"x", "big": 2**80, "text": "é"}
        return [
            f"{protocol} {len(data)} {pickle.loads(data) == value}"
            for protocol in range(6)
            for data in [pickle.dumps(value, protocol)]
        ]

    @query
    def hostile_pickle(self) -> list[str]:
        said = []
        for data in (
            pickle.dumps(Evil()),
            b"cos\nsystem\n(S'ls'\ntR.",
            b"cbuiltins\neval\n(S'1+1'\ntR.",
            b"\x80\x05N.garbage",
            b"(((",
            b"",
        ):
            try:
                said.append(repr(pickle.loads(data)))
            except Exception as error:
                said.append(f"{type(error).__name__}: {str(error)[:70]}")
        return said

    @query
    def weak(self) -> list[str]:
        log: list[str] = []
        one, two = Account("one"), Account("two")
        table = weakref.WeakValueDictionary({"one": one, "two": two})
        reference = weakref.ref(two, lambda _: log.append("two is gone"))
        weakref.finalize(one, log.append, "one is finished")
        del two
        log.append(str(sorted(table)))
        del one
        return [*log, str(reference()), str(len(table))]
