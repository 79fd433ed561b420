"""HPKE base mode: RFC 9180's own test vector, pyhpke as oracle, and what must not open."""

from __future__ import annotations

import pyhpke
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.crypto import hpke
from coprocessor.values.errors import EvidenceRefused, MalformedInput

SUITE = pyhpke.CipherSuite.new(
    pyhpke.KEMId.DHKEM_X25519_HKDF_SHA256, pyhpke.KDFId.HKDF_SHA256, pyhpke.AEADId.CHACHA20_POLY1305
)
KEY = hpke.SealingKey(bytes(range(32)))

# RFC 9180, appendix A.2.1 (X25519, HKDF-SHA256, ChaCha20Poly1305, base mode); its message of sequence number 0 carries
# associated data, which this project never uses, so the oracle below stands in for that part.
RFC_SECRET = "8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"
RFC_PUBLIC = "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a"


def test_rfc_9180_key_pair() -> None:
    assert hpke.SealingKey(bytes.fromhex(RFC_SECRET)).public_key.hex() == RFC_PUBLIC


def test_the_oracle_passes_rfc_9180() -> None:
    """Appendix A.2.1.1, sequence number 0, with its associated data: what the oracle says below has weight."""
    encapsulated = bytes.fromhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a")
    info = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
    ciphertext = bytes.fromhex(
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
    )
    secret = X25519PrivateKey.from_private_bytes(bytes.fromhex(RFC_SECRET))
    recipient = pyhpke.KEMKey.from_pyca_cryptography_key(secret)
    context = SUITE.create_recipient_context(encapsulated, recipient, info=info)
    assert context.open(ciphertext, aad=b"Count-0") == b"Beauty is truth, truth beauty"


@settings(max_examples=50)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.binary(max_size=100))
def test_pyhpke_opens_what_we_seal(secret: bytes, message: bytes, info: bytes) -> None:
    key = hpke.SealingKey(secret)
    sealed = hpke.seal(message, key.public_key, info)
    assert len(sealed) == len(message) + hpke.OVERHEAD
    recipient = pyhpke.KEMKey.from_pyca_cryptography_key(X25519PrivateKey.from_private_bytes(secret))
    context = SUITE.create_recipient_context(sealed[:32], recipient, info=info)
    assert context.open(sealed[32:]) == message


@settings(max_examples=50)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.binary(max_size=100))
def test_we_open_what_pyhpke_seals(secret: bytes, message: bytes, info: bytes) -> None:
    key = hpke.SealingKey(secret)
    recipient = pyhpke.KEMKey.from_pyca_cryptography_key(X25519PublicKey.from_public_bytes(key.public_key))
    encapsulated, context = SUITE.create_sender_context(recipient, info=info)
    assert key.open(encapsulated + context.seal(message), info) == message


def test_sealing_twice_never_gives_the_same_bytes() -> None:
    assert hpke.seal(b"m", KEY.public_key, b"") != hpke.seal(b"m", KEY.public_key, b"")


@given(st.data())
def test_any_changed_bit_is_refused(data: st.DataObject) -> None:
    sealed = bytearray(hpke.seal(b"message", KEY.public_key, b"info"))
    # X25519 ignores the highest bit of a public key, but HPKE hashes the encapsulated key, so that bit counts as well.
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(EvidenceRefused):
        KEY.open(bytes(sealed), b"info")


def test_other_key_or_info_does_not_open() -> None:
    sealed = hpke.seal(b"message", KEY.public_key, b"info")
    with pytest.raises(EvidenceRefused):
        KEY.open(sealed, b"other")
    with pytest.raises(EvidenceRefused):
        hpke.SealingKey(b"\1" * 32).open(sealed, b"info")


@given(st.binary(max_size=100))
def test_random_bytes_raise_only_the_documented_error(data: bytes) -> None:
    with pytest.raises(EvidenceRefused):
        KEY.open(data, b"")


# Points of small order: the shared secret would be zero for every key (RFC 7748, section 6.1).
@pytest.mark.parametrize("point", [bytes(32), b"\1" + bytes(31)])
def test_points_of_small_order_are_refused_on_both_sides(point: bytes) -> None:
    with pytest.raises(MalformedInput):
        hpke.seal(b"message", point, b"")
    with pytest.raises(EvidenceRefused):
        KEY.open(point + bytes(16), b"")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_keys_have_32_bytes(length: int) -> None:
    with pytest.raises(MalformedInput):
        hpke.SealingKey(bytes(length))
    with pytest.raises(MalformedInput):
        hpke.seal(b"", bytes(length), b"")


def test_keys_print_redacted() -> None:
    assert KEY.secret == bytes(range(32))
    assert KEY.secret.hex() not in repr(KEY)
    assert KEY.public_key.hex() in repr(KEY)
