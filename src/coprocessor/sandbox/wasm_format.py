"""Reading and writing the WebAssembly binary format, as far as guest modules need it.

Only the outer structure is parsed here: sections, types, imports, memories, exports and the boundaries of function
bodies. Whether the instructions are valid is the engine's business, which has checked the module before.

**Source:** WebAssembly Core Specification 2.0, chapter 5 (binary format).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeVar

from coprocessor.values.errors import MalformedInput

__all__ = [
    "MAGIC",
    "Cursor",
    "Export",
    "ExternKind",
    "FunctionImport",
    "FunctionType",
    "ModuleLayout",
    "SectionId",
    "encode_section",
    "encode_signed",
    "encode_unsigned",
    "encode_vector",
    "read_layout",
]

MAGIC: Final = b"\0asm\1\0\0\0"
_FUNCTION_TYPE: Final = 0x60
_MAX_ENTRIES: Final = 1_000_000
_END: Final = 0x0B
_CONSTANT_ARITHMETIC: Final = (0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E)
"""add, sub and mul of i32 and i64, which constant expressions may hold."""

_Entry = TypeVar("_Entry")


class SectionId(IntEnum):
    """Sections in the order in which a module must have them; ``CUSTOM`` may stand anywhere."""

    CUSTOM = 0
    TYPE = 1
    IMPORT = 2
    FUNCTION = 3
    TABLE = 4
    MEMORY = 5
    GLOBAL = 6
    EXPORT = 7
    START = 8
    ELEMENT = 9
    DATA_COUNT = 12
    CODE = 10
    DATA = 11


SECTION_ORDER: Final = (
    SectionId.TYPE,
    SectionId.IMPORT,
    SectionId.FUNCTION,
    SectionId.TABLE,
    SectionId.MEMORY,
    SectionId.GLOBAL,
    SectionId.EXPORT,
    SectionId.START,
    SectionId.ELEMENT,
    SectionId.DATA_COUNT,
    SectionId.CODE,
    SectionId.DATA,
)


class ExternKind(IntEnum):
    """What an import or export refers to."""

    FUNCTION = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3


@dataclass(frozen=True, slots=True)
class FunctionType:
    """Value types of parameters and results, one byte each (0x7f i32, 0x7e i64, 0x7d f32, 0x7c f64)."""

    parameters: bytes
    results: bytes


@dataclass(frozen=True, slots=True)
class FunctionImport:
    """An imported function."""

    module: str
    name: str
    type: FunctionType


@dataclass(frozen=True, slots=True)
class Export:
    """An exported item and its index among those of its kind, imported ones first."""

    name: str
    kind: int
    index: int


@dataclass(frozen=True, slots=True)
class ModuleLayout:
    """The parsed outer structure of a module.

    Attributes:
        sections: body of each section that is there, custom ones left out.
        types: all function types.
        imports: imported functions.
        other_imports: names of imports that are not functions.
        functions: type index of each defined function.
        tables: least number of elements of each defined table.
        memories: (least, greatest or None) pages of each defined memory.
        mutable_globals: indexes of mutable defined globals.
        global_count: number of defined globals.
        exports: all exports.
        bodies: each defined function's body, without its size prefix.
    """

    sections: dict[SectionId, bytes]
    types: tuple[FunctionType, ...]
    imports: tuple[FunctionImport, ...]
    other_imports: tuple[str, ...]
    functions: tuple[int, ...]
    tables: tuple[int, ...]
    memories: tuple[tuple[int, int | None], ...]
    mutable_globals: tuple[int, ...]
    global_count: int
    exports: tuple[Export, ...]
    bodies: tuple[bytes, ...]


class Cursor:
    """A reading position in bytes; every read past the end raises MalformedInput."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def byte(self) -> int:
        """The next byte."""
        try:
            value = self.data[self.at]
        except IndexError:
            raise _malformed("it ends early") from None
        self.at += 1
        return value

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        end = self.at + length
        if end > len(self.data):
            raise _malformed("it ends early")
        part = self.data[self.at : end]
        self.at = end
        return part

    def unsigned(self) -> int:
        """An unsigned LEB128 integer of 32 bits."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 28:
                raise _malformed("an integer is too long")
        if value >= 1 << 32:
            raise _malformed("an integer is too large")
        return value

    def count(self) -> int:
        """Entries of the list that follows, at most ``_MAX_ENTRIES``."""
        value = self.unsigned()
        if value > _MAX_ENTRIES:
            raise _malformed(f"a list of {value} entries")
        return value

    def name(self) -> str:
        """A name: its length, then UTF-8."""
        try:
            return self.take(self.unsigned()).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _malformed("a name is not UTF-8") from error

    def skip_leb(self) -> None:
        """Passes over an integer of any size."""
        while self.byte() >= 0x80:
            pass

    def limits(self) -> tuple[int, int | None]:
        """Least and greatest size of a memory or table; None where there is no greatest."""
        flags = self.byte()
        if flags > 1:
            raise _malformed(f"limits of kind {flags}", "shared and 64-bit memories are not accepted")
        least = self.unsigned()
        return least, self.unsigned() if flags else None


def encode_unsigned(value: int) -> bytes:
    """Shortest unsigned LEB128 encoding."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if not value:
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def encode_signed(value: int) -> bytes:
    """Shortest signed LEB128 encoding, as ``i32.const`` wants it."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40):
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def encode_vector(entries: list[bytes]) -> bytes:
    """A count, then the entries."""
    return encode_unsigned(len(entries)) + b"".join(entries)


def encode_section(section: SectionId, body: bytes) -> bytes:
    """A section with its id and size."""
    return bytes((section,)) + encode_unsigned(len(body)) + body


def read_layout(wasm: bytes) -> ModuleLayout:
    """Parses a module's outer structure.

    Raises:
        MalformedInput: not a core module, or one whose structure this parser does not know.
    """
    sections = dict(_read_sections(wasm))
    types = tuple(_read_vector(sections, SectionId.TYPE, _read_type))
    imports: list[FunctionImport] = []
    others: list[str] = []
    for module, name, type_index in _read_vector(sections, SectionId.IMPORT, _read_import):
        if type_index is None:
            others.append(f"{module}.{name}")
        elif type_index >= len(types):
            raise _malformed("an import has no type")
        else:
            imports.append(FunctionImport(module, name, types[type_index]))
    functions = tuple(_read_vector(sections, SectionId.FUNCTION, Cursor.unsigned))
    if any(index >= len(types) for index in functions):
        raise _malformed("a function has no type")
    mutable = tuple(_read_vector(sections, SectionId.GLOBAL, _read_global))
    bodies = tuple(_read_vector(sections, SectionId.CODE, lambda cursor: cursor.take(cursor.unsigned())))
    if len(bodies) != len(functions):
        raise _malformed("functions and bodies differ in number")
    return ModuleLayout(
        sections=sections,
        types=types,
        imports=tuple(imports),
        other_imports=tuple(others),
        functions=functions,
        tables=tuple(_read_vector(sections, SectionId.TABLE, _read_table)),
        memories=tuple(_read_vector(sections, SectionId.MEMORY, Cursor.limits)),
        mutable_globals=tuple(index for index, is_mutable in enumerate(mutable) if is_mutable),
        global_count=len(mutable),
        exports=tuple(_read_vector(sections, SectionId.EXPORT, _read_export)),
        bodies=bodies,
    )


def _read_sections(wasm: bytes) -> Iterator[tuple[SectionId, bytes]]:
    if wasm[:8] != MAGIC:
        raise _malformed("it does not begin as a core module of version 1", "is it a component?")
    cursor = Cursor(wasm, 8)
    last = -1
    while cursor.at < len(wasm):
        number = cursor.byte()
        body = cursor.take(cursor.unsigned())
        if number == SectionId.CUSTOM:
            continue
        if number not in SECTION_ORDER or SECTION_ORDER.index(SectionId(number)) <= last:
            raise _malformed(f"section {number} is unknown, double or out of order")
        last = SECTION_ORDER.index(SectionId(number))
        yield SectionId(number), body


def _read_vector(
    sections: dict[SectionId, bytes], section: SectionId, read: Callable[[Cursor], _Entry]
) -> Iterator[_Entry]:
    body = sections.get(section)
    if body is None:
        return
    cursor = Cursor(body)
    for _ in range(cursor.count()):
        yield read(cursor)
    if cursor.at != len(body):
        raise _malformed(f"section {section} has bytes after its last entry")


def _read_type(cursor: Cursor) -> FunctionType:
    if cursor.byte() != _FUNCTION_TYPE:
        raise _malformed("a type is not a plain function type")
    parameters = cursor.take(cursor.count())
    return FunctionType(parameters, cursor.take(cursor.count()))


def _read_import(cursor: Cursor) -> tuple[str, str, int | None]:
    module, name, kind = cursor.name(), cursor.name(), cursor.byte()
    if kind == ExternKind.FUNCTION:
        return module, name, cursor.unsigned()
    if kind == ExternKind.TABLE:
        cursor.byte()
        cursor.limits()
    elif kind == ExternKind.MEMORY:
        cursor.limits()
    elif kind == ExternKind.GLOBAL:
        cursor.take(2)
    else:
        raise _malformed(f"an import of kind {kind}")
    return module, name, None


def _read_table(cursor: Cursor) -> int:
    if cursor.byte() != 0x70:
        raise _malformed("a table holds something else than plain function references")
    return cursor.limits()[0]


def _read_global(cursor: Cursor) -> bool:
    cursor.byte()
    is_mutable = cursor.byte() == 1
    while (opcode := cursor.byte()) != _END:
        if opcode in (0x41, 0x42, 0x23, 0xD2, 0xD0):  # i32.const, i64.const, global.get, ref.func, ref.null
            cursor.skip_leb()
        elif opcode in (0x43, 0x44):  # f32.const, f64.const
            cursor.take(4 if opcode == 0x43 else 8)
        elif opcode not in _CONSTANT_ARITHMETIC:
            raise _malformed("a global's initial value is not a constant")
    return is_mutable


def _read_export(cursor: Cursor) -> Export:
    return Export(cursor.name(), cursor.byte(), cursor.unsigned())


def _malformed(what: str, why: str = "") -> MalformedInput:
    return MalformedInput("wasm.malformed", f"the WebAssembly module is malformed: {what}", why)
