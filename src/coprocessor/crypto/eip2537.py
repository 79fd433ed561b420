"""Points of BLS12-381 as the chain's precompiles take them: affine coordinates, 64 bytes each, big-endian.

**Source:** EIP-2537; an element of Fp2 is c0 then c1.
"""

from __future__ import annotations

from typing import Final

from py_arkworks_bls12381 import GT, G1Point, G2Point

from coprocessor.crypto.bls import check_g1, check_public_key
from coprocessor.values.errors import MalformedInput

__all__ = ["G1_POINT_LENGTH", "G2_POINT_LENGTH", "PAIR_LENGTH", "expand_g1", "expand_public_key", "is_pairing_one"]

_FIELD: Final = 64
_COORDINATE: Final = 48
_PADDING: Final = bytes(_FIELD - _COORDINATE)

G1_POINT_LENGTH: Final = 2 * _FIELD
G2_POINT_LENGTH: Final = 4 * _FIELD
PAIR_LENGTH: Final = G1_POINT_LENGTH + G2_POINT_LENGTH


def expand_g1(point: bytes) -> bytes:
    """128 bytes of a compressed point of G1 (48 bytes). Raises MalformedInput where it is no point."""
    return _pad(bytes(G1Point.from_compressed_bytes(check_g1(point)).to_xy_bytes_be()))


def expand_public_key(key: bytes) -> bytes:
    """256 bytes of a compressed point of G2 (96 bytes). Raises MalformedInput where it is no point."""
    return _pad(bytes(G2Point.from_compressed_bytes(check_public_key(key)).to_xy_bytes_be()))


def is_pairing_one(pairs: bytes) -> bool:
    """Whether the product of the pairings of (point of G1, point of G2), 384 bytes a pair, is one.

    Raises:
        MalformedInput: no pairs, or a point that is the identity, not on the curve, or not in the subgroup.
    """
    if not pairs or len(pairs) % PAIR_LENGTH:
        raise _malformed(f"{len(pairs)} bytes are no pairs")
    starts = range(0, len(pairs), PAIR_LENGTH)
    try:
        left = [G1Point.from_xy_bytes_be(_unpad(pairs[at : at + G1_POINT_LENGTH])) for at in starts]
        right = [G2Point.from_xy_bytes_be(_unpad(pairs[at + G1_POINT_LENGTH : at + PAIR_LENGTH])) for at in starts]
        return bool(GT.pairing_check(left, right))
    except ValueError as error:
        raise _malformed(str(error)) from error


def _pad(coordinates: bytes) -> bytes:
    parts = (coordinates[at : at + _COORDINATE] for at in range(0, len(coordinates), _COORDINATE))
    return b"".join(_PADDING + part for part in parts)


def _unpad(data: bytes) -> bytes:
    if not any(data):
        raise _malformed("the identity is refused")
    parts = [data[at : at + _FIELD] for at in range(0, len(data), _FIELD)]
    if any(not part.startswith(_PADDING) for part in parts):
        raise _malformed("a coordinate is too large")
    return b"".join(part[len(_PADDING) :] for part in parts)


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("bls.point", "not a usable point of BLS12-381", why, "the sender must send a valid point")
