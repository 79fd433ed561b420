"""BLS12-381 with signatures in G1 (48 bytes) and public keys in G2 (96 bytes).

Two libraries share the work, and each is the other's oracle in the tests:

- whatever a secret scalar touches goes through ``pyblst`` (blst), whose multiplication takes the same time for any
  scalar;
- multi-scalar work on public data goes through ``py_arkworks_bls12381``, which is faster but leaks its scalars by time.

Rules:

1. Points enter only through checked decoding: on the curve, in the prime-order subgroup, not the identity, and in the
   one canonical encoding (PROTOCOL 9.3).
2. Each purpose hashes to the curve under its own domain separation tag, so a signature for one purpose is never valid
   for another (PROTOCOL 8.1).
3. A secret scalar is in [1, order - 1] and prints redacted.

Python's own integers are not constant in time: arithmetic on shares leaks a little to an attacker on the same core.
SECURITY.md says so.

**Source:** draft-irtf-cfrg-bls-signature-05 (minimal-signature-size variant); RFC 9380 for hashing to the curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NewType, TypeVar

from py_arkworks_bls12381 import G1Point, G2Point, Scalar
from pyblst import (
    BlstP1Element,
    BlstP2Element,
    final_verify,
    miller_loop,
)

from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput

__all__ = [
    "G1_LENGTH",
    "G2_LENGTH",
    "ORDER",
    "SCALAR_LENGTH",
    "BlsPublicKey",
    "BlsSignature",
    "G1Element",
    "Purpose",
    "SecretScalar",
    "check_g1",
    "check_public_key",
    "combine_g1",
    "combine_public_keys",
    "evaluate_public_keys",
    "g1_generator",
    "hash_to_g1",
    "is_valid_signature",
    "verify_signature",
]

_Point = TypeVar("_Point", G1Point, G2Point)

ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""Number of elements of G1 and G2."""

SCALAR_LENGTH: Final = 32
G1_LENGTH: Final = 48
G2_LENGTH: Final = 96
_WIDE_LENGTH: Final = 64

G1Element = NewType("G1Element", bytes)
"""48 bytes: a point of G1, compressed."""

BlsSignature = NewType("BlsSignature", G1Element)
"""48 bytes: a signature, a point of G1."""

BlsPublicKey = NewType("BlsPublicKey", bytes)
"""96 bytes: a public key, a point of G2, compressed."""

_G1_GENERATOR_BYTES: Final = bytes(G1Point().to_compressed_bytes())
_G2_GENERATOR_BYTES: Final = bytes(G2Point().to_compressed_bytes())
_G1_IDENTITY: Final = b"\xc0" + bytes(G1_LENGTH - 1)
_G2_IDENTITY: Final = b"\xc0" + bytes(G2_LENGTH - 1)


class Purpose(Enum):
    """What a signature is for; the value is its domain separation tag."""

    CLUSTER_IDENTITY = b"COPROCESSOR-V1-CLUSTER-IDENTITY_BLS12381G1_XMD:SHA-256_SSWU_RO_"
    BEACON = b"COPROCESSOR-V1-BEACON_BLS12381G1_XMD:SHA-256_SSWU_RO_"
    POSSESSION = b"COPROCESSOR-V1-POSSESSION_BLS12381G1_XMD:SHA-256_SSWU_RO_"
    HANDOVER = b"COPROCESSOR-V1-HANDOVER_BLS12381G1_XMD:SHA-256_SSWU_RO_"


class SecretScalar:
    """A secret number in [1, order - 1]: a private key, a share or a coefficient. Prints redacted."""

    __slots__ = ("_value",)

    def __init__(self, value: int) -> None:
        if not 0 < value < ORDER:
            raise MalformedInput("bls.scalar", "a secret scalar lies in [1, order - 1]")
        self._value = value

    @classmethod
    def from_bytes(cls, data: bytes) -> SecretScalar:
        """The scalar of 32 bytes, big-endian. Raises MalformedInput where out of range."""
        if len(data) != SCALAR_LENGTH:
            raise MalformedInput("bls.scalar", f"a scalar has {SCALAR_LENGTH} bytes, not {len(data)}")
        return cls(int.from_bytes(data, "big"))

    @classmethod
    def derive(cls, seed: bytes, info: bytes) -> SecretScalar:
        """A scalar from secret bytes (at least 32, uniform) and a public context; the bias is below 2**-256."""
        if len(seed) < SCALAR_LENGTH:
            raise CallerMisuse("bls.seed", f"a seed has at least {SCALAR_LENGTH} bytes, not {len(seed)}")
        wide = hkdf_derive(seed, info, _WIDE_LENGTH)
        return cls(int.from_bytes(wide, "big") % (ORDER - 1) + 1)

    def to_bytes(self) -> bytes:
        """32 bytes, big-endian; MUST NOT be logged or stored in clear."""
        return self._value.to_bytes(SCALAR_LENGTH, "big")

    @property
    def value(self) -> int:
        """The number, for share arithmetic alone; MUST NOT be logged or stored in clear."""
        return self._value

    def public_key(self) -> BlsPublicKey:
        """The generator of G2 times this scalar."""
        point = BlstP2Element.uncompress(_G2_GENERATOR_BYTES).scalar_mul(self._value)
        return BlsPublicKey(bytes(point.compress()))

    def g1_element(self) -> G1Element:
        """The generator of G1 times this scalar."""
        return self.multiply_g1(g1_generator())

    def multiply_g1(self, point: G1Element) -> G1Element:
        """A point of G1 times this scalar. Raises MalformedInput where ``point`` fails ``check_g1``."""
        return G1Element(bytes(_blst_g1(point).scalar_mul(self._value).compress()))

    def sign(self, message: bytes, purpose: Purpose) -> BlsSignature:
        """The unique signature of this key over ``message``."""
        point = BlstP1Element().hash_to_group(message, purpose.value).scalar_mul(self._value)
        return BlsSignature(G1Element(bytes(point.compress())))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretScalar) and self._value == other._value

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "SecretScalar(redacted)"


def g1_generator() -> G1Element:
    """The generator of G1."""
    return G1Element(_G1_GENERATOR_BYTES)


def hash_to_g1(message: bytes, purpose: Purpose) -> G1Element:
    """The point of G1 that ``message`` hashes to. **Source:** RFC 9380, BLS12381G1_XMD:SHA-256_SSWU_RO_."""
    return G1Element(bytes(BlstP1Element().hash_to_group(message, purpose.value).compress()))


def check_g1(data: bytes) -> G1Element:
    """``data`` as a point of G1. Raises MalformedInput by rule 1."""
    _blst_g1(data)
    return G1Element(data)


def check_public_key(data: bytes) -> BlsPublicKey:
    """``data`` as a point of G2. Raises MalformedInput by rule 1."""
    _blst_g2(data)
    return BlsPublicKey(data)


def is_valid_signature(public_key: bytes, message: bytes, purpose: Purpose, signature: bytes) -> bool:
    """Whether ``signature`` is the one of ``public_key`` over ``message``.

    Raises:
        MalformedInput: the key or the signature is no point by rule 1.
    """
    key, point = _blst_g2(public_key), _blst_g1(signature)
    hashed = BlstP1Element().hash_to_group(message, purpose.value)
    generator = BlstP2Element.uncompress(_G2_GENERATOR_BYTES)
    return bool(final_verify(miller_loop(hashed, key), miller_loop(point, generator)))


def verify_signature(public_key: bytes, message: bytes, purpose: Purpose, signature: bytes) -> None:
    """Raises EvidenceRefused unless ``signature`` is the one of ``public_key`` over ``message``."""
    if not is_valid_signature(public_key, message, purpose, signature):
        raise EvidenceRefused(
            "bls.signature",
            "the BLS signature does not belong to this key and message",
            f"public key 0x{public_key[:8].hex()}…, purpose {purpose.name}",
        )


def combine_g1(points: Sequence[G1Element], weights: Sequence[int]) -> G1Element:
    """Sum of ``points[i] * weights[i]``; public data only.

    Raises:
        MalformedInput: a point fails rule 1, or the sum is the identity.
        CallerMisuse: the lists differ in length or are empty.
    """
    _check_lengths(points, weights)
    total = _weighted_sum(G1Point, [_arkworks_g1(point) for point in points], weights)
    data = bytes(total.to_compressed_bytes())
    if data == _G1_IDENTITY:
        raise _not_a_point("G1", "the sum is the identity")
    return G1Element(data)


def combine_public_keys(keys: Sequence[BlsPublicKey], weights: Sequence[int]) -> BlsPublicKey:
    """Sum of ``keys[i] * weights[i]``; public data only. Raises as ``combine_g1``."""
    _check_lengths(keys, weights)
    return _public_key(_weighted_sum(G2Point, [_arkworks_g2(key) for key in keys], weights))


def evaluate_public_keys(keys: Sequence[BlsPublicKey], places: Sequence[int]) -> list[BlsPublicKey]:
    """The values at small ``places`` of the polynomial whose coefficients, the constant first, are ``keys``.

    By Horner's rule, whose steps multiply by a place alone: many times faster than weights of the size of the order.

    Raises:
        MalformedInput: a point fails rule 1, or a value is the identity.
        CallerMisuse: there are no keys, or a place is negative.
    """
    if not keys or any(place < 0 for place in places):
        raise CallerMisuse("bls.lengths", f"{len(keys)} points, places {list(places)}")
    points = [_arkworks_g2(key) for key in keys]
    values = []
    for place in places:
        factor, total = Scalar(place), points[-1]
        for point in reversed(points[:-1]):
            total = total * factor + point
        values.append(_public_key(total))
    return values


def _public_key(point: G2Point) -> BlsPublicKey:
    data = bytes(point.to_compressed_bytes())
    if data == _G2_IDENTITY:
        raise _not_a_point("G2", "the sum is the identity")
    return BlsPublicKey(data)


def _weighted_sum(group: type[_Point], points: Sequence[_Point], weights: Sequence[int]) -> _Point:
    """Sum of points times weights; what has weight 1 is only added."""
    total = group.identity()
    heavy = [(point, weight) for point, weight in zip(points, weights, strict=True) if weight != 1]
    for point, weight in zip(points, weights, strict=True):
        if weight == 1:
            total = total + point
    if heavy:
        total = total + group.multiexp_unchecked([point for point, _ in heavy], _scalars([one for _, one in heavy]))
    return total


def _blst_g1(data: bytes) -> BlstP1Element:
    _check_form(data, G1_LENGTH, "G1")
    try:
        point = BlstP1Element.uncompress(data)
    except ValueError as error:
        raise _not_a_point("G1", str(error)) from error
    if bytes(point.compress()) != data:
        raise _not_a_point("G1", "the encoding is not canonical")
    return point


def _blst_g2(data: bytes) -> BlstP2Element:
    _check_form(data, G2_LENGTH, "G2")
    try:
        point = BlstP2Element.uncompress(data)
    except ValueError as error:
        raise _not_a_point("G2", str(error)) from error
    if bytes(point.compress()) != data:
        raise _not_a_point("G2", "the encoding is not canonical")
    return point


def _arkworks_g1(data: bytes) -> G1Point:
    _check_form(data, G1_LENGTH, "G1")
    try:
        point = G1Point.from_compressed_bytes(data)
    except ValueError as error:
        raise _not_a_point("G1", str(error)) from error
    # The library decodes some strings of ones as the identity: only the canonical form counts.
    if bytes(point.to_compressed_bytes()) != data:
        raise _not_a_point("G1", "the encoding is not canonical")
    return point


def _arkworks_g2(data: bytes) -> G2Point:
    _check_form(data, G2_LENGTH, "G2")
    try:
        point = G2Point.from_compressed_bytes(data)
    except ValueError as error:
        raise _not_a_point("G2", str(error)) from error
    if bytes(point.to_compressed_bytes()) != data:
        raise _not_a_point("G2", "the encoding is not canonical")
    return point


def _check_form(data: bytes, length: int, group: str) -> None:
    if len(data) != length:
        raise _not_a_point(group, f"{len(data)} bytes instead of {length}")
    if data in (_G1_IDENTITY, _G2_IDENTITY):
        raise _not_a_point(group, "the identity is refused")


def _check_lengths(points: Sequence[bytes], weights: Sequence[int]) -> None:
    if not points or len(points) != len(weights):
        raise CallerMisuse("bls.lengths", f"{len(points)} points and {len(weights)} weights")


def _scalars(weights: Sequence[int]) -> list[Scalar]:
    return [Scalar(weight % ORDER) for weight in weights]


def _not_a_point(group: str, why: str) -> MalformedInput:
    return MalformedInput("bls.point", f"not a usable point of {group}", why, "the sender must send a valid point")
