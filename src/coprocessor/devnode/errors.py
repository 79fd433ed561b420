"""What goes wrong in the node, as JSON-RPC error objects and as start-up failures."""

from __future__ import annotations

from coprocessor.values.errors import CallerMisuse, CoprocessorError

__all__ = [
    "INTERNAL_ERROR",
    "INVALID_INPUT",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "LIMIT_EXCEEDED",
    "METHOD_NOT_FOUND",
    "PARSE_ERROR",
    "REVERTED",
    "RpcError",
    "StartFailed",
    "invalid_params",
]

# **Source:** JSON-RPC 2.0 section 5.1; EIP-1474; code 3 is go-ethereum's for a revert with data.
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
INVALID_INPUT = -32000
LIMIT_EXCEEDED = -32005
REVERTED = 3


class RpcError(CoprocessorError):
    """A request that is answered by a JSON-RPC error object.

    Args:
        number: the JSON-RPC error code.
        message: what the client reads.
        data: 0x-prefixed hexadecimal of a revert's data, or None.
    """

    family = "rpc"

    def __init__(self, number: int, message: str, data: str | None = None) -> None:
        super().__init__("devnode.rpc", message)
        self.number = number
        self.message = message
        self.data = data


class StartFailed(CallerMisuse):
    """The node cannot start as asked.

    Codes: ``devnode.data``, ``devnode.locked``, ``devnode.options``, ``devnode.port``, ``devnode.sealer_key``,
    ``devnode.upstream``.
    """


def invalid_params(message: str) -> RpcError:
    """The error for parameters of the wrong form."""
    return RpcError(INVALID_PARAMS, message)
