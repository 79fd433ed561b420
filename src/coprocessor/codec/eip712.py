"""EIP-712 digests of flat structs: everything that a person's or an enclave's key signs for a contract.

**Source:** EIP-712.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.identities import Address, Digest

__all__ = ["Domain", "StructType"]

_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


@dataclass(frozen=True, slots=True)
class Domain:
    """What separates one network's and contract's signatures from another's; name and version are fixed."""

    chain_id: int
    contract: Address

    def separator(self) -> Digest:
        """The 32-byte domain separator."""
        return _separator(self.chain_id, self.contract)


@lru_cache(maxsize=64)
def _separator(chain_id: int, contract: bytes) -> Digest:
    return keccak256(
        abi.encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [keccak256(_DOMAIN.encode()), keccak256(b"Coprocessor"), keccak256(b"1"), chain_id, contract],
        )
    )


@dataclass(frozen=True, slots=True)
class StructType:
    """A struct whose members are all static types or ``bytes``.

    Args:
        name: the struct's name.
        members: (type, name) in order.
    """

    name: str
    members: tuple[tuple[str, str], ...]

    def encoded_type(self) -> str:
        """``Name(type name,…)``."""
        return f"{self.name}({','.join(f'{kind} {name}' for kind, name in self.members)})"

    def digest(self, domain: Domain, *values: Any) -> Digest:
        """What is signed: keccak256(0x1901 || separator || struct hash).

        Args:
            domain: chain and contract.
            values: the members' values in order.
        """
        types, words = ["bytes32"], [_type_hash(self.encoded_type())]
        for (kind, _), value in zip(self.members, values, strict=True):
            if kind == "bytes":
                kind, value = "bytes32", keccak256(value)
            types.append(kind)
            words.append(value)
        return keccak256(b"\x19\x01" + domain.separator() + keccak256(abi.encode(types, words)))


@lru_cache(maxsize=64)
def _type_hash(encoded: str) -> Digest:
    return keccak256(encoded.encode("ascii"))
