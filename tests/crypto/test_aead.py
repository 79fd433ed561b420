"""AES-256-GCM-SIV by RFC 8452, and padding that hides lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.crypto.aead import NONCE_LENGTH, TAG_LENGTH, SivKey, pad_to_bucket, unpad
from coprocessor.values.errors import EvidenceRefused, MalformedInput

KEY = bytes.fromhex("0100000000000000000000000000000000000000000000000000000000000000")
NONCE = bytes.fromhex("030000000000000000000000")

# RFC 8452, appendix C.2: (plaintext, associated data, result).
RFC_8452 = [
    ("0100000000000000", "", "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"),
    ("010000000000000000000000", "", "9aab2aeb3faa0a34aea8e2b18ca50da9ae6559e48fd10f6e5c9ca17e"),
    ("0200000000000000", "01", "1de22967237a813291213f267e3b452f02d01ae33e4ec854"),
    (
        "02000000000000000000000000000000",
        "01",
        "c91545823cc24f17dbb0e9e807d5ec17b292d28ff61189e8e49f3875ef91aff7",
    ),
]


@pytest.mark.parametrize(("plaintext", "data", "result"), RFC_8452)
def test_rfc_8452(plaintext: str, data: str, result: str) -> None:
    key = SivKey(KEY)
    sealed = key.seal(NONCE, bytes.fromhex(plaintext), bytes.fromhex(data))
    assert sealed.hex() == result
    assert key.open(NONCE, sealed, bytes.fromhex(data)).hex() == plaintext


def test_rfc_8452_nothing_to_encrypt() -> None:
    """Appendix C.2, the first case."""
    assert SivKey(KEY).seal(NONCE, b"", b"").hex() == "07f5f4169bbf55a8400cd47ea6fd400f"


# RFC 8452, appendix C.3: (plaintext, result) where the counter wraps around, with key and nonce of zeros.
RFC_8452_WRAP = [
    (
        "000000000000000000000000000000004db923dc793ee6497c76dcc03a98e108",
        "f3f80f2cf0cb2dd9c5984fcda908456cc537703b5ba70324a6793a7bf218d3eaffffffff000000000000000000000000",
    ),
    (
        "eb3640277c7ffd1303c7a542d02d3e4c0000000000000000",
        "18ce4f0b8cb4d0cac65fea8f79257b20888e53e72299e56dffffffff000000000000000000000000",
    ),
]


@pytest.mark.parametrize(("plaintext", "result"), RFC_8452_WRAP)
def test_rfc_8452_where_the_counter_wraps(plaintext: str, result: str) -> None:
    sealed = SivKey(bytes(32)).seal(bytes(NONCE_LENGTH), bytes.fromhex(plaintext), b"")
    assert sealed.hex() == result
    assert SivKey(bytes(32)).open(bytes(NONCE_LENGTH), sealed, b"").hex() == plaintext


@given(st.binary(min_size=1, max_size=100), st.binary(max_size=40), st.data())
def test_any_changed_bit_is_refused(plaintext: bytes, data: bytes, draw: st.DataObject) -> None:
    key = SivKey(KEY)
    sealed = bytearray(key.seal(NONCE, plaintext, data))
    assert len(sealed) == len(plaintext) + TAG_LENGTH
    sealed[draw.draw(st.integers(0, len(sealed) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    with pytest.raises(EvidenceRefused):
        key.open(NONCE, bytes(sealed), data)


def test_other_key_nonce_or_context_does_not_open() -> None:
    sealed = SivKey(KEY).seal(NONCE, b"secret", b"context")
    for key, nonce, data in (
        (bytes(32), NONCE, b"context"),
        (KEY, bytes(NONCE_LENGTH), b"context"),
        (KEY, NONCE, b"other"),
        (KEY, NONCE[:-1], b"context"),
    ):
        with pytest.raises(EvidenceRefused):
            SivKey(key).open(nonce, sealed, data)


@pytest.mark.parametrize("length", [0, 15, 16])
def test_short_ciphertexts_are_refused(length: int) -> None:
    with pytest.raises(EvidenceRefused):
        SivKey(KEY).open(NONCE, bytes(length), b"")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_keys_have_32_bytes(length: int) -> None:
    with pytest.raises(MalformedInput):
        SivKey(bytes(length))


def test_keys_print_redacted() -> None:
    assert KEY.hex() not in repr(SivKey(KEY))
    assert repr(SivKey(KEY)) == "SivKey(redacted)"


@given(st.binary(max_size=9000))
def test_padding_round_trip(data: bytes) -> None:
    padded = pad_to_bucket(data)
    assert unpad(padded) == data
    assert len(padded) in (32, 64, 128, 256, 512, 1024, 2048, 4096) or len(padded) % 4096 == 0


@pytest.mark.parametrize(
    ("length", "bucket"), [(0, 32), (28, 32), (29, 64), (4092, 4096), (4093, 8192), (8188, 8192), (8189, 12288)]
)
def test_buckets_begin_where_they_should(length: int, bucket: int) -> None:
    assert len(pad_to_bucket(bytes(length))) == bucket


@given(st.binary(max_size=100))
def test_only_canonical_padding_is_removed(padded: bytes) -> None:
    try:
        data = unpad(padded)
    except MalformedInput:
        return
    assert pad_to_bucket(data) == padded


def test_padding_of_another_bucket_or_with_contents_is_refused() -> None:
    padded = pad_to_bucket(b"data")
    for other in (padded + bytes(32), padded[:-1], padded[:-1] + b"\1", b"\xff" * 4 + padded[4:], b""):
        with pytest.raises(MalformedInput):
            unpad(other)
