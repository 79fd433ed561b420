"""What the training loop costs as a smart contract: ``train.vy`` on a development chain of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.middleware import SignAndSendRawMiddlewareBuilder

from coprocessor.chain.development import development_keys

__all__ = ["BLOCK_GAS", "ChainCost", "is_measurable", "measure"]

SOURCE = Path(__file__).with_name("train.vy")

BLOCK_GAS = 36_000_000
"""Gas of a whole block, which is more than any transaction gets."""

_POINT = 2**64
_TRANSACTION_GAS = 16_000_000


@dataclass(frozen=True, slots=True)
class ChainCost:
    """Gas of the loop, and what it came to.

    Attributes:
        first_epoch: gas of a transaction with one epoch, its fixed cost and call data included.
        next_epoch: gas that one more epoch adds in the same transaction.
        weights: after one epoch, to be compared with the program's.
    """

    first_epoch: int
    next_epoch: int
    weights: list[list[float]]

    def extrapolate(self, epochs: int) -> int:
        """Gas of so many epochs, all in one transaction, which no block has room for."""
        return self.first_epoch + (epochs - 1) * self.next_epoch


def is_measurable() -> bool:
    """Whether the Vyper compiler is there; users of the network need none."""
    return find_spec("vyper") is not None


def measure(rows: Sequence[Sequence[float]], labels: Sequence[int], rate: float) -> ChainCost:
    """Runs one epoch, and two, each from zero weights, on the same rows that the program learns from."""
    fixed = [[_to_fixed(value) for value in row] for row in rows]
    with _development_chain() as chain:
        gas = []
        for epochs in (2, 1):
            contract = _deploy(chain)
            call = contract.functions.train(fixed, list(labels), epochs, _to_fixed(rate))
            receipt = chain.eth.wait_for_transaction_receipt(call.transact({"gas": _TRANSACTION_GAS}))
            if receipt["status"] != 1:
                raise RuntimeError(f"{epochs} epochs failed after {receipt['gasUsed']} gas")
            gas.append(receipt["gasUsed"])
        both, first = gas
        weights = [
            [contract.functions.weights(kind, of).call() / _POINT for of in range(len(rows[0]))] for kind in range(3)
        ]
    return ChainCost(first, both - first, weights)


def _to_fixed(value: float) -> int:
    return round(value * _POINT)


def _deploy(chain: Web3) -> Contract:
    import vyper  # type: ignore[import-untyped]  # not installed where nobody compiles

    compiled = vyper.compile_code(SOURCE.read_text(), output_formats=["abi", "bytecode"])
    factory = chain.eth.contract(abi=compiled["abi"], bytecode=compiled["bytecode"])
    receipt = chain.eth.wait_for_transaction_receipt(factory.constructor().transact())
    return factory(receipt["contractAddress"])


@contextmanager
def _development_chain() -> Iterator[Web3]:
    """A node until the block ends, and an account on it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "coprocessor.devnode", "--data", folder, "--port", "0"]
        node = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert node.stdout is not None
            chain = Web3(HTTPProvider(json.loads(node.stdout.readline())["rpc"]))
            account = Account.from_key(development_keys()[0].secret)
            chain.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
            chain.eth.default_account = account.address
            yield chain
        finally:
            node.terminate()
            node.wait()
            if node.stdout is not None:
                node.stdout.close()
