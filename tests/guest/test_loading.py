"""Loading a bundle: what is found in it, what is refused, and what a hostile one can do."""

from __future__ import annotations

import json
import zlib

import pytest

from phat.bundle import MAX_UNPACKED_BYTES, Bundle, encode_bundle
from tests.guest.worlds import GuestWorld, LoadFailed, World, command, query

COUNTER = """
from phat import Contract, command

class Counter(Contract):
    count: int = 0

    @command
    def up(self) -> int:
        self.count += 1
        return self.count
"""


def test_a_project_of_many_files(guest_world: GuestWorld) -> None:
    files = {
        "contract.py": "from phat import *\nfrom shapes.circle import area\nimport helpers\nimport plain.deep.leaf\n"
        "from rules import Ownable\n"
        "TABLE = read_data('data/table.csv').decode().split(',')\n"
        "class Shapes(Ownable):\n"
        "    @query\n    def area(self, r: int) -> int:\n        return area(r) + helpers.ONE + plain.deep.leaf.TWO\n"
        "    @query\n    def table(self) -> list[str]:\n        return TABLE\n"
        "    @query\n    def fail(self) -> None:\n        helpers.fail()\n",
        "rules.py": "from phat import *\nclass Ownable(Contract):\n    owner: Address = Address()\n"
        "    @command\n    def claim(self) -> Address:\n        self.owner = self.env.caller\n"
        "        return self.owner\n",
        "helpers.py": "ONE = 1\ndef fail():\n    raise ValueError('from the helper')\n",
        "shapes/__init__.py": "",
        "shapes/circle.py": "from .number import THREE\ndef area(r): return THREE * r * r\n",
        "shapes/number.py": "THREE = 3\n",
        "plain/deep/leaf.py": "TWO = 2\n",
    }
    program = guest_world.load_files(files, {"data/table.csv": b"a,b,c"})
    assert program.interface["name"] == "Shapes"
    assert query(program, "area", 2).value == 15
    assert query(program, "table").value == ["a", "b", "c"]
    assert command(program, "claim").value == "0x" + "aa" * 20
    assert query(program, "fail").text == "ValueError: from the helper (helpers.py:3)"


@pytest.mark.parametrize("name", ["token.py", "json.py", "collections/abc.py", "phat.py"])
def test_a_module_that_the_library_would_hide_is_refused(guest_world: GuestWorld, name: str) -> None:
    """Such a contract would be looked for in the library's module, and such a helper never be imported."""
    module = name.removesuffix(".py").replace("/", ".")
    for bundle in (Bundle(name, {name: COUNTER}, {}), Bundle("main.py", {"main.py": COUNTER, name: ""}, {})):
        with pytest.raises(LoadFailed) as caught:
            guest_world.load_bundle(encode_bundle(bundle))
        assert f"{name}: Python's library has a module {module} too" in str(caught.value)


def test_a_module_may_have_a_name_of_the_guests_own(guest_world: GuestWorld) -> None:
    program = guest_world.load_bundle(encode_bundle(Bundle("app.py", {"app.py": COUNTER}, {})))
    assert command(program, "up").value == 1


def refused(world: World, source: str) -> str:
    with pytest.raises(LoadFailed) as caught:
        world.load(
            "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom phat import *\n" + source
        )
    return str(caught.value)


CLASS = "class C(Contract):\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("  x: set[int]", "C.x: the type set[int] is not supported"),
        ("  x: object", "C.x: the type object is not supported: name the type of the value"),
        ("  x: list", "C.x: the type list is not supported: say what is inside: list[int]"),
        ("  x: dict[int, int]", "keys must be str; a field may be a Map"),
        ("  x: tuple[int, ...]", "use list[...] for any number of values"),
        ("  x: int | str", "a union may only be T | None"),
        ("  x: Missing", "a type hint cannot be resolved: name 'Missing' is not defined"),
        ("  x: Map", "say what the map holds: Map[str, int]"),
        ("  x: Map[float, int]", "float cannot be the key of a Map"),
        ("  x: Map[str, int] = {}", "a Map starts empty and takes no default"),
        ("  x: int = 'a'", "C.x: the default: expected int, got str 'a'"),
        ("  x: Uint8 = 256", "C.x: the default: expected uint8"),
        ("  env: int", "C.env: Contract uses this name"),
        ("  emit: int", "C.emit: this name is taken"),
        ("  é: int", "not ASCII"),
        ("  @query\n  def f(self, a) -> int: ...", "C.f(a): the parameter has no type hint"),
        ("  @query\n  def f(self): ...", "C.f: the result has no type hint: add '-> None'"),
        ("  @query\n  def f(self, *a: int) -> None: ...", "only plain parameters are possible"),
        ("  @query\n  def f(self, *, a: int) -> None: ...", "only plain parameters are possible"),
        ("  @query\n  def f(self, a: int = 'x') -> None: ...", "C.f(a): the default: expected int"),
        ("  @query\n  async def f(self) -> None: ...", "neither async nor a generator"),
        ("  @query\n  def f(self) -> int:\n    yield 1", "neither async nor a generator"),
        ("  @query\n  def _f(self) -> None: ...", "public ASCII name"),
        ("  @query\n  def emit(self) -> None: ...", "that Contract does not use"),
        ("  @command\n  def init(self) -> None: ...", "init needs no decorator"),
        ("  def init(self) -> int: ...", "init returns nothing"),
        ("  def init(self, a): ...", "C.init(a): the parameter has no type hint"),
        ("  @request\n  def f(self, a: float) -> None: ...", "f(a): float has no Ethereum ABI type"),
        ("  @request\n  def f(self) -> dict[str, int]: ...", "f result: dict[str, int] has no Ethereum ABI type"),
        ("  @request\n  def f(self, a: int | None) -> None: ...", "f(a): int | None has no Ethereum ABI type"),
    ],
)
def test_what_has_no_interface_is_refused(world: World, source: str, message: str) -> None:
    assert message in refused(world, CLASS + source)


def test_dataclasses_must_have_a_fixed_form(world: World) -> None:
    source = "@dataclass\nclass Node:\n  next: Node | None\nclass C(Contract):\n  x: Map[str, Node]"
    assert "Node contains itself" in refused(world, source)
    source = "@dataclass\nclass Bad:\n  what: set[int]\nclass C(Contract):\n  x: Map[str, Bad]"
    assert "Bad.what: the type set[int] is not supported" in refused(world, source)


def test_an_override_must_say_its_kind(guest_world: GuestWorld) -> None:
    source = (
        "class B(Contract):\n  @query\n  def f(self) -> int: return 1\nclass C(B):\n  def f(self) -> int: return 2\n"
    )
    assert "C.f overrides an interface method: decorate it too" in refused(guest_world, source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "contract.py must define exactly one contract (a class of Contract), found: none"),
        ("class A(Contract): pass\nclass B(Contract): pass", "found: A, B"),
        ("def f(:\n", "SyntaxError: invalid syntax"),
        ("1 / 0", "ZeroDivisionError: division by zero (contract.py:4)"),
        ("import requests", "ModuleNotFoundError: No module named 'requests': a program has no network"),
        ("raise SystemExit(2)", "SystemExit: 2 (contract.py:4)"),
        ("import time; time.time()", "time.time is not available"),
        ("x = 'a' * 10**9", "MemoryError"),
    ],
)
def test_what_the_guest_refuses(guest_world: GuestWorld, source: str, message: str) -> None:
    assert message in refused(guest_world, source)


def test_bases_are_no_contracts_of_their_own(guest_world: GuestWorld) -> None:
    source = "from phat import *\nclass Base(Contract):\n  a: int = 1\nclass Leaf(Base):\n  b: int = 2\n"
    program = guest_world.load(source)
    assert program.interface["name"] == "Leaf"
    assert [field["name"] for field in program.interface["fields"]] == ["a", "b"]


def packed(content: object) -> bytes:
    return zlib.compress(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def good(**changes: object) -> dict[str, object]:
    return {"bundle": 1, "data": {}, "entry": "contract.py", "files": {"contract.py": COUNTER}, **changes}


def test_the_hand_made_bundle_is_good(guest_world: GuestWorld) -> None:
    assert guest_world.load_bundle(packed(good())).interface["name"] == "Counter"


MANY = {f"m{number}.py": "" for number in range(256)}
HOSTILE = {
    "not zlib": (b"hello", "cannot be read"),
    "empty": (b"", "truncated"),
    "truncated": (packed(good())[:-5], "truncated"),
    "with a tail": (packed(good()) + b"x", "truncated"),
    "a bomb": (zlib.compress(bytes(MAX_UNPACKED_BYTES + 1), 9), f"more than {MAX_UNPACKED_BYTES} bytes"),
    "too long": (bytes((1 << 20) + 1), "at most 1048576"),
    "not JSON": (zlib.compress(b"{"), "cannot be read"),
    "not UTF-8": (zlib.compress(b'{"\xff":1}'), "cannot be read"),
    "not canonical": (zlib.compress(json.dumps(good()).encode()), "not canonical"),
    "deeply nested": (zlib.compress(b"[" * 100000 + b"]" * 100000), "nested 100000 levels"),
    "a list": (packed([1]), "exactly the fields"),
    "a field too much": (packed(good(more=1)), "exactly the fields"),
    "another version": (packed(good(bundle=2)), "version 2"),
    "no entry": (packed(good(entry="other.py")), "no file 'other.py'"),
    "entry is a number": (packed(good(entry=3)), "entry is not text"),
    "files is a list": (packed(good(files=["contract.py"])), "not an object"),
    "source is a number": (packed(good(files={"contract.py": 3})), "is not text"),
    "data is not base64": (packed(good(data={"a.bin": "!"})), "not base64"),
    "too many files": (packed(good(files={"contract.py": "", **MANY})), "more than 256"),
    **{
        f"path {path}": (packed(good(files={"contract.py": COUNTER, path: ""})), "may not hold a file")
        for path in ("../x.py", "/x.py", "a//b.py", "a/../b.py", "x", "x.txt", "a b.py", "é.py", "1.py", "\0.py",
                     "__init__.py", "x" * 300 + ".py", "a/" * 20 + "b.py", ".hidden.py", "a\\b.py")
    },
    **{
        f"data path {path}": (packed(good(data={path: ""})), "may not hold a file")
        for path in ("../x", "/x", "x.py", ".hidden", "a//b", "a/./b")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bundles(guest_world: GuestWorld, name: str) -> None:
    bundle, message = HOSTILE[name]
    with pytest.raises(LoadFailed) as caught:
        guest_world.load_bundle(bundle)
    assert message in str(caught.value)


def test_encoding_is_deterministic_and_checked() -> None:
    one = encode_bundle(Bundle("a.py", {"b.py": "1", "a.py": "2"}))
    two = encode_bundle(Bundle("a.py", {"a.py": "2", "b.py": "1"}))
    assert one == two
