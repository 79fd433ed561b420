"""Constructor arguments that only the cluster reads: sealed to its code key, bound to the one program they are for.

Bytes: ``phat-sealed-init`` (16), epoch (8, big-endian), HPKE. The ``info`` holds network, cluster, epoch and program
id; the id pins owner, code, salt and upgrade policy, and is instantiated once, so a copy opens nowhere (PROTOCOL 4.1).

**Source:** docs/specification/private-code.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coprocessor.crypto import hpke
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput
from coprocessor.values.identities import ClusterId, NetworkId, ProgramId

__all__ = ["MAX_SEALED_INIT", "InitPlace", "is_sealed_init", "open_init", "seal_init"]

MAX_SEALED_INIT: Final = 4096
"""Bytes that ``Programs.instantiate`` takes."""

_MAGIC: Final = b"phat-sealed-init"
_OVERHEAD: Final = len(_MAGIC) + 8 + hpke.OVERHEAD
_BUCKETS: Final = (256, 1024, MAX_SEALED_INIT - _OVERHEAD)
_LENGTH: Final = 2


@dataclass(frozen=True, slots=True)
class InitPlace:
    """The one program that the arguments are for: network, cluster and program id (32 bytes each), and epoch."""

    network: NetworkId
    cluster: ClusterId
    epoch: int
    program: ProgramId

    def info(self) -> bytes:
        """The HPKE info string."""
        return Label.SEALED_INIT.context(self.network, self.cluster, self.epoch.to_bytes(8, "big"), self.program)


def is_sealed_init(init: bytes) -> bool:
    """Whether constructor arguments on the chain are sealed."""
    return init.startswith(_MAGIC)


def seal_init(arguments: bytes, place: InitPlace, code_key: bytes) -> bytes:
    """The bytes for ``Programs.instantiate``; fresh entropy each time.

    Raises:
        CallerMisuse: too long to be sealed (``init.size``).
        MalformedInput: the key (32 bytes) is not usable.
    """
    needed = _LENGTH + len(arguments)
    size = next((bucket for bucket in _BUCKETS if bucket >= needed), 0)
    if not size:
        most = _BUCKETS[-1] - _LENGTH
        raise CallerMisuse(
            "init.size", f"sealed constructor arguments have at most {most} bytes, not {len(arguments)}"
        )
    padded = len(arguments).to_bytes(_LENGTH, "big") + arguments + bytes(size - needed)
    return _MAGIC + place.epoch.to_bytes(8, "big") + hpke.seal(padded, code_key, place.info())


def open_init(init: bytes, place: InitPlace, code_key: hpke.SealingKey) -> bytes:
    """The arguments.

    Raises:
        EvidenceRefused: sealed for another program or epoch, or altered.
        MalformedInput: the padding is not canonical.
    """
    head = _MAGIC + place.epoch.to_bytes(8, "big")
    if not init.startswith(head):
        raise EvidenceRefused("init.foreign", "the arguments are sealed for another epoch")
    padded = code_key.open(init[len(head) :], place.info())
    end = _LENGTH + int.from_bytes(padded[:_LENGTH], "big")
    fitting = next((bucket for bucket in _BUCKETS if bucket >= end), 0)
    if len(padded) != fitting or any(padded[end:]):
        raise MalformedInput("init.padding", "the padding of the sealed arguments is not canonical")
    return padded[_LENGTH:end]
