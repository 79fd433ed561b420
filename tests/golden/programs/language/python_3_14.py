"""Syntax that is newer than most readers' Python, as source text: type parameters, template strings, lazy hints."""

from __future__ import annotations

from phat import Contract, query

# > type_parameters []
# > templates ["<b>"]
# > lazy_hints []
# > brackets []
# > nested_quotes []

TYPE_PARAMETERS = """
type Pair[T] = tuple[T, T]
class Box[T: (int, str) = int]:
    def __init__(self, value: T) -> None:
        self.value = value
def first[S](values: list[S]) -> S:
    return values[0]
said = [str(Pair), str(Pair[int].__value__), str(Box.__type_params__), str(Box("a").value), str(first([3]))]
said.append(str(first.__type_params__))
"""
TEMPLATES = """
def safe(template):
    parts = []
    for part in template:
        if not isinstance(part, str):
            part = str(part.value).replace("<", "&lt;") + (part.conversion or "") + part.format_spec
        parts.append(part)
    return "".join(parts)
said = [safe(t"hello {name}, {1 + 1!r:>4} {name!s}"), repr(t"{name}".interpolations[0].expression)]
"""
LAZY_HINTS = """
class Tree:
    left: Branch
    def grow(self, by: Water = 1) -> Tree: ...
class Branch: ...
class Water: ...
import typing
said = [typing.get_type_hints(Tree)["left"].__name__, str(sorted(Tree.grow.__annotations__))]
"""
BRACKETS = """
try:
    raise ValueError("either")
except TypeError, ValueError:
    said = ["no brackets are needed"]
"""
NESTED_QUOTES = """
said = [f"{"nested " + f"{"deeper" + f"{1 + 1}"}"}", f"{3.14159!r:>{4 + 6}.5}", f"{(lambda x: x * 2)(21) = }"]
"""


def said_by(source: str, **names: object) -> list[str]:
    exec(compile(source, "newest", "exec", dont_inherit=True), names)
    return names["said"]


class Newest(Contract):
    @query
    def type_parameters(self) -> list[str]:
        return said_by(TYPE_PARAMETERS)

    @query
    def templates(self, name: str) -> list[str]:
        return said_by(TEMPLATES, name=name)

    @query
    def lazy_hints(self) -> list[str]:
        return said_by(LAZY_HINTS, __name__="made")

    @query
    def brackets(self) -> list[str]:
        return said_by(BRACKETS)

    @query
    def nested_quotes(self) -> list[str]:
        return said_by(NESTED_QUOTES)
