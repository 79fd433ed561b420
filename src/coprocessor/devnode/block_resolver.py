"""Which block a parameter means.

**Source:** Ethereum execution API specification; EIP-1898 for blocks by hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from coprocessor.devnode.chain import Chain
from coprocessor.devnode.database import Database
from coprocessor.devnode.errors import INVALID_INPUT, RpcError, invalid_params
from coprocessor.devnode.header import BlockHeader
from coprocessor.devnode.rpc_params import parse_bytes, parse_quantity, show_value

__all__ = ["BlockResolver"]

_TAGS: Final = ("latest", "pending", "earliest", "safe", "finalized")


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
        raise invalid_params(f"{name} must be a block number or one of {', '.join(_TAGS)}, got {show_value(value)}")

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
            raise RpcError(INVALID_INPUT, f"header not found: block {show_value(value)}")
        return header
