"""Transactions from one account: nonces, gas, fees, and waiting until they are in a block.

Transactions of one sender leave one after the other, each with a nonce of its own, also when several tasks send at
once. One that stays out of blocks is sent again with higher fees under the same nonce; one that the node has forgotten,
by a restart or a reorganisation, is handed in again before the next one leaves.

**Source:** EIP-1559 for fees; EIP-7623 for the floor price of call data; EIP-7825 for the cap of a transaction.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

from coprocessor.chain.errors import RpcError, TransactionFailed, TransactionReverted
from coprocessor.chain.node import Node, TransactionReceipt
from coprocessor.codec.transaction import SignedTransaction, Transaction
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.identities import Address, to_hex

__all__ = ["MAX_TRANSACTION_GAS", "SenderOptions", "TransactionSender", "calldata_floor"]

MAX_TRANSACTION_GAS = 16_777_216
"""Gas of one transaction (EIP-7825)."""

_KNOWN_ALREADY = ("already known", "already imported", "known transaction", "already in the pool")
_NONCE_USED = ("nonce too low", "nonce is too low", "already used", "nonce used")
_UNDERPRICED = ("underpriced",)
_NO_FUNDS = ("insufficient funds", "insufficient balance")
_NONCE_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class SenderOptions:
    """How a sender behaves.

    Args:
        gas_margin: percent added to the node's estimate.
        poll: seconds between looks for a receipt.
        replace_after: seconds outside blocks after which a transaction is sent again with higher fees.
        give_up_after: seconds after which waiting ends with ``chain.transaction_stuck``.
        minimum_tip: wei per gas, at least.
    """

    gas_margin: int = 25
    poll: float = 0.1
    replace_after: float = 30.0
    give_up_after: float = 300.0
    minimum_tip: int = 1


@dataclass(slots=True)
class _Pending:
    """A nonce in use: the transaction, and every signed form of it that left."""

    transaction: Transaction
    sent: list[SignedTransaction] = field(default_factory=list)


class TransactionSender:
    """Sends from the account of ``key`` and waits for receipts."""

    def __init__(self, node: Node, key: PrivateKey, options: SenderOptions | None = None) -> None:
        self._node = node
        self._key = key
        self._options = options or SenderOptions()
        self._lock = asyncio.Lock()
        self._chain_id: int | None = None
        self._outstanding: dict[int, _Pending] = {}

    @property
    def address(self) -> Address:
        """20 bytes: who pays."""
        return self._key.address

    async def send(self, to: Address | None, data: bytes, value: int = 0, gas: int | None = None) -> TransactionReceipt:
        """Sends a transaction and waits until it is in a block.

        Args:
            to: 20 bytes, or None to create a contract.
            data: call data or init code.
            value: wei.
            gas: limit; estimated where None, which also finds a revert before anything is paid.

        Raises:
            TransactionReverted: the contract refuses, in the estimate or in the block.
            TransactionFailed: stuck, replaced by another, or the account cannot pay.
            ChainUnreachable, RpcError, ResponseMalformed: as the node does.
        """
        async with self._lock:
            pending = await self._submit(to, data, value, gas)
        receipt = await self._wait(pending)
        if not receipt.succeeded:
            raise await self._explain(pending.transaction, receipt)
        return receipt

    async def _submit(self, to: Address | None, data: bytes, value: int, gas: int | None) -> _Pending:
        await self._resend_forgotten()
        limit = gas if gas is not None else await self._gas_limit(to, data, value)
        tip, base = await self._fees()
        for attempt in range(_NONCE_ATTEMPTS):
            nonce = await self._next_nonce()
            transaction = Transaction(await self._chain(), nonce, limit, 2 * base + tip, tip, to, value, data)
            pending = _Pending(transaction)
            try:
                await self._hand_in(pending, transaction)
            except RpcError as error:
                # Another process sends from the same account, perhaps the very same: its transaction came first.
                if attempt + 1 == _NONCE_ATTEMPTS or not _says(error, _NONCE_USED + _UNDERPRICED + _KNOWN_ALREADY):
                    raise
            else:
                self._outstanding[nonce] = pending
                return pending
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _next_nonce(self) -> int:
        counted = await self._node.transaction_count(self.address, "pending")
        return max(counted, 1 + max(self._outstanding, default=-1))

    async def _hand_in(self, pending: _Pending, transaction: Transaction) -> None:
        signed = transaction.sign(self._key)
        try:
            await self._node.send_raw(signed.raw)
        except RpcError as error:
            if _says(error, _NO_FUNDS):
                raise TransactionFailed(
                    "chain.out_of_funds",
                    f"{to_hex(self.address)} cannot pay for a transaction",
                    error.what,
                    "send it some of the chain's currency",
                ) from error
            raise
        pending.transaction = transaction
        pending.sent.append(signed)

    async def _wait(self, pending: _Pending) -> TransactionReceipt:
        options, started, last_sent = self._options, time.monotonic(), time.monotonic()
        pause = min(0.01, options.poll)
        while True:
            receipt = await self._find_receipt(pending)
            if receipt is not None:
                return receipt
            now = time.monotonic()
            if now - started > options.give_up_after:
                raise TransactionFailed(
                    "chain.transaction_stuck",
                    f"transaction {to_hex(pending.sent[-1].hash)} is in no block after {options.give_up_after:.0f} s",
                    "the fees are too low, or the chain makes no blocks",
                )
            if now - last_sent > options.replace_after:
                last_sent = now
                await self._replace(pending)
            await asyncio.sleep(pause)
            pause = min(2 * pause, options.poll)

    async def _find_receipt(self, pending: _Pending) -> TransactionReceipt | None:
        for signed in reversed(pending.sent):
            receipt = await self._node.receipt(signed.hash)
            if receipt is not None:
                return receipt
        return None

    async def _replace(self, pending: _Pending) -> None:
        """Sends the transaction again with fees at least an eighth higher, as pools demand of a replacement."""
        transaction = pending.transaction
        if await self._node.transaction_count(self.address) > transaction.nonce:
            if await self._find_receipt(pending) is None:
                self._outstanding.pop(transaction.nonce, None)
                raise TransactionFailed(
                    "chain.transaction_replaced",
                    f"nonce {transaction.nonce} of {to_hex(self.address)} was used by another transaction",
                    "somebody else sends with the same key",
                    "give every sender an account of its own",
                )
            return
        tip, base = await self._fees()
        tip = max(tip, transaction.max_priority_fee_per_gas * 9 // 8 + 1)
        fee = max(2 * base + tip, transaction.max_fee_per_gas * 9 // 8 + 1)
        dearer = replace(transaction, max_fee_per_gas=fee, max_priority_fee_per_gas=tip)
        try:
            await self._hand_in(pending, dearer)
        except RpcError as error:
            if not _says(error, _NONCE_USED + _KNOWN_ALREADY):
                raise

    async def _resend_forgotten(self) -> None:
        """Hands in again what left earlier and is in no block any more; forgets what is final."""
        if not self._outstanding:
            return
        final = await self._node.transaction_count(self.address, "finalized")
        for nonce in [nonce for nonce in self._outstanding if nonce < final]:
            del self._outstanding[nonce]
        latest = await self._node.transaction_count(self.address)
        for nonce in sorted(self._outstanding):
            if nonce < latest:
                continue
            try:
                await self._node.send_raw(self._outstanding[nonce].sent[-1].raw)
            except RpcError as error:
                if not _says(error, _NONCE_USED + _KNOWN_ALREADY):
                    # It cannot be sent any more, nor what follows it: whoever waits for them finds them stuck.
                    for later in [later for later in self._outstanding if later >= nonce]:
                        del self._outstanding[later]
                    return

    async def _gas_limit(self, to: Address | None, data: bytes, value: int) -> int:
        estimate = await self._node.estimate_gas(to, data, self.address, value)
        wanted = max(estimate * (100 + self._options.gas_margin) // 100, calldata_floor(data))
        return min(wanted, max(MAX_TRANSACTION_GAS, estimate))

    async def _fees(self) -> tuple[int, int]:
        """Tip and base fee, wei per gas."""
        block = await self._node.block("latest")
        try:
            tip = await self._node.priority_fee()
        except RpcError:
            tip = 0
        return max(tip, self._options.minimum_tip), 0 if block is None else block.base_fee

    async def _chain(self) -> int:
        if self._chain_id is None:
            self._chain_id = await self._node.chain_id()
        return self._chain_id

    async def _explain(self, transaction: Transaction, receipt: TransactionReceipt) -> TransactionReverted:
        """Runs the failed call again on the state before its block, to learn the reason."""
        reason = ""
        try:
            before = receipt.block_number - 1
            await self._node.call(transaction.to, transaction.data, before, self.address, transaction.value)
        except TransactionReverted as error:
            reason = error.reason
        except RpcError:
            pass
        return TransactionReverted(f"transaction {to_hex(receipt.hash)}", reason)


def _says(error: RpcError, phrases: tuple[str, ...]) -> bool:
    """Whether a node's error contains one of the phrases; nodes give these cases no numbers of their own."""
    return any(phrase in error.what.lower() for phrase in phrases)


def calldata_floor(data: bytes) -> int:
    """Gas that a transaction with ``data`` costs at least (EIP-7623): 10 per zero byte, 40 per other byte."""
    zeros = data.count(0)
    return 21_000 + 10 * (zeros + 4 * (len(data) - zeros))
