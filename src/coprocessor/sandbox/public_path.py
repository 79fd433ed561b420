"""The engine driven through the public classes of the ``wasmtime`` package: slow, but without private interfaces.

The oracle of the fast path, and its fallback.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

import wasmtime

from coprocessor.sandbox.faults import GuestFault, GuestTrap, HostShortage, TrapKind
from coprocessor.sandbox.live import SETUP_FUEL, HostFunction, LiveInstance
from coprocessor.sandbox.validation import HOST_FUNCTION_TYPES
from coprocessor.values.errors import InternalError
from coprocessor.values.limits import WASM_PAGE_BYTES

__all__ = ["PublicBackend", "PublicInstance", "PublicPrepared"]

_NEVER: Final = 1 << 62


class PublicBackend:
    """Links modules with the host functions."""

    def __init__(self, engine: wasmtime.Engine, functions: dict[str, HostFunction]) -> None:
        self.engine = engine
        self.active: list[PublicInstance] = []
        self._linker = wasmtime.Linker(engine)
        i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()
        for name, function in functions.items():
            type_ = HOST_FUNCTION_TYPES[name]
            engine_type = wasmtime.FuncType([i32] * len(type_.parameters), [i64] if type_.results else [])
            self._linker.define_func("phat", name, engine_type, self._trampoline(function, bool(type_.results)))

    def prepare(self, module: wasmtime.Module, memory_bytes: int, table_elements: int) -> PublicPrepared:
        """Links a module."""
        return PublicPrepared(self, self._linker.instantiate_pre(module), memory_bytes, table_elements)

    def _trampoline(self, function: HostFunction, has_result: bool) -> Callable[..., int | None]:
        def trampoline(*arguments: int) -> int | None:
            live = self.active[-1]
            try:
                if live.is_allocating:
                    raise GuestFault("phat_alloc called a function of the host")
                result = function(live, *(argument & 0xFFFFFFFF for argument in arguments))
            except BaseException as error:
                live.failure = error
                raise
            if not has_result or result is None:
                return None
            return result - (1 << 64) if result >> 63 else result

        return trampoline


class PublicPrepared:
    """A linked module."""

    def __init__(
        self, backend: PublicBackend, pre: wasmtime.InstancePre, memory_bytes: int, table_elements: int
    ) -> None:
        self.backend = backend
        self.pre = pre
        self.memory_bytes = memory_bytes
        self.table_elements = table_elements

    def instantiate(self, is_interruptible: bool) -> PublicInstance:
        """A fresh instance."""
        return PublicInstance(self, is_interruptible)


class PublicInstance(LiveInstance):
    """A live instance behind the public classes."""

    def __init__(self, prepared: PublicPrepared, is_interruptible: bool) -> None:
        self._active = prepared.backend.active
        self.is_allocating = False
        self._store = wasmtime.Store(prepared.backend.engine)
        self._store.set_fuel(SETUP_FUEL)
        self._store.set_limits(prepared.memory_bytes, prepared.table_elements, 1, -1, 1)
        self._store.set_epoch_deadline(1 if is_interruptible else _NEVER)
        try:
            self._exports = prepared.pre.instantiate(self._store).exports(self._store)
        except wasmtime.WasmtimeError as error:
            self._store.close()
            raise HostShortage("sandbox.instantiate", "a guest could not be instantiated", str(error)) from error
        except wasmtime.Trap as trap:
            self._store.close()
            raise _translate(trap) from trap
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        self._memory = memory

    def close(self) -> None:
        self._store.close()

    def memory_bytes(self) -> int:
        size: int = self._memory.data_len(self._store)
        return size

    def read(self, pointer: int, length: int) -> bytes:
        if length == 0:
            return b""
        if pointer + length > self.memory_bytes():
            raise GuestFault("a pointer or length is outside of its memory")
        return bytes(self._memory.read(self._store, pointer, pointer + length))

    def write(self, pointer: int, data: bytes) -> None:
        if pointer + len(data) > self.memory_bytes():
            raise GuestFault("a pointer or length is outside of its memory")
        self._memory.write(self._store, data, pointer)

    def grow_to(self, size: int) -> None:
        missing = size - self.memory_bytes()
        if missing > 0:
            try:
                self._memory.grow(self._store, -(-missing // WASM_PAGE_BYTES))
            except wasmtime.WasmtimeError as error:
                raise HostShortage("sandbox.memory", "this machine cannot give a guest its memory") from error

    def allocate(self, length: int) -> int:
        self.is_allocating = True
        try:
            return self._invoke("phat_alloc", length) & 0xFFFFFFFF
        finally:
            self.is_allocating = False

    def call(self, pointer: int, length: int) -> int:
        return self._invoke("phat_call", pointer, length) & 0xFFFFFFFFFFFFFFFF

    def get_fuel(self) -> int:
        fuel: int = self._store.get_fuel()
        return fuel

    def set_fuel(self, fuel: int) -> None:
        self._store.set_fuel(fuel)

    def get_global(self, name: str) -> int:
        found = self._global(name)
        value = found.value(self._store)
        assert isinstance(value, (int, float))
        kind = str(found.type(self._store).content)
        if isinstance(value, float):
            return int.from_bytes(struct.pack("<f" if kind == "f32" else "<d", value), "little")
        return value & (0xFFFFFFFF if kind == "i32" else 0xFFFFFFFFFFFFFFFF)

    def set_global(self, name: str, value: int) -> None:
        self._global(name).set_value(self._store, value)

    def _global(self, name: str) -> wasmtime.Global:
        found = self._exports[name]
        assert isinstance(found, wasmtime.Global)
        return found

    def _invoke(self, name: str, *arguments: int) -> int:
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)
        self._active.append(self)
        try:
            signed = [value - (1 << 32) if value >> 31 else value for value in arguments]
            result = function(self._store, *signed)
        except wasmtime.Trap as trap:
            failure, self.failure = self.failure, None
            raise (failure or _translate(trap)) from None
        except wasmtime.WasmtimeError as error:
            raise InternalError("sandbox.engine", f"the WebAssembly engine failed: {error}") from error
        finally:
            self._active.pop()
            self.failure = None
        assert isinstance(result, int)
        return result


def _translate(trap: wasmtime.Trap) -> Exception:
    code = trap.trap_code
    if code is None or code.value not in TrapKind.__members__.values():
        return InternalError("sandbox.trap", f"the engine reports trap {code}, which no guest can cause")
    return GuestTrap(TrapKind(code.value))
