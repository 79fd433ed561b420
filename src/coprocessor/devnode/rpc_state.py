"""Queries for accounts, storage and proofs, and simulated calls.

**Source:** Ethereum execution API specification; EIP-1186; go-ethereum's wording for reverts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from coprocessor.devnode.block_resolver import BlockResolver
from coprocessor.devnode.chain import Chain
from coprocessor.devnode.database import Database
from coprocessor.devnode.errors import INVALID_INPUT, REVERTED, RpcError, invalid_params
from coprocessor.devnode.evm import Outcome
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.mempool import MAX_INIT_CODE_BYTES, MAX_TRANSACTION_GAS
from coprocessor.devnode.rpc_params import parse_address, parse_bytes, parse_quantity
from coprocessor.devnode.state import Account
from coprocessor.devnode.transactions import Transaction
from coprocessor.values.identities import ZERO_ADDRESS, Address, Digest, to_hex

__all__ = ["MAX_PROOF_KEYS", "StateMethods", "describe_revert"]

MAX_PROOF_KEYS: Final = 1_024
"""Most storage keys of one ``eth_getProof``."""
MAX_ACCESS_LIST_ENTRIES: Final = 1_024
_ANSWERS_KEPT = 256  # hosts ask the same again until the next block
_ANSWERED_BYTES = 16_384  # of a call's data and of its answer; longer ones are not kept
_CALL_STIPEND = 2_300
_ESTIMATE_TOLERANCE_PERMILLE = 15
_ERROR_SELECTOR = bytes.fromhex("08c379a0")
_PANIC_SELECTOR = bytes.fromhex("4e487b71")


class StateMethods:
    """``eth_getBalance`` and its kin, ``eth_getProof``, ``eth_call``, ``eth_estimateGas``."""

    def __init__(self, chain: Chain, database: Database) -> None:
        self._chain = chain
        self._blocks = BlockResolver(chain, database)
        self._answered: dict[tuple[Digest, Transaction], Outcome] = {}  # least recently asked first

    def get_balance(self, address: object, block: object = "latest") -> str:
        """Wei of an account."""
        return hex(self._account(address, block).balance)

    def get_transaction_count(self, address: object, block: object = "latest") -> str:
        """Nonce of an account; ``pending`` counts what waits in the pool."""
        nonce = self._account(address, block).nonce
        if block == "pending":
            nonce = self._chain.pool.next_nonce(parse_address(address, "address"), nonce)
        return hex(nonce)

    def get_code(self, address: object, block: object = "latest") -> str:
        """Code of a contract."""
        return to_hex(self._chain.states.get_code(self._account(address, block)))

    def get_storage_at(self, address: object, slot: object, block: object = "latest") -> str:
        """The 32 bytes of a storage slot."""
        number = parse_quantity(slot, "slot")
        return f"0x{self._chain.states.get_storage(self._account(address, block), number):064x}"

    def get_proof(self, address: object, keys: object, block: object = "latest") -> dict[str, Any]:
        """An account and some of its slots with Merkle Patricia proofs; absent ones are proven absent."""
        if not isinstance(keys, list) or len(keys) > MAX_PROOF_KEYS:
            raise invalid_params(f"storage keys must be a list of at most {MAX_PROOF_KEYS}")
        slots = [parse_quantity(key, "storage key") for key in keys]
        target = parse_address(address, "address")
        states = self._chain.states
        account, proof = states.prove_account(self._blocks.get_header(block).state_root, target)
        storage = []
        for slot in slots:
            value, slot_proof = states.prove_storage(account, slot)
            nodes = [to_hex(node) for node in slot_proof]
            storage.append({"key": f"0x{slot:064x}", "value": hex(value), "proof": nodes})
        return {
            "address": to_hex(target),
            "balance": hex(account.balance),
            "nonce": hex(account.nonce),
            "codeHash": to_hex(account.code_hash),
            "storageHash": to_hex(account.storage_root),
            "accountProof": [to_hex(node) for node in proof],
            "storageProof": storage,
        }

    def call(self, request: object, block: object = "latest", overrides: object = None) -> str:
        """Return data of a simulated call; at ``pending`` it runs as in the next block."""
        _refuse_overrides(overrides)
        header = self._environment(block)
        transaction = self._parse_call(request, header, header.gas_limit)
        outcome = self._simulate_once(transaction, header)
        if not outcome.is_success:
            raise _failure(outcome)
        return to_hex(outcome.output)

    def estimate_gas(self, request: object, block: object = "latest", overrides: object = None) -> str:
        """The least gas limit with which the call succeeds; at ``pending`` it runs as in the next block."""
        _refuse_overrides(overrides)
        header = self._environment(block)
        limit = min(MAX_TRANSACTION_GAS, header.gas_limit)
        transaction = self._parse_call(request, header, limit)
        if transaction.gas > limit:
            transaction = _with_gas(transaction, limit)
        outcome = self._simulate(transaction, header)
        if not outcome.is_success:
            raise _failure(outcome)
        return hex(self._find_gas_limit(transaction, outcome.gas_peak, header))

    def _environment(self, block: object) -> BlockHeader:
        return self._chain.pending_header() if block == "pending" else self._blocks.get_header(block)

    def _account(self, address: object, block: object) -> Account:
        target = parse_address(address, "address")
        return self._chain.states.get_account(self._blocks.get_header(block).state_root, target)

    def _simulate(self, transaction: Transaction, header: BlockHeader) -> Outcome:
        account = self._chain.states.get_account(header.state_root, transaction.sender)
        if account.balance < transaction.value:
            raise RpcError(
                INVALID_INPUT,
                f"insufficient funds for gas * price + value: balance {account.balance}, value {transaction.value}",
            )
        if transaction.gas < transaction.minimum_gas:
            raise RpcError(
                INVALID_INPUT,
                f"intrinsic gas too low: gas {transaction.gas}, minimum needed {transaction.minimum_gas}",
            )
        return self._chain.simulate(transaction, header)

    def _simulate_once(self, transaction: Transaction, header: BlockHeader) -> Outcome:
        """As ``_simulate``; what is asked again in the same block is answered from memory."""
        if len(transaction.data) > _ANSWERED_BYTES:
            return self._simulate(transaction, header)
        question = (header.compute_hash(), transaction)
        outcome = self._answered.pop(question, None) or self._simulate(transaction, header)
        if len(outcome.output) <= _ANSWERED_BYTES:
            self._answered[question] = outcome
        if len(self._answered) > _ANSWERS_KEPT:
            del self._answered[next(iter(self._answered))]
        return outcome

    def _find_gas_limit(self, transaction: Transaction, peak: int, header: BlockHeader) -> int:
        """The least sufficient gas limit, exact unless calls inside need a reserve (63/64 rule): then within 1.5 %."""

        def is_enough(gas: int) -> bool:
            return self._simulate(_with_gas(transaction, gas), header).is_success

        if is_enough(peak):
            return peak
        low, high = peak, transaction.gas
        guess = (peak + _CALL_STIPEND) * 64 // 63
        if guess < high:
            low, high = (low, guess) if is_enough(guess) else (guess, high)
        while high - low > max(1, high * _ESTIMATE_TOLERANCE_PERMILLE // 1000):
            middle = (low + high) // 2
            low, high = (low, middle) if is_enough(middle) else (middle, high)
        return high

    def _parse_call(self, request: object, header: BlockHeader, default_gas: int) -> Transaction:
        if not isinstance(request, Mapping):
            raise invalid_params("the call must be an object")
        sender = ZERO_ADDRESS if request.get("from") is None else parse_address(request["from"], "from")
        to = b"" if request.get("to") is None else parse_address(request["to"], "to")
        data = _parse_input(request)
        if not to and len(data) > MAX_INIT_CODE_BYTES:
            raise RpcError(
                INVALID_INPUT, f"max initcode size exceeded: code size {len(data)} limit {MAX_INIT_CODE_BYTES}"
            )
        gas = default_gas if request.get("gas") is None else parse_quantity(request["gas"], "gas", 2**64)
        return Transaction(
            type_id=2,
            chain_id=self._chain.chain_id,
            nonce=self._chain.states.get_account(header.state_root, sender).nonce,
            max_priority_fee_per_gas=0,
            max_fee_per_gas=0,
            gas=min(gas, header.gas_limit),
            to=to,
            value=0 if request.get("value") is None else parse_quantity(request["value"], "value"),
            data=data,
            sender=sender,
            access_list=_parse_access_list(request.get("accessList")),
        )


def describe_revert(data: bytes) -> str:
    """``execution reverted``, with the reason where the data are those of ``Error(string)`` or ``Panic(uint256)``."""
    if data[:4] == _PANIC_SELECTOR and len(data) == 36:
        return f"execution reverted: panic code 0x{int.from_bytes(data[4:], 'big'):x}"
    if data[:4] == _ERROR_SELECTOR and len(data) >= 68:
        length = int.from_bytes(data[36:68], "big")
        reason = data[68 : 68 + min(length, len(data))]
        if len(reason) == length:
            return f"execution reverted: {reason.decode('utf-8', 'replace')}"
    return "execution reverted"


def _failure(outcome: Outcome) -> RpcError:
    if outcome.is_revert:
        return RpcError(REVERTED, describe_revert(outcome.output), to_hex(outcome.output))
    return RpcError(INVALID_INPUT, outcome.error)


def _with_gas(transaction: Transaction, gas: int) -> Transaction:
    return replace(transaction, gas=gas)


def _parse_input(request: Mapping[Any, Any]) -> bytes:
    """``input`` and ``data`` are two names for one field."""
    values = [parse_bytes(request[name], name) for name in ("input", "data") if request.get(name) is not None]
    if len(values) == 2 and values[0] != values[1]:
        raise invalid_params('"data" and "input" are both set and differ: use "input"')
    return values[0] if values else b""


def _parse_access_list(value: object) -> tuple[tuple[Address, tuple[int, ...]], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_ACCESS_LIST_ENTRIES:
        raise invalid_params(f"accessList must be a list of at most {MAX_ACCESS_LIST_ENTRIES}")
    entries = []
    for entry in value:
        keys = entry.get("storageKeys", []) if isinstance(entry, Mapping) else None
        if not isinstance(keys, list):
            raise invalid_params("an accessList entry has an address and storageKeys")
        slots = tuple(parse_quantity(key, "storageKeys") for key in keys)
        entries.append((parse_address(entry.get("address"), "accessList address"), slots))
    return tuple(entries)


def _refuse_overrides(overrides: object) -> None:
    if overrides:
        raise invalid_params("state overrides are not supported by this node")
