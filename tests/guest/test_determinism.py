"""Equal inputs give equal outputs and equal fuel, in every fresh instance and after every load."""

from __future__ import annotations

from coprocessor.sandbox.abi import FrameKind
from coprocessor.sandbox.engine import CompiledModule, Engine
from coprocessor.sandbox.instance import LoadedProgram
from coprocessor.sandbox.snapshots import Snapshot
from tests.guest.test_contracts import TOKEN, hexed
from tests.guest.worlds import GuestProgram, GuestWorld, Reply, command, init, query, send

PROBES = """
import decimal, hashlib, json, math, random, re
from phat import Contract, query

class Probe(Contract):
    @query
    def run(self) -> list[str]:
        values = [
            hash("abc"), hash((1, "a", 2.5)), list({"a", "bb", "ccc", b"x", 1.5}), repr(object()), id([]),
            math.sin(1e5), math.exp(0.1), math.gamma(0.3), 0.1 + 0.2, 2.0**0.5, math.fsum([0.1] * 10),
            float("nan"), -float("nan"), decimal.Decimal(1) / 7, hashlib.sha256(b"a").hexdigest(),
            hashlib.blake2b(b"a").hexdigest(), hashlib.sha3_256(b"a").hexdigest(), random.Random(42).random(),
            re.sub(r"(\\d+)", lambda m: str(int(m[1]) * 2), "a12b3"), 7**300, sorted({"x": 1, "y": 2}),
        ]
        return [str(value) for value in values]

    @query
    def exhaust(self) -> None:
        while True:
            pass

    @query
    def fill(self) -> int:
        held = []
        while True:
            held.append(bytes(1 << 20))
"""


def play(world: GuestWorld) -> list[Reply]:
    """A fixed story."""
    program = world.load(TOKEN)
    replies = [init(program, "Coin", 1000)]
    for amount in (1, 2000, 3, 3):
        replies.append(command(program, "transfer", hexed(b"\x05" * 20), amount))
    replies.append(query(program, "balance"))
    return replies


def test_outputs_and_fuel_repeat(guest_world: GuestWorld) -> None:
    first = play(guest_world)
    assert play(guest_world) == first
    assert all(reply.fuel > 0 for reply in first)


def test_loading_repeats(guest_world: GuestWorld) -> None:
    one, two = guest_world.load(TOKEN), guest_world.load(TOKEN)
    assert one.load_fuel == two.load_fuel
    assert one.program.snapshot == two.program.snapshot


def test_what_python_leaves_open_is_fixed(guest_world: GuestWorld) -> None:
    program = guest_world.load(PROBES)
    first = query(program, "run")
    assert len(first.value) == 21
    assert query(program, "run") == first
    assert query(guest_world.load(PROBES), "run") == first


def test_a_snapshot_that_went_through_bytes_is_the_same_program(guest_world: GuestWorld) -> None:
    program = guest_world.load(PROBES)
    snapshot = program.program.snapshot
    assert snapshot is not None
    restored = LoadedProgram(program.program.module, Snapshot.deserialize(snapshot.serialize()))
    again = GuestProgram(restored, program.interface, program.load_fuel)
    assert query(again, "run") == query(program, "run")


def test_native_code_that_went_through_bytes_is_the_same_guest(guest: CompiledModule) -> None:
    again = GuestWorld(Engine().deserialize(guest.serialize()))
    assert query(again.load(PROBES), "run") == query(GuestWorld(guest).load(PROBES), "run")


def test_limits_are_deterministic(guest_world: GuestWorld) -> None:
    program = guest_world.load(PROBES)
    assert query(program, "fill") == query(program, "fill")
    frame_replies = {_with_little_fuel(program, fuel) for fuel in (50_000, 60_000, 2_000_000)}
    assert frame_replies == {"the limit of fuel was exhausted"}


def _with_little_fuel(program: GuestProgram, fuel: int) -> str:
    original = program.run
    program_run = lambda frame: original(frame, fuel)  # noqa: E731 - the signature of Loaded.run
    limited = type("Limited", (), {"host": program.host, "run": staticmethod(program_run), "interface": {}})()
    return send(limited, FrameKind.QUERY, "exhaust", b"[]").text


def test_a_trivial_call_stays_cheap(guest_world: GuestWorld) -> None:
    """A regression guard: figures are in docs/specification/python-guest.md."""
    source = "from phat import *\nclass C(Contract):\n  @query\n  def f(self) -> int: return 1\n"
    assert query(guest_world.load(source), "f").fuel < 150_000
