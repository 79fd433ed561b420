"""What may not be a guest, and what happens to bytes that are no module at all."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.validation import RAW_PROFILE
from coprocessor.values.errors import MalformedInput
from tests.sandbox.scenes import ALLOCATOR, EMPTY_OK, guest
from tests.support.wasm import compile_text

EXPORTS = f"""(global $next (mut i32) (i32.const 65536)) {ALLOCATOR}
  (func (export "phat_call") (param i32 i32) (result i64) {EMPTY_OK})"""
MEMORY = '(memory (export "memory") 2)'

REFUSED = {
    "guest.start_function": f"(module {MEMORY} {EXPORTS} (func $start) (start $start))",
    "guest.import": f'(module (import "env" "f" (func)) {MEMORY} {EXPORTS})',
    "guest.import of http": f'(module (import "phat" "http" (func)) {MEMORY} {EXPORTS})',
    "guest.import of wasi": f'(module (import "wasi_snapshot_preview1" "fd_write" (func)) {MEMORY} {EXPORTS})',
    "guest.import of memory": f'(module (import "phat" "memory" (memory 1)) {EXPORTS})',
    "guest.import of global": f'(module (import "phat" "g" (global i32)) {MEMORY} {EXPORTS})',
    "guest.import of table": f'(module (import "phat" "t" (table 1 funcref)) {MEMORY} {EXPORTS})',
    "guest.import_type": f'(module (import "phat" "kv_get" (func (param i32) (result i64))) {MEMORY} {EXPORTS})',
    "guest.export": f'(module {MEMORY} {EXPORTS} (func (export "_initialize")))',
    "guest.export of phat_depth": f'(module {MEMORY} {EXPORTS} (global (export "phat_depth") (mut i32) (i32.const 0)))',
    "guest.export_missing": f"(module (memory 1) {EXPORTS})",
    "guest.export_type": f"""(module {MEMORY} (func (export "phat_alloc") (result i32) (i32.const 0))
        (func (export "phat_call") (param i32 i32) (result i64) {EMPTY_OK}))""",
    "guest.export_type of memory": f'(module (func (export "memory")) {EXPORTS})',
    "guest.memory": f'(module (memory (export "memory") 1025) {EXPORTS})',
    "guest.table": f"(module {MEMORY} {EXPORTS} (table 65537 funcref))",
    "guest.table_grow": f"(module {MEMORY} {EXPORTS} (table 1 funcref) "
    "(func (drop (table.grow 0 (ref.null func) (i32.const 1)))))",
    "guest.multi_value": f"(module {MEMORY} {EXPORTS} (type (func (result i32 i32))))",
    "guest.segments": f'(module {MEMORY} {EXPORTS} (data (i32.const 131072) "x"))',
    "guest.segments of a table": f"(module {MEMORY} {EXPORTS} (table 1 funcref) (func $f) (elem (i32.const 1) $f))",
    "guest.function_too_large": f"(module {MEMORY} {EXPORTS} (func {'nop ' * 262144}))",
    "wasm.invalid": f"(module {MEMORY} {EXPORTS} (func (result i32) (i64.const 0)))",
    "wasm.invalid of simd": f"(module {MEMORY} {EXPORTS} (func (drop (v128.const i64x2 0 0))))",
    "wasm.invalid of tail calls": f"(module {MEMORY} {EXPORTS} (func $f (return_call $f)))",
    "wasm.malformed": f'(module (memory (export "memory") 1 1 shared) {EXPORTS})',
    "wasm.malformed of memory64": f'(module (memory (export "memory") i64 1) {EXPORTS})',
    "wasm.malformed of externref": f"(module {MEMORY} {EXPORTS} (table 1 externref))",
    "wasm.malformed of a tag": f"(module {MEMORY} {EXPORTS} (tag))",
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_modules(engine: Engine, case: str) -> None:
    code = case.split(" ")[0]
    with pytest.raises(MalformedInput) as caught:
        engine.compile(compile_text(REFUSED[case]))
    assert caught.value.code == code


def test_too_many_bytes(engine: Engine) -> None:
    with pytest.raises(MalformedInput) as caught:
        engine.validate(bytes(RAW_PROFILE.module_bytes + 1))
    assert caught.value.code == "guest.too_large"


def test_too_heavy_function(engine: Engine) -> None:
    heavy = replace(RAW_PROFILE, bytes_per_local=1000)
    with pytest.raises(MalformedInput) as caught:
        engine.compile(guest("", f"(func {'(local i64)' * 9000})"), heavy)
    assert caught.value.code == "guest.function_too_heavy"


def test_depth_global_cannot_be_named_by_the_module(engine: Engine) -> None:
    """Index 1 is the depth counter once the module is instrumented; before, it is nothing."""
    wasm = guest("(global.set $next (i32.const 0))")
    pattern = b"\x41\x00\x24\x00"
    assert wasm.count(pattern) == 1
    with pytest.raises(MalformedInput) as caught:
        engine.compile(wasm.replace(pattern, b"\x41\x00\x24\x01"))
    assert caught.value.code == "wasm.invalid"


@pytest.mark.parametrize("seed", range(20))
def test_mutated_modules_raise_only_documented_errors(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)
    original = guest("(drop (call $kv_get (i32.const 0) (i32.const 4)))")
    for _ in range(60):
        wasm = bytearray(original)
        for _ in range(chance.randint(1, 4)):
            wasm[chance.randrange(len(wasm))] = chance.randrange(256)
        if chance.random() < 0.3:
            wasm = wasm[: chance.randrange(len(wasm))]
        try:
            engine.compile(bytes(wasm))
        except MalformedInput:
            continue


@pytest.mark.parametrize("data", [b"", b"\0asm", b"\0asm\r\0\1\0", bytes(100), b"\0asm\1\0\0\0\1\xff\xff\xff\xff\x0f"])
def test_bytes_that_are_no_module(engine: Engine, data: bytes) -> None:
    with pytest.raises(MalformedInput) as caught:
        engine.compile(data)
    assert caught.value.code == "wasm.malformed"
