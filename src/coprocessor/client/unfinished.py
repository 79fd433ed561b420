"""Deployments that a crash may cut short: the salt of a program that is being made, until its outcome is known.

A program's id follows from its owner, code, cluster and salt. While a deployment is not known to have ended, the same
one asked for again takes the salt that it began with, so it finds what was made already and pays for it once.
Deployments that run side by side are different ones, and each takes a salt of its own: a lock tells them apart, and the
kernel lets go of it when a process dies. Salts are no secrets.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.errors import DiskFailed
from coprocessor.durable.points import PersistPoint
from coprocessor.values.identities import ZERO_DIGEST, Address, ClusterId, CodeHash, ProgramId

__all__ = ["Note", "Plan", "deployment_note"]

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Plan:
    """What makes two deployments the same one; arguments are those that stand on the chain."""

    owner: Address
    code_hash: CodeHash
    cluster: ClusterId
    callees: Sequence[ProgramId]
    arguments: bytes
    fuel: int
    policy: bytes = ZERO_DIGEST

    def digest(self) -> bytes:
        """32 bytes."""
        types = ["address", "bytes32", "bytes32", "bytes32[]", "bytes", "uint256", "bytes32"]
        values = [self.owner, self.code_hash, self.cluster, list(self.callees), self.arguments, self.fuel, self.policy]
        return keccak256(abi.encode(types, values))


@dataclass(frozen=True, slots=True)
class Note:
    """What a deployment goes by.

    Args:
        salt: 32 bytes.
        has_begun: an earlier attempt with this salt may have made the program.
        path: the file to take away at the end, or None where none is kept.
    """

    salt: bytes
    has_begun: bool = False
    path: Path | None = None
    disk: Disk = PLAIN_DISK

    def end(self) -> None:
        """The outcome is known: the same deployment asked for again is another one."""
        if self.path is not None:
            with contextlib.suppress(DiskFailed):
                self.disk.remove(self.path)


@contextmanager
def deployment_note(folder: Path, plan: Plan, disk: Disk = PLAIN_DISK) -> Iterator[Note]:
    """The note of a deployment while it runs; a fresh salt and no note where none can be kept."""
    path = folder / "unfinished" / plan.digest().hex()
    lock = _lock(path.with_name(path.name + ".lock"))
    if lock is None:
        yield Note(secrets.token_bytes(SALT_BYTES))
        return
    try:
        yield _begin(path, disk)
    finally:
        os.close(lock)


def _begin(path: Path, disk: Disk) -> Note:
    try:
        kept = bytes.fromhex(path.read_text("ascii"))
        if len(kept) == SALT_BYTES:
            return Note(kept, True, path, disk)
    except (OSError, ValueError):
        pass  # there is none, or it is no salt
    salt = secrets.token_bytes(SALT_BYTES)
    try:
        disk.replace(PersistPoint.CLIENT_DEPLOYMENT, path, salt.hex().encode("ascii"))
    except DiskFailed:
        return Note(salt)
    return Note(salt, False, path, disk)


def _lock(path: Path) -> int | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
