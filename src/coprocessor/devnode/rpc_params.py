"""Parameters of JSON-RPC calls, checked: quantities, bytes, blocks, call objects.

Everything raises ``RpcError`` with code -32602 that names the parameter.

**Source:** Ethereum execution API specification; EIP-1898 for blocks by hash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from coprocessor.devnode.chain import Chain
from coprocessor.devnode.database import Database
from coprocessor.devnode.errors import INVALID_INPUT, RpcError, invalid_params
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.transactions import MAX_TRANSACTION_BYTES
from coprocessor.values.identities import Address

__all__ = ["BlockResolver", "parse_address", "parse_bytes", "parse_flag", "parse_integer", "parse_quantity"]

MAX_CALL_DATA_BYTES: Final = 8 * MAX_TRANSACTION_BYTES
"""Most input of a simulated call: more than any transaction, far less than memory."""

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_TAGS: Final = ("latest", "pending", "earliest", "safe", "finalized")


def parse_quantity(value: object, name: str, bound: int = 2**256) -> int:
    """A hexadecimal quantity below ``bound``; leading zeros are let through, as other nodes do."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise invalid_params(f"{name} must be a 0x-prefixed hexadecimal quantity, got {_show(value)}")
    number = int(value, 16)
    if number >= bound:
        raise invalid_params(f"{name} is too large: {value}")
    return number


def parse_integer(value: object, name: str, bound: int = 2**63) -> int:
    """A quantity, or a plain JSON integer where development tools send one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < bound:
        return value
    return parse_quantity(value, name, bound)


def parse_flag(value: object, name: str) -> bool:
    """A JSON boolean."""
    if not isinstance(value, bool):
        raise invalid_params(f"{name} must be true or false, got {_show(value)}")
    return value


def parse_bytes(value: object, name: str, length: int | None = None, limit: int = MAX_CALL_DATA_BYTES) -> bytes:
    """Hexadecimal bytes, of exactly ``length`` or at most ``limit``."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise invalid_params(f"{name} must be 0x-prefixed hexadecimal bytes, got {_show(value)}")
    if len(value) > 2 + 2 * limit:
        raise invalid_params(f"{name} is longer than {limit} bytes")
    if not _BYTES.fullmatch(value):
        raise invalid_params(f"{name} must be 0x-prefixed hexadecimal bytes, got {_show(value)}")
    data = bytes.fromhex(value[2:])
    if length is not None and len(data) != length:
        raise invalid_params(f"{name} must have {length} bytes, got {len(data)}")
    return data


def parse_address(value: object, name: str) -> Address:
    """A 20-byte address; the checksum of mixed case is not looked at."""
    return Address(parse_bytes(value, name, 20))


class BlockResolver:
    """Turns block parameters into headers."""

    def __init__(self, chain: Chain, database: Database) -> None:
        self._chain = chain
        self._database = database

    def get_number(self, value: object, name: str = "block") -> int:
        """The height that a tag or quantity names; the block may not exist yet."""
        if value in ("latest", "pending", None):
            return self._chain.head.header.number
        if value == "earliest":
            return 0
        if value == "safe":
            return self._chain.safe_number
        if value == "finalized":
            return self._chain.finalized_number
        if isinstance(value, str) and value.startswith("0x"):
            return parse_quantity(value, name, 2**63)
        raise invalid_params(f"{name} must be a block number or one of {', '.join(_TAGS)}, got {_show(value)}")

    def find_header(self, value: object) -> BlockHeader | None:
        """The header of a tag, quantity or EIP-1898 object, or None."""
        if not isinstance(value, Mapping):
            return self._chain.get_header(self.get_number(value))
        if "blockHash" in value:
            return self.find_by_hash(value["blockHash"])
        return self._chain.get_header(self.get_number(value.get("blockNumber"), "blockNumber"))

    def find_by_hash(self, value: object) -> BlockHeader | None:
        """The header of a block of this chain by its hash, or None."""
        number = self._database.get_block_number(parse_bytes(value, "blockHash", 32))
        return None if number is None else self._chain.get_header(number)

    def get_header(self, value: object) -> BlockHeader:
        """Like ``find_header``, for queries that need the block."""
        header = self.find_header(value)
        if header is None:
            raise RpcError(INVALID_INPUT, f"header not found: block {_show(value)}")
        return header


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
