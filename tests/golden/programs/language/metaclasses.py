"""Metaclasses and class creation: a registry, ``__prepare__``, ``__init_subclass__``, ``__set_name__``, a diamond."""

from __future__ import annotations

from typing import Any

from phat import Contract, query

# > registry []
# > shout []
# > diamond []
# > made_at_run_time [["alpha", "beta"]]
# > conflict []


class Registry(type):
    kinds: dict[str, type] = {}

    @classmethod
    def __prepare__(cls, name: str, bases: tuple[type, ...], **options: Any) -> dict[str, object]:
        return {"prepared": sorted(options)}

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any) -> Registry:
        made = super().__new__(cls, name, bases, body)
        cls.kinds[name] = made
        return made

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any) -> None:
        super().__init__(name, bases, body)

    def __len__(cls) -> int:
        return len(cls.__name__)

    def __call__(cls, *arguments: object) -> object:
        return ("made", super().__call__(*arguments))


class Shape(metaclass=Registry, sides=0):
    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Square(Shape, sides=4, colour="red"):
    pass


class Named:
    def __set_name__(self, owner: type, name: str) -> None:
        self.label = f"{owner.__name__}.{name}"


class Plugin:
    found: list[str] = []

    def __init_subclass__(cls, /, loud: bool = False, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        cls.found.append(cls.__name__.upper() if loud else cls.__name__)


class Quiet(Plugin):
    field = Named()


class Loud(Plugin, loud=True):
    pass


class Top:
    def who(self) -> list[str]:
        return ["Top"]


class Left(Top):
    def who(self) -> list[str]:
        return ["Left", *super().who()]


class Right(Top):
    def who(self) -> list[str]:
        return ["Right", *super().who()]


class Bottom(Left, Right):
    def who(self) -> list[str]:
        return ["Bottom", *super().who()]


class Kinds(Contract):
    @query
    def registry(self) -> list[str]:
        return [*Registry.kinds, str(len(Square)), str(Square()), str(Square.prepared), type(Square).__name__]

    @query
    def shout(self) -> list[str]:
        return [*Plugin.found, Quiet.field.label]

    @query
    def diamond(self) -> list[str]:
        return [*Bottom().who(), *(kind.__name__ for kind in Bottom.__mro__)]

    @query
    def made_at_run_time(self, names: list[str]) -> list[str]:
        made = [type(name, (Top,), {"who": lambda self, name=name: [name]}) for name in names]
        return [each().who()[0] + str(issubclass(each, Top)) for each in made]

    @query
    def conflict(self) -> str:
        type("Both", (Left, Top, Right, Left), {})
        return "accepted"
