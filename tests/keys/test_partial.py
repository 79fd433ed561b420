"""Partial signatures: combination, and who is named when something is wrong."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.crypto.bls import Purpose, SecretScalar, hash_to_g1, is_valid_signature
from coprocessor.crypto.hashing import sha256
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.partial import (
    MAX_PARTIALS,
    NotEnoughPartials,
    PartialSignature,
    combine_partials,
    sign_partial,
    verify_partial,
)
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import ClusterId, NetworkId
from tests.keys.ceremony import IDENTITY, shared_key

SHARES = shared_key(3, 5)
COMMITTEE = SHARES[1].committee
PARTIALS = {index: sign_partial(share, IDENTITY) for index, share in SHARES.items()}
WHOLE = combine_partials(COMMITTEE, IDENTITY, PARTIALS.values())


def forged(index: int) -> PartialSignature:
    return PartialSignature(index, SecretScalar(1000 + index).sign(IDENTITY.message(), Purpose.CLUSTER_IDENTITY))


def test_the_combination_is_the_groups_own_signature() -> None:
    assert is_valid_signature(COMMITTEE.group, IDENTITY.message(), Purpose.CLUSTER_IDENTITY, WHOLE.signature)
    assert (WHOLE.signed, WHOLE.missing, WHOLE.culprits) == ((1, 2, 3), (), ())


@given(st.sets(st.integers(1, 5)), st.sets(st.integers(1, 5)))
@settings(max_examples=25, deadline=None)
def test_the_report_names_signers_missing_and_culprits(present: set[int], cheating: set[int]) -> None:
    sent = [forged(i) if i in cheating else PARTIALS[i] for i in sorted(present)]
    honest = present - cheating
    if len(honest) < COMMITTEE.threshold:
        with pytest.raises(NotEnoughPartials) as caught:
            combine_partials(COMMITTEE, IDENTITY, sent)
        assert set(caught.value.signed) == honest
        assert set(caught.value.culprits) == present & cheating
        assert set(caught.value.missing) == set(COMMITTEE.indices) - present
        return
    combined = combine_partials(COMMITTEE, IDENTITY, sent)
    assert combined.signature == WHOLE.signature
    assert set(combined.signed) <= honest
    assert set(combined.missing) == set(COMMITTEE.indices) - present


def test_one_part_less_than_the_threshold_fails() -> None:
    with pytest.raises(NotEnoughPartials) as caught:
        combine_partials(COMMITTEE, IDENTITY, [PARTIALS[4], PARTIALS[2]])
    assert caught.value.signed == (2, 4)
    assert caught.value.missing == (1, 3, 5)
    assert caught.value.threshold == 3
    assert caught.value.code == "keys.not_enough_partials"


def test_repeating_a_part_does_not_count_twice() -> None:
    with pytest.raises(NotEnoughPartials):
        combine_partials(COMMITTEE, IDENTITY, [PARTIALS[1], PARTIALS[2], PARTIALS[2]])


def test_a_forged_part_beside_a_members_own_does_no_harm() -> None:
    sent = [forged(1), PARTIALS[1], PARTIALS[2], PARTIALS[3]]
    combined = combine_partials(COMMITTEE, IDENTITY, sent)
    assert combined.signature == WHOLE.signature
    assert combined.culprits == ()


def test_strangers_are_culprits() -> None:
    combined = combine_partials(COMMITTEE, IDENTITY, [*PARTIALS.values(), forged(9)])
    assert combined.culprits == (9,)
    with pytest.raises(EvidenceRefused) as caught:
        verify_partial(forged(9), COMMITTEE, IDENTITY)
    assert caught.value.code == "keys.unknown_member"


def test_parts_of_another_identity_do_not_combine() -> None:
    for change in (
        {"epoch": 4},
        {"cluster": ClusterId(sha256(b"other"))},
        {"network": NetworkId(sha256(b"other"))},
        {"insecure": False},
    ):
        other = dataclasses.replace(IDENTITY, **change)
        with pytest.raises(NotEnoughPartials) as caught:
            combine_partials(COMMITTEE, other, PARTIALS.values())
        assert caught.value.culprits == COMMITTEE.indices


@given(st.lists(st.builds(PartialSignature, st.integers(-1, 70), st.binary(max_size=50)), max_size=6))
@settings(max_examples=25, deadline=None)
def test_random_parts_raise_documented_errors_alone(parts: list[PartialSignature]) -> None:
    with pytest.raises(CoprocessorError):
        combine_partials(COMMITTEE, IDENTITY, parts)
    assert combine_partials(COMMITTEE, IDENTITY, [*parts, *PARTIALS.values()]).signature == WHOLE.signature


def test_a_flood_of_parts_is_refused() -> None:
    with pytest.raises(MalformedInput) as caught:
        combine_partials(COMMITTEE, IDENTITY, [PARTIALS[1]] * (MAX_PARTIALS + 1))
    assert caught.value.code == "keys.too_many_partials"


def test_parts_and_wholes_print_redacted() -> None:
    for secret in (PARTIALS[1], WHOLE):
        assert "redacted" in repr(secret)
        assert secret.signature.hex() not in repr(secret)
        assert repr(bytes(secret.signature)) not in repr(secret)


def test_identities_are_unambiguous() -> None:
    message = IDENTITY.message()
    assert b"cluster-identity-insecure" in message
    assert ClusterIdentity(IDENTITY.network, IDENTITY.cluster, 3, insecure=False).message() != message
    assert hash_to_g1(message, Purpose.CLUSTER_IDENTITY) != hash_to_g1(message, Purpose.BEACON)
    for network, cluster, epoch in ((b"n", bytes(32), 0), (bytes(32), b"c", 0), (bytes(32), bytes(32), -1)):
        with pytest.raises(MalformedInput):
            ClusterIdentity(NetworkId(network), ClusterId(cluster), epoch, insecure=False)
    for number in (2**64, True, 1.5):
        with pytest.raises(MalformedInput):
            dataclasses.replace(IDENTITY, epoch=number)
