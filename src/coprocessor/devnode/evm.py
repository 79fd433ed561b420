"""The virtual machine: py-evm's Prague rules with P256VERIFY, one transaction or simulated call at a time.

Of py-evm only state and computation are used, none of its chain, block and header classes. The caller validates
transactions (``mempool``) and assembles blocks (``builder``).

**Source:** EIP-7600 (Prague); EIP-7951 (P256VERIFY); EIP-2935 (block hashes in state).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

from eth.abc import ComputationAPI, MessageAPI, SignedTransactionAPI
from eth.db.atomic import AtomicDB
from eth.exceptions import Revert
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.constants import (
    HISTORY_SERVE_WINDOW,
    HISTORY_STORAGE_ADDRESS,
    HISTORY_STORAGE_CONTRACT_CODE,
)
from eth.vm.forks.prague.state import PragueState, PragueTransactionExecutor
from eth.vm.forks.prague.transactions import Authorization as EvmAuthorization
from eth.vm.message import Message

from coprocessor.codec.ordered_trie import EMPTY_TRIE_ROOT
from coprocessor.devnode.database import NodeStore
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.precompiles import (
    P256_VERIFY_ADDRESS,
    PAIRING_CHECK_ADDRESS,
    run_p256_verify,
    run_pairing_check,
)
from coprocessor.devnode.transactions import Transaction
from coprocessor.values.identities import Address, Digest

__all__ = ["Execution", "Log", "Outcome", "build_genesis_state"]


@dataclass(frozen=True, slots=True)
class Log:
    """One event: the emitting contract, up to four 32-byte topics, data."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What executing a transaction did.

    ``error`` is empty for success; ``is_revert`` tells REVERT (``output`` is then its data) from other failures.
    ``gas_peak`` is the gas that was used before refunds came back.
    """

    gas_used: int
    gas_peak: int
    output: bytes
    logs: tuple[Log, ...]
    error: str
    is_revert: bool

    @property
    def is_success(self) -> bool:
        """Whether the transaction's effects stand."""
        return not self.error


class _Computation(PragueComputation):  # type: ignore[misc]  # py-evm is not checked
    _precompiles: ClassVar = {
        **PragueComputation.get_precompiles(),
        Address(P256_VERIFY_ADDRESS): run_p256_verify,
        Address(PAIRING_CHECK_ADDRESS): run_pairing_check,
    }


class _Executor(PragueTransactionExecutor):  # type: ignore[misc]  # as above
    """Prague's rules without py-evm's own validation, and without its eager debug texts over the calldata."""

    def validate_transaction(self, transaction: SignedTransactionAPI) -> None:
        """Done before, against the pool's and the block's rules."""

    def build_evm_message(self, transaction: SignedTransactionAPI) -> MessageAPI:
        state = self.vm_state
        sender, nonce = transaction.sender, transaction.nonce
        state.delta_balance(sender, -transaction.gas * state.get_gas_price(transaction))
        state.set_nonce(sender, nonce + 1)
        refund = self.calc_message_refund(transaction)
        gas = transaction.gas - transaction.intrinsic_gas
        if not transaction.to:
            created = cast(Transaction, transaction).contract_address()
            return Message(
                gas=gas,
                to=transaction.to,
                sender=sender,
                value=transaction.value,
                data=b"",
                code=transaction.data,
                create_address=created,
                refund=refund,
            )
        code, delegation = self.get_code_at_address(transaction.to)
        return Message(
            gas=gas,
            to=transaction.to,
            sender=sender,
            value=transaction.value,
            data=transaction.data,
            code=code,
            refund=refund,
            is_delegation=delegation is not None,
        )


class _State(PragueState):  # type: ignore[misc]  # as above
    computation_class = _Computation
    transaction_executor_class = _Executor

    def set_system_contracts(self) -> None:
        """They stand in the genesis state."""


class _EvmTransaction:
    """A transaction with py-evm's own authorization objects; everything else passes through."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.authorization_list = [
            EvmAuthorization(a.chain_id, a.address, a.nonce, a.y_parity, a.r, a.s)
            for a in transaction.authorization_list
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)


class Execution:
    """Executes transactions one after another on top of a state."""

    def __init__(
        self,
        store: NodeStore,
        header: BlockHeader,
        state_root: Digest,
        ancestor_hashes: Iterable[Digest],
        chain_id: int,
    ) -> None:
        """
        Args:
            store: trie nodes and code by hash; written by ``finish`` alone.
            header: environment of the block; its roots are not looked at.
            state_root: the state to start from.
            ancestor_hashes: block hashes from the parent backwards, read lazily (BLOCKHASH).
            chain_id: what CHAINID gives and authorizations must name.
        """
        context = ExecutionContext(
            coinbase=header.coinbase,
            timestamp=header.timestamp,
            block_number=header.number,
            difficulty=0,
            mix_hash=header.prev_randao,
            gas_limit=header.gas_limit,
            prev_hashes=ancestor_hashes,
            chain_id=chain_id,
            base_fee_per_gas=header.base_fee_per_gas,
            excess_blob_gas=header.excess_blob_gas,
        )
        self._state = _State(AtomicDB(store), context, state_root)

    def begin_block(self, header: BlockHeader) -> None:
        """What the protocol itself writes before the first transaction: the parent's hash (EIP-2935)."""
        slot = (header.number - 1) % HISTORY_SERVE_WINDOW
        self._state.set_storage(HISTORY_STORAGE_ADDRESS, slot, int.from_bytes(header.parent_hash, "big"))

    def apply(self, transaction: Transaction) -> Outcome:
        """Execute one transaction whose validity the caller has checked (gas, nonce, funds, fee)."""
        self._state.lock_changes()
        subject = _EvmTransaction(transaction) if transaction.authorization_list else transaction
        computation = self._state.apply_transaction(subject)
        return _outcome(transaction, computation)

    def get_balance(self, address: Address) -> int:
        """Wei of an account, after what has been executed so far."""
        return int(self._state.get_balance(address))

    def get_nonce(self, address: Address) -> int:
        """Nonce of an account, after what has been executed so far."""
        return int(self._state.get_nonce(address))

    def finish(self) -> Digest:
        """Write the new state into the store; its root."""
        self._state.lock_changes()
        self._state.persist()
        return Digest(bytes(self._state.state_root))


def build_genesis_state(store: NodeStore, balances: Mapping[Address, int]) -> Digest:
    """Write the first state: funded accounts and the block-hash contract of EIP-2935; its root."""
    header = BlockHeader(
        parent_hash=Digest(bytes(32)),
        coinbase=Address(bytes(20)),
        state_root=EMPTY_TRIE_ROOT,
        number=0,
        timestamp=0,
        gas_limit=0,
    )
    execution = Execution(store, header, EMPTY_TRIE_ROOT, (), 0)
    state = execution._state
    for address, balance in balances.items():
        state.set_balance(address, balance)
    state.set_code(HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CONTRACT_CODE)
    state.set_nonce(HISTORY_STORAGE_ADDRESS, 1)
    return execution.finish()


_TOPIC_LENGTH: Final = 32


def _outcome(transaction: Transaction, computation: ComputationAPI) -> Outcome:
    remaining = computation.get_gas_remaining()
    peak = transaction.gas - remaining
    refund = _Executor.calculate_gas_refund(computation, peak)
    error, is_revert = "", False
    if computation.is_error:
        is_revert = isinstance(computation.error, Revert)
        error = "execution reverted" if is_revert else _describe(computation.error)
    logs = tuple(
        Log(Address(address), tuple(topic.to_bytes(_TOPIC_LENGTH, "big") for topic in topics), bytes(data))
        for address, topics, data in computation.get_log_entries()
    )
    return Outcome(
        gas_used=max(peak - refund, transaction.floor_gas),
        gas_peak=max(peak, transaction.floor_gas),
        output=bytes(computation.output),
        logs=logs,
        error=error,
        is_revert=is_revert,
    )


def _describe(error: Exception) -> str:
    """A failure in the words that clients know from other nodes."""
    name = type(error).__name__
    known = {"OutOfGas": "out of gas", "InvalidInstruction": "invalid opcode", "StackDepthLimit": "max call depth"}
    return f"{known.get(name, name)}: {error}" if str(error) else known.get(name, name)
