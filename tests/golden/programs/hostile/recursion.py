"""Recursion through every protocol that Python has: each ends in RecursionError or at the sandbox's depth limit."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from enum import Enum

from phat import Contract, query

# > plain []
# > mutual []
# > raised_limit []
# > getattr []
# > getattribute []
# > setattr []
# > repr []
# > eq []
# > hash []
# > less []
# > bool []
# > length []
# > call []
# > getitem []
# > iterate []
# > contains []
# > formatted []
# > index []
# > new []
# > init_subclass [] fuel=100_000_000
# > descriptor []
# > delete []
# > deleted_again []
# > context []
# > decorators []
# > metaclass []
# > instance_check []
# > missing []
# > sort_key []
# > json_default []
# > property []
# > exception_text []
# > swallow [3]
# > lambda_chain []
# > reduce []
# > exec_nested []
# > import_nested []


class Loop:
    def __getattr__(self, name):
        return getattr(self, name + "x")

    def __repr__(self):
        return f"{self!r}"

    def __eq__(self, other):
        return self == other

    def __hash__(self):
        return hash((self,))

    def __lt__(self, other):
        return sorted([self, other]) and True

    def __bool__(self):
        return not self

    def __len__(self):
        return len(self)

    def __call__(self):
        return self()

    def __getitem__(self, key):
        return self[key]

    def __iter__(self):
        return iter(self)

    def __contains__(self, item):
        return item in self

    def __format__(self, spec):
        return f"{self:{spec}}"

    def __index__(self):
        return [0][self]

    def __new__(cls, *arguments):
        return cls(*arguments) if arguments else super().__new__(cls)

    def __enter__(self):
        with self:
            pass

    def __exit__(self, *error):
        return True

    @property
    def again(self):
        return self.again


class Every(Loop):
    def __getattribute__(self, name):
        return self.other


class Setter:
    def __setattr__(self, name, value):
        self.other = value


class Phoenix:
    def __del__(self):
        Phoenix()


class Delayed:
    def __init__(self, depth):
        self.depth = depth

    def __del__(self):
        if self.depth:
            [Delayed(self.depth - 1)].clear()


class Meta(type):
    def __instancecheck__(cls, instance):
        return isinstance(instance, cls)

    def __call__(cls):
        return cls()


class Checked(metaclass=Meta):
    pass


class Missing(dict):
    def __missing__(self, key):
        return self[key + 1]


class Text(Exception):
    def __str__(self):
        return str(self)


class Base:
    def __init_subclass__(cls):
        type("Deeper", (cls,), {})


class Recursion(Contract):
    @query
    def plain(self) -> int:
        return 1 + self.plain()

    @query
    def mutual(self) -> int:
        def even(n):
            return odd(n + 1)

        def odd(n):
            return even(n + 1)

        return even(0)

    @query
    def raised_limit(self) -> int:
        sys.setrecursionlimit(1_000_000_000)

        def deeper(n):
            return deeper(n + 1) + 1

        return deeper(0)

    @query
    def getattr(self) -> str:
        return Loop().anything

    @query
    def getattribute(self) -> str:
        return Every().anything

    @query
    def setattr(self) -> None:
        Setter().x = 1

    @query
    def repr(self) -> str:
        return repr(Loop())

    @query
    def eq(self) -> bool:
        return Loop() == 1

    @query
    def hash(self) -> int:
        return hash(Loop())

    @query
    def less(self) -> bool:
        return Loop() < Loop()

    @query
    def bool(self) -> bool:
        return bool(Loop())

    @query
    def length(self) -> int:
        return len(Loop())

    @query
    def call(self) -> int:
        return Loop()()

    @query
    def getitem(self) -> int:
        return Loop()[1]

    @query
    def iterate(self) -> list[int]:
        return list(Loop())

    @query
    def contains(self) -> bool:
        return 1 in Loop()

    @query
    def formatted(self) -> str:
        return f"{Loop():x}"

    @query
    def index(self) -> int:
        return [1][Loop()]

    @query
    def new(self) -> str:
        return type(Loop(1)).__name__

    @query
    def init_subclass(self) -> str:
        return type("First", (Base,), {}).__name__

    @query
    def descriptor(self) -> str:
        class Bound:
            def __get__(self, instance, owner):
                return instance.bound

        class Owner:
            bound = Bound()

        return Owner().bound

    @query
    def delete(self) -> str:
        Phoenix()
        return "the last of them was not born"

    @query
    def deleted_again(self) -> str:
        Delayed(5000)
        return "all gone"

    @query
    def context(self) -> str:
        with Loop():
            return "inside"

    @query
    def decorators(self) -> int:
        @contextlib.contextmanager
        def managed(depth):
            with managed(depth + 1):
                yield depth

        with managed(0) as depth:
            return depth

    @query
    def metaclass(self) -> str:
        return str(Checked())

    @query
    def instance_check(self) -> bool:
        return isinstance(1, Checked)

    @query
    def missing(self) -> int:
        return Missing()[0]

    @query
    def sort_key(self) -> None:
        sorted([1, 2], key=lambda _: self.sort_key())

    @query
    def json_default(self) -> str:
        return json.dumps(object(), default=lambda value: [value], check_circular=False)

    @query
    def property(self) -> int:
        return Loop().again

    @query
    def exception_text(self) -> None:
        raise Text

    @query
    def swallow(self, times: int) -> int:
        """Catches RecursionError at its deepest point, and goes on there."""
        caught = 0

        def dig(left):
            nonlocal caught
            try:
                return dig(left)
            except RecursionError:
                caught += 1
                return dig(left - 1) if left else 0

        dig(times)
        return caught

    @query
    def lambda_chain(self) -> int:
        function = lambda value: value  # noqa: E731
        for _ in range(3000):
            function = (lambda inner: lambda value: inner(value))(function)
        return function(1)

    @query
    def reduce(self) -> int:
        step = functools.partial(functools.reduce, lambda one, two: step([one, two]))
        return step([1, 2])

    @query
    def exec_nested(self) -> None:
        source = "exec(source)"
        exec(source, {"source": source})

    @query
    def import_nested(self) -> str:
        class Colour(Enum):
            RED = 1

            @classmethod
            def _missing_(cls, value):
                return cls(value + 1)

        return str(Colour(2))
