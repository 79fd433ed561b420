"""The beacon's signatures: one value whoever signs, and nothing that is a part of any cluster's key."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.crypto.bls import ORDER, Purpose, SecretScalar, is_valid_signature
from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.keys.beacon import (
    MAX_HEIGHT,
    BeaconRound,
    combine_beacon,
    compute_beacon_session,
    compute_beacon_value,
    compute_fallback_value,
    sign_beacon,
    verify_beacon,
    verify_beacon_part,
)
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.partial import NotEnoughPartials, PartialSignature, sign_partial, verify_partial
from coprocessor.keys.shares import lagrange_weights
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import ClusterId, NetworkId
from tests.keys.ceremony import NETWORK, shared_key

ROUND = BeaconRound(NETWORK, 64, insecure=True)
SHARES = shared_key(3, 5, b"beacon")
COMMITTEE = SHARES[1].committee
PARTS = {index: sign_beacon(share, ROUND) for index, share in SHARES.items()}
SIGNATURE = combine_beacon(COMMITTEE, ROUND, PARTS.values()).signature


def test_any_three_of_five_make_the_same_value() -> None:
    for some in combinations(PARTS.values(), 3):
        assert combine_beacon(COMMITTEE, ROUND, some).signature == SIGNATURE
    assert verify_beacon(COMMITTEE.group, ROUND, SIGNATURE) == keccak256(SIGNATURE) == compute_beacon_value(SIGNATURE)


def test_two_parts_make_nothing_and_a_wrong_one_is_named() -> None:
    with pytest.raises(NotEnoughPartials):
        combine_beacon(COMMITTEE, ROUND, (PARTS[1], PARTS[2]))
    other = sign_beacon(SHARES[2], BeaconRound(NETWORK, 128, insecure=True))
    combined = combine_beacon(COMMITTEE, ROUND, (PARTS[1], other, PARTS[3], PARTS[4]))
    assert (combined.signature, combined.culprits) == (SIGNATURE, (2,))
    with pytest.raises(EvidenceRefused, match=r"bls\.signature"):
        verify_beacon_part(other, COMMITTEE, ROUND)
    verify_beacon_part(PARTS[2], COMMITTEE, ROUND)


def test_two_shares_fit_every_value_of_the_secret() -> None:
    # Who holds t - 1 shares cannot tell keys apart: with each third share they lie on a polynomial, of another value.
    points = {at: SHARES[at].secret.value for at in (1, 2)}
    values = set()
    for guess in range(1, 9):
        weights = lagrange_weights((1, 2, 3))
        secret = sum(w * v for w, v in zip(weights, (*points.values(), guess), strict=True)) % ORDER
        values.add(compute_beacon_value(SecretScalar(secret).sign(ROUND.message(), Purpose.BEACON)))
    assert len(values) == 8
    assert compute_beacon_value(SIGNATURE) not in values


@given(st.binary(min_size=32, max_size=32), st.integers(0, MAX_HEIGHT), st.booleans())
@settings(max_examples=40, deadline=None)
def test_no_beacon_part_is_a_part_of_a_clusters_key(name: bytes, number: int, insecure: bool) -> None:
    """Not even of the same share, were both keys one: purpose and label differ (PROTOCOL 8.1)."""
    share = SHARES[1]
    identity = ClusterIdentity(NETWORK, ClusterId(name), number, insecure)
    round_ = BeaconRound(NETWORK, number, insecure)
    assert identity.message() != round_.message()
    beacon, cluster = sign_beacon(share, round_), sign_partial(share, identity)
    assert beacon != cluster
    with pytest.raises(EvidenceRefused):
        verify_partial(beacon, share.committee, identity)
    with pytest.raises(EvidenceRefused):
        verify_beacon_part(cluster, share.committee, round_)
    swapped = share.secret.sign(identity.message(), Purpose.BEACON)  # a beacon that would sign a cluster's words
    with pytest.raises(EvidenceRefused):
        verify_partial(PartialSignature(1, swapped), share.committee, identity)


@given(st.integers(0, MAX_HEIGHT), st.integers(0, MAX_HEIGHT), st.booleans(), st.booleans())
def test_rounds_differ_in_their_bytes(left: int, right: int, here: bool, there: bool) -> None:
    one, two = BeaconRound(NETWORK, left, here), BeaconRound(NETWORK, right, there)
    assert (one.message() == two.message()) == ((left, here) == (right, there))
    other = BeaconRound(NetworkId(sha256(b"another")), left, here)
    assert other.message() != one.message()


@pytest.mark.parametrize("height", [-1, MAX_HEIGHT + 1, True, "1"])
def test_heights_out_of_range_are_refused(height: int) -> None:
    with pytest.raises(MalformedInput, match=r"beacon\.height"):
        BeaconRound(NETWORK, height, insecure=True)


def test_a_clients_check_refuses_other_signatures() -> None:
    for wrong in (PARTS[1].signature, SecretScalar(7).sign(ROUND.message(), Purpose.BEACON)):
        with pytest.raises(EvidenceRefused, match=r"beacon\.signature"):
            verify_beacon(COMMITTEE.group, ROUND, wrong)
    with pytest.raises(MalformedInput):
        verify_beacon(COMMITTEE.group, ROUND, SIGNATURE[:-1] + b"\0")
    assert not is_valid_signature(COMMITTEE.group, ROUND.message(), Purpose.CLUSTER_IDENTITY, SIGNATURE)


def test_sessions_and_fallbacks_bind_all_they_name() -> None:
    sessions = {compute_beacon_session(NETWORK, number, opened) for number in range(3) for opened in range(3)}
    assert len(sessions) == 9
    values = {compute_fallback_value(NETWORK, height, sha256(bytes((r,)))) for height in (0, 64) for r in range(3)}
    assert len(values) == 6
