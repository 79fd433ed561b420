"""Dataclasses as values of the state and of results: defaults, order, slots, replacement, frozen ones."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, astuple, dataclass, field, fields, replace

from phat import Contract, Map, command, query

# > put ["oak", 3, ["wood"]]
# > put ["elm", 1, []]
# > put ["ash", 3, ["wood", "light"]]
# > put ["ash", -1, []]
# > ranked []
# > shapes []
# > freeze []


@dataclass(order=True)
class Item:
    weight: int
    name: str = ""
    tags: list[str] = field(default_factory=list, compare=False)

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ValueError(f"{self.name} would float away")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = field(default=7, repr=False)


class Store(Contract):
    items: Map[str, Item]

    @command
    def put(self, name: str, weight: int, tags: list[str]) -> Item:
        item = Item(weight, name, tags)
        self.items[name] = item
        item.tags.append(f"#{len(self.items)}")
        return item

    @query
    def ranked(self) -> list[Item]:
        return sorted(self.items.values(), reverse=True)

    @query
    def shapes(self) -> list[str]:
        point = Point(x=3)
        names = [each.name for each in fields(Point)]
        return [repr(point), repr(replace(point, y=1) == point), str(asdict(point)), str(astuple(point)), *names]

    @query
    def freeze(self) -> str:
        try:
            Point(x=1).x = 2  # type: ignore[misc]
        except FrozenInstanceError as error:
            return f"{type(error).__name__}: {error}"
        return "changed"
