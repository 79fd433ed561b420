"""Ceremony messages: one encoding, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.crypto.bls import SecretScalar
from coprocessor.keys.dealing import Dealing, EncryptedShare, make_complaint
from coprocessor.keys.messages import MAX_DKG_MESSAGE, Complaints, decode_dkg_message, encode_dkg_message
from coprocessor.keys.shares import MAX_MEMBERS
from coprocessor.values.errors import MalformedInput
from tests.keys.ceremony import Ceremony, fresh_members, fresh_session

SESSION = fresh_session(2, 3)
CEREMONY = Ceremony(SESSION, fresh_members(SESSION))
CEREMONY.run()


def test_every_message_round_trips_and_a_ceremony_runs_over_the_wire() -> None:
    complaint = make_complaint(SESSION, CEREMONY.dealings[0], 2, SecretScalar(3))
    for message in (*CEREMONY.announcements, *CEREMONY.dealings, Complaints((complaint,)), Complaints(())):
        assert decode_dkg_message(encode_dkg_message(message)) == message


def test_the_longest_dealing_fits() -> None:
    dealing = CEREMONY.dealings[0]
    shares = tuple(EncryptedShare(index, bytes(32)) for index in range(1, MAX_MEMBERS + 1))
    longest = Dealing(64, dealing.commitment[:1] * MAX_MEMBERS, dealing.possession, dealing.ephemeral, shares)
    assert decode_dkg_message(encode_dkg_message(longest)) == longest
    with pytest.raises(MalformedInput):
        decode_dkg_message(bytes(MAX_DKG_MESSAGE + 1))


@given(st.binary(max_size=60))
def test_random_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        decode_dkg_message(data)
