"""One WebAssembly engine per process: its configuration, compilation of guests, and the choice of the path to the C
library.

Determinism is a matter of configuration: fuel on, NaNs canonical, and every proposal off that a guest of this ABI
does not need (threads, SIMD, 64-bit or several memories, tail calls, exceptions, garbage collection, several
results), which also keeps the rules of ``instrumentation`` few.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from typing import Any, Final

import wasmtime
from wasmtime import _bindings as bindings

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.sandbox import selfcheck
from coprocessor.sandbox.fast_path import FastBackend
from coprocessor.sandbox.faults import GuestTrap
from coprocessor.sandbox.host_functions import HOST_FUNCTIONS
from coprocessor.sandbox.images import ImagePool, RestorableSnapshot
from coprocessor.sandbox.instrumentation import DEPTH_LIMIT, Instrumented, instrument
from coprocessor.sandbox.live import Backend, LiveInstance, Prepared
from coprocessor.sandbox.native_stack import GUEST_STACK_BYTES, require_guest_stack, run_on_guest_stack
from coprocessor.sandbox.public_path import PublicBackend
from coprocessor.sandbox.validation import RAW_PROFILE, GuestProfile, check_guest
from coprocessor.sandbox.wasm_format import read_layout
from coprocessor.values.errors import CoprocessorError, InternalError, MalformedInput

__all__ = ["ENGINE_VERSION", "CompiledModule", "Engine", "EngineOptions"]

ENGINE_VERSION: Final = "wasmtime-50"
"""Major version of the pinned engine: fuel is comparable only inside one."""

_OFF: Final = (
    "wasm_threads",
    "shared_memory",
    "wasm_simd",
    "wasm_relaxed_simd",
    "wasm_memory64",
    "wasm_multi_memory",
    "wasm_multi_value",
    "wasm_tail_call",
    "wasm_exceptions",
    "wasm_gc",
    "gc_support",
    "wasm_function_references",
    "wasm_wide_arithmetic",
    "wasm_custom_page_sizes",
    "wasm_stack_switching",
    "wasm_component_model",
)
_MAX_CONTAINER_BYTES: Final = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What may differ between two engines without changing any outcome or fuel; tests compare.

    Attributes:
        optimization: ``speed``, ``speed_and_size`` or ``none``.
        copy_on_write: instantiate from a copy-on-write image.
        guest_stack_bytes: native stack that the engine lets a guest use.
        is_pooling: take instances from a pool.
        path: ``auto``, ``fast`` or ``public``.
        is_interruptible: compile in the checks that a query's deadline needs.
        maps_snapshots: map snapshots instead of copying them, where the path and the allocator allow it.
        target: processor and system to make code for, with the least of what such processors have, such as
            ``x86_64-unknown-linux-gnu``; empty for this machine with all that it has.
        traps_by_signal: find faults of memory by the processor's protection, else by checks in the code.
    """

    optimization: str = "speed"
    copy_on_write: bool = True
    guest_stack_bytes: int = GUEST_STACK_BYTES
    is_pooling: bool = False
    path: str = "auto"
    is_interruptible: bool = True
    maps_snapshots: bool = sys.platform == "linux"
    target: str = ""
    traps_by_signal: bool = True


@dataclass(frozen=True, slots=True)
class CompiledModule:
    """Native code of one guest, ready to be instantiated.

    Attributes:
        digest: SHA-256 of the module as it was published.
        profile: its limits.
        has_fixed_tables: memory and globals are all its state, so that it can be kept as a snapshot.
        global_exports: names of its own mutable globals.
    """

    digest: bytes
    profile: GuestProfile
    has_fixed_tables: bool
    global_exports: tuple[str, ...]
    _module: wasmtime.Module = field(repr=False)
    _prepared: Prepared = field(repr=False)
    _images: ImagePool | None = field(repr=False)

    def instantiate(self, is_interruptible: bool = False) -> LiveInstance:
        """A fresh instance with ample fuel, which the caller MUST close.

        Raises:
            HostShortage: this machine has no room for it.
            CallerMisuse: the thread's native stack is not ample.
        """
        require_guest_stack()
        return self._prepared.instantiate(is_interruptible)

    def restore(self, snapshot: RestorableSnapshot, live: LiveInstance) -> None:
        """Puts a snapshot into a fresh instance of this module, in the fastest way at hand. Raises HostShortage."""
        if self._images is None:
            snapshot.restore(live)
        else:
            self._images.restore(snapshot, live)

    def serialize(self) -> bytes:
        """Native code with what ``Engine.deserialize`` needs. It MUST be sealed before it leaves the enclave."""
        return cbor.dumps(
            {
                "digest": self.digest,
                "profile": {item.name: getattr(self.profile, item.name) for item in fields(GuestProfile)},
                "fixed_tables": self.has_fixed_tables,
                "globals": list(self.global_exports),
                "code": bytes(self._module.serialize()),
            }
        )


class Engine:
    """Compiles and instantiates guests.

    Attributes:
        path: ``fast`` or ``public``, the path in use.
        fallback_reason: why it is not the fast one although that was asked for; empty otherwise.
    """

    def __init__(self, options: EngineOptions | None = None) -> None:
        self.options = options or EngineOptions()
        self._engine = wasmtime.Engine(_configure(self.options))
        self.fallback_reason = ""
        self.path = "public" if self.options.path == "public" else "fast"
        self._backend: Backend = PublicBackend(self._engine, HOST_FUNCTIONS)
        self._images: ImagePool | None = None
        if self.path == "fast":
            self._try_fast_path()
        if self.path == "fast" and self.options.maps_snapshots and not self.options.is_pooling:
            self._images = ImagePool()

    def validate(self, wasm: bytes, profile: GuestProfile = RAW_PROFILE) -> None:
        """Raises MalformedInput unless the module may be a guest; compiles nothing."""
        self._instrument(wasm, profile, DEPTH_LIMIT)

    def compile(
        self, wasm: bytes, profile: GuestProfile = RAW_PROFILE, *, depth_limit: int = DEPTH_LIMIT
    ) -> CompiledModule:
        """Validates, instruments and compiles a guest.

        Args:
            wasm: the module as published.
            profile: its limits.
            depth_limit: for tests of the limit itself.

        Raises:
            MalformedInput: it cannot be a guest.
        """
        instrumented = self._instrument(wasm, profile, depth_limit)
        try:
            module = wasmtime.Module(self._engine, instrumented.wasm)
        except wasmtime.WasmtimeError as error:
            raise InternalError("sandbox.instrumentation", "an instrumented module is not valid", str(error)) from error
        compiled = self._prepare(
            module, sha256(wasm), profile, instrumented.has_fixed_tables, instrumented.global_exports
        )
        _check_instantiates(compiled)
        return compiled

    def deserialize(self, data: bytes) -> CompiledModule:
        """Inverse of ``CompiledModule.serialize``.

        Args:
            data: native code, run as it is: it MUST have been authenticated by the caller (PROTOCOL 5.8).

        Raises:
            MalformedInput: it was made by another version or configuration; compile again.
        """
        content: Any = cbor.loads(data, _MAX_CONTAINER_BYTES)
        try:
            profile = GuestProfile(**content["profile"])
            module = wasmtime.Module.deserialize(self._engine, content["code"])
            return self._prepare(module, content["digest"], profile, content["fixed_tables"], tuple(content["globals"]))
        except (KeyError, TypeError, wasmtime.WasmtimeError) as error:
            raise MalformedInput(
                "sandbox.compiled_code", "compiled code does not fit this engine", str(error), "compile it again"
            ) from error

    def interrupt(self) -> None:
        """Ends the interruptible calls that run at this moment; callable from any thread."""
        self._engine.increment_epoch()

    def _instrument(self, wasm: bytes, profile: GuestProfile, depth_limit: int) -> Instrumented:
        if len(wasm) > profile.module_bytes:
            raise MalformedInput(
                "guest.too_large", f"the module has {len(wasm)} bytes, the limit is {profile.module_bytes}"
            )
        layout = read_layout(wasm)
        check_guest(layout, profile)
        try:
            wasmtime.Module.validate(self._engine, wasm)
        except wasmtime.WasmtimeError as error:
            raise MalformedInput("wasm.invalid", "the WebAssembly module is not valid", str(error).strip()) from error
        return instrument(layout, profile, depth_limit)

    def _prepare(
        self,
        module: wasmtime.Module,
        digest: bytes,
        profile: GuestProfile,
        has_fixed_tables: bool,
        global_exports: tuple[str, ...],
    ) -> CompiledModule:
        prepared = self._backend.prepare(module, profile.memory_bytes, profile.table_elements)
        return CompiledModule(digest, profile, has_fixed_tables, global_exports, module, prepared, self._images)

    def _try_fast_path(self) -> None:
        public = self._backend
        try:
            expected = run_on_guest_stack(selfcheck.observe, self)
            self._backend = FastBackend(self._engine, HOST_FUNCTIONS)
            found = run_on_guest_stack(selfcheck.observe, self)
            if found == expected:
                return
            reason = f"it observed {found}, the public path {expected}"
        except (AttributeError, OSError, TypeError, ValueError, CoprocessorError) as error:
            reason = f"{type(error).__name__}: {error}"
        if self.options.path == "fast":
            raise InternalError("sandbox.fast_path", "the fast path to the engine does not work", reason)
        self._backend, self.path, self.fallback_reason = public, "public", reason


def _check_instantiates(compiled: CompiledModule) -> None:
    """Initial segments are only checked when they are copied; a guest that cannot start is refused at once."""
    try:
        run_on_guest_stack(lambda: compiled.instantiate().close())
    except GuestTrap as trap:
        raise MalformedInput(
            "guest.segments", "the module cannot be a guest: a data or element segment is out of bounds", trap.what
        ) from trap


def _configure(options: EngineOptions) -> wasmtime.Config:
    config = wasmtime.Config()
    for name in _OFF:
        setattr(config, name, False)
    config.wasm_bulk_memory = True
    config.wasm_reference_types = True
    config.consume_fuel = True
    config.cranelift_nan_canonicalization = True
    config.epoch_interruption = options.is_interruptible
    config.cranelift_opt_level = options.optimization
    config.memory_init_cow = options.copy_on_write
    config.signals_based_traps = options.traps_by_signal
    if options.target:
        config.target = options.target
    pointer = config.ptr()
    # Without this the engine aborts the process where max_wasm_stack is greater than its unused asynchronous stacks.
    bindings.wasmtime_config_async_stack_size_set(pointer, max(options.guest_stack_bytes, 2 << 20))
    config.max_wasm_stack = options.guest_stack_bytes
    bindings.wasmtime_config_concurrency_support_set(pointer, False)
    bindings.wasmtime_config_memory_may_move_set(pointer, False)
    if options.is_pooling:
        _use_pool(pointer)
    return config


def _use_pool(pointer: Any) -> None:
    pool = bindings.wasmtime_pooling_allocation_config_new()
    settings = {
        "total_core_instances": 16,
        "total_memories": 16,
        "total_tables": 64,
        "table_elements": 262_144,
        "max_memory_size": 128 << 20,
        "max_core_instance_size": 8 << 20,
        "max_memories_per_module": 1,
        "max_tables_per_module": 4,
    }
    for name, value in settings.items():
        getattr(bindings, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
    bindings.wasmtime_pooling_allocation_strategy_set(pointer, pool)
    bindings.wasmtime_pooling_allocation_config_delete(pool)
