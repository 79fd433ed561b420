"""A minimal host of guest ABI v1 over wasmtime's public API, to hold the guest against nothing but the ABI page.

It keeps a plain dictionary as state and applies writes at once; the real engine, with meters, overlays and
snapshots, is ``coprocessor.sandbox``.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import wasmtime

from driver_frames import Frame, Reply, parse_reply

FUEL = 50_000_000_000
MEMORY_BYTES = 128 << 20
ABSENT = -1
_STACK_BYTES = 1 << 20

CallHandler = Callable[[bytes, bytes], bytes]


class GuestTrap(Exception):
    """The guest trapped: unreachable code, fuel, memory."""


def make_engine() -> wasmtime.Engine:
    """An engine with the determinism switches that the product uses."""
    config = wasmtime.Config()
    config.consume_fuel = True
    config.cranelift_nan_canonicalization = True
    config.wasm_threads = False
    config.wasm_relaxed_simd = False
    config.max_wasm_stack = _STACK_BYTES
    return wasmtime.Engine(config)


def compile_cached(engine: wasmtime.Engine, wasm: bytes, folder: Path) -> wasmtime.Module:
    """Compiles a module, keeping native code in ``folder`` under the digest of wasm and wasmtime version."""
    key = hashlib.sha256(wasm + version("wasmtime").encode() + b"driver-2").hexdigest()[:32]
    path = folder / f"{key}.cwasm"
    if path.exists():
        return wasmtime.Module.deserialize_file(engine, str(path))
    module = wasmtime.Module(engine, wasm)
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(module.serialize())
    partial.rename(path)
    return module


@dataclass(slots=True)
class Machine:
    """A compiled guest module and its linker; makes instances."""

    engine: wasmtime.Engine
    module: wasmtime.Module

    def start(self, image: bytes | None = None) -> Instance:
        """A fresh instance; with ``image``, its linear memory is replaced by that snapshot."""
        return Instance(self, image)


@dataclass(slots=True)
class Observed:
    """What the host saw besides the reply."""

    state: dict[bytes, bytes] = field(default_factory=dict)
    logs: list[tuple[int, str]] = field(default_factory=list)
    reads: int = 0
    writes: int = 0


class Instance:
    """One running guest with its own store."""

    def __init__(self, machine: Machine, image: bytes | None) -> None:
        self.observed = Observed()
        self.seed = bytes(32)
        self.random_calls = 0
        self.call_handler: CallHandler = lambda program, data: b"\x01no such program"
        self.store = wasmtime.Store(machine.engine)
        self.store.set_fuel(FUEL)
        self.store.set_limits(memory_size=MEMORY_BYTES)
        linker = wasmtime.Linker(machine.engine)
        self._define(linker)
        exports = linker.instantiate(self.store, machine.module).exports(self.store)
        memory, alloc, call = exports["memory"], exports["phat_alloc"], exports["phat_call"]
        assert isinstance(memory, wasmtime.Memory)
        assert isinstance(alloc, wasmtime.Func) and isinstance(call, wasmtime.Func)
        self.memory, self.alloc, self.call_export = memory, alloc, call
        if image is not None:
            missing = len(image) - memory.data_len(self.store)
            if missing > 0:
                memory.grow(self.store, missing // 65536)
            memory.write(self.store, image)
        self.store.set_fuel(FUEL)

    def send(self, frame: Frame) -> Reply:
        """Sends one call frame.

        Raises:
            GuestTrap: if the guest traps.
        """
        encoded = frame.encode()
        try:
            packed = self.call_export(self.store, self._pass(encoded), len(encoded))
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise GuestTrap(str(error)) from error
        pointer, length = (packed >> 32) & 0xFFFFFFFF, packed & 0xFFFFFFFF
        return parse_reply(self._read(pointer, length))

    @property
    def fuel_used(self) -> int:
        return FUEL - self.store.get_fuel()

    def image(self) -> bytes:
        """The whole linear memory."""
        return bytes(self.memory.read(self.store, 0, self.memory.data_len(self.store)))

    def _pass(self, data: bytes) -> int:
        pointer: int = self.alloc(self.store, max(len(data), 1)) & 0xFFFFFFFF
        self.memory.write(self.store, data, pointer)
        return pointer

    def _return(self, data: bytes) -> int:
        packed = (self._pass(data) << 32) | len(data)
        return packed - (1 << 64) if packed >> 63 else packed

    def _read(self, pointer: int, length: int) -> bytes:
        pointer, length = pointer & 0xFFFFFFFF, length & 0xFFFFFFFF
        return bytes(self.memory.read(self.store, pointer, pointer + length))

    def _define(self, linker: wasmtime.Linker) -> None:
        i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()
        functions: list[tuple[str, int, bool, Callable[..., int | None]]] = [
            ("kv_get", 2, True, self._kv_get),
            ("kv_set", 4, False, self._kv_set),
            ("kv_delete", 2, False, self._kv_delete),
            ("kv_scan", 5, True, self._kv_scan),
            ("log", 3, False, self._log),
            ("derive_key", 2, True, self._derive_key),
            ("sign", 2, True, self._sign),
            ("random", 1, True, self._random),
            ("call", 3, True, self._call),
        ]
        for name, count, returns, function in functions:
            function_type = wasmtime.FuncType([i32] * count, [i64] if returns else [])
            linker.define_func("phat", name, function_type, function)

    def _kv_get(self, pointer: int, length: int) -> int:
        self.observed.reads += 1
        value = self.observed.state.get(self._read(pointer, length))
        return ABSENT if value is None else self._return(value)

    def _kv_set(self, key: int, key_length: int, value: int, value_length: int) -> None:
        self.observed.writes += 1
        self.observed.state[self._read(key, key_length)] = self._read(value, value_length)

    def _kv_delete(self, key: int, length: int) -> None:
        self.observed.writes += 1
        self.observed.state.pop(self._read(key, length), None)

    def _kv_scan(self, prefix: int, prefix_length: int, start: int, start_length: int, limit: int) -> int:
        wanted, after = self._read(prefix, prefix_length), self._read(start, start_length)
        keys = sorted(k for k in self.observed.state if k.startswith(wanted) and (not after or k > after))
        page = keys[: min(limit, 1024)]
        result = struct.pack("<I", len(page))
        for key in page:
            value = self.observed.state[key]
            result += struct.pack("<I", len(key)) + key + struct.pack("<I", len(value)) + value
        return self._return(result)

    def _log(self, level: int, pointer: int, length: int) -> None:
        self.observed.logs.append((level, self._read(pointer, length).decode()))

    def _derive_key(self, pointer: int, length: int) -> int:
        return self._return(hashlib.sha256(b"derive" + self._read(pointer, length)).digest())

    def _sign(self, pointer: int, length: int) -> int:
        digest = self._read(pointer, length)
        return self._return(hashlib.sha512(digest).digest() + b"\x1b")

    def _random(self, count: int) -> int:
        self.random_calls += 1
        block = hmac.new(self.seed, struct.pack("<I", self.random_calls), hashlib.sha512).digest()
        return self._return((block * (count // 64 + 1))[:count])

    def _call(self, program: int, data: int, length: int) -> int:
        return self._return(self.call_handler(self._read(program, 32), self._read(data, length)))
