"""The map itself: put, delete, root, prove.

The root is a function of the entries alone: neither the order of changes nor their grouping matters (PROTOCOL 5.1).
Updates mark nodes stale; the next root hashes each stale node once.
"""

from __future__ import annotations

from collections.abc import Iterator

from coprocessor.trie.nodes import EMPTY_ROOT, PATH_BITS, bit_of, hash_inner, hash_leaf
from coprocessor.trie.proofs import Proof, Sibling
from coprocessor.values.errors import MalformedInput

__all__ = ["EMPTY_ROOT", "Trie"]


class _Leaf:
    __slots__ = ("digest", "number", "path", "value")

    def __init__(self, path: bytes, number: int, value: bytes) -> None:
        self.path = path
        self.number = number
        self.value = value
        self.digest: bytes = hash_leaf(path, value)


class _Inner:
    __slots__ = ("bit", "digest", "left", "right")

    def __init__(self, bit: int, left: _Node, right: _Node) -> None:
        self.bit = bit
        self.left = left
        self.right = right
        self.digest: bytes | None = None

    def child(self, number: int) -> _Node:
        return self.right if bit_of(number, self.bit) else self.left

    def replace(self, number: int, node: _Node) -> None:
        self.digest = None
        if bit_of(number, self.bit):
            self.right = node
        else:
            self.left = node


_Node = _Leaf | _Inner


class Trie:
    """A mutable map from 32-byte paths to 32-byte value digests."""

    def __init__(self) -> None:
        self._root: _Node | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, path: bytes, value: bytes) -> None:
        """Sets the entry at ``path``.

        Raises:
            MalformedInput: path or value is not 32 bytes.
        """
        if len(path) != 32 or len(value) != 32:
            raise MalformedInput("trie.length", "paths and values have 32 bytes each")
        number = int.from_bytes(path, "big")
        leaf = _Leaf(path, number, value)
        if self._root is None:
            self._root, self._count = leaf, 1
            return
        nearest = self._nearest(number)
        bit = PATH_BITS - (nearest.number ^ number).bit_length()
        self._insert(leaf, bit)
        self._count += bit < PATH_BITS

    def delete(self, path: bytes) -> bool:
        """Removes the entry at ``path``; returns whether there was one."""
        if self._root is None:
            return False
        number = int.from_bytes(path, "big")
        if self._nearest(number).path != path:
            return False
        self._remove(number)
        self._count -= 1
        return True

    def get(self, path: bytes) -> bytes | None:
        """The value digest at ``path``, or None."""
        if self._root is None:
            return None
        leaf = self._nearest(int.from_bytes(path, "big"))
        return leaf.value if leaf.path == path else None

    def root(self) -> bytes:
        """The 32-byte root over all entries."""
        return EMPTY_ROOT if self._root is None else _digest(self._root)

    def prove(self, path: bytes) -> Proof:
        """A proof of what stands, or does not stand, at ``path`` under the present root."""
        if self._root is None:
            return Proof((), None, None)
        self.root()
        number = int.from_bytes(path, "big")
        siblings: list[Sibling] = []
        node = self._root
        while isinstance(node, _Inner):
            other = node.left if bit_of(number, node.bit) else node.right
            siblings.append(Sibling(node.bit, _digest(other)))
            node = node.child(number)
        return Proof(tuple(siblings), node.path, node.value)

    def paths(self) -> Iterator[bytes]:
        """All paths in ascending order."""
        stack: list[_Node] = [] if self._root is None else [self._root]
        while stack:
            node = stack.pop()
            if isinstance(node, _Leaf):
                yield node.path
            else:
                stack += (node.right, node.left)

    def _nearest(self, number: int) -> _Leaf:
        node = self._root
        while isinstance(node, _Inner):
            node = node.right if number >> (255 - node.bit) & 1 else node.left
        assert node is not None
        return node

    def _insert(self, leaf: _Leaf, bit: int) -> None:
        """Puts ``leaf`` where its path first differs from all others, at ``bit`` (256: replaces its equal)."""
        parent: _Inner | None = None
        node = self._root
        while isinstance(node, _Inner) and node.bit < bit:
            node.digest = None
            parent, node = node, node.child(leaf.number)
        assert node is not None
        new: _Node = leaf
        if bit < PATH_BITS:
            new = _Inner(bit, node, leaf) if bit_of(leaf.number, bit) else _Inner(bit, leaf, node)
        if parent is None:
            self._root = new
        else:
            parent.replace(leaf.number, new)

    def _remove(self, number: int) -> None:
        grandparent: _Inner | None = None
        parent: _Inner | None = None
        node = self._root
        while isinstance(node, _Inner):
            node.digest = None
            grandparent, parent, node = parent, node, node.child(number)
        if parent is None:
            self._root = None
            return
        sibling = parent.left if bit_of(number, parent.bit) else parent.right
        if grandparent is None:
            self._root = sibling
        else:
            grandparent.replace(number, sibling)


def _digest(node: _Node) -> bytes:
    if node.digest is None:
        assert isinstance(node, _Inner)
        node.digest = hash_inner(node.bit, _digest(node.left), _digest(node.right))
    return node.digest
