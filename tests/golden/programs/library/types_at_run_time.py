"""Type hints at run time: protocols, generics, typed dictionaries, literal types, new types, overloads, signatures."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import (
    Annotated,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Protocol,
    TypedDict,
    TypeVar,
    runtime_checkable,
)

from phat import Contract, query

# > protocols []
# > hints []
# > generics []
# > signatures []
# > narrowing []

T = TypeVar("T")
Celsius = NewType("Celsius", float)


@runtime_checkable
class Quacks(Protocol):
    def quack(self) -> str: ...


class Duck:
    def quack(self) -> str:
        return "quack"


class Box(Generic[T]):
    content: T
    count: ClassVar[int] = 0


class Film(TypedDict, total=False):
    title: str
    year: int


class Pair(NamedTuple):
    left: int
    right: str = "none"


class Hints(Contract):
    @query
    def protocols(self) -> list[bool]:
        return [isinstance(Duck(), Quacks), isinstance(3, Quacks), issubclass(Duck, Quacks)]

    @query
    def hints(self) -> list[str]:
        def sample(
            a: int, b: Annotated[str, "note"], *c: Callable[[int], str] | None, d: Literal["x", 3] = "x"
        ) -> list[Film]: ...

        hints = typing.get_type_hints(
            sample,
            {"Film": Film, "Callable": Callable, "Literal": Literal, "Annotated": Annotated},
            include_extras=True,
        )
        return [f"{name}: {hint}" for name, hint in hints.items()] + [
            str(Film.__optional_keys__ == {"title", "year"}),
            str(Pair._field_defaults),
        ]

    @query
    def generics(self) -> list[str]:
        alias = Box[int]
        return [
            str(alias),
            str(typing.get_args(dict[str, list[int]])),
            str(typing.get_origin(alias).__name__),
            str(int | str | None),
            str(isinstance(3, int | str)),
            str(Celsius(3.5)),
            str(types.GenericAlias(list, (int,))),
        ]

    @query
    def signatures(self) -> list[str]:
        def target(a, /, b=2, *rest, c, d=None, **more):
            return None

        signature = inspect.signature(target)
        bound = signature.bind(1, c=3, e=5)
        bound.apply_defaults()
        said = [
            str(signature),
            str(bound.arguments),
            str(inspect.getdoc(Hints)),
            str([p.kind.name for p in signature.parameters.values()]),
        ]
        try:
            signature.bind(1)
        except TypeError as error:
            said.append(str(error))
        return said

    @query
    def narrowing(self) -> list[str]:
        said = []
        for value in ("a", 1, None):
            match value:
                case str():
                    said.append(value.upper())
                case int():
                    said.append(str(value + 1))
                case _:
                    said.append(str(typing.assert_type(value, None)))
        return said
