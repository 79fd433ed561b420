"""What a node can be told at its start."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from coprocessor.devnode.errors import StartFailed
from coprocessor.devnode.mempool import MAX_TRANSACTION_GAS
from coprocessor.durable.disk import PLAIN_DISK, Disk

__all__ = ["DEVELOPMENT_CHAIN_ID", "NodeOptions", "parse_options"]

DEVELOPMENT_CHAIN_ID: Final = 31337
DEFAULT_PORT: Final = 8545
DEFAULT_GAS_LIMIT: Final = 36_000_000
MAX_FINALITY_LAG: Final = 10_000
MAX_BLOCK_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Settings of one node.

    Attributes:
        data: folder of the database, the sealer key and the lock; made if missing.
        host: address to listen on.
        port: TCP port; 0 picks a free one.
        chain_id: of a new chain; an existing folder keeps its own.
        gas_limit: gas of a block of a new chain.
        finality_lag: N: ``safe`` is latest - N, ``finalized`` latest - 2N.
        block_time: seconds between blocks; None mines as transactions come.
        sealer_key: file with the sealer's 32-byte key in hexadecimal; None keeps one in ``data``.
        upstream: URL of another node that is served through this one; None runs an own chain.
        disk: where folder and database are written.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    chain_id: int = DEVELOPMENT_CHAIN_ID
    gas_limit: int = DEFAULT_GAS_LIMIT
    finality_lag: int = 0
    block_time: float | None = None
    sealer_key: Path | None = field(default=None)
    upstream: str | None = None
    disk: Disk = PLAIN_DISK

    def __post_init__(self) -> None:
        _require(0 <= self.port < 65_536, f"port {self.port} is not a TCP port")
        _require(0 < self.chain_id < 2**53, f"chain id {self.chain_id} is not between 1 and 2^53 - 1")
        _require(
            MAX_TRANSACTION_GAS <= self.gas_limit <= 10**9,
            f"gas limit {self.gas_limit} is not between {MAX_TRANSACTION_GAS} and 1000000000",
        )
        _require(
            0 <= self.finality_lag <= MAX_FINALITY_LAG,
            f"finality lag {self.finality_lag} is not between 0 and {MAX_FINALITY_LAG}",
        )
        _require(
            self.block_time is None or 0 < self.block_time <= MAX_BLOCK_SECONDS,
            f"block time {self.block_time} is not between 0 and {MAX_BLOCK_SECONDS} seconds",
        )


def parse_options(arguments: Sequence[str] | None = None) -> NodeOptions:
    """The options of a command line (default: the process's own).

    Raises StartFailed for values out of range; argparse ends the process on wrong usage.
    """
    parser = argparse.ArgumentParser(
        prog="python -m coprocessor.devnode",
        description="An Ethereum development chain in one process, or sealed headers in front of another node.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the chain; made if it is missing")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="TCP port; 0 picks a free one")
    parser.add_argument("--chain-id", type=int, default=DEVELOPMENT_CHAIN_ID, help="id of a new chain")
    parser.add_argument("--gas-limit", type=int, default=DEFAULT_GAS_LIMIT, help="gas limit of a new chain's blocks")
    parser.add_argument(
        "--finality-lag", type=int, default=0, metavar="N", help="safe = latest - N, finalized = latest - 2N"
    )
    parser.add_argument(
        "--block-time", type=float, metavar="SECONDS", help="mine at this interval; default: as transactions come"
    )
    parser.add_argument("--sealer-key", type=Path, metavar="FILE", help="default: made once in the data folder")
    parser.add_argument("--upstream", metavar="URL", help="serve another node and add sealed headers to it")
    return NodeOptions(**vars(parser.parse_args(arguments)))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise StartFailed("devnode.options", message, next="see --help")
