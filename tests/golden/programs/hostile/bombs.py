"""Depth bombs: values nested so deeply that walking them recurses in C; Python's limit or the sandbox's ends it."""

from __future__ import annotations

import ast
import collections
import copy
import functools
import itertools
import json
import operator
import pickle
import pprint
import re
from decimal import Decimal
from fractions import Fraction

from phat import Contract, query

# > represent [20000]
# > json_out [50000]
# > json_in [200000]
# > json_objects [100000]
# > hash_tuples [100000]
# > compare_lists [50000]
# > compare_dicts [30000]
# > less_tuples [50000]
# > deep_copy [20000]
# > pickled [30000]
# > unpickled [10000]
# > regular_expression [5000]
# > compiled_brackets [50000]
# > compiled_unary [50000]
# > compiled_sum [20000]
# > compiled_blocks [200]
# > parsed_by_ast [50000]
# > literal [50000]
# > chained_iterators [50000]
# > mapped [100000]
# > zipped [30000]
# > partials [30000]
# > is_instance [100000]
# > unions [20000]
# > freed [500000]
# > freed_chain [100000]
# > freed_iterators [100000]
# > generators [5000]
# > groups [30000]
# > bound_methods [30000]
# > slices [50000]
# > pretty [20000]
# > format_specs [5000]
# > xml [50000]
# > views [10000]
# > frozen_sets [10000]
# > default_dicts [10000]
# > attribute_getters [10000]
# > numbers [2000]


def nested(depth, kind=list):
    value = kind()
    for _ in range(depth):
        value = (value,) if kind is tuple else [value]
    return value


class Link:
    def __init__(self, to):
        self.to = to


class Bombs(Contract):
    @query
    def represent(self, depth: int) -> int:
        return len(repr(nested(depth)))

    @query
    def json_out(self, depth: int) -> int:
        return len(json.dumps(nested(depth)))

    @query
    def json_in(self, depth: int) -> int:
        return len(json.loads("[" * depth + "]" * depth))

    @query
    def json_objects(self, depth: int) -> int:
        return len(json.loads('{"a":' * depth + "1" + "}" * depth))

    @query
    def hash_tuples(self, depth: int) -> int:
        return hash(nested(depth, tuple)) & 1

    @query
    def compare_lists(self, depth: int) -> bool:
        return nested(depth) == nested(depth)

    @query
    def compare_dicts(self, depth: int) -> bool:
        def make():
            value = {}
            for _ in range(depth):
                value = {1: value}
            return value

        return make() == make()

    @query
    def less_tuples(self, depth: int) -> bool:
        return nested(depth, tuple) < nested(depth, tuple)

    @query
    def deep_copy(self, depth: int) -> int:
        return len(copy.deepcopy(nested(depth)))

    @query
    def pickled(self, depth: int) -> int:
        return len(pickle.dumps(nested(depth)))

    @query
    def unpickled(self, depth: int) -> int:
        return len(repr(pickle.loads(b"]" * depth + b"a" * (depth - 1) + b".")))

    @query
    def regular_expression(self, depth: int) -> bool:
        return bool(re.fullmatch("(" * depth + "a" + ")" * depth, "a"))

    @query
    def compiled_brackets(self, depth: int) -> int:
        return eval("(" * depth + "1" + ")" * depth)

    @query
    def compiled_unary(self, depth: int) -> int:
        return eval("-" * depth + "1")

    @query
    def compiled_sum(self, depth: int) -> int:
        return eval("+".join("1" * depth))

    @query
    def compiled_blocks(self, depth: int) -> int:
        exec("".join(" " * level + "if 1:\n" for level in range(depth)) + " " * depth + "pass")
        return depth

    @query
    def parsed_by_ast(self, depth: int) -> str:
        return type(ast.parse("[" * depth + "]" * depth)).__name__

    @query
    def literal(self, depth: int) -> int:
        return len(ast.literal_eval("(" * depth + ")" * depth))

    @query
    def chained_iterators(self, depth: int) -> list[int]:
        value = iter([1])
        for _ in range(depth):
            value = itertools.chain(value)
        return list(value)

    @query
    def mapped(self, depth: int) -> list[int]:
        value = iter([1])
        for _ in range(depth):
            value = map(int, value)
        return list(value)

    @query
    def zipped(self, depth: int) -> int:
        value = iter([1])
        for _ in range(depth):
            value = zip(value, strict=True)
        return len(list(value))

    @query
    def partials(self, depth: int) -> int:
        function = functools.partial(int, "7")
        for _ in range(depth):
            function = functools.partial(operator.call, function)
        return function()

    @query
    def is_instance(self, depth: int) -> bool:
        return isinstance(1, nested(depth, tuple))

    @query
    def unions(self, depth: int) -> int:
        value = list[int]
        for _ in range(depth):
            value = list[value]
        return len(repr(value))

    @query
    def freed(self, depth: int) -> int:
        value = nested(depth, tuple)
        del value
        return depth

    @query
    def freed_chain(self, depth: int) -> int:
        value = None
        for _ in range(depth):
            value = Link(value)
        del value
        return depth

    @query
    def freed_iterators(self, depth: int) -> int:
        value = iter([1])
        for _ in range(depth):
            value = map(int, value)
        del value
        return depth

    @query
    def generators(self, depth: int) -> int:
        def wrap(inner):
            yield from inner

        value = iter([7])
        for _ in range(depth):
            value = wrap(value)
        return next(value)

    @query
    def groups(self, depth: int) -> int:
        group = ValueError(1)
        for _ in range(depth):
            group = ExceptionGroup("", [group])
        matching, _ = group.split(ValueError)
        return len(str(matching))

    @query
    def bound_methods(self, depth: int) -> int:
        method = operator.itemgetter(0)
        for _ in range(depth):
            method = type(self.freed)(operator.call, method)
        return hash(method) & 1

    @query
    def slices(self, depth: int) -> int:
        value = 0
        for _ in range(depth):
            value = slice(value, value)
        return hash(value) & 1 if depth < 20 else int(value == slice(value.start, value.start))

    @query
    def pretty(self, depth: int) -> int:
        return len(pprint.pformat(nested(depth)))

    @query
    def format_specs(self, depth: int) -> str:
        return ("{" * depth + "0" + "}" * depth).format(1)

    @query
    def xml(self, depth: int) -> int:
        from xml.etree import ElementTree

        root = ElementTree.fromstring("<a>" * depth + "</a>" * depth)
        return len(copy.deepcopy(root)) + len(ElementTree.tostring(root))

    @query
    def views(self, depth: int) -> int:
        value = {}
        for _ in range(depth):
            value = collections.UserDict({1: value})
        return len(repr(value))

    @query
    def frozen_sets(self, depth: int) -> int:
        value = frozenset()
        for _ in range(depth):
            value = frozenset([value])
        return len(repr(value))

    @query
    def default_dicts(self, depth: int) -> int:
        value = collections.defaultdict(list)
        for _ in range(depth):
            value = collections.OrderedDict(a=value)
        return len(repr(value))

    @query
    def attribute_getters(self, depth: int) -> int:
        return operator.attrgetter(".".join(["to"] * depth))(Link(1))

    @query
    def numbers(self, depth: int) -> str:
        value = Fraction(1, 1)
        for _ in range(depth):
            value = 1 + 1 / value
        return str(Decimal(value.numerator) / value.denominator)
