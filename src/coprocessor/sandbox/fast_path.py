"""The engine driven through its C interface, without the per-call type look-ups of the public Python classes.

``wasmtime._bindings`` is generated from the C header of the very library in the wheel, but it is private and pinned
to one version; ``Engine`` compares this path with the public one at start and falls back if anything differs. All
pointers are plain integers here. A guest call costs about 5 microseconds instead of 100, a host call 2 instead of 30.

**Source:** wasmtime C API 50 (``wasmtime/func.h``, ``wasmtime/linker.h``, ``wasmtime/store.h``).
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable
from typing import Any, Final

import wasmtime
from wasmtime import _bindings as bindings
from wasmtime import _ffi as ffi

from coprocessor.sandbox.faults import GuestFault, GuestTrap, HostShortage, TrapKind
from coprocessor.sandbox.live import SETUP_FUEL, HostFunction, LiveInstance
from coprocessor.sandbox.validation import HOST_FUNCTION_TYPES
from coprocessor.sandbox.wasm_format import FunctionType
from coprocessor.values.errors import InternalError
from coprocessor.values.limits import WASM_PAGE_BYTES

__all__ = ["FastBackend", "FastInstance", "FastPrepared"]

_Address = ctypes.c_void_p
_Size = ctypes.c_size_t
_RAW_VALUE_BYTES: Final = ctypes.sizeof(bindings.wasmtime_val_raw_t)
_MAP_FIXED: Final = 0x10
_NEVER: Final = 1 << 62
"""Epoch ticks that do not come: commands are never interrupted by a clock (PROTOCOL 5.3)."""

_Callback = ctypes.CFUNCTYPE(_Size, _Address, _Address, _Address, _Size)


def _prototype(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    return ctypes.CFUNCTYPE(result, *arguments)((name, ffi.dll))


class _Library:
    """The functions of the C library, with untyped pointers."""

    def __init__(self) -> None:
        u64, i64 = ctypes.c_uint64, ctypes.c_int64
        self.store_new = _prototype("wasmtime_store_new", _Address, _Address, _Address, _Address)
        self.store_context = _prototype("wasmtime_store_context", _Address, _Address)
        self.store_delete = _prototype("wasmtime_store_delete", None, _Address)
        self.store_limiter = _prototype("wasmtime_store_limiter", None, _Address, i64, i64, i64, i64, i64)
        self.set_fuel = _prototype("wasmtime_context_set_fuel", _Address, _Address, u64)
        self.get_fuel = _prototype("wasmtime_context_get_fuel", _Address, _Address, _Address)
        self.set_deadline = _prototype("wasmtime_context_set_epoch_deadline", None, _Address, u64)
        self.instantiate = _prototype(
            "wasmtime_instance_pre_instantiate", _Address, _Address, _Address, _Address, _Address
        )
        self.export_get = _prototype(
            "wasmtime_instance_export_get", ctypes.c_bool, _Address, _Address, ctypes.c_char_p, _Size, _Address
        )
        self.memory_data = _prototype("wasmtime_memory_data", _Address, _Address, _Address)
        self.memory_size = _prototype("wasmtime_memory_data_size", _Size, _Address, _Address)
        self.memory_grow = _prototype("wasmtime_memory_grow", _Address, _Address, _Address, u64, _Address)
        self.call = _prototype("wasmtime_func_call_unchecked", _Address, _Address, _Address, _Address, _Size, _Address)
        self.global_get = _prototype("wasmtime_global_get", None, _Address, _Address, _Address)
        self.global_set = _prototype("wasmtime_global_set", _Address, _Address, _Address, _Address)
        self.trap_new = _prototype("wasmtime_trap_new", _Address, ctypes.c_char_p, _Size)
        self.trap_code = _prototype("wasmtime_trap_code", ctypes.c_bool, _Address, _Address)
        self.trap_delete = _prototype("wasm_trap_delete", None, _Address)
        self.error_message = _prototype("wasmtime_error_message", None, _Address, _Address)
        self.error_delete = _prototype("wasmtime_error_delete", None, _Address)
        self.define = _prototype(
            "wasmtime_linker_define_func_unchecked",
            _Address, _Address, ctypes.c_char_p, _Size, ctypes.c_char_p, _Size, _Address, _Callback, _Address, _Address,
        )  # fmt: skip
        self.map = ctypes.CFUNCTYPE(_Address, _Address, _Size, ctypes.c_int, ctypes.c_int, ctypes.c_int, i64)(
            ("mmap", ctypes.CDLL(None))
        )

    def check(self, error: int | None) -> None:
        """Raises InternalError for an error of the library, and frees it."""
        if not error:
            return
        message = ffi.wasm_byte_vec_t()
        self.error_message(error, ctypes.addressof(message))
        text = ffi.to_str(message)
        ffi.wasm_byte_vec_delete(ctypes.byref(message))
        self.error_delete(error)
        raise InternalError("sandbox.engine", f"the WebAssembly engine failed: {text}")


def _pointer(managed: Any) -> int:
    value = ctypes.cast(managed.ptr(), _Address).value
    assert value is not None
    return value


class FastBackend:
    """Links modules with the host functions through the C interface."""

    def __init__(self, engine: wasmtime.Engine, functions: dict[str, HostFunction]) -> None:
        self.library = _Library()
        self.engine = engine
        self.active: list[FastInstance] = []
        self._linker = wasmtime.Linker(engine)
        self._keep: list[Any] = []
        for name, function in functions.items():
            self._define(name, HOST_FUNCTION_TYPES[name], function)

    def prepare(self, module: wasmtime.Module, memory_bytes: int, table_elements: int) -> FastPrepared:
        """Links a module."""
        return FastPrepared(self, self._linker.instantiate_pre(module), memory_bytes, table_elements)

    def _define(self, name: str, type_: FunctionType, function: HostFunction) -> None:
        count = len(type_.parameters)
        callback = _Callback(self._trampoline(function, count, bool(type_.results)))
        i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()
        engine_type = wasmtime.FuncType([i32] * count, [i64] if type_.results else [])
        text = name.encode("ascii")
        self.library.check(
            self.library.define(
                _pointer(self._linker), b"phat", 4, text, len(text), _pointer(engine_type), callback, None, None
            )
        )
        self._keep += [callback, engine_type]

    def _trampoline(self, function: HostFunction, count: int, has_result: bool) -> Callable[..., int]:
        arguments = struct.Struct("<" + f"I{_RAW_VALUE_BYTES - 4}x" * count)
        active, library = self.active, self.library
        string_at, size, unpack = ctypes.string_at, arguments.size, arguments.unpack
        result_type = ctypes.c_uint64

        def trampoline(_data: int, _caller: int, values: int, _count: int) -> int:
            live = active[-1]
            try:
                if live.is_allocating:
                    raise GuestFault("phat_alloc called a function of the host")
                result = function(live, *unpack(string_at(values, size)))
                if has_result:
                    result_type.from_address(values).value = result or 0
                return 0
            except BaseException as error:  # an exception must not cross the C frames: it is raised again in _invoke
                live.failure = error
                trap: int = library.trap_new(b"host", 4)
                return trap

        return trampoline


class FastPrepared:
    """A linked module."""

    def __init__(self, backend: FastBackend, pre: wasmtime.InstancePre, memory_bytes: int, table_elements: int) -> None:
        self.backend = backend
        self.memory_bytes = memory_bytes
        self.table_elements = table_elements
        self.engine_pointer = _pointer(backend.engine)
        self.pre_pointer = _pointer(pre)
        self._keep = pre

    def instantiate(self, is_interruptible: bool) -> FastInstance:
        """A fresh instance."""
        return FastInstance(self, is_interruptible)


class _Slots:
    """Memory of C structs that one instance needs, allocated at once."""

    __slots__ = ("call", "fuel", "instance", "memory", "trap", "values")

    def __init__(self) -> None:
        self.instance = ffi.wasmtime_instance_t()
        self.memory = ffi.wasmtime_extern_t()
        self.call = ffi.wasmtime_extern_t()
        self.trap = ctypes.c_void_p()
        self.fuel = ctypes.c_uint64()
        self.values = (bindings.wasmtime_val_raw_t * 2)()


_EXTERN_OFFSET: Final = bindings.wasmtime_extern.of.offset
_VALUE_OFFSET: Final = bindings.wasmtime_val.of.offset


class FastInstance(LiveInstance):
    """A live instance behind plain addresses. One thread at a time."""

    def __init__(self, prepared: FastPrepared, is_interruptible: bool) -> None:
        backend = prepared.backend
        self._library = library = backend.library
        self._active = backend.active
        self.is_allocating = False
        self._slots = slots = _Slots()
        address = ctypes.addressof
        self._trap, self._fuel, self._values = address(slots.trap), address(slots.fuel), address(slots.values)
        self._instance = address(slots.instance)
        self._memory = address(slots.memory) + _EXTERN_OFFSET
        self._store: int | None = library.store_new(prepared.engine_pointer, None, None)
        self._context = context = library.store_context(self._store)
        try:
            library.check(library.set_fuel(context, SETUP_FUEL))
            library.store_limiter(self._store, prepared.memory_bytes, prepared.table_elements, 1, -1, 1)
            library.set_deadline(context, 1 if is_interruptible else _NEVER)
            library.check(library.instantiate(prepared.pre_pointer, context, self._instance, self._trap))
            self._raise_trap()
            self._export(b"memory", slots.memory)
        except InternalError as error:
            self.close()
            raise HostShortage("sandbox.instantiate", "a guest could not be instantiated", error.what) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._store:
            self._library.store_delete(self._store)
            self._store = None

    def memory_bytes(self) -> int:
        size: int = self._library.memory_size(self._context, self._memory)
        return size

    def read(self, pointer: int, length: int) -> bytes:
        if length == 0:
            return b""
        if pointer + length > self.memory_bytes():
            raise GuestFault("a pointer or length is outside of its memory")
        return ctypes.string_at(self._library.memory_data(self._context, self._memory) + pointer, length)

    def write(self, pointer: int, data: bytes) -> None:
        if pointer + len(data) > self.memory_bytes():
            raise GuestFault("a pointer or length is outside of its memory")
        ctypes.memmove(self._library.memory_data(self._context, self._memory) + pointer, data, len(data))

    def grow_to(self, size: int) -> None:
        missing = size - self.memory_bytes()
        if missing > 0:
            try:
                pages = -(-missing // WASM_PAGE_BYTES)
                self._library.check(self._library.memory_grow(self._context, self._memory, pages, self._fuel))
            except InternalError as error:
                raise HostShortage("sandbox.memory", "this machine cannot give a guest its memory") from error

    def map_memory(self, descriptor: int, length: int) -> None:
        base = self._library.memory_data(self._context, self._memory)
        if length > self.memory_bytes() or base % mmap.PAGESIZE or length % mmap.PAGESIZE:
            raise InternalError("sandbox.map_memory", "an image does not fit the memory of its guest")
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        mapped = self._library.map(base, length, protection, mmap.MAP_PRIVATE | _MAP_FIXED, descriptor, 0)
        if mapped != base:
            raise HostShortage("sandbox.memory", "this machine cannot map a snapshot into a guest")

    def allocate(self, length: int) -> int:
        self.is_allocating = True
        try:
            self._slots.values[0].i32 = length
            self._invoke(b"phat_alloc", 1)
        finally:
            self.is_allocating = False
        return int(self._slots.values[0].i32) & 0xFFFFFFFF

    def call(self, pointer: int, length: int) -> int:
        self._slots.values[0].i32 = pointer
        self._slots.values[1].i32 = length
        self._invoke(b"phat_call", 2)
        return int(self._slots.values[0].i64) & 0xFFFFFFFFFFFFFFFF

    def get_fuel(self) -> int:
        self._library.get_fuel(self._context, self._fuel)
        return self._slots.fuel.value

    def set_fuel(self, fuel: int) -> None:
        self._library.set_fuel(self._context, fuel)

    def get_global(self, name: str) -> int:
        value = self._global(name)[1]
        size = 8 if value.kind in (ffi.WASMTIME_I64.value, ffi.WASMTIME_F64.value) else 4
        raw = ctypes.string_at(ctypes.addressof(value) + _VALUE_OFFSET, size)
        return int.from_bytes(raw, "little")

    def set_global(self, name: str, value: int) -> None:
        extern, present = self._global(name)
        present.of.i32 = value
        where = ctypes.addressof(extern) + _EXTERN_OFFSET
        self._library.check(self._library.global_set(self._context, where, ctypes.addressof(present)))

    def _global(self, name: str) -> tuple[Any, Any]:
        extern, value = ffi.wasmtime_extern_t(), ffi.wasmtime_val_t()
        self._export(name.encode("ascii"), extern)
        where = ctypes.addressof(extern) + _EXTERN_OFFSET
        self._library.global_get(self._context, where, ctypes.addressof(value))
        return extern, value

    def _export(self, name: bytes, into: Any) -> None:
        if not self._library.export_get(self._context, self._instance, name, len(name), ctypes.addressof(into)):
            raise InternalError("sandbox.export", f"a checked guest has no export {name.decode('ascii')}")

    def _invoke(self, name: bytes, arguments: int) -> None:
        self._export(name, self._slots.call)
        function = ctypes.addressof(self._slots.call) + _EXTERN_OFFSET
        self._active.append(self)
        try:
            error = self._library.call(self._context, function, self._values, arguments, self._trap)
        finally:
            self._active.pop()
        failure, self.failure = self.failure, None
        if failure is not None:
            self._discard(error)
            raise failure
        self._library.check(error)
        self._raise_trap()

    def _discard(self, error: int | None) -> None:
        """Frees what the engine made of a host function's failure, which may be an error or a trap."""
        if error:
            self._library.error_delete(error)
        if self._slots.trap.value:
            self._library.trap_delete(self._slots.trap.value)
            self._slots.trap.value = None

    def _raise_trap(self) -> None:
        trap = self._slots.trap.value
        if not trap:
            return
        self._slots.trap.value = None
        code = ctypes.c_uint8()
        has_code = self._library.trap_code(trap, ctypes.addressof(code))
        self._library.trap_delete(trap)
        if not has_code or code.value not in TrapKind.__members__.values():
            raise InternalError("sandbox.trap", f"the engine reports trap {code.value}, which no guest can cause")
        raise GuestTrap(TrapKind(code.value))
