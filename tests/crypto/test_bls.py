"""BLS12-381: published vectors, each library as the other's oracle, and what decoding must refuse."""

from __future__ import annotations

import contextlib
import hashlib

import py_ecc.bls.hash_to_curve as py_ecc_hash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar
from py_ecc.bls.g2_primitives import G1_to_pubkey
from pyblst import BlstP1Element, BlstP2Element

from coprocessor.crypto import bls
from coprocessor.crypto.bls import ORDER, G1Element, Purpose, SecretScalar
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput

SECRET = SecretScalar.derive(bytes(range(32)), b"test")
MESSAGE = b"a canonical identity"
scalars = st.integers(1, ORDER - 1)

# Point of the curve y^2 = x^3 + 4 outside the subgroup of prime order: x = 4.
OUTSIDE_SUBGROUP = b"\x80" + bytes(46) + b"\x04"

# RFC 9380, appendix J.9.1, suite BLS12381G1_XMD:SHA-256_SSWU_RO_.
RFC_9380_TAG = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
RFC_9380_X = {
    b"": "052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1",
    b"abc": "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903",
}


@pytest.mark.parametrize("message", RFC_9380_X)
def test_both_libraries_hash_to_the_curve_as_rfc_9380_says(message: bytes) -> None:
    blst = bytes(BlstP1Element().hash_to_group(message, RFC_9380_TAG).compress())
    arkworks = bytes(G1Point.hash_to_curve(message, RFC_9380_TAG).to_compressed_bytes())
    assert blst == arkworks
    assert (bytes((blst[0] & 0x1F,)) + blst[1:]).hex() == RFC_9380_X[message]


def test_hashing_agrees_with_a_third_library() -> None:
    for purpose in Purpose:
        expected = G1_to_pubkey(py_ecc_hash.hash_to_G1(MESSAGE, purpose.value, hashlib.sha256))
        assert bls.hash_to_g1(MESSAGE, purpose) == bytes(expected)


@given(scalars)
@settings(max_examples=20, deadline=None)
def test_secret_operations_agree_with_the_oracle(value: int) -> None:
    secret = SecretScalar(value)
    hashed = G1Point.hash_to_curve(MESSAGE, Purpose.CLUSTER_IDENTITY.value)
    assert secret.sign(MESSAGE, Purpose.CLUSTER_IDENTITY) == (hashed * Scalar(value)).to_compressed_bytes()
    assert secret.public_key() == (G2Point() * Scalar(value)).to_compressed_bytes()
    assert secret.g1_element() == (G1Point() * Scalar(value)).to_compressed_bytes()


@given(st.lists(st.tuples(scalars, st.integers(0, ORDER - 1)), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_public_combinations_agree_with_the_oracle(terms: list[tuple[int, int]]) -> None:
    weights = [weight for _, weight in terms]
    total = sum(value * weight for value, weight in terms) % ORDER
    secrets = [SecretScalar(value) for value, _ in terms]
    if total == 0:
        with pytest.raises(MalformedInput):
            bls.combine_g1([secret.g1_element() for secret in secrets], weights)
        return
    assert bls.combine_g1([secret.g1_element() for secret in secrets], weights) == SecretScalar(total).g1_element()
    keys = [secret.public_key() for secret in secrets]
    assert bls.combine_public_keys(keys, weights) == SecretScalar(total).public_key()


def test_verification_agrees_with_the_oracle() -> None:
    signature, key = SECRET.sign(MESSAGE, Purpose.BEACON), SECRET.public_key()
    bls.verify_signature(key, MESSAGE, Purpose.BEACON, signature)
    hashed = G1Point.hash_to_curve(MESSAGE, Purpose.BEACON.value)
    points = [G1Point.from_compressed_bytes(signature), -hashed]
    assert GT.pairing_check(points, [G2Point(), G2Point.from_compressed_bytes(key)])


def test_verification_refuses_another_key_message_or_purpose() -> None:
    signature, key = SECRET.sign(MESSAGE, Purpose.BEACON), SECRET.public_key()
    other = SecretScalar(7)
    for case in (
        (other.public_key(), MESSAGE, Purpose.BEACON, signature),
        (key, MESSAGE + b"!", Purpose.BEACON, signature),
        (key, MESSAGE, Purpose.CLUSTER_IDENTITY, signature),
        (key, MESSAGE, Purpose.BEACON, other.sign(MESSAGE, Purpose.BEACON)),
    ):
        assert not bls.is_valid_signature(*case)
        with pytest.raises(EvidenceRefused) as caught:
            bls.verify_signature(*case)
        assert caught.value.code == "bls.signature"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(48),
        b"\xc0" + bytes(47),
        b"\xff" * 48,
        b"\xe0" + bytes(47),
        OUTSIDE_SUBGROUP,
        SECRET.g1_element() + b"\0",
        bytes((SECRET.g1_element()[0] & 0x7F,)) + SECRET.g1_element()[1:],
    ],
)
def test_decoding_g1_refuses(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        bls.check_g1(data)
    with pytest.raises(MalformedInput):
        bls.combine_g1([G1Element(data)], [1])


@pytest.mark.parametrize("data", [b"", bytes(96), b"\xc0" + bytes(95), b"\xff" * 96, SECRET.public_key()[:95]])
def test_decoding_g2_refuses(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        bls.check_public_key(data)
    with pytest.raises(MalformedInput):
        bls.combine_public_keys([bls.BlsPublicKey(data)], [1])


def test_the_point_outside_the_subgroup_is_on_the_curve() -> None:
    point = G1Point.from_compressed_bytes_unchecked(OUTSIDE_SUBGROUP)
    assert not point.is_in_subgroup()


@given(st.binary(min_size=48, max_size=48), st.binary(min_size=96, max_size=96))
@settings(max_examples=50, deadline=None)
def test_random_bytes_raise_documented_errors_alone(g1: bytes, g2: bytes) -> None:
    for check, data in ((bls.check_g1, g1), (bls.check_public_key, g2)):
        with contextlib.suppress(MalformedInput):
            assert check(data) == data


def test_a_sum_that_is_the_identity_is_refused() -> None:
    with pytest.raises(MalformedInput):
        bls.combine_public_keys([SECRET.public_key()] * 2, [1, ORDER - 1])


def test_lengths_must_match() -> None:
    for points, weights in (([], []), ([SECRET.g1_element()], [1, 2])):
        with pytest.raises(CallerMisuse):
            bls.combine_g1(points, weights)


@pytest.mark.parametrize("value", [0, ORDER, ORDER + 1, -1])
def test_secret_scalars_are_in_range(value: int) -> None:
    with pytest.raises(MalformedInput):
        SecretScalar(value)


def test_secret_scalars_print_redacted_and_round_trip() -> None:
    assert "redacted" in repr(SECRET)
    assert str(SECRET.value) not in repr(SECRET)
    assert SecretScalar.from_bytes(SECRET.to_bytes()) == SECRET
    assert BlstP2Element.uncompress(SECRET.public_key())
    with pytest.raises(MalformedInput):
        SecretScalar.from_bytes(bytes(31))
    with pytest.raises(CallerMisuse):
        SecretScalar.derive(bytes(31), b"")


def test_derived_scalars_differ_by_seed_and_context() -> None:
    seeds = [(bytes(32), b"a"), (bytes(32), b"b"), (bytes(31) + b"\1", b"a")]
    assert len({SecretScalar.derive(seed, info).value for seed, info in seeds}) == 3
