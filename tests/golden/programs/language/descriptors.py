"""Descriptors and attribute protocol: validation, lazy values, ``__getattr__``, ``__slots__``, properties."""

from __future__ import annotations

from phat import Contract, query

# > validated [[5, 11, -1]]
# > lazy []
# > fallback []
# > slots []
# > proxies []


class Between:
    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = "_" + name

    def __get__(self, instance: object, owner: type) -> object:
        return self if instance is None else getattr(instance, self.name, self.least)

    def __set__(self, instance: object, value: int) -> None:
        if not self.least <= value <= self.most:
            raise ValueError(f"{value} is not between {self.least} and {self.most}")
        setattr(instance, self.name, value)


class Lazy:
    def __init__(self, function):
        self.function = function

    def __get__(self, instance: object, owner: type) -> object:
        value = instance.__dict__[self.function.__name__] = self.function(instance)
        return value


class Dial:
    level = Between(0, 10)
    made = 0

    @Lazy
    def expensive(self) -> int:
        Dial.made += 1
        return Dial.made

    def __getattr__(self, name: str) -> str:
        if name.startswith("no_"):
            raise AttributeError(name)
        return f"<{name}>"


class Narrow:
    __slots__ = ("x",)


class Proxy:
    def __init__(self, target: object) -> None:
        object.__setattr__(self, "target", target)

    def __getattribute__(self, name: str) -> object:
        target = object.__getattribute__(self, "target")
        return [name, type(getattr(target, name)).__name__]

    def __delattr__(self, name: str) -> None:
        raise TypeError(f"{name} stays")


class Attributes(Contract):
    @query
    def validated(self, values: list[int]) -> list[str]:
        said = [str(Dial.level.most)]
        for value in values:
            dial = Dial()
            try:
                dial.level = value
                said.append(str(dial.level))
            except ValueError as error:
                said.append(str(error))
        return said

    @query
    def lazy(self) -> list[int]:
        one, two = Dial(), Dial()
        return [one.expensive, one.expensive, two.expensive, Dial.made]

    @query
    def fallback(self) -> list[str]:
        return [Dial().anything, str(hasattr(Dial(), "no_way")), getattr(Dial(), "no_thing", "default")]

    @query
    def slots(self) -> str:
        Narrow().y = 1
        return "accepted"

    @query
    def proxies(self) -> list[str]:
        proxy = Proxy([1])
        try:
            del proxy.append
        except TypeError as error:
            return [*proxy.append, *proxy.anything] if False else [*proxy.append, str(error)]
        return []
