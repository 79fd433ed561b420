"""Every operation of ``crypto`` is held against vectors of its standard or a library that did not compute it.

A new public function or method needs a row, or the last test fails. ``bls`` has a table of its own (test_bls_oracles).
X25519 and the curves of the hardware vendors, which one library computes alone, are computed here from their standards.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.attestation.vendors.simulated_authority import derive_p256_key, derive_p384_key
from coprocessor.crypto.hpke import SealingKey

MODULES = ("aead", "eip2537", "hashing", "hkdf", "hpke", "secp256k1")
ROWS = {
    "aead.SivKey.open": ("test_aead", "test_rfc_8452"),
    "aead.SivKey.seal": ("test_aead", "test_rfc_8452"),
    "eip2537.expand_g1": ("test_eip2537", "test_points_are_those_of_the_compressed_form"),
    "eip2537.expand_public_key": ("test_eip2537", "test_points_are_those_of_the_compressed_form"),
    "eip2537.is_pairing_one": ("test_eip2537", "test_pairings_tell_a_signature_from_another"),
    "hashing.hmac_sha256": ("test_hashing", "test_hmac_sha_256"),
    "hashing.keccak256": ("test_hashing", "test_keccak_has_the_original_padding"),
    "hashing.sha256": ("test_hashing", "test_sha_2"),
    "hashing.sha512": ("test_hashing", "test_sha_2"),
    "hkdf.hkdf_derive": ("test_hashing", "test_hkdf_agrees_with_another_implementation"),
    "hkdf.hkdf_expand": ("test_hashing", "test_rfc_5869"),
    "hkdf.hkdf_extract": ("test_hashing", "test_rfc_5869"),
    "hpke.SealingKey.open": ("test_hpke", "test_we_open_what_pyhpke_seals"),
    "hpke.seal": ("test_hpke", "test_pyhpke_opens_what_we_seal"),
    "secp256k1.PrivateKey.sign": ("test_secp256k1", "test_agreement_with_eth_keys"),
    "secp256k1.address_of": ("test_secp256k1", "test_agreement_with_eth_keys"),
    "secp256k1.recover_address": ("test_secp256k1", "test_agreement_with_eth_keys"),
    "secp256k1.recover_public_key": ("test_secp256k1", "test_agreement_with_eth_keys"),
}
"""Operation -> file and test."""

NO_OPERATION = {"aead.pad_to_bucket", "aead.unpad"}
"""Lengths alone."""


def find_operations() -> Iterator[str]:
    for name in MODULES:
        module = importlib.import_module(f"coprocessor.crypto.{name}")
        for public in module.__all__:
            value = getattr(module, public)
            if inspect.isfunction(value):
                yield f"{name}.{public}"
            elif inspect.isclass(value):
                for method, function in vars(value).items():
                    if inspect.isfunction(function) and not method.startswith("_"):
                        yield f"{name}.{public}.{method}"


def test_every_operation_has_a_row_and_every_row_a_test() -> None:
    assert set(find_operations()) - NO_OPERATION == set(ROWS)
    for file, test in ROWS.values():
        assert callable(getattr(importlib.import_module(f"tests.crypto.{file}"), test))


# ---- X25519, by the ladder of RFC 7748, section 5


def x25519(scalar: bytes, point: bytes) -> bytes:
    p = 2**255 - 19
    k = int.from_bytes(scalar, "little") & (2**254 - 8) | 2**254
    u = int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3, swapped = 1, 0, u, 1, 0
    for at in reversed(range(255)):
        bit = k >> at & 1
        if bit != swapped:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x2, z2, x3, z3 = aa * bb % p, e * (aa + 121665 * e) % p, (da + cb) ** 2 % p, u * (da - cb) ** 2 % p
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


RFC_7748 = (
    "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
    "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
    "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
)


def test_both_compute_rfc_7748() -> None:
    scalar, point, expected = map(bytes.fromhex, RFC_7748)
    exchanged = X25519PrivateKey.from_private_bytes(scalar).exchange(X25519PublicKey.from_public_bytes(point))
    assert exchanged == x25519(scalar, point) == expected


@settings(max_examples=10)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_sealing_keys_are_multiples_of_the_base_point(secret: bytes, other: bytes) -> None:
    base = (9).to_bytes(32, "little")
    mine, others = SealingKey(secret).public_key, SealingKey(other).public_key
    assert mine == x25519(secret, base)
    exchanged = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(others))
    assert exchanged == x25519(secret, others) == x25519(other, mine)


# ---- P-256 and P-384, by the textbook: FIPS 186-4, section 6.4; parameters of SEC 2

Point = tuple[int, int] | None
CURVES = {
    "P-256": (
        0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        (
            0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
            0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
        ),
    ),
    "P-384": (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16),
        (
            int("aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7", 16),
            int("3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f", 16),
        ),
    ),
}


def add(p: int, one: Point, two: Point) -> Point:
    """The sum of two points of y^2 = x^3 - 3x + b over the field of p."""
    if one is None or two is None:
        return one or two
    if one[0] == two[0]:
        if (one[1] + two[1]) % p == 0:
            return None
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, p)
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, p)
    x = (slope * slope - one[0] - two[0]) % p
    return x, (slope * (one[0] - x) - one[1]) % p


def multiply(p: int, factor: int, point: Point) -> Point:
    total: Point = None
    for bit in bin(factor)[2:]:
        total = add(p, total, total)
        if bit == "1":
            total = add(p, total, point)
    return total


def is_signed(curve: str, key: tuple[int, int], digest: bytes, r: int, s: int) -> bool:
    p, order, generator = CURVES[curve]
    if not (0 < r < order and 0 < s < order):
        return False
    inverse = pow(s, -1, order)
    hashed = int.from_bytes(digest, "big")
    found = add(
        p, multiply(p, hashed * inverse % order, generator), multiply(p, r * inverse % order, key)
    )
    return found is not None and found[0] % order == r


@pytest.mark.parametrize(("curve", "derive"), [("P-256", derive_p256_key), ("P-384", derive_p384_key)])
def test_signatures_of_the_hardware_vendors_curves(curve: str, derive: object) -> None:
    """What ``cryptography`` signs and verifies, and what it refuses, is what the formulas say."""
    p, order, generator = CURVES[curve]
    algorithm, hashing = (hashes.SHA256(), hashlib.sha256) if curve == "P-256" else (hashes.SHA384(), hashlib.sha384)
    for seed in (b"one", b"two"):
        key = derive(seed, b"purpose")  # type: ignore[operator]
        numbers = key.public_key().public_numbers()
        public = (numbers.x, numbers.y)
        assert multiply(p, key.private_numbers().private_value, generator) == public
        signature = key.sign(b"message", ec.ECDSA(algorithm))
        r, s = decode_dss_signature(signature)
        digest = hashing(b"message").digest()
        assert is_signed(curve, public, digest, r, s)
        assert is_signed(curve, public, digest, r, order - s), "its twin, which everybody can make"
        assert not is_signed(curve, public, digest, r, s ^ 1)
        assert not is_signed(curve, public, hashing(b"other").digest(), r, s)
