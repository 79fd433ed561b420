"""Sealed headers: the development sealer's key and its signatures over finalised blocks.

1. A seal is a 65-byte ``r || s || v`` over keccak256(0x19 || "coprocessor/v1/header-seal" || chain id || block number
   || block hash), numbers as 32 bytes, big-endian (PROTOCOL 2.1).
2. Only finalised blocks are sealed: a seal can never be taken back.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.devnode.errors import StartFailed, invalid_params
from coprocessor.devnode.options import NodeOptions
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.points import PersistPoint
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Digest

__all__ = [
    "MAX_RAW_HEADERS",
    "SEAL_PREFIX",
    "check_header_range",
    "compute_seal_digest",
    "load_sealer",
    "sealer_key_path",
]

SEAL_PREFIX: Final = b"\x19coprocessor/v1/header-seal"
MAX_RAW_HEADERS: Final = 1_024
"""Most headers of one ``coproc_getRawHeaders``."""

SEALER_KEY_FILE: Final = "sealer.key"
_MAX_KEY_FILE_BYTES = 256


def compute_seal_digest(chain_id: int, number: int, block_hash: Digest) -> Digest:
    """The 32 bytes that a sealer signs for a block."""
    return keccak256(SEAL_PREFIX + chain_id.to_bytes(32, "big") + number.to_bytes(32, "big") + block_hash)


def sealer_key_path(options: NodeOptions) -> tuple[Path, bool]:
    """Where the sealer's key is, and whether it may be made there."""
    if options.sealer_key is not None:
        return options.sealer_key, False
    return options.data / SEALER_KEY_FILE, True


def load_sealer(path: Path, make: bool, disk: Disk = PLAIN_DISK) -> PrivateKey:
    """The sealer's key.

    Args:
        path: file with 64 hexadecimal digits, ``0x`` allowed.
        make: write a new random key, readable by its owner alone, if there is no file.
        disk: where it is written.

    Raises:
        StartFailed: no such file, or not a key.
        DiskFailed: it cannot be written.
    """
    if make and not path.exists():
        disk.create(PersistPoint.NODE_SEALER, path, f"{secrets.token_hex(32)}\n".encode("ascii"))
    try:
        with open(path) as file:
            text = file.read(_MAX_KEY_FILE_BYTES).strip().removeprefix("0x")
        return PrivateKey(bytes.fromhex(text))
    except (OSError, ValueError, MalformedInput) as error:
        # The cause may quote the file's content: only its kind is told.
        raise StartFailed(
            "devnode.sealer_key",
            f"{path} holds no sealer key",
            type(error).__name__,
            "give a file with the 32 bytes of a secp256k1 key in hexadecimal",
        ) from None


def check_header_range(first: int, last: int) -> None:
    """Raises RpcError for a range that is empty or too long."""
    if not 0 <= last - first < MAX_RAW_HEADERS:
        raise invalid_params(f"headers {first} to {last}: a call returns 1 to {MAX_RAW_HEADERS} headers")
