"""Block headers of Prague and Osaka, to and from RLP and JSON-RPC.

The five forks since London only append fields, so a header with fewer fields is a header of an older fork.

**Source:** Yellow Paper section 4.4; EIP-1559, EIP-4895, EIP-4844, EIP-4788, EIP-7685.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from coprocessor.codec import rlp
from coprocessor.codec.ordered_trie import EMPTY_TRIE_ROOT
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import ZERO_DIGEST, Address, Digest, from_hex, to_hex

__all__ = ["EMPTY_LIST_HASH", "EMPTY_REQUESTS_HASH", "BlockHeader"]

EMPTY_LIST_HASH: Final = keccak256(rlp.encode([]))
EMPTY_REQUESTS_HASH: Final = Digest(bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"))
"""SHA-256 of nothing (EIP-7685)."""

_INTEGER = 0
_ANY_LENGTH = -1
# (attribute, JSON-RPC name, byte length or one of the two above), in RLP order.
_FIELDS: Final = (
    ("parent_hash", "parentHash", 32),
    ("uncles_hash", "sha3Uncles", 32),
    ("coinbase", "miner", 20),
    ("state_root", "stateRoot", 32),
    ("transactions_root", "transactionsRoot", 32),
    ("receipts_root", "receiptsRoot", 32),
    ("logs_bloom", "logsBloom", 256),
    ("difficulty", "difficulty", _INTEGER),
    ("number", "number", _INTEGER),
    ("gas_limit", "gasLimit", _INTEGER),
    ("gas_used", "gasUsed", _INTEGER),
    ("timestamp", "timestamp", _INTEGER),
    ("extra_data", "extraData", _ANY_LENGTH),
    ("prev_randao", "mixHash", 32),
    ("nonce", "nonce", 8),
    ("base_fee_per_gas", "baseFeePerGas", _INTEGER),
    ("withdrawals_root", "withdrawalsRoot", 32),
    ("blob_gas_used", "blobGasUsed", _INTEGER),
    ("excess_blob_gas", "excessBlobGas", _INTEGER),
    ("parent_beacon_block_root", "parentBeaconBlockRoot", 32),
    ("requests_hash", "requestsHash", 32),
)
_REQUIRED_FIELDS = 15


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A block header; ``None`` stands for a field that its fork does not have."""

    parent_hash: Digest
    coinbase: Address
    state_root: Digest
    number: int
    timestamp: int
    gas_limit: int
    gas_used: int = 0
    transactions_root: Digest = EMPTY_TRIE_ROOT
    receipts_root: Digest = EMPTY_TRIE_ROOT
    logs_bloom: bytes = bytes(256)
    extra_data: bytes = b""
    prev_randao: Digest = ZERO_DIGEST
    uncles_hash: Digest = EMPTY_LIST_HASH
    difficulty: int = 0
    nonce: bytes = bytes(8)
    base_fee_per_gas: int | None = 0
    withdrawals_root: Digest | None = EMPTY_TRIE_ROOT
    blob_gas_used: int | None = 0
    excess_blob_gas: int | None = 0
    parent_beacon_block_root: Digest | None = ZERO_DIGEST
    requests_hash: Digest | None = EMPTY_REQUESTS_HASH

    def encode(self) -> bytes:
        """The RLP list whose Keccak-256 is the block hash."""
        items: list[rlp.Item] = []
        for name, _, kind in _FIELDS:
            value = getattr(self, name)
            if value is None:
                break
            items.append(rlp.encode_integer(value) if kind == _INTEGER else value)
        return rlp.encode(items)

    def compute_hash(self) -> Digest:
        """The block hash, 32 bytes."""
        return keccak256(self.encode())

    @classmethod
    def decode(cls, data: bytes) -> BlockHeader:
        """The header that ``data`` (RLP) holds. Raises MalformedInput."""
        items = rlp.decode(data)
        if not isinstance(items, list) or not _REQUIRED_FIELDS <= len(items) <= len(_FIELDS):
            raise MalformedInput("devnode.header", "the bytes are not a block header")
        values: dict[str, Any] = {name: None for name, _, _ in _FIELDS}
        for (name, _, kind), item in zip(_FIELDS, items, strict=False):
            if not isinstance(item, bytes) or (kind > 0 and len(item) != kind):
                raise MalformedInput("devnode.header", f"header field {name} has the wrong form")
            values[name] = int.from_bytes(item, "big") if kind == _INTEGER else item
        return cls(**values)

    def to_rpc(self) -> dict[str, Any]:
        """The header's fields as a JSON-RPC block carries them."""
        fields: dict[str, Any] = {}
        for name, rpc_name, kind in _FIELDS:
            value = getattr(self, name)
            if value is not None:
                fields[rpc_name] = hex(value) if kind == _INTEGER else to_hex(value)
        return fields

    @classmethod
    def from_rpc(cls, block: Mapping[str, Any]) -> BlockHeader:
        """The header of a JSON-RPC block object. Raises MalformedInput."""
        values: dict[str, Any] = {}
        for name, rpc_name, kind in _FIELDS:
            text = block.get(rpc_name)
            if text is None:
                if len(values) < _REQUIRED_FIELDS:
                    raise MalformedInput("devnode.header", f"the block has no field {rpc_name}")
                values[name] = None
            elif kind == _INTEGER:
                values[name] = _parse_quantity(text, rpc_name)
            else:
                values[name] = from_hex(text, kind if kind > 0 else None, rpc_name)
        return cls(**values)


def _parse_quantity(text: object, name: str) -> int:
    try:
        return int(str(text), 16)
    except ValueError as error:
        raise MalformedInput("devnode.header", f"{name} is not a hexadecimal number") from error
