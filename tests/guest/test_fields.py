"""Fields and maps: what is read, what is written, and when."""

from __future__ import annotations

from tests.guest.worlds import OK, REVERTED, World, command, init, place, query, snapshot_state

FIELDS = """
from __future__ import annotations
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, ClassVar
from phat import *

class Colour(Enum):
    RED = 1
    BLUE = 2

@dataclass
class Inner:
    tags: list[str]

@dataclass
class Item:
    owner: Address
    amount: Uint256
    colour: Colour
    inner: Inner
    note: str | None = None

class Store(Contract):
    LIMIT: ClassVar[int] = 5
    FEE = 3
    owner: Address
    count: int = 0
    ratio: float = 0.5
    flag: bool = False
    blob: bytes = b""
    digest: Digest = Digest()
    names: list[str] = []
    pair: tuple[int, str] = (1, "x")
    scores: dict[str, int] = {}
    maybe: int | None = None
    item: Item | None = None
    small: Uint8 = 0
    colour: Colour = Colour.RED

    def init(self, owner: Address) -> None:
        self.owner = owner

    @query
    def get_owner(self) -> Address:
        return self.owner

    @command
    def put_all(self) -> None:
        self.count = 2**200
        self.ratio = 0.1
        self.flag = True
        self.blob = b"\\x00\\xff"
        self.digest = Digest("11" * 32)
        self.pair = (2, "é")
        self.maybe = 7
        self.colour = Colour.BLUE
        self.item = Item(self.owner, 5, Colour.BLUE, Inner(["a"]))

    @query
    def all(self) -> tuple[int, float, bool, bytes, Digest, tuple[int, str], int | None, Colour, Item | None]:
        simple = (self.count, self.ratio, self.flag, self.blob, self.digest)
        return (*simple, self.pair, self.maybe, self.colour, self.item)

    @command
    def change_in_place(self) -> None:
        self.names.append("a")
        self.scores["x"] = 1
        if self.item is not None:
            self.item.inner.tags.append("b")

    @command
    def touch_nothing(self) -> int:
        self.names
        self.scores
        self.item
        self.count = self.count
        return len(self.names)

    @command
    def put_small(self, value: int) -> None:
        self.small = value

    @command
    def put_wrong(self) -> None:
        self.names = ["a", 3]

    @command
    def put_undeclared(self) -> None:
        self.other = 3

    @command
    def put_constant(self) -> None:
        self.FEE = 4

    @command
    def fail_after_write(self) -> None:
        self.count = 99
        raise ValueError("no")

    @query
    def write(self) -> None:
        self.count = 1

    @query
    def write_in_place(self) -> None:
        self.names.append("a")

    @command
    def too_large(self) -> None:
        self.blob = bytes(40000)

    @command
    def delete(self) -> None:
        del self.count
"""

MAPS = """
from dataclasses import dataclass
from phat import *

@dataclass
class Bid:
    amount: Uint256

class Maps(Contract):
    votes: Map[str, int]
    bids: Map[Address, Bid]
    numbers: Map[int, str]
    allowances: Map[tuple[Address, str], Uint256]

    @command
    def vote(self, choice: str, by: int = 1) -> int:
        self.votes[choice] = self.votes.get(choice, 0) + by
        return self.votes[choice]

    @command
    def drop(self, choice: str) -> int:
        del self.votes[choice]
        return len(self.votes)

    @command
    def drop_twice(self, choice: str) -> list[bool]:
        return [self.votes.delete(choice), self.votes.delete(choice)]

    @query
    def read(self, choice: str) -> int:
        return self.votes[choice] + 0

    @query
    def tally(self) -> dict[str, int]:
        return dict(self.votes.items())

    @query
    def after(self, choice: str) -> list[str]:
        return list(self.votes.keys(after=choice))

    @query
    def facts(self, choice: str) -> tuple[bool, int, bool, int | None]:
        return (choice in self.votes, len(self.votes), bool(self.votes), self.votes.get(choice))

    @command
    def bid(self, amount: Uint256) -> None:
        me = self.env.caller
        if me not in self.bids:
            self.bids[me] = Bid(0)
        self.bids[me].amount += amount

    @command
    def raise_all(self) -> Uint256:
        for bid in self.bids.values():
            bid.amount += 1
        return sum(bid.amount for bid in self.bids.values())

    @query
    def cheat(self) -> None:
        for bid in self.bids.values():
            bid.amount += 1

    @command
    def sort(self, numbers: list[int]) -> list[int]:
        for number in numbers:
            self.numbers[number] = str(number)
        return list(self.numbers)

    @command
    def many(self, count: int) -> int:
        for number in range(count):
            self.numbers[number] = "x" * 10
        return sum(1 for _ in self.numbers.items())

    @command
    def large(self, count: int) -> int:
        for number in range(count):
            self.numbers[number] = "x" * 60000
        return 0

    @query
    def measure(self) -> int:
        return sum(1 for _ in self.numbers)

    @command
    def while_iterating(self) -> list[str]:
        seen = []
        for choice, count in self.votes.items():
            seen.append(f"{choice}{count}")
            self.votes["b"] = 50
            self.votes.delete("c")
        return seen

    @command
    def allow(self, who: Address, what: str, amount: Uint256) -> list[tuple[Address, str]]:
        self.allowances[who, what] = amount
        return list(self.allowances)

    @command
    def wrong_key(self) -> None:
        self.votes[3] = 1

    @command
    def long_key(self) -> None:
        self.votes["x" * 1100] = 1

    @command
    def assign(self) -> None:
        self.votes = {}
"""

OWNER = "0x" + "ab" * 20


def test_defaults_are_read_and_not_stored(world: World) -> None:
    program = world.load(FIELDS)
    assert query(program, "all").value == [0, 0.5, False, "0x", "0x" + "00" * 32, [1, "x"], None, "RED", None]
    assert program.host.state == {}
    assert command(program, "touch_nothing").value == 0
    assert program.host.state == {b"count": b"0"}, "an assigned value is stored, though it equals the default"


def test_a_field_without_value_says_how_to_give_it_one(world: World) -> None:
    reply = query(world.load(FIELDS), "get_owner")
    assert reply.status == REVERTED
    assert reply.text == (
        "AttributeError: owner has no value yet: set it in init, or give it a default in the class "
        + place(FIELDS, "return self.owner")
    )


def test_values_of_every_type_come_back(world: World) -> None:
    program = world.load(FIELDS)
    assert init(program, OWNER).status == OK
    assert command(program, "put_all").status == OK
    assert query(program, "all").value == [
        2**200, 0.1, True, "0x00ff", "0x" + "11" * 32, [2, "é"], 7, "BLUE",
        {"owner": OWNER, "amount": 5, "colour": "BLUE", "inner": {"tags": ["a"]}, "note": None},
    ]  # fmt: skip
    assert program.host.state[b"count"] == str(2**200).encode()
    assert program.host.state[b"item"].startswith(b'{"amount":5,"colour":"BLUE","inner":')


def test_values_changed_in_place_are_stored(world: World) -> None:
    program = world.load(FIELDS)
    init(program, OWNER)
    command(program, "put_all")
    command(program, "change_in_place")
    assert program.host.state[b"names"] == b'["a"]'
    assert program.host.state[b"scores"] == b'{"x":1}'
    assert query(program, "all").value[-1]["inner"] == {"tags": ["a", "b"]}
    command(program, "change_in_place")
    assert command(program, "touch_nothing").value == 2


def test_only_what_changed_is_written(world: World) -> None:
    program = world.load(FIELDS)
    init(program, OWNER)
    command(program, "put_all")
    command(program, "touch_nothing")
    assert program.host.writes == []


def test_a_value_that_does_not_fit_is_refused_where_it_is_assigned(world: World) -> None:
    program = world.load(FIELDS)
    assert command(program, "put_small", 255).status == OK
    reply = command(program, "put_small", 256)
    assert reply.text == "TypeError: small: expected uint8 (0 to 2**8-1), got int 256 " + place(FIELDS, "= value")
    expected = "TypeError: names[1]: expected str, got int 3 " + place(FIELDS, 'names = ["a", 3]')
    assert command(program, "put_wrong").text == expected
    assert "at most 65536" in command(program, "too_large").text


def test_undeclared_names_are_no_state(world: World) -> None:
    program = world.load(FIELDS)
    assert "declares no field other: add 'other: <type>'" in command(program, "put_undeclared").text
    assert "declares no field FEE" in command(program, "put_constant").text
    assert "cannot be deleted" in command(program, "delete").text


def test_a_failing_call_writes_nothing(world: World) -> None:
    program = world.load(FIELDS)
    assert command(program, "fail_after_write").text == "ValueError: no " + place(FIELDS, "raise ValueError")
    assert program.host.state == {}
    assert program.host.writes == []


def test_a_query_cannot_write(world: World) -> None:
    program = world.load(FIELDS)
    assert "count cannot be changed in a query: make the method a @command" in query(program, "write").text
    assert "names cannot be changed in a query" in query(program, "write_in_place").text
    assert program.host.state == {}


def test_map_entries_and_their_count(world: World) -> None:
    program = world.load(MAPS)
    assert command(program, "vote", "b").value == 1
    assert command(program, "vote", "a", 5).value == 5
    assert command(program, "vote", "b").value == 2
    assert query(program, "tally").value == {"a": 5, "b": 2}
    assert program.host.state == {b"votes/a": b"5", b"votes/b": b"2", b"votes#": b"2"}
    assert query(program, "facts", "a").value == [True, 2, True, 5]
    assert query(program, "facts", "z").value == [False, 2, True, None]
    assert query(program, "after", "a").value == ["b"]
    assert command(program, "drop", "a").value == 1
    assert command(program, "drop_twice", "b").value == [True, False]
    assert query(program, "facts", "a").value == [False, 0, False, None]
    assert program.host.state == {b"votes#": b"0"}


def test_a_missing_entry_is_named(world: World) -> None:
    program = world.load(MAPS)
    assert query(program, "read", "nobody").text == "KeyError: votes has no str 'nobody' " + place(
        MAPS, "return self.votes[choice] + 0"
    )
    assert "votes has no str 'nobody'" in command(program, "drop", "nobody").text


def test_map_values_changed_in_place_are_stored(world: World) -> None:
    program = world.load(MAPS)
    for caller, amount in ((b"\x01" * 20, 10), (b"\x02" * 20, 20), (b"\x01" * 20, 5)):
        assert command(program, "bid", amount, caller=caller).status == OK
    assert program.host.state[b"bids/" + b"\x01" * 20] == b'{"amount":15}'
    assert command(program, "raise_all").value == 37
    assert program.host.state[b"bids/" + b"\x02" * 20] == b'{"amount":21}'
    before = snapshot_state(program)
    assert "cannot be changed in a query" in query(program, "cheat").text
    assert program.host.state == before


def test_map_keys_are_in_order(world: World) -> None:
    program = world.load(MAPS)
    numbers = [0, 5, -1, 255, 256, -256, -255, 65536, -(2**70), 2**70]
    assert command(program, "sort", numbers).value == sorted(numbers)


def test_maps_longer_than_a_page(world: World) -> None:
    program = world.load(MAPS)
    assert command(program, "many", 1030).value == 1030
    assert query(program, "measure").value == 1030


def test_pages_that_are_cut_by_size(world: World) -> None:
    program = world.load(MAPS)
    assert command(program, "large", 40).status == OK
    assert query(program, "measure").value == 40


def test_changes_while_iterating(world: World) -> None:
    program = world.load(MAPS)
    for choice in "abc":
        command(program, "vote", choice)
    assert command(program, "while_iterating").value == ["a1", "b50"]
    assert query(program, "tally").value == {"a": 1, "b": 50}


def test_tuple_keys(world: World) -> None:
    program = world.load(MAPS)
    first, second = "0x" + "01" * 20, "0x" + "02" * 20
    command(program, "allow", second, "z", 1)
    command(program, "allow", first, "b\0c", 1)
    command(program, "allow", first, "b", 1)
    expected = [[first, ""], [first, "b"], [first, "b\0c"], [second, "z"]]
    assert command(program, "allow", first, "", 1).value == expected


def test_keys_that_do_not_fit(world: World) -> None:
    program = world.load(MAPS)
    assert "TypeError: a key of votes: expected str, got int 3" in command(program, "wrong_key").text
    assert "at most 1024" in command(program, "long_key").text
    assert "votes is a Map: assign its entries" in command(program, "assign").text
