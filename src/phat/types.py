"""Value types of chains: addresses, digests, and integers of a fixed width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

__all__ = [
    "Address",
    "Digest",
    "FixedBytes",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "Int128",
    "Int256",
    "Uint8",
    "Uint16",
    "Uint32",
    "Uint64",
    "Uint128",
    "Uint256",
    "Width",
]  # fmt: skip


class FixedBytes(bytes):
    """Bytes of one length, written as ``0x`` and hex digits.

    Made from hex text (with or without ``0x``, any case), or from bytes of that length; without an argument, zeros.
    """

    __slots__ = ()
    LENGTH = 0

    def __new__(cls, value: str | bytes | None = None) -> Self:
        if value is None:
            value = bytes(cls.LENGTH)
        elif isinstance(value, str):
            value = _from_hex(cls, value)
        elif not isinstance(value, bytes):
            raise TypeError(f"{cls.__name__} is made from text or bytes, not from {type(value).__name__}")
        if len(value) != cls.LENGTH:
            raise ValueError(f"{cls.__name__} has {cls.LENGTH} bytes, got {len(value)}")
        return super().__new__(cls, value)

    def __str__(self) -> str:
        return "0x" + self.hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self}')"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class Address(FixedBytes):
    """An account or contract of the chain: 20 bytes. The case of its digits does not matter."""

    __slots__ = ()
    LENGTH = 20


class Digest(FixedBytes):
    """A hash, a program id, a request id: 32 bytes."""

    __slots__ = ()
    LENGTH = 32


@dataclass(frozen=True, slots=True)
class Width:
    """Annotation of an integer that has a fixed number of bits."""

    bits: int
    is_signed: bool


Uint8 = Annotated[int, Width(8, False)]
Uint16 = Annotated[int, Width(16, False)]
Uint32 = Annotated[int, Width(32, False)]
Uint64 = Annotated[int, Width(64, False)]
Uint128 = Annotated[int, Width(128, False)]
Uint256 = Annotated[int, Width(256, False)]
Int8 = Annotated[int, Width(8, True)]
Int16 = Annotated[int, Width(16, True)]
Int32 = Annotated[int, Width(32, True)]
Int64 = Annotated[int, Width(64, True)]
Int128 = Annotated[int, Width(128, True)]
Int256 = Annotated[int, Width(256, True)]


def _from_hex(cls: type[FixedBytes], text: str) -> bytes:
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if len(digits) != 2 * cls.LENGTH:
        raise ValueError(f"{cls.__name__} has {2 * cls.LENGTH} hex digits, got {len(digits)}")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise ValueError(f"{cls.__name__} has hex digits only") from None
