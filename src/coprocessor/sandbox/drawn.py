"""Bytes that a guest draws from its secrets: randomness that all replicas share, and keys for its own purposes.

**Source:** docs/specification/state.md, section "Randomness and application keys of guests"; RFC 5869.
"""

from __future__ import annotations

from coprocessor.crypto.hashing import hmac_sha256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.values.identities import ProgramId

__all__ = ["derive_application_key", "draw_random"]

_BLOCK_BYTES = 32


def derive_application_key(secret: bytes, purpose: bytes) -> bytes:
    """32 bytes for one purpose. ``secret`` (32 bytes) is bound to network, cluster, epoch and program already."""
    return hkdf_derive(secret, Label.APPLICATION_KEY.context(b"", purpose), 32)


def draw_random(seed: bytes, program: ProgramId, call: int, length: int) -> bytes:
    """What the item's ``call``-th call of ``random``, counted from 0, gives (PROTOCOL 5.2).

    Args:
        seed: 32 bytes, of the item.
        program: 32 bytes, who calls.
        call: counted over all programs of the item.
        length: bytes wanted.
    """
    prefix = program + call.to_bytes(4, "big")
    blocks = [hmac_sha256(seed, prefix + number.to_bytes(4, "big")) for number in range(-(-length // _BLOCK_BYTES))]
    return b"".join(blocks)[:length]
