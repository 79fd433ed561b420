"""Loading under fuel, snapshots, and their sealed form, with a toy interpreter."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from coprocessor.sandbox.abi import FrameKind
from coprocessor.sandbox.engine import CompiledModule, Engine, EngineOptions
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.executor_messages import (
    ExecutorFailed,
    GuestLoaded,
    Loaded,
    LoadFailed,
    LoadGuest,
    LoadProgram,
)
from coprocessor.sandbox.faults import HostShortage
from coprocessor.sandbox.images import ImagePool
from coprocessor.sandbox.instance import open_instance
from coprocessor.sandbox.loading import MAX_BUNDLE_BYTES, LoadedImage, load_image
from coprocessor.sandbox.outcome import OutcomeKind
from coprocessor.sandbox.rules import RULES
from coprocessor.sandbox.snapshots import Snapshot
from coprocessor.sandbox.validation import PYTHON_PROFILE
from coprocessor.values.errors import GuestFailed, InternalError, MalformedInput
from tests.sandbox.scenes import call, execute, guest, program_id, run

ARGUMENTS = "(i32.add (local.get $frame) (i32.const 150))"
# A load keeps the bundle's first four bytes at 3,000 and in grown memory; a call returns both, then grows memory.
TOY = f"""
  (if (i32.eqz (i32.load8_u (i32.add (local.get $frame) (i32.const 1))))
    (then
      (if (i32.eq (i32.load8_u {ARGUMENTS}) (i32.const 0x21)) (then unreachable))
      (i32.store (i32.const 3000) (i32.load {ARGUMENTS}))
      (if (i32.ne (memory.grow (i32.const 20)) (i32.const 2)) (then unreachable))
      (i32.store (i32.const 1400000) (i32.load {ARGUMENTS}))
      (i32.store (i32.const 1025) (i32.const 2)) (i32.store16 (i32.const 1029) (i32.const 0x7d7b))
      (return (i64.const 0x40000000009))))
  (i32.store (i32.const 1025) (i32.const 8))
  (i32.store (i32.const 1029) (i32.load (i32.const 3000)))
  (i32.store (i32.const 1033) (i32.load (i32.const 1400000)))
  (i32.store (i32.const 3000) (i32.const 0))
  (drop (memory.grow (i32.const 1)))
  (return (i64.const 0x4000000000f))"""
FIXED_ALLOCATOR = """(func (export "phat_alloc") (param i32) (result i32) (i32.const 65536))"""


@pytest.fixture(scope="module")
def toy(engine: Engine) -> CompiledModule:
    return engine.compile(guest(TOY, allocator=FIXED_ALLOCATOR), PYTHON_PROFILE)


def _python(number: int, bundle: bytes, snapshot: bytes | None = None) -> LoadProgram:
    return LoadProgram(program_id(number), "python", bundle, (), bytes(32), bytes(32), bytes(32), None, snapshot)


def _with_toy(engine: Engine, toy: CompiledModule) -> Executor:
    executor = Executor(engine)
    assert isinstance(executor.handle(LoadGuest("python", b"", toy.serialize())), GuestLoaded)
    return executor


def test_loaded_programs_share_an_interpreter_but_not_their_memory(engine: Engine, toy: CompiledModule) -> None:
    executor = _with_toy(engine, toy)
    for number, bundle in ((1, b"abcd"), (2, b"wxyz")):
        loaded = executor.handle(_python(number, bundle))
        assert isinstance(loaded, Loaded)
        assert (loaded.interface, loaded.compiled) == (b"{}", None)
        assert loaded.fuel > 0
        assert loaded.snapshot is not None
    results = [item.outcome.result for item in execute(executor, *[call(1), call(2)] * 2)]
    assert results == [b"abcdabcd", b"wxyzwxyz"] * 2


def test_snapshot_and_load_give_equal_outcomes(engine: Engine, toy: CompiledModule) -> None:
    first, second = _with_toy(engine, toy), _with_toy(engine, toy)
    loaded = first.handle(_python(1, b"abcd"))
    again = second.handle(_python(1, b"abcd", loaded.snapshot))
    assert (again.interface, again.fuel, again.snapshot) == (loaded.interface, loaded.fuel, None)
    assert run(first) == run(second)


def test_interpreter_is_compiled_once_and_can_be_kept(engine: Engine) -> None:
    wasm = guest(TOY, allocator=FIXED_ALLOCATOR)
    first = Executor(engine).handle(LoadGuest("python", wasm))
    assert isinstance(first, GuestLoaded)
    assert first.compiled is not None
    second = Executor(engine).handle(LoadGuest("python", b"", first.compiled))
    assert second == GuestLoaded("python", first.digest, None)


def test_compiled_code_of_another_configuration_is_not_used(engine: Engine, toy: CompiledModule) -> None:
    other = Engine(EngineOptions(is_interruptible=False))
    with pytest.raises(MalformedInput):
        other.deserialize(toy.serialize())
    refused = Executor(other).handle(LoadGuest("python", b"", toy.serialize()))
    assert isinstance(refused, ExecutorFailed)
    assert (refused.code, refused.is_fatal) == ("executor.guest_code", False)
    wasm = guest(TOY, allocator=FIXED_ALLOCATOR)
    again = Executor(other).handle(LoadGuest("python", wasm, toy.serialize()))
    assert isinstance(again, GuestLoaded)
    assert again.compiled is not None


def test_snapshot_that_does_not_fit_is_made_again(engine: Engine, toy: CompiledModule) -> None:
    executor = _with_toy(engine, toy)
    reply = executor.handle(_python(1, b"abcd", b"no snapshot"))
    assert isinstance(reply, Loaded)
    assert reply.snapshot is not None
    assert run(executor).result == b"abcdabcd"


def test_failing_load_says_why(engine: Engine, toy: CompiledModule) -> None:
    reply = _with_toy(engine, toy).handle(_python(1, b"!"))
    assert isinstance(reply, LoadFailed)
    assert reply.code == "program.load"
    assert "trap: unreachable" in reply.message


def test_load_has_limits(toy: CompiledModule) -> None:
    with pytest.raises(GuestFailed) as caught:
        load_image(toy, b"abcd", replace(RULES, load_fuel=5))
    assert "fuel" in str(caught.value)
    with pytest.raises(MalformedInput):
        load_image(toy, bytes(MAX_BUNDLE_BYTES + 1))


@pytest.mark.parametrize(
    "body",
    [
        "(drop (call $kv_get (i32.const 0) (i32.const 1)))",
        "(call $kv_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))",
        "(call $kv_delete (i32.const 0) (i32.const 1))",
        "(drop (call $kv_scan (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1)))",
        "(drop (call $derive_key (i32.const 0) (i32.const 1)))",
        "(drop (call $sign (i32.const 0) (i32.const 32)))",
        "(drop (call $random (i32.const 1)))",
        "(drop (call $call (i32.const 0) (i32.const 0) (i32.const 4)))",
    ],
)
def test_load_sees_nothing_of_the_world(engine: Engine, body: str) -> None:
    with pytest.raises(GuestFailed) as caught:
        load_image(engine.compile(guest(body)), b"")
    assert "while a program is loaded" in str(caught.value)


def test_load_that_changes_a_global_is_refused(engine: Engine) -> None:
    with pytest.raises(GuestFailed) as caught:
        load_image(engine.compile(guest("")), b"")
    assert "global" in str(caught.value)


@pytest.mark.parametrize(
    "instruction",
    [
        "(table.set 0 (i32.const 0) (ref.null func))",
        "(table.fill 0 (i32.const 0) (ref.null func) (i32.const 1))",
        "(table.copy 0 0 (i32.const 0) (i32.const 0) (i32.const 1))",
        "(data.drop $passive)",
    ],
)
def test_modules_with_state_outside_memory_have_no_snapshot(engine: Engine, instruction: str) -> None:
    functions = f'(table 2 funcref) (data $passive "x") (func (if (i32.const 0) (then {instruction})))'
    module = engine.compile(guest("", functions, allocator=FIXED_ALLOCATOR))
    with pytest.raises(GuestFailed) as caught:
        load_image(module, b"")
    assert "tables" in str(caught.value)


def test_snapshot_is_exact(toy: CompiledModule) -> None:
    image = load_image(toy, b"abcd")
    snapshot = image.program.snapshot
    assert snapshot is not None
    assert snapshot.delta_bytes < 8 * 4096
    live = open_instance(image.program)
    try:
        assert live.memory_bytes() == 22 * 65536
        assert (live.read(3000, 4), live.read(1400000, 4), live.read(2**20, 8)) == (b"abcd", b"abcd", bytes(8))
    finally:
        live.close()


def test_serialized_images_round_trip_and_refuse_changes(engine: Engine, toy: CompiledModule) -> None:
    image = load_image(toy, b"abcd")
    data = image.serialize()
    assert LoadedImage.deserialize(data, toy) == image
    for position in range(0, len(data), max(1, len(data) // 300)):
        changed = bytearray(data)
        changed[position] ^= 1
        try:
            assert LoadedImage.deserialize(bytes(changed), toy).program == image.program
        except MalformedInput:
            continue
    with pytest.raises(MalformedInput):
        LoadedImage.deserialize(data, engine.compile(guest("")))


def test_snapshots_are_checked(toy: CompiledModule) -> None:
    snapshot = load_image(toy, b"abcd").program.snapshot
    assert snapshot is not None
    page = bytes(4096)
    for changed in (
        replace(snapshot, memory_bytes=65536 * 3000),
        replace(snapshot, memory_bytes=65537),
        replace(snapshot, module=b""),
        replace(snapshot, runs=((1, page),)),
        replace(snapshot, runs=((4096, page), (0, page))),
        replace(snapshot, runs=((0, b""),)),
        replace(snapshot, runs=((snapshot.memory_bytes, page),)),
    ):
        with pytest.raises(MalformedInput):
            Snapshot.deserialize(changed.serialize())
    with pytest.raises(MalformedInput):
        Snapshot.deserialize(b"")


def test_raw_programs_never_get_a_load(engine: Engine) -> None:
    body = "(if (i32.eqz (i32.load8_u (i32.add (local.get $frame) (i32.const 1)))) (then unreachable))"
    executor = Executor(engine)
    executor.handle(LoadProgram(program_id(1), "wasm", guest(body), (), bytes(32), bytes(32), bytes(32)))
    assert run(executor, kind=FrameKind.INIT).kind == OutcomeKind.OK


def test_mapped_and_copied_snapshots_are_equal() -> None:
    outcomes, memories = [], []
    for options in (EngineOptions(), EngineOptions(maps_snapshots=False), EngineOptions(path="public")):
        own = Engine(options)
        module = own.compile(guest(TOY, allocator=FIXED_ALLOCATOR), PYTHON_PROFILE)
        executor = _with_toy(own, module)
        for number, text in ((1, b"abcd"), (2, b"wxyz")):
            executor.handle(_python(number, text))
        outcomes.append([item.outcome for item in execute(executor, *[call(1), call(2)] * 3)])
        image = load_image(module, b"abcd").program
        for _ in range(3):
            live = open_instance(image)
            memories.append(live.read(0, live.memory_bytes()))
            live.write(3000, b"dirty")
            live.close()
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(set(memories)) == 1


def test_images_beyond_the_capacity_are_dropped(toy: CompiledModule) -> None:
    before = set(os.listdir("/proc/self/fd"))
    pool = ImagePool(capacity=2)
    images = [load_image(toy, text).program for text in (b"aaaa", b"bbbb", b"cccc")]
    for _ in range(2):
        for image, text in zip(images, (b"aaaa", b"bbbb", b"cccc"), strict=True):
            assert image.snapshot is not None
            for _ in range(2):
                live = toy.instantiate()
                pool.restore(image.snapshot, live)
                assert (live.read(3000, 4), live.read(1400000, 4)) == (text, text)
                live.close()
    assert len(set(os.listdir("/proc/self/fd")) - before) == 2
    pool.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_machine_without_memory_files_copies(toy: CompiledModule, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError("no memory files here")

    monkeypatch.setattr(os, "memfd_create", fail)
    pool = ImagePool()
    image = load_image(toy, b"abcd").program
    for _ in range(2):
        live = toy.instantiate()
        assert image.snapshot is not None
        pool.restore(image.snapshot, live)
        assert live.read(3000, 4) == b"abcd"
        live.close()


def test_image_larger_than_the_memory_is_refused(toy: CompiledModule) -> None:
    live = toy.instantiate()
    try:
        for length in (65536 * 100, 65537):
            with pytest.raises(InternalError):
                live.map_memory(-1, length)
        with pytest.raises(HostShortage):
            live.map_memory(-1, 65536)
    finally:
        live.close()
