"""A node's valid answers, one for each method of ``Node``, and a client that takes any bytes for an answer."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any

from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient, RpcOptions

__all__ = ["ANSWERS", "AnsweredClient", "ask", "drive"]

HASH = "0x" + "ab" * 32
ADDRESS = "0x" + "cd" * 20
_BLOCK = {
    "number": "0x5",
    "hash": HASH,
    "parentHash": HASH,
    "timestamp": "0x6",
    "mixHash": HASH,
    "baseFeePerGas": "0x7",
}
_LOG = {
    "address": ADDRESS, "topics": [HASH], "data": "0x1234", "blockNumber": "0x5", "blockHash": HASH,
    "transactionHash": HASH, "logIndex": "0x0",
}  # fmt: skip
_RECEIPT = {
    "transactionHash": HASH, "status": "0x1", "blockNumber": "0x5", "blockHash": HASH, "gasUsed": "0x5208",
    "logs": [_LOG], "contractAddress": ADDRESS,
}  # fmt: skip
_PROOF = {
    "address": ADDRESS, "accountProof": ["0x80"], "codeHash": HASH,
    "storageProof": [{"key": HASH, "value": "0x1", "proof": ["0x80"]}],
}  # fmt: skip

ANSWERS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "chain_id": ((), "0x7a69"),
    "block": (("latest",), _BLOCK),
    "blocks": (([5],), [_BLOCK]),
    "logs": (([bytes(20)], [bytes(32), None], 0, 5), [_LOG]),
    "receipt": ((bytes(32),), _RECEIPT),
    "transaction_input": ((bytes(32),), {"input": "0x1234"}),
    "proof": ((bytes(20), [bytes(32)], 5), _PROOF),
    "proofs": (([(bytes(20), [bytes(32)])], 5), [_PROOF]),
    "code": ((bytes(20),), "0x60"),
    "balance": ((bytes(20),), "0xde0b6b3a7640000"),
    "transaction_count": ((bytes(20),), "0x3"),
    "call": ((bytes(20), b""), HASH),
    "next_timestamp": ((), "0x" + "00" * 28 + "65000000"),
    "estimate_gas": ((bytes(20), b"", bytes(20)), "0x5208"),
    "priority_fee": ((), "0x1"),
    "send_raw": ((b"\x02",), HASH),
    "raw_headers": ((5, 6), ["0xc0", "0xc0"]),
    "raw_blocks": (([5],), ["0xc0"]),
    "raw_receipts": (([5],), [["0xc0", "0x02"]]),
    "seals": ((bytes(32),), {"blockHash": HASH, "signatures": ["0x" + "11" * 65]}),
    "sealers": ((), [ADDRESS]),
}
"""Method -> (arguments, its valid answer); a batch answers with a list of answers."""

BATCHES = frozenset({"blocks", "proofs", "raw_blocks", "raw_receipts"})


class AnsweredClient(RpcClient):
    """Sends nothing; takes ``body`` for the node's answer."""

    def __init__(self, body: bytes) -> None:
        super().__init__("http://node.invalid", RpcOptions(attempts=1))
        self._body = body

    async def _exchange(self, calls: Any, single: bool) -> bytes:
        return self._body


def drive(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something")


def body_of(method: str, answer: Any) -> bytes:
    """The HTTP body in which ``answer`` comes."""
    if method in BATCHES and isinstance(answer, list):
        return json.dumps([{"jsonrpc": "2.0", "id": at, "result": one} for at, one in enumerate(answer)]).encode()
    return json.dumps({"jsonrpc": "2.0", "id": 0, "result": answer}).encode()


def ask(method: str, body: bytes) -> Any:
    """What ``Node`` makes of the body as the answer to one of its methods."""
    arguments, _ = ANSWERS[method]
    return drive(getattr(Node(AnsweredClient(body)), method)(*arguments))
