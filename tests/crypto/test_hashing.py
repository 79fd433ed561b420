"""Hashes, HMAC and HKDF: published vectors."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.crypto.hashing import hmac_sha256, keccak256, sha256, sha512
from coprocessor.crypto.hkdf import hkdf_derive, hkdf_expand, hkdf_extract
from coprocessor.values.errors import CallerMisuse


# The empty hash is Ethereum's empty code hash; the second is that of the string in Keccak's own vectors.
@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"\x80", "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
    ],
)
def test_keccak_has_the_original_padding(data: bytes, digest: str) -> None:
    assert keccak256(data).hex() == digest


# FIPS 180-4 examples.
def test_sha_2() -> None:
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha512(b"abc").hex() == (
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    )


# RFC 4231, test case 2.
def test_hmac_sha_256() -> None:
    digest = hmac_sha256(b"Jefe", b"what do ya want for nothing?")
    assert digest.hex() == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


# RFC 5869, appendix A: test cases 1 to 3.
RFC_5869 = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        42,
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        82,
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "0b" * 22,
        "",
        "",
        42,
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("input_key", "salt", "info", "length", "extracted", "expanded"), RFC_5869)
def test_rfc_5869(input_key: str, salt: str, info: str, length: int, extracted: str, expanded: str) -> None:
    key, salted, context = bytes.fromhex(input_key), bytes.fromhex(salt), bytes.fromhex(info)
    assert hkdf_extract(salted, key).hex() == extracted
    assert hkdf_expand(bytes.fromhex(extracted), context, length).hex() == expanded
    assert hkdf_derive(key, context, length, salted).hex() == expanded


@given(st.binary(min_size=1, max_size=80), st.binary(max_size=40), st.integers(1, 300), st.binary(max_size=40))
def test_hkdf_agrees_with_another_implementation(key: bytes, info: bytes, length: int, salt: bytes) -> None:
    oracle = HKDF(hashes.SHA256(), length, salt or None, info)
    assert hkdf_derive(key, info, length, salt) == oracle.derive(key)


@pytest.mark.parametrize("length", [0, -1, 255 * 32 + 1])
def test_hkdf_refuses_impossible_lengths(length: int) -> None:
    with pytest.raises(CallerMisuse):
        hkdf_expand(bytes(32), b"", length)


def test_hkdf_reaches_its_greatest_length() -> None:
    assert len(hkdf_expand(bytes(32), b"", 255 * 32)) == 255 * 32
