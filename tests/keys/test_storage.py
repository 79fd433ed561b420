"""Committees as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import cbor
from coprocessor.keys.storage import (
    MAX_COMMITTEE_LENGTH,
    decode_committee,
    encode_committee,
)
from coprocessor.values.errors import CoprocessorError, MalformedInput
from tests.keys.ceremony import shared_key

COMMITTEE = shared_key(2, 3)[1].committee


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
