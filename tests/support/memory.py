"""Looking into the memory of other processes, as the owner of a simulated machine can."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["descendants", "find_in_memory", "is_memory_readable", "python_bytes"]

_PART = 1 << 24
_OVERLAP = 256


def descendants(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [found for child in children for found in descendants(int(child))]


def is_memory_readable(pid: int) -> bool:
    """Whether this machine lets us read the memory of one of our processes."""
    try:
        with open(f"/proc/{pid}/mem", "rb"):
            return True
    except OSError:
        return False


def find_in_memory(pid: int, needles: Iterable[bytes]) -> set[bytes]:
    """Which of the needles (at most 256 bytes each) lie in a process's memory. Raises PermissionError."""
    missing = set(needles)
    found: set[bytes] = set()
    for part in _parts(pid):
        found |= {needle for needle in missing if needle in part}
        missing -= found
    return found


def _parts(pid: int) -> Iterator[bytes]:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, mode, *_ = line.split()
            if not mode.startswith("r") or line.endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            start, end = (int(bound, 16) for bound in span.split("-"))
            yield from _read(memory, start, end)


def _read(memory: object, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _PART):
        try:
            memory.seek(at)  # type: ignore[attr-defined]
            yield memory.read(min(_PART + _OVERLAP, end - at))  # type: ignore[attr-defined]
        except OSError:  # a page that has gone, or a file that is shorter than its mapping
            continue


def python_bytes(pid: int, lengths: Iterable[int], known: Iterable[bytes]) -> set[bytes]:
    """The bytes objects of CPython of these lengths in a process's memory, freed ones too while nothing overwrote them.

    Before the content of a bytes object stand its type's address, its length and its hash, in eight bytes each. The
    type is that of ``known`` objects, of which the process has at least one.
    """
    found: dict[bytes, set[bytes]] = {}
    examples = set(known)
    for part in _parts(pid):
        for length in lengths:
            wanted, at = length.to_bytes(8, "little"), part.find(length.to_bytes(8, "little"), 8)
            while at >= 0:
                if at % 8 == 0:
                    content = part[at + 16 : at + 16 + length]
                    found.setdefault(part[at - 8 : at], set()).add(content)
                at = part.find(wanted, at + 8 - at % 8)
    return set().union(*(contents for contents in found.values() if contents & examples))
