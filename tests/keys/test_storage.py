"""Committees as bytes and shares at rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.keys.storage import (
    MAX_COMMITTEE_LENGTH,
    decode_committee,
    encode_committee,
    open_key_share,
    seal_key_share,
)
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import NetworkId
from tests.keys.ceremony import NETWORK, shared_key

SHARES = shared_key(2, 3)
COMMITTEE = SHARES[1].committee
KEY = bytes(sha256(b"seal key"))


def test_committees_round_trip() -> None:
    encoded = encode_committee(COMMITTEE)
    assert decode_committee(encoded) == COMMITTEE
    assert len(encoded) < MAX_COMMITTEE_LENGTH


@pytest.mark.parametrize(
    "value",
    [
        [],
        [2, COMMITTEE.group],
        [True, COMMITTEE.group, [[1, COMMITTEE.group]]],
        [1, COMMITTEE.group, [[1]]],
        [1, COMMITTEE.group, [[1, COMMITTEE.group, 0]]],
        [1, COMMITTEE.group, []],
        [1, COMMITTEE.group, [[0, COMMITTEE.group]]],
        [1, bytes(96), [[1, COMMITTEE.group]]],
    ],
)
def test_malformed_committees_are_refused(value: object) -> None:
    with pytest.raises(MalformedInput):
        decode_committee(cbor.dumps(value))


@given(st.binary(max_size=64))
def test_random_bytes_raise_documented_errors_alone(data: bytes) -> None:
    with pytest.raises(CoprocessorError):
        decode_committee(data)


def test_a_sealed_share_opens_at_its_own_place_alone() -> None:
    sealed = seal_key_share(SHARES[2], NETWORK, KEY, insecure=True)
    assert SHARES[2].secret.to_bytes() not in sealed
    assert open_key_share(sealed, 2, COMMITTEE, NETWORK, KEY, insecure=True) == SHARES[2]
    other = shared_key(2, 3, b"other")[1].committee
    for index, committee, network, key, insecure in (
        (1, COMMITTEE, NETWORK, KEY, True),
        (2, other, NETWORK, KEY, True),
        (2, COMMITTEE, NetworkId(sha256(b"n")), KEY, True),
        (2, COMMITTEE, NETWORK, bytes(32), True),
        (2, COMMITTEE, NETWORK, KEY, False),
    ):
        with pytest.raises(EvidenceRefused):
            open_key_share(sealed, index, committee, network, key, insecure=insecure)
    for position in range(0, len(sealed), 7):
        broken = bytearray(sealed)
        broken[position] ^= 1
        with pytest.raises(EvidenceRefused):
            open_key_share(bytes(broken), 2, COMMITTEE, NETWORK, KEY, insecure=True)
