"""Steering the chain in development and tests, and sealed headers.

PROTOCOL 2.1: seals are given for finalised blocks alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.devnode.block_resolver import BlockResolver
from coprocessor.devnode.chain import Chain, Dropped
from coprocessor.devnode.database import Database
from coprocessor.devnode.errors import INVALID_INPUT, RpcError, invalid_params
from coprocessor.devnode.mining import Miner
from coprocessor.devnode.options import MAX_BLOCK_SECONDS
from coprocessor.devnode.rpc_params import parse_bytes, parse_flag, parse_integer
from coprocessor.devnode.seals import check_header_range, compute_seal_digest
from coprocessor.values.identities import Digest, to_hex

__all__ = ["ControlMethods", "SealMethods"]

MAX_BLOCKS_PER_CALL: Final = 10_000
MAX_TIME_SHIFT: Final = 10 * 365 * 86_400


class ControlMethods:
    """``evm_*`` and ``coproc_reorg``."""

    def __init__(self, chain: Chain, miner: Miner) -> None:
        self._chain = chain
        self._miner = miner

    def mine(self, options: object = None) -> str:
        """Mine one block, or as many as ``{"blocks": n}`` says; a number fixes the timestamp."""
        blocks, timestamp = 1, options
        if isinstance(options, Mapping):
            blocks = parse_integer(options.get("blocks", 1), "blocks")
            timestamp = options.get("timestamp")
        if timestamp is not None:
            self.set_next_block_timestamp(timestamp)
        self._mine_blocks(blocks)
        return "0x0"

    def mine_many(self, blocks: object = 1, interval: object = None) -> None:
        """Mine blocks, ``interval`` seconds apart."""
        seconds = None if interval is None else parse_integer(interval, "interval", MAX_TIME_SHIFT)
        self._mine_blocks(parse_integer(blocks, "blocks"), seconds)

    def set_automine(self, enabled: object) -> bool:
        """Mine every submission at once, or not."""
        self._miner.set_automine(parse_flag(enabled, "enabled"))
        return True

    def set_interval_mining(self, seconds: object) -> bool:
        """Mine every so many seconds; 0 stops that."""
        value = parse_integer(seconds, "seconds", int(MAX_BLOCK_SECONDS) + 1)
        self._miner.set_interval(float(value) if value else None)
        return True

    def increase_time(self, seconds: object) -> int:
        """Shift the clock of later blocks; the whole shift in seconds."""
        return self._chain.increase_time(parse_integer(seconds, "seconds", MAX_TIME_SHIFT))

    def set_next_block_timestamp(self, timestamp: object) -> None:
        """Fix the timestamp of the next block."""
        self._chain.set_next_timestamp(parse_integer(timestamp, "timestamp", 2**53))

    def reorganise(self, depth: object, dropped: object = "pool") -> dict[str, Any]:
        """Replace the last unfinalised blocks; the new head."""
        try:
            choice = Dropped(dropped)
        except ValueError as error:
            choices = ", ".join(d.value for d in Dropped)
            raise invalid_params(f"what becomes of transactions must be one of {choices}") from error
        blocks = self._chain.reorganise(parse_integer(depth, "depth"), choice)
        return {"blockNumber": hex(blocks[-1].header.number), "blockHash": to_hex(blocks[-1].hash)}

    def _mine_blocks(self, count: int, interval: int | None = None) -> None:
        if not 1 <= count <= MAX_BLOCKS_PER_CALL:
            raise invalid_params(f"blocks must be between 1 and {MAX_BLOCKS_PER_CALL}, got {count}")
        for i in range(count):
            if interval and i:
                self._chain.set_next_timestamp(self._chain.head.header.timestamp + interval)
            self._chain.mine()


class SealMethods:
    """``coproc_getSeals``, ``coproc_getRawHeaders``, ``coproc_sealers``."""

    def __init__(self, chain: Chain, database: Database, sealer: PrivateKey) -> None:
        self._chain = chain
        self._database = database
        self._sealer = sealer
        self._blocks = BlockResolver(chain, database)

    def sealers(self) -> list[str]:
        """Addresses whose signatures seal this chain's headers."""
        return [to_hex(self._sealer.address)]

    def get_seals(self, block_hash: object) -> dict[str, Any]:
        """The sealers' signatures over a finalised block."""
        digest = Digest(parse_bytes(block_hash, "block hash", 32))
        number = self._database.get_block_number(digest)
        if number is None:
            raise RpcError(INVALID_INPUT, f"unknown block {to_hex(digest)}")
        if number > self._chain.finalized_number:
            raise RpcError(
                INVALID_INPUT,
                f"block {number} is not finalized: finalized is {self._chain.finalized_number}",
            )
        signature = self._sealer.sign(compute_seal_digest(self._chain.chain_id, number, digest))
        return {"blockNumber": hex(number), "blockHash": to_hex(digest), "signatures": [to_hex(signature)]}

    def get_raw_headers(self, first: object, last: object) -> list[str]:
        """RLP of the headers in an inclusive range; those that exist."""
        start = self._blocks.get_number(first, "fromNumber")
        end = self._blocks.get_number(last, "toNumber")
        check_header_range(start, end)
        return [to_hex(header) for header in self._database.get_headers(start, end)]
