"""secp256k1: RFC 6979 nonces, one form of each signature, eth_keys as oracle."""

from __future__ import annotations

import pytest
from eth_keys import keys as eth_keys
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.crypto.secp256k1 import PrivateKey, address_of, recover_address, recover_public_key
from coprocessor.values.errors import EvidenceRefused, MalformedInput

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY = PrivateKey(b"\x01" * 32)
DIGEST = keccak256(b"message")

secrets = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


# Deterministic signatures of SHA-256 digests, as many implementations of secp256k1 publish them.
@pytest.mark.parametrize(
    ("secret", "message", "r", "s"),
    [
        (
            1,
            b"Satoshi Nakamoto",
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8",
            "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
        ),
        (
            1,
            b"All those moments will be lost in time, like tears in rain. Time to die...",
            "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b",
            "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21",
        ),
    ],
)
def test_rfc_6979_nonces(secret: int, message: bytes, r: str, s: str) -> None:
    signature = PrivateKey(secret.to_bytes(32, "big")).sign(sha256(message))
    assert signature[:64].hex() == r + s


def test_known_address() -> None:
    # The first development account of Hardhat and anvil.
    secret = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
    assert PrivateKey(secret).address.hex() == "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"


@given(secrets, digests)
def test_agreement_with_eth_keys(secret: bytes, digest: bytes) -> None:
    key, oracle = PrivateKey(secret), eth_keys.PrivateKey(secret)
    signature = key.sign(digest)
    theirs = oracle.sign_msg_hash(digest).to_bytes()
    assert signature == theirs[:64] + bytes((theirs[64] + 27,))
    assert key.address == oracle.public_key.to_canonical_address()
    assert recover_address(digest, signature) == key.address
    assert recover_public_key(digest, signature) == key.public_key
    assert address_of(oracle.public_key.to_compressed_bytes()) == key.address


def test_the_twin_signature_is_refused() -> None:
    signature = KEY.sign(DIGEST)
    s = int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + (ORDER - s).to_bytes(32, "big") + bytes((55 - signature[64],))
    with pytest.raises(EvidenceRefused) as caught:
        recover_address(DIGEST, twin)
    assert caught.value.code == "signature.malleable"


@pytest.mark.parametrize("last", [0, 1, 26, 29, 31, 35, 255])
def test_other_recovery_bytes_are_refused(last: int) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        recover_address(DIGEST, KEY.sign(DIGEST)[:64] + bytes((last,)))
    assert caught.value.code == "signature.malformed"


@pytest.mark.parametrize(
    ("r", "s"), [(0, 1), (1, 0), (ORDER, 1), (2**256 - 1, 1), (5, 1)], ids=["r 0", "s 0", "r n", "r max", "no point"]
)
def test_impossible_numbers_are_refused(r: int, s: int) -> None:
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + b"\x1b"
    with pytest.raises(EvidenceRefused):
        recover_address(DIGEST, signature)


@pytest.mark.parametrize("length", [0, 64, 66])
def test_signatures_have_65_bytes(length: int) -> None:
    with pytest.raises(EvidenceRefused):
        recover_address(DIGEST, (KEY.sign(DIGEST) + b"\0")[:length])


@given(st.binary(min_size=65, max_size=65), digests)
def test_random_signatures_raise_only_the_documented_error(signature: bytes, digest: bytes) -> None:
    try:
        assert len(recover_address(digest, signature)) == 20
    except EvidenceRefused:
        return


@given(st.data())
def test_a_changed_signature_is_never_the_signers(data: st.DataObject) -> None:
    signature = bytearray(KEY.sign(DIGEST))
    signature[data.draw(st.integers(0, 64))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert recover_address(DIGEST, bytes(signature)) != KEY.address
    except EvidenceRefused:
        return


@pytest.mark.parametrize(
    "secret", [b"", bytes(31), bytes(32), bytes(33), ORDER.to_bytes(32, "big"), b"\xff" * 32], ids=len
)
def test_unusable_secrets_are_refused(secret: bytes) -> None:
    with pytest.raises(MalformedInput):
        PrivateKey(secret)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_only_digests_of_32_bytes_are_signed(length: int) -> None:
    with pytest.raises(MalformedInput):
        KEY.sign(bytes(length))
    with pytest.raises(EvidenceRefused):
        recover_address(bytes(length), KEY.sign(DIGEST))


@pytest.mark.parametrize("point", [b"", bytes(33), b"\x02" + b"\xff" * 32, b"\x04" + bytes(64)])
def test_points_off_the_curve_are_refused(point: bytes) -> None:
    with pytest.raises(MalformedInput):
        address_of(point)


def test_keys_print_redacted() -> None:
    assert KEY.secret == b"\x01" * 32
    assert KEY.secret.hex() not in repr(KEY)
    assert KEY.address.hex() in repr(KEY)
