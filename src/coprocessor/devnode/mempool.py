"""The pool of transactions that wait: admission rules, replacement, order of inclusion.

The pool lives in memory; ``unsaved`` names what the database does not hold yet, and whoever acknowledges a transaction
MUST have saved it first (``chain`` does).

**Source:** rules and wording follow go-ethereum's transaction pool; EIP-7825 for the gas cap of one transaction.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from coprocessor.devnode.errors import INVALID_INPUT, RpcError
from coprocessor.devnode.state import Account
from coprocessor.devnode.transactions import Transaction
from coprocessor.values.identities import Address, Digest

__all__ = [
    "MAX_POOL_TRANSACTIONS",
    "MAX_TRANSACTIONS_PER_SENDER",
    "MAX_TRANSACTION_GAS",
    "Entry",
    "Pool",
    "Selection",
    "check_static_rules",
]

MAX_TRANSACTION_GAS: Final = 16_777_216
"""Gas limit of one transaction (EIP-7825)."""
MAX_POOL_TRANSACTIONS: Final = 16_384
MAX_TRANSACTIONS_PER_SENDER: Final = 4_096
MAX_INIT_CODE_BYTES: Final = 49_152
REPLACEMENT_PERCENT: Final = 10
"""How much more both fees of a replacement must offer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A waiting transaction with its place in the order of arrival."""

    transaction: Transaction
    arrival: int


class Pool:
    """Waiting transactions by hash and by sender and nonce."""

    def __init__(self) -> None:
        self._by_hash: dict[Digest, Entry] = {}
        self._by_sender: dict[Address, dict[int, Entry]] = {}
        self._arrivals = 0
        self.unsaved: set[Digest] = set()
        """Hashes that the database does not hold yet."""

    def __len__(self) -> int:
        return len(self._by_hash)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._by_hash.values())

    def get(self, transaction_hash: bytes) -> Entry | None:
        """A waiting transaction, or None."""
        return self._by_hash.get(Digest(transaction_hash))

    def add(self, transaction: Transaction, account: Account) -> list[Digest]:
        """Admit a transaction.

        Args:
            transaction: one that ``check_static_rules`` has passed.
            account: the sender's, at the head.

        Returns:
            The hashes of replaced transactions.

        Raises:
            RpcError: known already, nonce used, not affordable, underpriced replacement, or the pool is full.
        """
        if transaction.hash in self._by_hash:
            raise _refused("already known")
        if transaction.nonce < account.nonce:
            raise _refused(f"nonce too low: next nonce {account.nonce}, tx nonce {transaction.nonce}")
        if transaction.maximum_cost > account.balance:
            missing = transaction.maximum_cost - account.balance
            raise _refused(
                "insufficient funds for gas * price + value: "
                f"balance {account.balance}, tx cost {transaction.maximum_cost}, overshot {missing}"
            )
        waiting = self._by_sender.get(transaction.sender, {})
        replaced = waiting.get(transaction.nonce)
        if replaced is not None:
            _check_replacement(replaced.transaction, transaction)
            self.remove([replaced.transaction.hash])
            self._insert(transaction)
            return [replaced.transaction.hash]
        if len(waiting) >= MAX_TRANSACTIONS_PER_SENDER:
            raise _refused(f"txpool is full: {len(waiting)} transactions of this sender wait")
        if len(self._by_hash) >= MAX_POOL_TRANSACTIONS:
            raise _refused(f"txpool is full: {len(self._by_hash)} transactions wait")
        self._insert(transaction)
        return []

    def restore(self, transactions: Iterable[Transaction]) -> list[Digest]:
        """Put back transactions without any check: from the database, or from blocks that were taken back.

        Returns:
            The hashes of those that had to give way, since a later one has their sender and nonce.
        """
        displaced = []
        for transaction in transactions:
            if transaction.hash in self._by_hash:
                continue
            rival = self._by_sender.get(transaction.sender, {}).get(transaction.nonce)
            if rival is not None:
                displaced.append(rival.transaction.hash)
                self.remove([rival.transaction.hash])
            self._insert(transaction)
        return displaced

    def remove(self, hashes: Iterable[Digest]) -> None:
        """Forget transactions; unknown hashes do no harm."""
        for transaction_hash in hashes:
            entry = self._by_hash.pop(transaction_hash, None)
            if entry is None:
                continue
            self.unsaved.discard(transaction_hash)
            sender = entry.transaction.sender
            waiting = self._by_sender[sender]
            del waiting[entry.transaction.nonce]
            if not waiting:
                del self._by_sender[sender]

    def clear(self) -> None:
        """Forget everything."""
        self._by_hash.clear()
        self._by_sender.clear()
        self.unsaved.clear()

    def next_nonce(self, sender: Address, nonce: int) -> int:
        """The nonce after the sender's unbroken run of waiting transactions that begins at ``nonce``."""
        waiting = self._by_sender.get(sender, {})
        while nonce in waiting:
            nonce += 1
        return nonce

    def stale(self, sender: Address, nonce: int) -> list[Digest]:
        """The sender's transactions whose nonce is below ``nonce``."""
        waiting = self._by_sender.get(sender, {})
        return [entry.transaction.hash for number, entry in waiting.items() if number < nonce]

    def select(self, base_fee: int, get_nonce: Callable[[Address], int]) -> Selection:
        """The executable transactions at a base fee, best tip first, then first come."""
        return Selection(self._by_sender, base_fee, get_nonce)

    def _insert(self, transaction: Transaction) -> None:
        entry = Entry(transaction, self._arrivals)
        self._arrivals += 1
        self._by_hash[transaction.hash] = entry
        self._by_sender.setdefault(transaction.sender, {})[transaction.nonce] = entry
        self.unsaved.add(transaction.hash)


class Selection:
    """Walks the pool in order of inclusion; a sender's next transaction comes up once ``accept`` took the last."""

    def __init__(
        self,
        by_sender: dict[Address, dict[int, Entry]],
        base_fee: int,
        get_nonce: Callable[[Address], int],
    ) -> None:
        self._by_sender = by_sender
        self._base_fee = base_fee
        self._heap: list[tuple[int, int, Entry]] = []
        for sender in by_sender:
            self._push(sender, get_nonce(sender))

    def pop(self) -> Transaction | None:
        """The best transaction that is left, or None; its sender waits until ``accept``."""
        return heapq.heappop(self._heap)[2].transaction if self._heap else None

    def accept(self, transaction: Transaction) -> None:
        """The transaction went into the block: its sender's next one may follow."""
        self._push(transaction.sender, transaction.nonce + 1)

    def _push(self, sender: Address, nonce: int) -> None:
        entry = self._by_sender[sender].get(nonce)
        if entry is not None:
            tip = entry.transaction.effective_tip(self._base_fee)
            if tip >= 0:
                heapq.heappush(self._heap, (-tip, entry.arrival, entry))


def check_static_rules(transaction: Transaction, chain_id: int, block_gas_limit: int) -> None:
    """The admission rules that need no state.

    Raises:
        RpcError: foreign chain id, gas limit above a cap or below the intrinsic gas, or init code too long.
    """
    if transaction.chain_id not in (None, chain_id):
        raise _refused(f"invalid chain id for signer: have {transaction.chain_id} want {chain_id}")
    if transaction.gas > MAX_TRANSACTION_GAS:
        raise _refused(f"transaction gas limit too high (cap: {MAX_TRANSACTION_GAS}, tx: {transaction.gas}) (EIP-7825)")
    if transaction.gas > block_gas_limit:
        raise _refused(f"exceeds block gas limit: {transaction.gas} > {block_gas_limit}")
    if transaction.gas < transaction.minimum_gas:
        raise _refused(f"intrinsic gas too low: gas {transaction.gas}, minimum needed {transaction.minimum_gas}")
    if not transaction.to and len(transaction.data) > MAX_INIT_CODE_BYTES:
        raise _refused(f"max initcode size exceeded: code size {len(transaction.data)} limit {MAX_INIT_CODE_BYTES}")


def _check_replacement(old: Transaction, new: Transaction) -> None:
    for name in ("max_fee_per_gas", "max_priority_fee_per_gas"):
        needed = getattr(old, name) * (100 + REPLACEMENT_PERCENT)
        if getattr(new, name) * 100 < needed:
            raise _refused(
                f"replacement transaction underpriced: {name} {getattr(new, name)}, needed {-(-needed // 100)}"
            )


def _refused(message: str) -> RpcError:
    return RpcError(INVALID_INPUT, message)
