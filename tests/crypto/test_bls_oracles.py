"""Every group operation of ``crypto.bls`` and ``keys`` against a library that did not compute it.

blst (through pyblst) computes what is secret, arkworks what is public; each is asked here what the other computes, and
py_ecc, which is slow and independent of both, is asked a few times. A new operation needs an oracle here, or the last
test fails.
"""

from __future__ import annotations

import hashlib
import inspect

import py_ecc.bls.hash_to_curve as py_ecc_hash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import GT, G1Point, G2Point, Scalar
from py_ecc.bls.g2_primitives import G1_to_pubkey, G2_to_signature, pubkey_to_G1, signature_to_G2
from py_ecc.optimized_bls12_381 import G1, G2, add, multiply

from coprocessor.crypto import bls
from coprocessor.crypto.bls import ORDER, BlsPublicKey, BlsSignature, G1Element, Purpose, SecretScalar
from coprocessor.keys.shares import evaluate_commitment, lagrange_weights
from coprocessor.values.errors import CallerMisuse, MalformedInput

scalars = st.integers(1, ORDER - 1)
messages = st.binary(max_size=80)
purposes = st.sampled_from(Purpose)
few = settings(max_examples=15, deadline=None)

ORACLES = {
    "hash_to_g1": "test_hashing",
    "g1_generator": "test_generators",
    "check_g1": "test_decoding",
    "check_public_key": "test_decoding",
    "is_valid_signature": "test_verification",
    "verify_signature": "test_verification",
    "combine_g1": "test_sums",
    "combine_public_keys": "test_sums",
    "evaluate_public_keys": "test_values_of_public_polynomials",
    "SecretScalar.public_key": "test_multiples_of_generators",
    "SecretScalar.g1_element": "test_multiples_of_generators",
    "SecretScalar.multiply_g1": "test_multiples_of_points",
    "SecretScalar.sign": "test_signing",
}
"""Operation of ``crypto.bls`` -> the test that asks another library."""

# RFC 9380, appendix J.9.1, suite BLS12381G1_XMD:SHA-256_SSWU_RO_: message -> x of the point. The other two of its five
# messages stand in test_bls.py.
RFC_9380_TAG = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
RFC_9380_X = {
    b"abcdef0123456789": (
        "11e0b079dea29a68f0383ee94fed1b940995272407e3bb916bbf268c263ddd57a6a27200a784cbc248e84f357ce82d98"
    ),
    b"q128_" + b"q" * 128: (
        "15f68eaa693b95ccb85215dc65fa81038d69629f70aeee0d0f677cf22285e7bf58d7cb86eefe8f2e9bc3f8cb84fac488"
    ),
    b"a512_" + b"a" * 512: (
        "082aabae8b7dedb0e78aeb619ad3bfd9277a2f77ba7fad20ef6aabdc6c31d19ba5a6d12283553294c1825c4b3ca2dcfe"
    ),
}


@pytest.mark.parametrize("message", RFC_9380_X, ids=lambda message: message[:8].decode())
def test_the_longer_vectors_of_rfc_9380(message: bytes) -> None:
    for hashed in (
        bytes(bls.BlstP1Element().hash_to_group(message, RFC_9380_TAG).compress()),
        bytes(G1Point.hash_to_curve(message, RFC_9380_TAG).to_compressed_bytes()),
        bytes(G1_to_pubkey(py_ecc_hash.hash_to_G1(message, RFC_9380_TAG, hashlib.sha256))),
    ):
        assert (bytes((hashed[0] & 0x1F,)) + hashed[1:]).hex() == RFC_9380_X[message]


@few
@given(messages, purposes)
def test_hashing(message: bytes, purpose: Purpose) -> None:
    assert bls.hash_to_g1(message, purpose) == G1Point.hash_to_curve(message, purpose.value).to_compressed_bytes()


def test_generators() -> None:
    assert bls.g1_generator() == bytes(G1_to_pubkey(G1)) == SecretScalar(1).g1_element()
    assert SecretScalar(1).public_key() == bytes(G2_to_signature(G2))


@few
@given(scalars)
def test_multiples_of_generators(value: int) -> None:
    secret = SecretScalar(value)
    assert secret.g1_element() == (G1Point() * Scalar(value)).to_compressed_bytes()
    assert secret.public_key() == (G2Point() * Scalar(value)).to_compressed_bytes()


@pytest.mark.parametrize("value", [2, ORDER - 1, 0x1234567890ABCDEF << 190])
def test_multiples_of_generators_by_a_third_library(value: int) -> None:
    secret = SecretScalar(value % ORDER)
    assert secret.g1_element() == bytes(G1_to_pubkey(multiply(G1, value % ORDER)))
    assert secret.public_key() == bytes(G2_to_signature(multiply(G2, value % ORDER)))


@few
@given(scalars, messages)
def test_multiples_of_points(value: int, message: bytes) -> None:
    point = bls.hash_to_g1(message, Purpose.BEACON)
    by_arkworks = G1Point.from_compressed_bytes(point) * Scalar(value)
    assert SecretScalar(value).multiply_g1(point) == by_arkworks.to_compressed_bytes()


def test_multiples_of_points_by_a_third_library() -> None:
    point = bls.hash_to_g1(b"point", Purpose.BEACON)
    value = ORDER // 3
    assert SecretScalar(value).multiply_g1(point) == bytes(G1_to_pubkey(multiply(pubkey_to_G1(point), value)))


@few
@given(scalars, messages, purposes)
def test_signing(value: int, message: bytes, purpose: Purpose) -> None:
    by_arkworks = G1Point.hash_to_curve(message, purpose.value) * Scalar(value)
    assert SecretScalar(value).sign(message, purpose) == by_arkworks.to_compressed_bytes()


@few
@given(scalars, scalars, messages, purposes)
def test_verification(value: int, other: int, message: bytes, purpose: Purpose) -> None:
    """Right and wrong signatures, judged by arkworks' pairings."""
    key = SecretScalar(value).public_key()
    for signer in (value, other):
        signature = SecretScalar(signer).sign(message, purpose)
        points = [G1Point.from_compressed_bytes(signature), -G1Point.hash_to_curve(message, purpose.value)]
        judged = GT.pairing_check(points, [G2Point(), G2Point.from_compressed_bytes(key)])
        assert bls.is_valid_signature(key, message, purpose, signature) == judged == (signer == value)


@few
@given(st.lists(st.tuples(scalars, st.integers(0, ORDER - 1)), min_size=2, max_size=4))
def test_sums(terms: list[tuple[int, int]]) -> None:
    """Multi-scalar sums of arkworks by single steps of blst."""
    weights = [weight for _, weight in terms]
    secrets = [SecretScalar(value) for value, _ in terms]
    parts = [(secret, weight) for secret, weight in zip(secrets, weights, strict=True) if weight]
    if sum(secret.value * weight for secret, weight in parts) % ORDER == 0:
        return
    g1 = [bls.BlstP1Element.uncompress(secret.g1_element()).scalar_mul(weight) for secret, weight in parts]
    g2 = [bls.BlstP2Element.uncompress(secret.public_key()).scalar_mul(weight) for secret, weight in parts]
    total_g1, total_g2 = g1[0], g2[0]
    for one, two in zip(g1[1:], g2[1:], strict=True):
        total_g1, total_g2 = total_g1 + one, total_g2 + two
    assert bls.combine_g1([secret.g1_element() for secret in secrets], weights) == bytes(total_g1.compress())
    assert bls.combine_public_keys([secret.public_key() for secret in secrets], weights) == bytes(total_g2.compress())


def test_sums_by_a_third_library() -> None:
    secrets, weights = [SecretScalar(value) for value in (5, 7, 11)], [3, ORDER - 2, 1 << 128]
    total = None
    for secret, weight in zip(secrets, weights, strict=True):
        part = multiply(signature_to_G2(secret.public_key()), weight)
        total = part if total is None else add(total, part)
    assert bls.combine_public_keys([secret.public_key() for secret in secrets], weights) == bytes(
        G2_to_signature(total)
    )


@few
@given(st.lists(scalars, min_size=1, max_size=4), st.lists(st.integers(0, 64), max_size=3))
def test_values_of_public_polynomials(coefficients: list[int], places: list[int]) -> None:
    """Horner's rule of arkworks by the polynomial itself, whose values blst brings to the curve."""
    values = [sum(one * place**power for power, one in enumerate(coefficients)) % ORDER for place in places]
    if all(values):
        keys = [SecretScalar(one).public_key() for one in coefficients]
        assert bls.evaluate_public_keys(keys, places) == [SecretScalar(value).public_key() for value in values]


def test_a_value_that_is_the_identity_is_refused() -> None:
    keys = [SecretScalar(ORDER - 2).public_key(), SecretScalar(1).public_key()]
    with pytest.raises(MalformedInput):
        bls.evaluate_public_keys(keys, [2])
    for wrong in (([], [1]), (keys, [-1])):
        with pytest.raises(CallerMisuse):
            bls.evaluate_public_keys(*wrong)


@few
@given(scalars, st.integers(0, 95), st.integers(0, 7))
def test_decoding(value: int, at: int, bit: int) -> None:
    """What blst takes for a point, arkworks takes for one, and the other way round; the identity counts for neither."""
    secret = SecretScalar(value)
    for data, check, decode in (
        (bytearray(secret.g1_element()), bls.check_g1, G1Point.from_compressed_bytes),
        (bytearray(secret.public_key()), bls.check_public_key, G2Point.from_compressed_bytes),
    ):
        data[at % len(data)] ^= 1 << bit
        assert _takes(check, bytes(data)) == _takes(decode, bytes(data))


def _takes(decode: object, data: bytes) -> bool:
    try:
        decode(data)  # type: ignore[operator]
    except (MalformedInput, ValueError):
        return False
    return True


@few
@given(st.lists(scalars, min_size=1, max_size=4), st.integers(1, 20))
def test_commitments_are_evaluated_as_polynomials_are(coefficients: list[int], index: int) -> None:
    """``keys.shares``: the commitment at an index is the committed polynomial's value there."""
    value = sum(one * index**power for power, one in enumerate(coefficients)) % ORDER
    if value:
        commitment = tuple(SecretScalar(one).public_key() for one in coefficients)
        assert evaluate_commitment(commitment, index) == (G2Point() * Scalar(value)).to_compressed_bytes()


@few
@given(st.lists(scalars, min_size=3, max_size=3), st.sets(st.integers(1, 20), min_size=3, max_size=3))
def test_any_three_partial_signatures_are_the_signature(coefficients: list[int], indices: set[int]) -> None:
    """``keys.partial`` in short: blst signs the parts, arkworks adds them up, blst signs with the whole."""
    chosen = sorted(indices)
    values = [sum(one * at**power for power, one in enumerate(coefficients)) % ORDER for at in chosen]
    parts = [SecretScalar(value).sign(b"identity", Purpose.CLUSTER_IDENTITY) for value in values if value]
    if len(parts) == 3:
        whole = SecretScalar(coefficients[0]).sign(b"identity", Purpose.CLUSTER_IDENTITY)
        assert BlsSignature(bls.combine_g1([G1Element(part) for part in parts], lagrange_weights(chosen))) == whole


def test_every_operation_has_an_oracle() -> None:
    functions = {
        name
        for name, value in vars(bls).items()
        if name in bls.__all__ and inspect.isfunction(value) and value.__module__ == bls.__name__
    }
    methods = {
        f"SecretScalar.{name}"
        for name, value in vars(SecretScalar).items()
        if inspect.isfunction(value) and {"BlsPublicKey", "BlsSignature", "G1Element"} & {_returns(value)}
    }
    assert functions | methods == set(ORACLES)
    assert set(ORACLES.values()) <= set(globals())
    assert BlsPublicKey(SecretScalar(1).public_key())


def _returns(function: object) -> str:
    return str(inspect.signature(function).return_annotation)  # type: ignore[arg-type]
