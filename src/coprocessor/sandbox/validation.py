"""What a module must be to become a guest, checked before anything else touches it.

A guest imports functions of module ``phat`` alone, with their exact types, exports exactly ``memory``, ``phat_alloc``
and ``phat_call``, defines its one memory, and has no start function: nothing runs before the host has set fuel and
limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coprocessor.sandbox.wasm_format import ExternKind, FunctionType, ModuleLayout, SectionId
from coprocessor.values.errors import MalformedInput
from coprocessor.values.limits import PYTHON_MEMORY_BYTES, RAW_MEMORY_BYTES, WASM_PAGE_BYTES

__all__ = ["GUEST_EXPORTS", "HOST_FUNCTION_TYPES", "PYTHON_PROFILE", "RAW_PROFILE", "GuestProfile", "check_guest"]

_I32: Final = b"\x7f"
_I64: Final = b"\x7e"

HOST_FUNCTION_TYPES: Final[dict[str, FunctionType]] = {
    "kv_get": FunctionType(_I32 * 2, _I64),
    "kv_set": FunctionType(_I32 * 4, b""),
    "kv_delete": FunctionType(_I32 * 2, b""),
    "kv_scan": FunctionType(_I32 * 5, _I64),
    "log": FunctionType(_I32 * 3, b""),
    "derive_key": FunctionType(_I32 * 2, _I64),
    "sign": FunctionType(_I32 * 2, _I64),
    "random": FunctionType(_I32, _I64),
    "call": FunctionType(_I32 * 3, _I64),
}
"""Importable functions of module ``phat``. ``http`` is reserved and refused in this version of the ABI."""

GUEST_EXPORTS: Final[dict[str, FunctionType | None]] = {
    "memory": None,
    "phat_alloc": FunctionType(_I32, _I32),
    "phat_call": FunctionType(_I32 * 2, _I64),
}
"""What a guest exports, no more and no less; None stands for the memory."""


@dataclass(frozen=True, slots=True)
class GuestProfile:
    """Limits of one class of guests.

    Attributes:
        name: part of the runtime id.
        module_bytes: greatest module.
        function_bytes: greatest body of one function.
        memory_bytes: greatest linear memory; a multiple of WASM_PAGE_BYTES.
        table_elements: greatest number of table elements, all tables together.
        bytes_per_local, bytes_per_code_byte: how a function's weight on the native stack is computed, see
            ``instrumentation``. The pair (16, 16) without a cap bounds every possible function; smaller figures are
            only for a guest whose code is part of the measured release.
        counted_code_bytes: code beyond so many bytes does not add to a function's weight.
    """

    name: str
    module_bytes: int
    function_bytes: int
    memory_bytes: int
    table_elements: int
    bytes_per_local: int
    bytes_per_code_byte: int
    counted_code_bytes: int


RAW_PROFILE: Final = GuestProfile(
    name="raw",
    module_bytes=4 * 1024 * 1024,
    function_bytes=256 * 1024,
    memory_bytes=RAW_MEMORY_BYTES,
    table_elements=65_536,
    bytes_per_local=16,
    bytes_per_code_byte=16,
    counted_code_bytes=256 * 1024,
)
"""Modules that authors publish: nothing about their code is trusted."""

PYTHON_PROFILE: Final = GuestProfile(
    name="python",
    module_bytes=64 * 1024 * 1024,
    function_bytes=1024 * 1024,
    memory_bytes=PYTHON_MEMORY_BYTES,
    table_elements=262_144,
    bytes_per_local=16,
    bytes_per_code_byte=1,
    counted_code_bytes=4096,
)
"""The CPython guest of this release, identified by its digest; a test holds its smaller weights."""


def check_guest(layout: ModuleLayout, profile: GuestProfile) -> None:
    """Raises MalformedInput unless the module may be a guest of this profile."""
    if SectionId.START in layout.sections:
        raise _refused("guest.start_function", "it has a start function", "build it as a reactor, without one")
    _check_imports(layout)
    _check_exports(layout)
    _check_sizes(layout, profile)


def _check_imports(layout: ModuleLayout) -> None:
    if layout.other_imports:
        raise _refused(
            "guest.import",
            f"it imports {layout.other_imports[0]}, which is not a function",
            "define and export the memory in the module itself",
        )
    for imported in layout.imports:
        full_name = f"{imported.module}.{imported.name}"
        expected = HOST_FUNCTION_TYPES.get(imported.name) if imported.module == "phat" else None
        if expected is None:
            known = ", ".join(HOST_FUNCTION_TYPES)
            raise _refused("guest.import", f"it imports {full_name}", f"module phat offers {known}")
        if imported.type != expected:
            raise _refused("guest.import_type", f"it imports {full_name} with another type", "see guests/c/phat.h")


def _check_exports(layout: ModuleLayout) -> None:
    exports = {export.name: export for export in layout.exports}
    missing = [name for name in GUEST_EXPORTS if name not in exports]
    if missing:
        raise _refused("guest.export_missing", f"it does not export {missing[0]}", "see guests/c/phat.h")
    for name, export in exports.items():
        if name not in GUEST_EXPORTS:
            raise _refused("guest.export", f"it exports {name}", f"export only {', '.join(GUEST_EXPORTS)}")
        expected = GUEST_EXPORTS[name]
        if expected is None:
            is_right = export.kind == ExternKind.MEMORY and export.index == 0
        else:
            is_right = export.kind == ExternKind.FUNCTION and _function_type(layout, export.index) == expected
        if not is_right:
            raise _refused("guest.export_type", f"its export {name} has another type", "see guests/c/phat.h")


def _check_sizes(layout: ModuleLayout, profile: GuestProfile) -> None:
    if len(layout.memories) != 1:
        raise _refused("guest.memory", f"it defines {len(layout.memories)} memories", "define exactly one")
    pages, limit = layout.memories[0][0], profile.memory_bytes // WASM_PAGE_BYTES
    if pages > limit:
        raise _refused("guest.memory", f"its memory begins with {pages} pages, the limit is {limit}")
    if sum(layout.tables) > profile.table_elements:
        raise _refused(
            "guest.table", f"its tables have {sum(layout.tables)} elements, the limit is {profile.table_elements}"
        )
    largest = max(map(len, layout.bodies), default=0)
    if largest > profile.function_bytes:
        raise _refused(
            "guest.function_too_large",
            f"one function has {largest} bytes, the limit is {profile.function_bytes}",
            "split it",
        )
    for type_ in layout.types:
        if len(type_.results) > 1:
            raise _refused("guest.multi_value", "a function type has several results", "build without multi-value")


def _function_type(layout: ModuleLayout, index: int) -> FunctionType | None:
    defined = index - len(layout.imports)
    if not 0 <= defined < len(layout.functions):
        return None
    return layout.types[layout.functions[defined]]


def _refused(code: str, what: str, next: str = "") -> MalformedInput:
    return MalformedInput(code, f"the module cannot be a guest: {what}", next=next)
