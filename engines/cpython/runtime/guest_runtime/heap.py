"""Packs the heap before an image is taken, so that a call dirties fewer pages.

CPython on WASI allocates by the C library's ``malloc`` (dlmalloc), which serves a request from the holes that loading
has left all over the image: each small object of a call would touch a page of its own. Filling the holes with blocks
that stay makes the calls' objects lie side by side above them.
"""

from __future__ import annotations

import sys

_HEADROOM_BYTES = 1 << 20
_SIZES = [1 << power for power in range(17, 10, -1)] + list(range(1024, 48, -32)) + [48, 40, 32, 24]
_MOST_BLOCKS = 65536
_OVERHEAD = sys.getsizeof(b"")


def pack() -> list[bytes | None]:
    """Fills the holes of the heap; the result must be kept as long as the image lives.

    Room for a call's objects is left above them, so that small calls need not grow the memory.
    """
    kept: list[bytes | None] = [None] * _MOST_BLOCKS
    top = id(_block(_HEADROOM_BYTES))
    count = 0
    for size in _SIZES:
        count = _fill(kept, count, size, top)
    return kept


def _fill(kept: list[bytes | None], count: int, size: int, top: int) -> int:
    """Blocks of one size until they come from above ``top``; returns how many are kept now."""
    while count < _MOST_BLOCKS:
        block = _block(size)
        if id(block) >= top:
            break
        kept[count] = block
        count += 1
    return count


def _block(size: int) -> bytes:
    # Not zeros: an image of many short runs cannot be encoded.
    return b"." * max(size - _OVERHEAD, 2)
