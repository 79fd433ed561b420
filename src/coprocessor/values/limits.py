"""Named maxima: the greatest sizes and counts that the protocol accepts, with their units.

A limit that decides the outcome of an item is part of the runtime id (PROTOCOL 5.3), so changing one is a runtime
switch.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "MAX_ARGUMENT_BYTES",
    "MAX_CALLEES",
    "MAX_CALL_DEPTH",
    "MAX_EVENTS",
    "MAX_EVENT_NAME_BYTES",
    "MAX_FUEL",
    "MAX_ITEMS_PER_LINK",
    "MAX_KEY_BYTES",
    "MAX_LOG_BYTES",
    "MAX_MESSAGE_BYTES",
    "MAX_OUTPUT_BYTES",
    "MAX_PURPOSE_BYTES",
    "MAX_RANDOM_BYTES",
    "MAX_SCAN_BYTES",
    "MAX_SCAN_ENTRIES",
    "MAX_STATE_WRITE_BYTES",
    "MAX_VALUE_BYTES",
    "PYTHON_MEMORY_BYTES",
    "RAW_MEMORY_BYTES",
    "WASM_PAGE_BYTES",
]

MAX_ITEMS_PER_LINK: Final = 1024
"""Items of one link (PROTOCOL 3.1)."""

MAX_ARGUMENT_BYTES: Final = 128 * 1024
"""Arguments in one call frame."""

MAX_OUTPUT_BYTES: Final = 64 * 1024
"""The whole result buffer of one call: status, result and events."""

MAX_MESSAGE_BYTES: Final = 4096
"""A failing program's message, in UTF-8."""

MAX_EVENTS: Final = 64
"""Events of one call."""

MAX_EVENT_NAME_BYTES: Final = 256
"""Name of one event, in ASCII."""

MAX_LOG_BYTES: Final = 64 * 1024
"""Log text of one item, all called programs together."""

MAX_KEY_BYTES: Final = 1024
"""A key of the state map; the least is 1."""

MAX_VALUE_BYTES: Final = 64 * 1024
"""A value of the state map."""

MAX_STATE_WRITE_BYTES: Final = 1024 * 1024
"""Keys and values that one item writes, all called programs together, each write counted."""

MAX_SCAN_ENTRIES: Final = 1024
"""Entries of one page of ``kv_scan``."""

MAX_SCAN_BYTES: Final = 1024 * 1024
"""Bytes of one page of ``kv_scan``, its framing included."""

MAX_RANDOM_BYTES: Final = 1024
"""Bytes of one call of ``random``."""

MAX_PURPOSE_BYTES: Final = 1024
"""Purpose of an application key."""

MAX_CALL_DEPTH: Final = 8
"""Programs that may be active at once in one item."""

MAX_CALLEES: Final = 64
"""Programs that one program declares at instantiation (PROTOCOL 5.4)."""

MAX_FUEL: Final = 10**15
"""Fuel limit of one item; well inside the engine's signed 64-bit counter."""

WASM_PAGE_BYTES: Final = 65536
"""A page of WebAssembly linear memory."""

RAW_MEMORY_BYTES: Final = 64 * 1024 * 1024
"""Linear memory of a raw WebAssembly program."""

PYTHON_MEMORY_BYTES: Final = 128 * 1024 * 1024
"""Linear memory of a Python program, the interpreter's image included."""
