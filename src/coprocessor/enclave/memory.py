"""All that an enclave's core holds in memory, for attacks that tests make: what one broken enclave gives away.

Rules:

1. The message that asks for it stands in no table of a process that runs on real hardware: such a process cannot even
   read it. On simulated hardware the loop answers it, since whoever owns the machine reads its memory anyway.
2. Nothing is chosen: every object that can be reached from the core is visited, and each byte string and each number
   that is too large to be a count is told. Keys inside of libraries are told through the bytes that make them.

The executor's own process is not part of it; it holds what programs know, not what gatekeepers or clusters do.

**Source:** PROTOCOL 8.9, 9.5 for what a broken machine must not give away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from coprocessor.crypto.secp256k1 import PrivateKey

__all__ = ["collect_memory"]

_COUNT: Final = 1 << 64
_SHORTEST: Final = 16
_PLAIN: Final = (str, float, bool, type, ModuleType, type(None))


def collect_memory(core: object) -> tuple[bytes, ...]:
    """Every distinct byte string of at least 16 bytes, and every number of more than 64 bits as 32 or more bytes.

    Args:
        core: where to begin; everything that it refers to is visited once.
    """
    found: dict[bytes, None] = {}
    seen: set[int] = set()
    kept: list[object] = []  # what is made on the way stays alive, so that no id comes twice
    waiting = [core]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _PLAIN) or id(item) in seen:
            continue
        seen.add(id(item))
        kept.append(item)
        for data in _bytes_of(item):
            if len(data) >= _SHORTEST:
                found.setdefault(data)
        waiting.extend(_parts(item))
    return tuple(found)


def _bytes_of(item: object) -> Iterator[bytes]:
    match item:
        case bytes() | bytearray() | memoryview():
            yield bytes(item)
        case int():
            if item >= _COUNT:
                yield item.to_bytes(max(32, (item.bit_length() + 7) // 8), "big")
        case PrivateKey():
            yield item.secret
        case X25519PrivateKey():
            yield item.private_bytes_raw()


def _parts(item: object) -> Iterable[Any]:
    """What an object refers to: items, fields, what a function has closed over."""
    parts: list[Any] = []
    if isinstance(item, Mapping):
        parts += [*item.keys(), *item.values()]
    elif isinstance(item, (list, tuple, set, frozenset)) or type(item).__name__ == "deque":
        parts += item  # type: ignore[arg-type]
    elif isinstance(item, MethodType):
        parts += [item.__self__, item.__func__]
    elif isinstance(item, FunctionType):
        parts += [cell.cell_contents for cell in item.__closure__ or () if _is_filled(cell)]
        parts += item.__defaults__ or ()
    parts += getattr(item, "__dict__", {}).values()
    for kind in type(item).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(item, name):
                parts.append(getattr(item, name))
    return parts


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
