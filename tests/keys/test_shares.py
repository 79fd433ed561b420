"""Shares: any t give the secret, fewer do not fit, and commitments match."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.crypto.bls import ORDER, SecretScalar, combine_public_keys
from coprocessor.keys.shares import (
    MAX_MEMBERS,
    CommitteeKeys,
    KeyShare,
    Polynomial,
    check_index,
    check_threshold,
    evaluate_commitment,
    lagrange_weights,
)
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput


def polynomial(threshold: int) -> Polynomial:
    return Polynomial([SecretScalar.derive(bytes(32), bytes((k,))) for k in range(threshold)])


def committee(threshold: int, members: int) -> CommitteeKeys:
    commitment = polynomial(threshold).commitment()
    shares = tuple((i, evaluate_commitment(commitment, i)) for i in range(1, members + 1))
    return CommitteeKeys(threshold, commitment[0], shares)


@given(st.integers(1, 6), st.data())
@settings(max_examples=30, deadline=None)
def test_any_threshold_of_shares_gives_the_secret(threshold: int, data: st.DataObject) -> None:
    shared = polynomial(threshold)
    indices = data.draw(st.lists(st.integers(1, MAX_MEMBERS), min_size=threshold, max_size=threshold, unique=True))
    weights = lagrange_weights(indices)
    total = sum(w * shared.evaluate(i).value for w, i in zip(weights, indices, strict=True)) % ORDER
    assert total == shared.constant.value


def test_one_share_less_does_not_give_the_secret() -> None:
    shared = polynomial(3)
    for indices in itertools.combinations(range(1, 6), 2):
        weights = lagrange_weights(indices)
        total = sum(w * shared.evaluate(i).value for w, i in zip(weights, indices, strict=True)) % ORDER
        assert total != shared.constant.value


@given(st.integers(1, 5), st.integers(1, MAX_MEMBERS))
@settings(max_examples=20, deadline=None)
def test_commitments_match_shares(threshold: int, index: int) -> None:
    shared = polynomial(threshold)
    assert evaluate_commitment(shared.commitment(), index) == shared.evaluate(index).public_key()


@pytest.mark.parametrize("indices", [[], [1, 1], [0, 1], [1, MAX_MEMBERS + 1], [-1]])
def test_bad_indices_are_refused_before_interpolation(indices: list[int]) -> None:
    with pytest.raises(MalformedInput) as caught:
        lagrange_weights(indices)
    assert caught.value.code == "keys.index"


def test_an_index_is_a_number() -> None:
    with pytest.raises(MalformedInput):
        check_index(True)
    assert check_index(1) == 1


@pytest.mark.parametrize(("threshold", "members"), [(0, 1), (2, 1), (2, 2), (3, 4), (1, MAX_MEMBERS + 1)])
def test_thresholds_without_an_honest_majority_are_refused(threshold: int, members: int) -> None:
    with pytest.raises(MalformedInput):
        check_threshold(threshold, members)


@pytest.mark.parametrize(("threshold", "members"), [(1, 1), (2, 3), (3, 5), (14, 27), (1, MAX_MEMBERS)])
def test_allowed_thresholds(threshold: int, members: int) -> None:
    check_threshold(threshold, members)


def test_a_committee_whose_keys_lie_on_no_polynomial_is_refused() -> None:
    good = committee(2, 4)
    foreign = SecretScalar(99).public_key()
    for position in range(4):
        shares = list(good.shares)
        shares[position] = (position + 1, foreign)
        with pytest.raises(EvidenceRefused):
            CommitteeKeys(2, good.group, tuple(shares))
    with pytest.raises(EvidenceRefused):
        CommitteeKeys(2, foreign, good.shares)
    with pytest.raises(MalformedInput):
        CommitteeKeys(2, good.group, good.shares[::-1])


def test_a_key_share_fits_its_committee_and_prints_redacted() -> None:
    keys, shared = committee(2, 3), polynomial(2)
    share = KeyShare(2, shared.evaluate(2), keys)
    assert "redacted" in repr(share)
    assert str(share.secret.value) not in repr(share)
    for index, secret in ((1, shared.evaluate(2)), (9, shared.evaluate(9))):
        with pytest.raises(EvidenceRefused):
            KeyShare(index, secret, keys)


def test_polynomials_print_redacted_and_have_a_degree() -> None:
    assert "redacted" in repr(polynomial(2))
    with pytest.raises(CallerMisuse):
        Polynomial([])
    assert combine_public_keys(polynomial(1).commitment(), [1]) == polynomial(1).constant.public_key()
