"""Makes call depth and memory growth of a guest deterministic by rewriting its module.

Rules enforced (PROTOCOL 5.3: the native stack and the host's memory never decide a command):

1. Each function that calls another one adds its *weight* to a depth counter on entry and takes it back on every way
   out. Where the counter would pass DEPTH_LIMIT, the function traps before its body runs, and the counter tells why.
2. A function's weight bounds the bytes that it can occupy on the native stack. A body of n bytes creates at most n
   values of at most 16 bytes, so 16 bytes for each byte of code and each local is more than any code generator spills.
   Functions that call nothing add no weight; one of them can be active above DEPTH_LIMIT, and none weighs more than
   MAX_FUNCTION_WEIGHT.
3. ``memory.grow`` goes through one helper, which notes refusals: by the module's own maximum (deterministic), or below
   it, which only a host short of memory does, and which the host must never let decide anything.

The counter is a global that the module's own code cannot name, because that code was valid before the global existed:
callers MUST have had the original module validated by the engine.

**Source:** WebAssembly Core Specification 2.0, section 5.4 (instructions).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from coprocessor.sandbox.validation import GuestProfile
from coprocessor.sandbox.wasm_format import (
    MAGIC,
    SECTION_ORDER,
    Cursor,
    ExternKind,
    ModuleLayout,
    SectionId,
    encode_section,
    encode_signed,
    encode_unsigned,
    encode_vector,
)
from coprocessor.values.errors import MalformedInput
from coprocessor.values.limits import WASM_PAGE_BYTES

__all__ = [
    "DEPTH_EXPORT",
    "DEPTH_LIMIT",
    "GROWTH_EXPORT",
    "INSTRUMENTATION_VERSION",
    "MAX_FUNCTION_WEIGHT",
    "GrowthFlag",
    "Instrumented",
    "compute_weight",
    "instrument",
]

INSTRUMENTATION_VERSION: Final = 1
"""Part of the runtime id: the rewriting decides fuel."""

DEPTH_LIMIT: Final = 32 * 1024 * 1024
"""Greatest sum of the weights of all active functions, in bytes of native stack."""

MAX_FUNCTION_WEIGHT: Final = 8 * 1024 * 1024
"""Greatest weight of one function."""

DEPTH_EXPORT: Final = "phat_depth"
GROWTH_EXPORT: Final = "phat_growth"
"""Names under which the host reads the two added globals. A guest's own exports cannot have them."""

_FRAME_BYTES: Final = 128
"""Return address, saved registers, outgoing arguments: what every native frame has beside its values."""


class GrowthFlag:
    """Values of the growth global."""

    REFUSED_BY_LIMIT: Final = 1
    REFUSED_BY_HOST: Final = 2


@dataclass(frozen=True, slots=True)
class Instrumented:
    """A rewritten module.

    Attributes:
        wasm: the module.
        has_fixed_tables: no instruction writes a table or drops a segment, so that memory and globals are all its
            state.
        global_exports: names under which the module's own mutable globals are exported, for snapshots.
    """

    wasm: bytes
    has_fixed_tables: bool
    global_exports: tuple[str, ...]


_LEB: Final = rb"[\x80-\xff]*+[\x00-\x7f]"
_PLAIN_RUN: Final = re.compile(
    rb"(?s:(?:"
    rb"[\x00\x01\x1a\x1b\x45-\xc4\xd1]++"  # no immediate
    rb"|[\x0c\x0d\x20-\x24\x25\x3f\x41\x42\xd0\xd2]" + _LEB + rb"|[\x28-\x3e]" + _LEB + _LEB +  # one, two
    rb"|\x43....|\x44........"  # float constants
    rb"|\x1c\x01."  # typed select
    rb"|\xfc(?:[\x00-\x07]|[\x0b\x10]" + _LEB + rb"|\x0a" + _LEB + _LEB + rb")"
    rb")*+)"
)  # fmt: skip
"""A run of instructions that need no rewriting and say nothing about structure."""

_BLOCK, _LOOP, _IF, _ELSE, _END, _BR, _BR_TABLE, _RETURN, _CALL, _CALL_INDIRECT, _GROW, _TABLE_SET, _PREFIX = (
    0x02, 0x03, 0x04, 0x05, 0x0B, 0x0C, 0x0E, 0x0F, 0x10, 0x11, 0x40, 0x26, 0xFC,
)  # fmt: skip
_MEMORY_INIT, _DATA_DROP, _TABLE_INIT, _ELEM_DROP, _TABLE_COPY, _TABLE_GROW, _TABLE_FILL = 8, 9, 12, 13, 14, 15, 17
_EMPTY_BLOCK: Final = b"\x40"


def compute_weight(values: int, code_bytes: int, profile: GuestProfile) -> int:
    """Bytes of native stack that one activation of a function is accounted for.

    Args:
        values: parameters and locals.
        code_bytes: length of its instructions.
        profile: how carefully to count.
    """
    counted = min(code_bytes, profile.counted_code_bytes)
    return _FRAME_BYTES + profile.bytes_per_local * values + profile.bytes_per_code_byte * counted


def instrument(layout: ModuleLayout, profile: GuestProfile, depth_limit: int = DEPTH_LIMIT) -> Instrumented:
    """Rewrites a validated guest module.

    Args:
        layout: of a module that the engine found valid and ``check_guest`` accepted.
        profile: gives the memory limit and how weights are computed.
        depth_limit: for tests; a program is only ever run with DEPTH_LIMIT.

    Raises:
        MalformedInput: a function is too heavy, or uses an instruction that no guest may use.
    """
    depth_global = layout.global_count
    helper_index = len(layout.imports) + len(layout.functions)
    bodies: list[bytes] = []
    has_fixed_tables = True
    for type_index, body in zip(layout.functions, layout.bodies, strict=True):
        type_ = layout.types[type_index]
        scan = _FunctionScan(body, helper_index)
        has_fixed_tables = has_fixed_tables and not scan.writes_tables
        weight = compute_weight(len(type_.parameters) + scan.local_count, len(scan.code), profile)
        if weight > MAX_FUNCTION_WEIGHT:
            raise MalformedInput(
                "guest.function_too_heavy",
                f"a function weighs {weight} bytes of native stack, the limit is {MAX_FUNCTION_WEIGHT}",
                next="split it, or use fewer locals",
            )
        if scan.calls:
            block_type = type_.results or _EMPTY_BLOCK
            code = _enter(depth_global, weight, depth_limit, block_type) + scan.code + _leave(depth_global, weight)
        else:
            code = scan.code
        bodies.append(scan.locals + code)
    pages = _memory_pages(layout, profile)
    bodies.append(_growth_helper(depth_global + 1, pages[1]))
    return _assemble(layout, bodies, pages, has_fixed_tables)


class _FunctionScan:
    """One pass over a function body: what it does, and its code with ``return`` and ``memory.grow`` rewritten.

    ``return`` becomes a branch out of the block that ``instrument`` wraps around the body; branches to the function's
    own label hit that block without any change.
    """

    def __init__(self, body: bytes, helper_index: int) -> None:
        cursor = Cursor(body)
        self.local_count = 0
        for _ in range(cursor.count()):
            self.local_count += cursor.unsigned()
            cursor.byte()
        self.locals = body[: cursor.at]
        self.calls = False
        self.writes_tables = False
        self._grow = bytes((_CALL,)) + encode_unsigned(helper_index)
        self.code = self._rewrite(cursor)

    def _rewrite(self, cursor: Cursor) -> bytes:
        data = cursor.data
        pieces: list[bytes] = []
        start = cursor.at
        nesting = 0
        returns: list[tuple[int, int]] = []
        while True:
            run = _PLAIN_RUN.match(data, cursor.at)
            cursor.at = run.end() if run else cursor.at
            at = cursor.at
            opcode = cursor.byte()
            if opcode in (_BLOCK, _LOOP, _IF):
                nesting += 1
                cursor.skip_leb()
            elif opcode == _END:
                nesting -= 1
                if nesting < 0:
                    break
            elif opcode == _CALL:
                self.calls = True
                cursor.skip_leb()
            elif opcode == _CALL_INDIRECT:
                self.calls = True
                cursor.skip_leb()
                cursor.skip_leb()
            elif opcode == _RETURN:
                returns.append((len(pieces) + 1, nesting))
                pieces += [data[start:at], b""]
                start = cursor.at
            elif opcode == _GROW:
                cursor.skip_leb()
                pieces += [data[start:at], self._grow]
                start = cursor.at
            elif opcode == _BR_TABLE:
                for _ in range(cursor.count() + 1):
                    cursor.skip_leb()
            elif opcode != _ELSE:
                self._note_rare(opcode, cursor)
        if cursor.at != len(data):
            raise _unknown("bytes after its end")
        pieces.append(data[start:])
        for index, depth in returns:
            pieces[index] = bytes((_BR,)) + encode_unsigned(depth) if self.calls else bytes((_RETURN,))
        return b"".join(pieces)

    def _note_rare(self, opcode: int, cursor: Cursor) -> None:
        if opcode == _TABLE_SET:
            self.writes_tables = True
            cursor.skip_leb()
            return
        operation = cursor.byte() if opcode == _PREFIX else -1
        if operation == _TABLE_GROW:
            raise MalformedInput(
                "guest.table_grow", "the module cannot be a guest: it grows a table", next="give it its full size"
            )
        if operation in (_MEMORY_INIT, _TABLE_INIT, _TABLE_COPY):
            self.writes_tables = self.writes_tables or operation != _MEMORY_INIT
            cursor.skip_leb()
            cursor.skip_leb()
        elif operation in (_DATA_DROP, _ELEM_DROP, _TABLE_FILL):
            self.writes_tables = True
            cursor.skip_leb()
        else:
            raise _unknown(f"instruction 0x{opcode:02x} {operation if operation >= 0 else ''}".rstrip())


def _enter(depth_global: int, weight: int, limit: int, block_type: bytes) -> bytes:
    """``depth += weight; if depth > limit: unreachable; block``."""
    index = encode_unsigned(depth_global)
    return b"".join(
        (
            b"\x23" + index,  # global.get
            b"\x41" + encode_signed(weight),  # i32.const
            b"\x6a\x24" + index,  # i32.add, global.set
            b"\x23" + index,
            b"\x41" + encode_signed(limit),
            b"\x4b\x04\x40\x00\x0b",  # i32.gt_u, if, unreachable, end
            b"\x02" + block_type,
        )
    )


def _leave(depth_global: int, weight: int) -> bytes:
    """``depth -= weight``, after the end of the block."""
    index = encode_unsigned(depth_global)
    return b"\x23" + index + b"\x41" + encode_signed(weight) + b"\x6b\x24" + index + b"\x0b"


def _memory_pages(layout: ModuleLayout, profile: GuestProfile) -> tuple[int, int]:
    least, greatest = layout.memories[0]
    limit = profile.memory_bytes // WASM_PAGE_BYTES
    return least, limit if greatest is None else min(greatest, limit)


def _growth_helper(growth_global: int, pages: int) -> bytes:
    """``(delta) -> memory.grow(delta)``; a refusal sets the growth global, see ``GrowthFlag``.

    The sum of delta and the present size is compared in 64 bits, as it may pass 32.
    """
    flag = b"\x24" + encode_unsigned(growth_global)
    return b"".join(
        (
            b"\x01\x01\x7f",  # one local i32: the outcome
            b"\x20\x00\x40\x00\x22\x01",  # local.get 0, memory.grow, local.tee 1
            b"\x41\x7f\x46\x04\x40",  # i32.const -1, i32.eq, if
            b"\x20\x00\xad\x3f\x00\xad\x7c",  # local.get 0, i64.extend_i32_u, memory.size, extend, i64.add
            b"\x42" + encode_signed(pages) + b"\x56",  # i64.const pages, i64.gt_u
            b"\x04\x40\x41\x01" + flag + b"\x05\x41\x02" + flag + b"\x0b",  # if 1 else 2 end
            b"\x0b\x20\x01\x0b",  # end, local.get 1, end
        )
    )


def _assemble(
    layout: ModuleLayout, bodies: list[bytes], pages: tuple[int, int], has_fixed_tables: bool
) -> Instrumented:
    sections = dict(layout.sections)
    helper_type = encode_unsigned(len(layout.types))
    sections[SectionId.TYPE] = _append(sections, SectionId.TYPE, [b"\x60\x01\x7f\x01\x7f"])
    sections[SectionId.FUNCTION] = _append(sections, SectionId.FUNCTION, [helper_type])
    sections[SectionId.MEMORY] = encode_vector([b"\x01" + encode_unsigned(pages[0]) + encode_unsigned(pages[1])])
    sections[SectionId.GLOBAL] = _append(sections, SectionId.GLOBAL, [b"\x7f\x01\x41\x00\x0b"] * 2)
    names = tuple(f"phat_global_{index}" for index in layout.mutable_globals)
    added = [(DEPTH_EXPORT, layout.global_count), (GROWTH_EXPORT, layout.global_count + 1)]
    added += zip(names, layout.mutable_globals, strict=True)
    exports = [_encode_export(name, ExternKind.GLOBAL, index) for name, index in added]
    sections[SectionId.EXPORT] = _append(sections, SectionId.EXPORT, exports)
    sections[SectionId.CODE] = encode_vector([encode_unsigned(len(body)) + body for body in bodies])
    wasm = MAGIC + b"".join(
        encode_section(section, sections[section]) for section in SECTION_ORDER if section in sections
    )
    return Instrumented(wasm, has_fixed_tables, names)


def _encode_export(name: str, kind: ExternKind, index: int) -> bytes:
    text = name.encode("utf-8")
    return encode_unsigned(len(text)) + text + bytes((kind,)) + encode_unsigned(index)


def _append(sections: dict[SectionId, bytes], section: SectionId, entries: list[bytes]) -> bytes:
    """The body of a section with further entries at its end."""
    cursor = Cursor(sections.get(section, b"\0"))
    count = cursor.unsigned()
    return encode_unsigned(count + len(entries)) + cursor.data[cursor.at :] + b"".join(entries)


def _unknown(what: str) -> MalformedInput:
    return MalformedInput("guest.instruction", f"the module cannot be a guest: a function has {what}")
