"""What an author derives from and decorates with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from phat.environment import Environment
from phat.events import Event
from phat.store import Store

__all__ = ["Contract", "command", "kind_of", "query", "request"]

F = TypeVar("F", bound=Callable[..., Any])

_KIND = "__phat_kind__"


def command(method: F) -> F:
    """A method that may change state: ordered by the chain, executed alike by every worker."""
    setattr(method, _KIND, "command")
    return method


def query(method: F) -> F:
    """A method that reads: answered at once by one worker; it changes nothing."""
    setattr(method, _KIND, "query")
    return method


def request(method: F) -> F:
    """A method that smart contracts call: arguments and result are Ethereum ABI, the result reaches a callback."""
    setattr(method, _KIND, "request")
    return method


def kind_of(method: object) -> str | None:
    """What a function was decorated as."""
    kind: str | None = getattr(method, _KIND, None)
    return kind


class Contract:
    """Base of a Phat contract.

    Class-level type hints declare the fields of the state; decorated methods are its interface; ``init``, if there
    is one, runs once when a program is made of it. A fresh object serves each call.
    """

    __slots__ = ("_maps", "_store", "env")

    env: Environment
    _store: Store
    _maps: dict[str, Any]

    def emit(self, event: Event | str, /, **fields: Any) -> None:
        """Puts an event into the call's output; see ``Environment.emit``."""
        self.env.emit(event, **fields)

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(getattr(type(self), name, None), "__set__"):  # fields and properties have it, constants do not
            raise AttributeError(
                f"{type(self).__name__} declares no field {name}: add '{name}: <type>' to the class to keep it in "
                "the state, or use a local variable"
            )
        object.__setattr__(self, name, value)
