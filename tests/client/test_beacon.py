"""What a client takes for the beacon's value, and what a lying node cannot make it take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coprocessor.client.beacon import ProvenRow, judge_value
from coprocessor.crypto.bls import Purpose, SecretScalar
from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.keys.beacon import BeaconRound, compute_fallback_value
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import Digest, NetworkId

NETWORK = NetworkId(sha256(b"network"))
ROUND = BeaconRound(NETWORK, 64, insecure=True)
SECRET = SecretScalar(11)
KEY = SECRET.public_key()
SIGNATURE = SECRET.sign(ROUND.message(), Purpose.BEACON)
ROW = ProvenRow(64, keccak256(SIGNATURE), 1, False, keccak256(KEY))
RANDOMNESS = sha256(b"randomness")
FALLBACK = ProvenRow(64, compute_fallback_value(NETWORK, 64, RANDOMNESS), 0, True, Digest(bytes(32)))


def test_a_posted_value_is_verified() -> None:
    value = judge_value(ROW, ROUND, KEY, SIGNATURE, b"")
    assert (value.value, value.is_fallback, value.committee) == (keccak256(SIGNATURE), False, 1)
    assert (value.key, value.signature) == (KEY, SIGNATURE)


def test_a_fallback_is_told_apart() -> None:
    value = judge_value(FALLBACK, ROUND, b"", b"", RANDOMNESS)
    assert (value.is_fallback, value.committee, value.prevrandao) == (True, 0, RANDOMNESS)


OTHER = SecretScalar(12)
LIES = {
    "another key": (ROW, OTHER.public_key(), OTHER.sign(ROUND.message(), Purpose.BEACON), b"", "beacon.foreign_key"),
    "another key's signature": (ROW, KEY, OTHER.sign(ROUND.message(), Purpose.BEACON), b"", "beacon.signature"),
    "another purpose": (ROW, KEY, SECRET.sign(ROUND.message(), Purpose.CLUSTER_IDENTITY), b"", "beacon.signature"),
    "another height": (
        ROW,
        KEY,
        SECRET.sign(BeaconRound(NETWORK, 128, True).message(), Purpose.BEACON),
        b"",
        "beacon.signature",
    ),
    "no signature": (ROW, KEY, b"", b"", "bls.point"),
    "another row": (replace(ROW, value=Digest(sha256(b"other"))), KEY, SIGNATURE, b"", "beacon.value"),
    "another randomness": (FALLBACK, b"", b"", sha256(b"other"), "beacon.value"),
    "a fallback for a value": (replace(FALLBACK, is_fallback=False), KEY, SIGNATURE, b"", "beacon.foreign_key"),
    "a value for a fallback": (replace(ROW, is_fallback=True), b"", b"", RANDOMNESS, "beacon.value"),
}


@pytest.mark.parametrize("what", LIES)
def test_lies_are_refused(what: str) -> None:
    row, key, signature, prevrandao, code = LIES[what]
    with pytest.raises(CoprocessorError) as caught:
        judge_value(row, ROUND, key, signature, prevrandao)
    assert caught.value.code == code
