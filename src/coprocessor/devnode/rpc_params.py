"""Parameters of JSON-RPC calls, checked: quantities, bytes, flags.

Everything raises ``RpcError`` with code -32602 that names the parameter.

**Source:** Ethereum execution API specification.
"""

from __future__ import annotations

import re
from typing import Final

from coprocessor.devnode.errors import invalid_params
from coprocessor.devnode.transactions import MAX_TRANSACTION_BYTES
from coprocessor.values.identities import Address

__all__ = ["parse_address", "parse_bytes", "parse_flag", "parse_integer", "parse_quantity", "show_value"]

MAX_CALL_DATA_BYTES: Final = 8 * MAX_TRANSACTION_BYTES
"""Most input of a simulated call: more than any transaction, far less than memory."""

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


def parse_quantity(value: object, name: str, bound: int = 2**256) -> int:
    """A hexadecimal quantity below ``bound``; leading zeros are let through, as other nodes do."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise invalid_params(f"{name} must be a 0x-prefixed hexadecimal quantity, got {show_value(value)}")
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
        raise invalid_params(f"{name} must be true or false, got {show_value(value)}")
    return value


def parse_bytes(value: object, name: str, length: int | None = None, limit: int = MAX_CALL_DATA_BYTES) -> bytes:
    """Hexadecimal bytes, of exactly ``length`` or at most ``limit``."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise invalid_params(f"{name} must be 0x-prefixed hexadecimal bytes, got {show_value(value)}")
    if len(value) > 2 + 2 * limit:
        raise invalid_params(f"{name} is longer than {limit} bytes")
    if not _BYTES.fullmatch(value):
        raise invalid_params(f"{name} must be 0x-prefixed hexadecimal bytes, got {show_value(value)}")
    data = bytes.fromhex(value[2:])
    if length is not None and len(data) != length:
        raise invalid_params(f"{name} must have {length} bytes, got {len(data)}")
    return data


def parse_address(value: object, name: str) -> Address:
    """A 20-byte address; the checksum of mixed case is not looked at."""
    return Address(parse_bytes(value, name, 20))


def show_value(value: object) -> str:
    """A short form of a value from outside, for an error."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
