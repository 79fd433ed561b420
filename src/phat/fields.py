"""Fields of a contract: values and maps that live in the program's state.

State keys: a field ``count`` is stored under ``count``; the entry of a map ``votes`` under ``votes/`` and the bytes
of its key; the number of entries under ``votes#``. **Source:** docs/specification/interface.md, section "State".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar, overload

from phat.map_keys import KeyCodec
from phat.schema import IntSchema, Mismatch, Schema, found
from phat.store import MISSING, Store

__all__ = ["Map", "MapField", "ValueField"]

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

_COUNT = IntSchema()


class _Stateful(Protocol):
    """What fields need of a contract."""

    _store: Store
    _maps: dict[str, Any]


class ValueField:
    """A field with one value: ``owner: Address`` or ``count: int = 0``."""

    __slots__ = ("default", "key", "name", "schema")

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        self.name = name
        self.key = name.encode()
        self.schema = schema
        self.default = default

    def __get__(self, contract: _Stateful | None, owner: type) -> Any:
        if contract is None:
            return self
        value = contract._store.read(self.key, self.schema, self.name, self.default)
        if value is MISSING:
            raise AttributeError(f"{self.name} has no value yet: set it in init, or give it a default in the class")
        return value

    def __set__(self, contract: _Stateful, value: Any) -> None:
        contract._store.write(self.key, self.schema, self.name, value)

    def __delete__(self, contract: _Stateful) -> None:
        raise AttributeError(f"{self.name} cannot be deleted: declare it as {self.schema.label} | None and assign None")


class MapField:
    """A field that is a ``Map``."""

    __slots__ = ("keys", "name", "values")

    def __init__(self, name: str, keys: KeyCodec, values: Schema) -> None:
        self.name = name
        self.keys = keys
        self.values = values

    def __get__(self, contract: _Stateful | None, owner: type) -> Any:
        if contract is None:
            return self
        made = contract._maps.get(self.name)
        if made is None:
            made = contract._maps[self.name] = Map._make(contract._store, self.name, self.keys, self.values)
        return made

    def __set__(self, contract: _Stateful, value: Any) -> None:
        raise AttributeError(f"{self.name} is a Map: assign its entries, {self.name}[key] = value")


class Map(Generic[K, V]):
    """A mapping in the program's state; only the entries that a call uses are read.

    Keys may be ``str``, ``int``, ``bool``, ``bytes``, ``Address``, ``Digest``, an ``Enum``, or a tuple of them, and
    are kept in their order. A value that is changed in place is stored too: ``self.bids[key].amount = 3``.
    """

    __slots__ = ("_counter", "_keys", "_name", "_prefix", "_store", "_values")

    _store: Store
    _name: str
    _keys: KeyCodec
    _values: Schema
    _prefix: bytes
    _counter: bytes

    @classmethod
    def _make(cls, store: Store, name: str, keys: KeyCodec, values: Schema) -> Map[Any, Any]:
        made: Map[Any, Any] = cls.__new__(cls)
        made._store, made._name, made._keys, made._values = store, name, keys, values
        made._prefix = name.encode() + b"/"
        made._counter = name.encode() + b"#"
        return made

    def __getitem__(self, key: K) -> V:
        value: Any = self._read(key)
        if value is MISSING:
            raise KeyError(f"{self._name} has no {found(key)}")
        result: V = value
        return result

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: V) -> V: ...
    @overload
    def get(self, key: K, default: D) -> V | D: ...
    def get(self, key: K, default: Any = None) -> Any:
        """The value of ``key``, or ``default``; a default is not stored."""
        value = self._read(key)
        return default if value is MISSING else value

    def __setitem__(self, key: K, value: V) -> None:
        if self._store.write(self._key(key), self._values, (self._name, key), value):
            self._count(1)

    set = __setitem__

    def __delitem__(self, key: K) -> None:
        if not self.delete(key):
            raise KeyError(f"{self._name} has no {found(key)}")

    def delete(self, key: K) -> bool:
        """Removes an entry; returns whether there was one."""
        was_there = self._store.delete(self._key(key), self._values, (self._name, key))
        if was_there:
            self._count(-1)
        return was_there

    def __contains__(self, key: object) -> bool:
        return self._store.is_present(self._key(key), self._values, (self._name, key))

    def __len__(self) -> int:
        size: int = self._store.read(self._counter, _COUNT, f"the size of {self._name}", 0)
        return size

    def __bool__(self) -> bool:
        return len(self) > 0

    def items(self, after: K | None = None) -> Iterator[tuple[K, V]]:
        """Entries in the order of their keys; with ``after``, only those that come after it.

        Entries that are added while the loop runs may or may not be seen.
        """
        start = b"" if after is None else self._key(after)
        size = len(self._prefix)
        for stored_key, stored in self._store.scan(self._prefix, start):
            key: K = self._keys.decode(stored_key[size:])
            value: Any = self._store.adopt(stored_key, self._values, (self._name, key), stored)
            if value is not MISSING:
                yield key, value

    def keys(self, after: K | None = None) -> Iterator[K]:
        """Keys in their order."""
        return (key for key, _ in self.items(after))

    def values(self) -> Iterator[V]:
        """Values in the order of their keys."""
        return (value for _, value in self.items())

    def __iter__(self) -> Iterator[K]:
        return self.keys()

    def _read(self, key: Any) -> Any:
        return self._store.read(self._key(key), self._values, (self._name, key))

    def _key(self, key: Any) -> bytes:
        try:
            return self._prefix + self._keys.encode(key)
        except Mismatch as mismatch:
            raise TypeError(mismatch.explain(f"a key of {self._name}")) from None

    def _count(self, change: int) -> None:
        self._store.write(self._counter, _COUNT, f"the size of {self._name}", len(self) + change)
