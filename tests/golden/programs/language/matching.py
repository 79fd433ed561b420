"""Structural pattern matching: an expression simplifier over nested tuples, classes and mappings."""

from __future__ import annotations

from dataclasses import dataclass

from phat import Contract, query

# > simplify ["x*1+0"]
# > simplify ["(2+3)*x*0+y"]
# > simplify ["2*3+4*(5+6)"]
# > simplify ["2+"]
# > route [{"kind": "move", "by": "3"}]
# > route [{"kind": "move"}]
# > route [{"kind": "say", "text": "hi", "to": "all"}]
# > sequences []


@dataclass(frozen=True)
class Node:
    operator: str
    left: Node | str | int
    right: Node | str | int


def simplify(tree: Node | str | int) -> Node | str | int:
    match tree:
        case Node(operator, left, right):
            match Node(operator, simplify(left), simplify(right)):
                case Node("+", int(a), int(b)):
                    return a + b
                case Node("*", int(a), int(b)):
                    return a * b
                case Node("*", 0, _) | Node("*", _, 0):
                    return 0
                case Node("*", 1, rest) | Node("*", rest, 1) | Node("+", 0, rest) | Node("+", rest, 0):
                    return rest
                case simplified:
                    return simplified
        case _:
            return tree


def show(tree: Node | str | int) -> str:
    return f"({show(tree.left)}{tree.operator}{show(tree.right)})" if isinstance(tree, Node) else str(tree)


class Parser:
    def __init__(self, text: str) -> None:
        self.rest = text

    def sum(self) -> Node | str | int:
        tree = self.product()
        while self.rest[:1] == "+":
            self.rest = self.rest[1:]
            tree = Node("+", tree, self.product())
        return tree

    def product(self) -> Node | str | int:
        tree = self.atom()
        while self.rest[:1] == "*":
            self.rest = self.rest[1:]
            tree = Node("*", tree, self.atom())
        return tree

    def atom(self) -> Node | str | int:
        head, self.rest = self.rest[:1], self.rest[1:]
        if head == "(":
            tree = self.sum()
            assert self.rest[:1] == ")", f"a bracket is open before {self.rest!r}"
            self.rest = self.rest[1:]
            return tree
        if not head:
            raise SyntaxError("something is missing at the end")
        return int(head) if head.isdigit() else head


class Algebra(Contract):
    @query
    def simplify(self, text: str) -> str:
        return show(simplify(Parser(text).sum()))

    @query
    def route(self, message: dict[str, str]) -> str:
        match message:
            case {"kind": "move", "by": distance} if distance.isdigit():
                return f"moved by {int(distance)}"
            case {"kind": "say", "text": text, **rest}:
                return f"said {text} with {sorted(rest)}"
            case {"kind": kind}:
                return f"cannot {kind}"
        return "nothing"

    @query
    def sequences(self) -> list[str]:
        said = []
        for value in ([], [1], [1, 2, 3], (4, 5), "text", 2.5, None, True):
            match value:
                case []:
                    said.append("empty")
                case [only]:
                    said.append(f"only {only}")
                case [first, *middle, last]:
                    said.append(f"{first}..{middle}..{last}")
                case str() | None:
                    said.append("text or none")
                case bool(truth):
                    said.append(f"truth {truth}")
                case other:
                    said.append(f"other {other}")
        return said
