"""Sending transactions, and what they cost.

**Source:** Ethereum execution API specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.devnode.accounts import DevelopmentAccount
from coprocessor.devnode.block_resolver import BlockResolver
from coprocessor.devnode.builder import compute_next_base_fee
from coprocessor.devnode.chain import Chain
from coprocessor.devnode.database import Database
from coprocessor.devnode.errors import INVALID_INPUT, RpcError, invalid_params
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.mining import Miner
from coprocessor.devnode.rpc_params import (
    parse_address,
    parse_bytes,
    parse_integer,
    parse_quantity,
)
from coprocessor.devnode.rpc_state import StateMethods
from coprocessor.devnode.transactions import MAX_TRANSACTION_BYTES, sign_dynamic_fee_transaction
from coprocessor.values.identities import to_hex

__all__ = ["TransactionMethods"]

SUGGESTED_TIP: Final = 10**9
MAX_FEE_HISTORY_BLOCKS: Final = 1_024
MAX_PERCENTILES: Final = 100


class TransactionMethods:
    """``eth_sendRawTransaction``, ``eth_sendTransaction`` for development accounts, fees."""

    def __init__(
        self,
        chain: Chain,
        database: Database,
        miner: Miner,
        state: StateMethods,
        accounts: tuple[DevelopmentAccount, ...],
    ) -> None:
        self._chain = chain
        self._database = database
        self._miner = miner
        self._state = state
        self._blocks = BlockResolver(chain, database)
        self._keys: dict[bytes, PrivateKey] = {account.address: account.key for account in accounts}

    def accounts(self) -> list[str]:
        """Addresses of the development accounts."""
        return [to_hex(address) for address in self._keys]

    def send_raw_transaction(self, raw: object) -> str:
        """Submit a signed transaction; its hash. The dispatcher flushes before it answers."""
        data = parse_bytes(raw, "transaction", limit=MAX_TRANSACTION_BYTES)
        transaction = self._chain.submit(data)
        self._miner.note_submission()
        return to_hex(transaction.hash)

    def send_transaction(self, request: object) -> str:
        """Sign with a development account's public key material and submit."""
        if not isinstance(request, Mapping):
            raise invalid_params("the transaction must be an object")
        sender = parse_address(request.get("from"), "from")
        key = self._keys.get(sender)
        if key is None:
            raise RpcError(INVALID_INPUT, f"unknown account {to_hex(sender)}: sign it and send the raw transaction")
        gas = request.get("gas")
        next_nonce = int(self._state.get_transaction_count(to_hex(sender), "pending"), 16)
        tip = self._quantity(request, "maxPriorityFeePerGas", self._quantity(request, "gasPrice", SUGGESTED_TIP))
        default_fee = 2 * compute_next_base_fee(self._chain.head.header) + tip
        data = request.get("input", request.get("data"))
        raw = sign_dynamic_fee_transaction(
            key,
            chain_id=self._chain.chain_id,
            nonce=self._quantity(request, "nonce", next_nonce),
            max_priority_fee_per_gas=tip,
            max_fee_per_gas=self._quantity(request, "maxFeePerGas", self._quantity(request, "gasPrice", default_fee)),
            gas=parse_quantity(self._state.estimate_gas(request) if gas is None else gas, "gas", 2**64),
            to=b"" if request.get("to") is None else parse_address(request["to"], "to"),
            value=self._quantity(request, "value", 0),
            data=b"" if data is None else parse_bytes(data, "input"),
        )
        return self.send_raw_transaction(to_hex(raw))

    def gas_price(self) -> str:
        """Wei per gas that gets a legacy transaction into the next block."""
        return hex(compute_next_base_fee(self._chain.head.header) + SUGGESTED_TIP)

    def max_priority_fee_per_gas(self) -> str:
        """Wei per gas suggested as a tip."""
        return hex(SUGGESTED_TIP)

    def fee_history(self, count: object, newest: object, percentiles: object = None) -> dict[str, Any]:
        """Base fees, fullness and tips of past blocks."""
        wanted = parse_integer(count, "block count")
        if not 1 <= wanted <= MAX_FEE_HISTORY_BLOCKS:
            raise invalid_params(f"block count must be between 1 and {MAX_FEE_HISTORY_BLOCKS}, got {wanted}")
        ranks = _parse_percentiles(percentiles)
        last = self._blocks.get_header(newest).number
        first = max(0, last - wanted + 1)
        headers = [BlockHeader.decode(data) for data in self._database.get_headers(first, last)]
        base_fees = [header.base_fee_per_gas or 0 for header in headers]
        history: dict[str, Any] = {
            "oldestBlock": hex(first),
            "baseFeePerGas": [hex(fee) for fee in (*base_fees, compute_next_base_fee(headers[-1]))],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
            "baseFeePerBlobGas": ["0x1"] * (len(headers) + 1),
            "blobGasUsedRatio": [0.0] * len(headers),
        }
        if ranks:
            history["reward"] = [self._tips(header, ranks) for header in headers]
        return history

    def _tips(self, header: BlockHeader, ranks: list[float]) -> list[str]:
        """Tips at percentiles of the block's gas, cheapest first."""
        paid: list[tuple[int, int]] = []
        for row in self._database.get_transactions(header.number):
            receipt = msgspec.json.decode(row.receipt)
            tip = int(receipt["effectiveGasPrice"], 16) - (header.base_fee_per_gas or 0)
            paid.append((tip, int(receipt["gasUsed"], 16)))
        if not paid:
            return ["0x0"] * len(ranks)
        paid.sort()
        tips = []
        for rank in ranks:
            gas_left = header.gas_used * rank / 100
            position = 0
            while position < len(paid) - 1 and gas_left > paid[position][1]:
                gas_left -= paid[position][1]
                position += 1
            tips.append(hex(paid[position][0]))
        return tips

    def _quantity(self, request: Mapping[Any, Any], name: str, default: int) -> int:
        value = request.get(name)
        return default if value is None else parse_quantity(value, name)


def _parse_percentiles(value: object) -> list[float]:
    ranks = [] if value is None else value
    if not isinstance(ranks, list) or len(ranks) > MAX_PERCENTILES:
        raise invalid_params(f"percentiles must be a list of at most {MAX_PERCENTILES} numbers")
    for rank in ranks:
        if isinstance(rank, bool) or not isinstance(rank, int | float) or not 0 <= rank <= 100:
            raise invalid_params("percentiles must be numbers from 0 to 100")
    if ranks != sorted(ranks):
        raise invalid_params("percentiles must rise")
    return [float(rank) for rank in ranks]
