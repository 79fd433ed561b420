"""What goes wrong between us and a node, told apart by who can do something about it.

``chain.unreachable`` (no answer), ``chain.rpc_error`` (the node refuses), ``chain.reverted`` (the contract refuses),
``chain.response_malformed`` (the answer is not one).
"""

from __future__ import annotations

from coprocessor.codec import abi
from coprocessor.values.errors import CallerMisuse, CoprocessorError, MalformedInput, PeerUnreachable

__all__ = [
    "ChainUnreachable",
    "ResponseMalformed",
    "RpcError",
    "TransactionFailed",
    "TransactionReverted",
    "decode_revert",
]

_ERROR = abi.selector("Error(string)")
_PANIC = abi.selector("Panic(uint256)")
MAX_SHOWN = 256
"""Characters of a node's own words that are repeated in an error."""


class ChainUnreachable(PeerUnreachable):
    """The node did not answer, or not in time."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            "chain.unreachable",
            f"the node at {url} did not answer",
            why,
            "check that the node runs and that its URL is right",
        )


class RpcError(CoprocessorError):
    """The node answered with a JSON-RPC error.

    Attributes:
        number: the JSON-RPC error code.
        data: the error's data as bytes; empty where there is none.
    """

    family = "peer"

    def __init__(self, method: str, number: int, message: str, data: bytes = b"") -> None:
        super().__init__("chain.rpc_error", f"{method} was refused: {message[:MAX_SHOWN]}", f"JSON-RPC error {number}")
        self.number = number
        self.data = data


class TransactionReverted(CallerMisuse):
    """A contract refused the call.

    Attributes:
        reason: the revert reason, for example ``settlement: head``; empty where the contract gave none.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(
            "chain.reverted",
            f"{what} was refused by the contract: {reason or 'no reason given'}",
            "the chain's state does not allow it, or its arguments are wrong",
        )
        self.reason = reason


class TransactionFailed(PeerUnreachable):
    """A transaction was sent but did not get into a block as it should.

    Codes: ``chain.transaction_stuck`` (not in a block in time), ``chain.transaction_replaced`` (its nonce was used by
    another one), ``chain.out_of_funds`` (the sender cannot pay).
    """


class ResponseMalformed(MalformedInput):
    """The node's answer is not what the method answers."""

    def __init__(self, method: str, why: str) -> None:
        super().__init__(
            "chain.response_malformed",
            f"the answer to {method} has not the form it must have",
            why[:MAX_SHOWN],
            "the node is broken, lies, or is no Ethereum node",
        )


def decode_revert(data: bytes) -> str:
    """The reason in revert data: the text of ``Error(string)``, a panic's number, or the raw bytes in hexadecimal."""
    try:
        if data[:4] == _ERROR:
            return str(abi.decode(["string"], data[4:])[0])
        if data[:4] == _PANIC:
            return f"panic {abi.decode(['uint256'], data[4:])[0]:#x}"
    except MalformedInput:
        pass
    return "0x" + data.hex()[:MAX_SHOWN] if data else ""
