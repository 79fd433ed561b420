"""Ciphertexts as anybody can keep them: from the chain, from hosts' disks, from the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coprocessor.crypto.aead import SivKey
from coprocessor.crypto.hpke import SealingKey
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import ClusterId

__all__ = ["Lock", "Sealed", "derive_lock", "hpke", "siv", "tried"]

Lock = tuple[Any, ...]
"""Which of an epoch's keys opens an object: ``("input", program)``, ``("state", program)``, ``("code",)``,
``("checkpoint", count, head)``; empty where no epoch's key does."""


@dataclass(frozen=True, eq=False)
class Sealed:
    """One ciphertext.

    Args:
        kind: what it holds: input, query, code, init, state, checkpoint, output, reply, partial, cache, share.
        cluster: whose it is.
        epoch: under whose keys, as far as anybody can tell.
        lock: the key of that epoch that opens it.
        open: with a 32-byte key (a reply secret for output and reply): the plaintext, or None.
        recipient: the X25519 public key that it is sealed to, where it is HPKE.
        part: of a partial key: the gatekeeper that made it, from 1.
    """

    kind: str
    cluster: ClusterId
    epoch: int
    lock: Lock
    open: Callable[[bytes], bytes | None]
    recipient: bytes = b""
    part: int = 0


def derive_lock(lock: Lock, keys: ClusterKeys) -> bytes:
    """The 32-byte key of a lock under an epoch's keys."""
    match lock:
        case ("input", program):
            return keys.program(program).input_key.secret
        case ("state", program):
            return keys.program(program).state_key
        case ("code",):
            return keys.private_code_key.secret
        case ("checkpoint", count, head):
            return keys.checkpoint_key(count, head)
    raise ValueError(f"there is no lock {lock!r}")


def tried(attempt: Callable[[], bytes]) -> bytes | None:
    """What an attempt gives; None where it is refused."""
    try:
        return attempt()
    except CoprocessorError:
        return None


def hpke(
    kind: str, at: tuple[ClusterId, int], lock: Lock, recipient: bytes, sealed: bytes, info: bytes, part: int = 0
) -> Sealed:
    """A message of a cluster's epoch, sealed to a public key."""
    return Sealed(kind, *at, lock, lambda key: tried(lambda: SealingKey(key).open(sealed, info)), recipient, part)


def siv(
    kind: str, at: tuple[ClusterId, int], lock: Lock, nonce: bytes, ciphertext: bytes, associated: bytes
) -> Sealed:
    """A ciphertext of a cluster's epoch under AES-256-GCM-SIV."""
    return Sealed(kind, *at, lock, lambda key: tried(lambda: SivKey(key).open(nonce, ciphertext, associated)))
