"""The few pieces of the WebAssembly binary format that the build needs: integers, names, sections.

**Source:** WebAssembly Core Specification 2.0, chapter 5 (binary format).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

CORE_PREAMBLE = b"\0asm\1\0\0\0"

I32, I32_CONST, I32_ADD, END = 0x7F, 0x41, 0x6A, 0x0B

CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START = range(9)


def encode_unsigned(value: int) -> bytes:
    """LEB128 of a non-negative integer."""
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        if not value:
            encoded.append(low)
            return bytes(encoded)
        encoded.append(low | 0x80)


def encode_signed(value: int) -> bytes:
    """Signed LEB128."""
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        if value == (-1 if low & 0x40 else 0):
            encoded.append(low)
            return bytes(encoded)
        encoded.append(low | 0x80)


def encode_name(name: str) -> bytes:
    """A UTF-8 name with its length."""
    encoded = name.encode()
    return encode_unsigned(len(encoded)) + encoded


@dataclass(slots=True)
class Reader:
    """A cursor over bytes of a module or component."""

    data: bytes
    position: int = 0

    @property
    def is_at_end(self) -> bool:
        return self.position >= len(self.data)

    def byte(self) -> int:
        value = self.data[self.position]
        self.position += 1
        return value

    def unsigned(self) -> int:
        value = shift = 0
        while True:
            low = self.byte()
            value |= (low & 0x7F) << shift
            shift += 7
            if not low & 0x80:
                return value

    def signed(self) -> int:
        value = shift = 0
        while True:
            low = self.byte()
            value |= (low & 0x7F) << shift
            shift += 7
            if not low & 0x80:
                return value - (1 << shift) if low & 0x40 else value

    def take(self, length: int) -> bytes:
        if self.position + length > len(self.data):
            raise ValueError("truncated module")
        taken = self.data[self.position : self.position + length]
        self.position += length
        return taken

    def name(self) -> str:
        return self.take(self.unsigned()).decode()


def read_sections(module: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields (section id, body) of a core module or a component; both have an eight-byte preamble."""
    reader = Reader(module, 8)
    while not reader.is_at_end:
        section = reader.byte()
        yield section, reader.take(reader.unsigned())


def encode_section(section: int, body: bytes) -> bytes:
    return bytes([section]) + encode_unsigned(len(body)) + body


@dataclass(frozen=True, slots=True)
class Import:
    """One import: where it comes from, and its undecoded type."""

    module: str
    name: str
    description: bytes


def read_imports(body: bytes) -> list[Import]:
    """The imports of an import section."""
    reader = Reader(body)
    imports = []
    for _ in range(reader.unsigned()):
        module, name = reader.name(), reader.name()
        start = reader.position
        _skip_import_description(reader)
        imports.append(Import(module, name, body[start : reader.position]))
    return imports


def encode_imports(imports: list[Import]) -> bytes:
    """The import section's body for ``imports``."""
    entries = b"".join(encode_name(i.module) + encode_name(i.name) + i.description for i in imports)
    return encode_unsigned(len(imports)) + entries


def read_exports(body: bytes) -> dict[str, tuple[int, int]]:
    """Name -> (kind, index) of an export section."""
    reader = Reader(body)
    exports = {}
    for _ in range(reader.unsigned()):
        name = reader.name()
        exports[name] = (reader.byte(), reader.unsigned())
    return exports


def trim_module(module: bytes, exports: list[str]) -> bytes:
    """The module without custom sections and with no other exports than ``exports``."""
    return _rewrite(module, {EXPORT: lambda body: _keep_exports(body, exports)})


def finish_module(module: bytes, exports: list[str], max_memory_pages: int) -> bytes:
    """``trim_module``, with bounded memory and globals that start as plain constants."""
    rewriters = {
        EXPORT: lambda body: _keep_exports(body, exports),
        MEMORY: lambda body: _bound_memory(body, max_memory_pages),
        GLOBAL: _fold_globals,
    }
    return _rewrite(module, rewriters)


def _rewrite(module: bytes, rewriters: Mapping[int, Callable[[bytes], bytes]]) -> bytes:
    result = bytearray(CORE_PREAMBLE)
    for section, body in read_sections(module):
        if section != CUSTOM:
            result += encode_section(section, rewriters.get(section, bytes)(body))
    return bytes(result)


def _keep_exports(body: bytes, names: list[str]) -> bytes:
    exports = read_exports(body)
    entries = [encode_name(name) + bytes([exports[name][0]]) + encode_unsigned(exports[name][1]) for name in names]
    return encode_unsigned(len(entries)) + b"".join(entries)


def _bound_memory(body: bytes, max_pages: int) -> bytes:
    reader = Reader(body)
    count, flags, minimum = reader.unsigned(), reader.byte(), reader.unsigned()
    if count != 1 or flags not in (0, 1) or minimum > max_pages:
        raise ValueError("expected one plain memory below the limit")
    return encode_unsigned(1) + b"\x01" + encode_unsigned(minimum) + encode_unsigned(max_pages)


def _fold_globals(body: bytes) -> bytes:
    """Initial values as single constants: linking leaves sums of two (``i32.const a, i32.const b, i32.add``)."""
    reader = Reader(body)
    count = reader.unsigned()
    result = bytearray(encode_unsigned(count))
    for _ in range(count):
        kind, total = reader.take(2), 0
        if kind[0] != I32:
            raise ValueError(f"a global of type {kind[0]:#x}")
        while (operation := reader.byte()) != END:
            if operation == I32_CONST:
                total += reader.signed()
            elif operation != I32_ADD:
                raise ValueError(f"a global starts with operation {operation:#x}")
        result += kind + bytes([I32_CONST]) + encode_signed(total) + bytes([END])
    return bytes(result)


def _skip_import_description(reader: Reader) -> None:
    kind = reader.byte()
    if kind == 0:
        reader.unsigned()
    elif kind == 1:
        reader.byte()
        _skip_limits(reader)
    elif kind == 2:
        _skip_limits(reader)
    elif kind == 3:
        reader.take(2)
    elif kind == 4:
        reader.byte()
        reader.unsigned()
    else:
        raise ValueError(f"import of unknown kind {kind}")


def _skip_limits(reader: Reader) -> None:
    flags = reader.byte()
    reader.unsigned()
    if flags & 1:
        reader.unsigned()
