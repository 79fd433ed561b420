"""A trustless coprocessor for blockchains: confidential programs off the chain, proven on it.

``connect`` and ``aconnect`` are the Python SDK's front doors; they are loaded when they are used, so that importing the
package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coprocessor.client.network import aconnect
    from coprocessor.client.sync import connect

__all__ = ["__version__", "aconnect", "connect"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "connect":
        from coprocessor.client.sync import connect

        return connect
    if name == "aconnect":
        from coprocessor.client.network import aconnect

        return aconnect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
