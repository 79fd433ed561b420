"""Contract interfaces: calls, results and events by name, over our own ABI codec.

**Source:** Solidity documentation, "Contract ABI Specification", JSON form and events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coprocessor.chain.node import BlockTag, Log, Node
from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import Address

__all__ = ["Contract", "Event", "Function", "Interface"]


@dataclass(frozen=True, slots=True)
class Function:
    """One function of a contract.

    Args:
        name: as in the source.
        names: of its arguments.
        inputs: their types.
        outputs: types of what it returns.
    """

    name: str
    names: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def selector(self) -> bytes:
        """The first 4 bytes of its call data."""
        return abi.selector(f"{self.name}({','.join(self.inputs)})")

    def encode(self, *values: Any) -> bytes:
        """Call data. Raises CallerMisuse where the values do not fit."""
        return self.selector + abi.encode(self.inputs, values)

    def decode(self, data: bytes) -> Any:
        """What the function returned: None, one value, or a list. Raises MalformedInput."""
        values = abi.decode(self.outputs, data)
        if len(values) > 1:
            return values
        return values[0] if values else None

    def decode_call(self, data: bytes) -> list[Any]:
        """The arguments in call data. Raises MalformedInput where it calls something else."""
        if data[:4] != self.selector:
            raise MalformedInput("contract.call", f"the call data does not call {self.name}")
        return abi.decode(self.inputs, data[4:])


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a contract: its topic and its members (name, type, indexed) in order."""

    name: str
    topic: bytes
    members: tuple[tuple[str, str, bool], ...]

    def decode(self, log: Log) -> dict[str, Any]:
        """The members of a log of this event, by name. Raises MalformedInput."""
        indexed = [(name, kind) for name, kind, is_indexed in self.members if is_indexed]
        plain = [(name, kind) for name, kind, is_indexed in self.members if not is_indexed]
        if not log.topics or log.topics[0] != self.topic or len(log.topics) != 1 + len(indexed):
            raise MalformedInput("contract.event", f"the log is no {self.name}")
        found = {
            name: abi.decode([kind], topic)[0] for (name, kind), topic in zip(indexed, log.topics[1:], strict=True)
        }
        found |= zip((name for name, _ in plain), abi.decode([kind for _, kind in plain], log.data), strict=True)
        return found


class Interface:
    """What a contract's JSON interface describes."""

    def __init__(self, description: Sequence[dict[str, Any]]) -> None:
        self._functions: dict[str, Function] = {}
        self._events: dict[str, Event] = {}
        self.constructor = Function("", (), (), ())
        for entry in description:
            match entry["type"]:
                case "function":
                    self._functions.setdefault(entry["name"], _function(entry))
                case "event":
                    self._events[entry["name"]] = _event(entry)
                case "constructor":
                    self.constructor = _function({"name": "", "outputs": [], **entry})

    def function(self, name: str) -> Function:
        """The function called ``name``. Raises CallerMisuse where there is none."""
        try:
            return self._functions[name]
        except KeyError:
            raise CallerMisuse("contract.function", f"the contract has no function {name!r}") from None

    def event(self, name: str) -> Event:
        """The event called ``name``. Raises CallerMisuse where there is none."""
        try:
            return self._events[name]
        except KeyError:
            raise CallerMisuse("contract.event_name", f"the contract has no event {name!r}") from None

    def event_of(self, topic: bytes) -> Event | None:
        """The event with this topic (32 bytes), or None."""
        return next((event for event in self._events.values() if event.topic == topic), None)

    def function_of(self, data: bytes) -> Function | None:
        """The function that call data call, or None."""
        return next((one for one in self._functions.values() if one.selector == data[:4]), None)

    @property
    def event_names(self) -> tuple[str, ...]:
        """Of all events, in the order of the description."""
        return tuple(self._events)

    def encode_constructor(self, *arguments: Any) -> bytes:
        """What follows the init code in a creating transaction."""
        return abi.encode(self.constructor.inputs, arguments)


@dataclass(frozen=True, slots=True)
class Contract:
    """A deployed contract, read through a node; what it answers is the node's word, not a proof."""

    node: Node
    address: Address
    interface: Interface

    async def read(self, function: str, *arguments: Any, tag: BlockTag = "latest") -> Any:
        """What a view function returns at a block."""
        described = self.interface.function(function)
        return described.decode(await self.node.call(self.address, described.encode(*arguments), tag))

    def encode(self, function: str, *arguments: Any) -> bytes:
        """Call data for a transaction."""
        return self.interface.function(function).encode(*arguments)

    def events(self, logs: Sequence[Log], name: str) -> list[dict[str, Any]]:
        """All events called ``name`` that this contract emitted, decoded."""
        event = self.interface.event(name)
        return [
            event.decode(log)
            for log in logs
            if log.address == self.address and log.topics and log.topics[0] == event.topic
        ]


def _type_name(described: dict[str, Any]) -> str:
    kind: str = described["type"]
    if kind.startswith("tuple"):
        return f"({','.join(_type_name(part) for part in described['components'])}){kind[5:]}"
    return kind


def _function(entry: dict[str, Any]) -> Function:
    return Function(
        entry["name"],
        tuple(described["name"] for described in entry["inputs"]),
        tuple(_type_name(described) for described in entry["inputs"]),
        tuple(_type_name(described) for described in entry["outputs"]),
    )


def _event(entry: dict[str, Any]) -> Event:
    members = tuple((item["name"], _type_name(item), bool(item["indexed"])) for item in entry["inputs"])
    signature = f"{entry['name']}({','.join(kind for _, kind, _ in members)})"
    return Event(entry["name"], keccak256(signature.encode("ascii")), members)
