"""Read-only view of accounts and storage at any state root, with Merkle Patricia proofs (EIP-1186).

Works on the trie nodes alone, so balance, nonce, code, storage and proof queries never start the virtual machine.

**Source:** Yellow Paper section 4.1 and appendix D; EIP-1186.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from coprocessor.codec import rlp
from coprocessor.codec.ordered_trie import EMPTY_TRIE_ROOT, nibbles_of
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import InternalError
from coprocessor.values.identities import Address, Digest

__all__ = ["EMPTY_CODE_HASH", "Account", "NodeReader", "StateReader", "TrieLookup"]

EMPTY_CODE_HASH: Final = keccak256(b"")


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the state trie holds it; the default is an absent one."""

    nonce: int = 0
    balance: int = 0
    storage_root: Digest = EMPTY_TRIE_ROOT
    code_hash: Digest = EMPTY_CODE_HASH


@dataclass(frozen=True, slots=True)
class TrieLookup:
    """A value (None when absent) with the encoded nodes that prove it, from the root down."""

    value: bytes | None
    proof: tuple[bytes, ...]


class NodeReader(Protocol):
    """Trie nodes and code by hash."""

    def __getitem__(self, key: bytes) -> bytes: ...


class StateReader:
    """Reads states out of a store of trie nodes and contract code by hash."""

    def __init__(self, nodes: NodeReader) -> None:
        self._nodes = nodes

    def get_account(self, state_root: Digest, address: Address) -> Account:
        """The account; the default one where the address has none."""
        return self.prove_account(state_root, address)[0]

    def prove_account(self, state_root: Digest, address: Address) -> tuple[Account, tuple[bytes, ...]]:
        """The account and the nodes that prove it or its absence."""
        lookup = self._look_up(state_root, keccak256(address))
        if lookup.value is None:
            return Account(), lookup.proof
        fields = rlp.decode(lookup.value)
        nonce, balance, storage_root, code_hash = fields
        assert isinstance(nonce, bytes)
        assert isinstance(balance, bytes)
        assert isinstance(storage_root, bytes)
        assert isinstance(code_hash, bytes)
        numbers = (int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"))
        return Account(*numbers, Digest(storage_root), Digest(code_hash)), lookup.proof

    def get_code(self, account: Account) -> bytes:
        """The account's code; empty where it has none."""
        return b"" if account.code_hash == EMPTY_CODE_HASH else self._node(account.code_hash)

    def get_storage(self, account: Account, slot: int) -> int:
        """The value of a storage slot."""
        return self.prove_storage(account, slot)[0]

    def prove_storage(self, account: Account, slot: int) -> tuple[int, tuple[bytes, ...]]:
        """The value of a slot and the nodes that prove it or its absence."""
        lookup = self._look_up(account.storage_root, keccak256(slot.to_bytes(32, "big")))
        if lookup.value is None:
            return 0, lookup.proof
        value = rlp.decode(lookup.value)
        assert isinstance(value, bytes)
        return int.from_bytes(value, "big"), lookup.proof

    def _look_up(self, root: Digest, key: bytes) -> TrieLookup:
        if root == EMPTY_TRIE_ROOT:
            return TrieLookup(None, ())
        path = nibbles_of(key)
        proof: list[bytes] = []
        reference: rlp.Item = root
        while True:
            if isinstance(reference, bytes):
                if not reference:
                    return TrieLookup(None, tuple(proof))
                encoded = self._node(reference)
                proof.append(encoded)
                node = rlp.decode(encoded)
            else:
                node = reference  # shorter than 32 bytes: stands inside its parent
            assert isinstance(node, list)
            if len(node) == 17:
                reference, path = node[path[0]], path[1:]
                continue
            compact, child = node
            assert isinstance(compact, bytes)
            nibbles = nibbles_of(compact)
            segment = nibbles[1:] if nibbles[0] & 1 else nibbles[2:]
            if nibbles[0] & 2:
                value = child if segment == path else None
                assert not isinstance(value, list)
                return TrieLookup(value, tuple(proof))
            if path[: len(segment)] != segment:
                return TrieLookup(None, tuple(proof))
            reference, path = child, path[len(segment) :]

    def _node(self, digest: bytes) -> bytes:
        try:
            return self._nodes[digest]
        except KeyError as error:
            raise InternalError(
                "devnode.state",
                f"the database lacks node {digest.hex()}",
                "the data folder is damaged",
                "start with a new one",
            ) from error
