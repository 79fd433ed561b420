"""Distinct types for what is easily mixed up: digests, addresses and identifiers, all plain ``bytes`` below."""

from __future__ import annotations

from typing import NewType

from coprocessor.values.errors import MalformedInput

__all__ = [
    "ZERO_ADDRESS",
    "ZERO_DIGEST",
    "Address",
    "ClusterId",
    "CodeHash",
    "Digest",
    "NetworkId",
    "ProgramId",
    "RequestId",
    "RuntimeId",
    "StateRoot",
    "WorkerId",
    "checked_address",
    "checked_digest",
    "from_hex",
    "to_hex",
]

Digest = NewType("Digest", bytes)
"""32 bytes: the output of SHA-256 or Keccak-256."""

Address = NewType("Address", bytes)
"""20 bytes: an Ethereum account."""

NetworkId = NewType("NetworkId", bytes)
"""32 bytes: the genesis digest of a network (PROTOCOL 1.1)."""

ClusterId = NewType("ClusterId", bytes)
"""32 bytes: a cluster, as ``Clusters`` numbers it."""

ProgramId = NewType("ProgramId", bytes)
"""32 bytes: a deployed instance of published code."""

CodeHash = NewType("CodeHash", bytes)
"""32 bytes: Keccak-256 of a code package."""

RequestId = NewType("RequestId", bytes)
"""32 bytes: a smart contract's request; zero for everything else."""

RuntimeId = NewType("RuntimeId", bytes)
"""32 bytes: engine, flags, guest and snapshot recipe; fuel is comparable only inside one."""

StateRoot = NewType("StateRoot", bytes)
"""32 bytes: the root of a cluster's state trie."""

WorkerId = NewType("WorkerId", bytes)
"""32 bytes: Keccak-256 of operator and platform; survives restarts of the enclave."""

ZERO_ADDRESS = Address(bytes(20))
ZERO_DIGEST = Digest(bytes(32))


def checked_digest(value: bytes, name: str) -> bytes:
    """Returns ``value`` if it is 32 bytes. Raises MalformedInput otherwise."""
    if not isinstance(value, bytes) or len(value) != 32:
        raise MalformedInput("value.digest", f"{name} must be 32 bytes, got {_shape(value)}")
    return value


def checked_address(value: bytes, name: str) -> bytes:
    """Returns ``value`` if it is 20 bytes. Raises MalformedInput otherwise."""
    if not isinstance(value, bytes) or len(value) != 20:
        raise MalformedInput("value.address", f"{name} must be 20 bytes, got {_shape(value)}")
    return value


def to_hex(value: bytes) -> str:
    """``0x``-prefixed lower-case hexadecimal."""
    return "0x" + value.hex()


def from_hex(text: str, length: int | None = None, name: str = "value") -> bytes:
    """Bytes of a ``0x``-prefixed hexadecimal text.

    Args:
        text: the text; the prefix is required, case is free.
        length: number of bytes that must come out, or None for any.
        name: what the value is, for the error.

    Raises:
        MalformedInput: the text is not hexadecimal or has another length.
    """
    if not isinstance(text, str) or not text.startswith("0x"):
        raise MalformedInput("value.hex", f"{name} must be 0x-prefixed hexadecimal", next="put 0x in front")
    try:
        value = bytes.fromhex(text[2:])
    except ValueError as error:
        raise MalformedInput("value.hex", f"{name} is not hexadecimal: {error}") from error
    if len(text) != 2 + 2 * len(value):
        raise MalformedInput("value.hex", f"{name} has white space between its digits")
    if length is not None and len(value) != length:
        raise MalformedInput("value.hex", f"{name} must have {length} bytes, got {len(value)}")
    return value


def _shape(value: object) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__
