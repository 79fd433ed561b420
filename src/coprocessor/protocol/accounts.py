"""A program's account on the chain: where it is, and what the program signs for a call (PROTOCOL 8.7, 8.8).

The digest needs nothing but Keccak-256, so that a program can compute it (docs/specification/accounts.md).

**Source:** EIP-712, EIP-1014, EIP-1167; contracts/accounts/Accounts.vy.
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.codec.eip712 import Domain, StructType
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.identities import Address, Digest, ProgramId, checked_address, checked_digest

__all__ = ["MAX_CALL_DATA", "AccountCall", "compute_account_address"]

MAX_CALL_DATA = 8192
"""Bytes of one call's data."""

_PROXY = bytes.fromhex("602d3d8160093d39f3363d3d373d3d3d363d73"), bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
_CALL = StructType(
    "AccountCall",
    (("bytes32", "number"), ("address", "to"), ("uint256", "value"), ("bytes32", "dataHash"), ("uint256", "deadline")),
)


def compute_account_address(accounts: Address, program: ProgramId) -> Address:
    """Where the account of a program is, or will be; ``accounts`` is the network's ``Accounts``.

    Raises:
        MalformedInput: not 20 and 32 bytes.
    """
    checked_address(accounts, "accounts")
    checked_digest(program, "program")
    code = _PROXY[0] + accounts + _PROXY[1]
    return Address(keccak256(b"\xff" + accounts + program + keccak256(code))[12:])


@dataclass(frozen=True, slots=True)
class AccountCall:
    """A call of an account.

    Args:
        number: 32 bytes that the program chooses; each counts once.
        to: 20 bytes, whom the account calls.
        value: wei that go with it.
        data: call data, at most ``MAX_CALL_DATA`` bytes.
        deadline: last timestamp at which it counts, seconds since 1970.
    """

    number: bytes
    to: Address
    value: int
    data: bytes
    deadline: int

    def digest(self, chain_id: int, account: Address) -> Digest:
        """What the program signs, as the account checks it."""
        fields = (self.number, self.to, self.value, keccak256(self.data), self.deadline)
        return _CALL.digest(Domain(chain_id, account), *fields)
