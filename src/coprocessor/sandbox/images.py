"""Snapshots as shared memory images, mapped copy-on-write over a fresh instance instead of being copied into it.

Copying a snapshot's pages costs a page fault for each of them, before the guest has done anything; mapping costs one
system call, and a call then pays only for the pages that it touches. The first instance of a snapshot is made by
copying, and its memory becomes the image, so both forms are equal by construction.

Only for instances on the fast path whose memory is a mapping of their own: a pool would hand a replaced mapping to
the next instance. Where the machine offers no anonymous memory files, snapshots are copied.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Final, Protocol

from coprocessor.sandbox.live import LiveInstance

__all__ = ["IMAGE_CAPACITY", "ImagePool", "RestorableSnapshot"]

IMAGE_CAPACITY: Final = 16
"""Images kept at once; one of the CPython guest takes about 20 MB. The least recently used one goes first."""

_PAGE: Final = 4096


class RestorableSnapshot(Protocol):
    """What a pool needs to know of a snapshot."""

    @property
    def memory_bytes(self) -> int:
        """Size of the linear memory."""

    def restore(self, live: LiveInstance) -> None:
        """Copies the snapshot into a fresh instance."""


class ImagePool:
    """The images of one engine.

    Args:
        capacity: images kept at once.
    """

    def __init__(self, capacity: int = IMAGE_CAPACITY) -> None:
        self._capacity = capacity
        self._images: OrderedDict[int, tuple[RestorableSnapshot, int]] = OrderedDict()
        self._is_usable = hasattr(os, "memfd_create")

    def restore(self, snapshot: RestorableSnapshot, live: LiveInstance) -> None:
        """Puts the snapshot's memory into a fresh instance. Raises HostShortage."""
        key = id(snapshot)  # an entry keeps its snapshot alive, so that no other object gets the same id
        entry = self._images.get(key)
        if entry is not None:
            self._images.move_to_end(key)
            live.grow_to(snapshot.memory_bytes)
            live.map_memory(entry[1], snapshot.memory_bytes)
            return
        snapshot.restore(live)
        if self._is_usable:
            self._keep(key, snapshot, live)

    def close(self) -> None:
        """Frees all images; instances that live on keep their memory."""
        while self._images:
            self._evict()

    def _keep(self, key: int, snapshot: RestorableSnapshot, live: LiveInstance) -> None:
        try:
            descriptor = _make_image(live.read(0, snapshot.memory_bytes))
        except OSError:
            self._is_usable = False
            return
        self._images[key] = (snapshot, descriptor)
        if len(self._images) > self._capacity:
            self._evict()

    def _evict(self) -> None:
        _, (_, descriptor) = self._images.popitem(last=False)
        os.close(descriptor)


def _make_image(memory: bytes) -> int:
    """An anonymous memory file with these bytes; pages of zeros stay holes. Raises OSError."""
    descriptor = os.memfd_create("snapshot", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, len(memory))
        zeros = bytes(_PAGE)
        for offset in range(0, len(memory), _PAGE):
            page = memory[offset : offset + _PAGE]
            if page != zeros:
                os.pwrite(descriptor, page, offset)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
