"""Who may change a program's code, and how long before everybody can read of it (PROTOCOL 12).

Rules:

1. A policy is fixed when a program is made: its digest is an argument of ``Programs.instantiate`` and part of the
   program's id, and the id is in the context of each of the program's keys (PROTOCOL 8.1). Another policy is another
   program with other keys; nothing loosens one.
2. A policy has one encoding; what is not in it never allows anything.
3. ``FROZEN`` has the digest zero, which no other policy has: nobody can show what hashes to it.

    digest = keccak256(abi.encode(TAG, uint8 kind, uint64 delay, uint8 threshold, address[] keys))

**Source:** docs/specification/upgrades.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from coprocessor.codec import abi
from coprocessor.codec.eip712 import Domain, StructType
from coprocessor.crypto.hashing import keccak256
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import ZERO_ADDRESS, ZERO_DIGEST, Address, CodeHash, Digest, ProgramId

__all__ = [
    "EXECUTION_WINDOW",
    "FROZEN",
    "MAX_DELAY",
    "MAX_POLICY_KEYS",
    "PolicyKind",
    "UpgradePolicy",
    "decode_policy",
    "upgrade_digest",
    "withdrawal_digest",
]

MAX_DELAY: Final = 10 * 365 * 86_400
"""Seconds between an announcement and its execution, at most."""

MAX_POLICY_KEYS: Final = 16

EXECUTION_WINDOW: Final = 7 * 86_400
"""Seconds after its delay in which an announced upgrade can be executed."""

_TAG = keccak256(b"coprocessor/v1/upgrade-policy")
_TYPES = ["uint8", "uint64", "uint8", "address[]"]
_UPGRADE = StructType(
    "Upgrade",
    (("bytes32", "program"), ("uint64", "announcement"), ("bytes32", "code_hash"), ("uint64", "fuel_limit")),
)
_WITHDRAWAL = StructType("Withdrawal", (("bytes32", "program"), ("uint64", "announcement")))


class PolicyKind(IntEnum):
    """Who may announce an upgrade."""

    FROZEN = 0
    TIMELOCK = 1
    """The program's owner."""
    VOTES = 2
    """``threshold`` of the policy's keys, by signature."""


@dataclass(frozen=True, slots=True)
class UpgradePolicy:
    """A policy in its one form (rule 2).

    Args:
        kind: who may announce.
        delay: seconds from the announcement to the execution, 1 to ``MAX_DELAY``; 0 for a frozen program.
        threshold: signatures that are needed; 0 unless kind is ``VOTES``.
        keys: 20 bytes each, strictly ascending, at most ``MAX_POLICY_KEYS``; none unless kind is ``VOTES``.

    Raises:
        MalformedInput: any other form.
    """

    kind: PolicyKind
    delay: int = 0
    threshold: int = 0
    keys: tuple[Address, ...] = ()

    def __post_init__(self) -> None:
        if not self._is_canonical():
            raise MalformedInput(
                "policy.malformed",
                f"no upgrade policy has kind {int(self.kind)}, delay {self.delay}, threshold {self.threshold}"
                f" and {len(self.keys)} keys",
                f"a delay has 1 to {MAX_DELAY} seconds, votes 1 to {MAX_POLICY_KEYS} ascending keys and a threshold",
            )

    def _is_canonical(self) -> bool:
        if self.kind is PolicyKind.FROZEN:
            return (self.delay, self.threshold, self.keys) == (0, 0, ())
        if not 1 <= self.delay <= MAX_DELAY:
            return False
        if self.kind is PolicyKind.TIMELOCK:
            return (self.threshold, self.keys) == (0, ())
        before = (ZERO_ADDRESS, *self.keys)
        are_ascending = all(len(key) == 20 and low < key for low, key in zip(before, self.keys, strict=False))
        return are_ascending and 1 <= self.threshold <= len(self.keys) <= MAX_POLICY_KEYS

    @staticmethod
    def timelock(delay: int) -> UpgradePolicy:
        """The owner announces, ``delay`` seconds ahead. Raises MalformedInput."""
        return UpgradePolicy(PolicyKind.TIMELOCK, delay)

    @staticmethod
    def votes(keys: Sequence[Address], threshold: int, delay: int) -> UpgradePolicy:
        """``threshold`` of ``keys``, in any order, announce ``delay`` seconds ahead. Raises MalformedInput."""
        return UpgradePolicy(PolicyKind.VOTES, delay, threshold, tuple(sorted(keys)))

    @property
    def fields(self) -> tuple[int, int, int, list[Address]]:
        """As the contract takes it."""
        return int(self.kind), self.delay, self.threshold, list(self.keys)

    def digest(self) -> Digest:
        """What ``Programs.instantiate`` takes: 32 bytes, zero for ``FROZEN`` (rule 3)."""
        if self.kind is PolicyKind.FROZEN:
            return ZERO_DIGEST
        return keccak256(abi.encode(["bytes32", *_TYPES], [_TAG, *self.fields]))

    def describe(self) -> str:
        """How it is shown to people."""
        if self.kind is PolicyKind.FROZEN:
            return "frozen"
        if self.kind is PolicyKind.TIMELOCK:
            return f"timelock of {self.delay} seconds, announced by the owner"
        return f"timelock of {self.delay} seconds, announced by {self.threshold} of {len(self.keys)} keys"


FROZEN: Final = UpgradePolicy(PolicyKind.FROZEN)


def decode_policy(kind: int, delay: int, threshold: int, keys: Sequence[bytes]) -> UpgradePolicy:
    """A policy from the fields of an event. Raises MalformedInput where it is not in its one form."""
    if kind not in PolicyKind.__members__.values():
        raise MalformedInput("policy.malformed", f"no upgrade policy has kind {kind}")
    return UpgradePolicy(PolicyKind(kind), delay, threshold, tuple(Address(key) for key in keys))


def upgrade_digest(
    chain_id: int, programs: Address, program: ProgramId, announcement: int, code_hash: CodeHash, fuel_limit: int
) -> Digest:
    """What a key of a ``VOTES`` policy signs for an upgrade.

    Args:
        chain_id, programs: the contract that judges it.
        program: 32 bytes.
        announcement: number of announcements of the program before this one: each vote serves once.
        code_hash: 32 bytes, of published code.
        fuel_limit: of the method that carries the state over.

    Raises:
        CallerMisuse: a number that does not fit.
    """
    if not 0 <= announcement < 1 << 64 or not 0 <= fuel_limit < 1 << 64:
        raise CallerMisuse("policy.number", "numbers of an announcement have 64 bits")
    return _UPGRADE.digest(Domain(chain_id, programs), program, announcement, code_hash, fuel_limit)


def withdrawal_digest(chain_id: int, programs: Address, program: ProgramId, announcement: int) -> Digest:
    """What a key of a ``VOTES`` policy signs to take announcement number ``announcement``, from 0, back."""
    return _WITHDRAWAL.digest(Domain(chain_id, programs), program, announcement)
