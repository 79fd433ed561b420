"""Draws: uniform, by weight, in nobody's order, one apart from another."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.protocol import draws
from coprocessor.protocol.draws import (
    MAX_CANDIDATES,
    MAX_WEIGHT,
    compute_seed,
    compute_target,
    draw,
    draw_order,
    is_winner,
)
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import Digest, NetworkId

NETWORK = NetworkId(sha256(b"network"))
NAMES = [bytes((at,)) * 32 for at in range(1, 7)]

# Greatest chi-square with a chance of one in 100,000, by degrees of freedom; the data are the same in every run.
CRITICAL = {3: 26.0, 5: 30.9, 9: 39.3, 23: 65.0}

weighed = st.dictionaries(st.binary(min_size=1, max_size=32), st.integers(0, 10**9), max_size=12)
seeds = st.binary(min_size=32, max_size=32).map(Digest)


def seed(at: int, purpose: bytes = b"test") -> Digest:
    return compute_seed(NETWORK, keccak256(at.to_bytes(8, "big")), at, purpose)


def chi_square(found: Counter[Any], expected: dict[Any, float]) -> float:
    assert set(found) <= set(expected)
    return sum((found[key] - wanted) ** 2 / wanted for key, wanted in expected.items())


@given(weighed, seeds)
def test_whoever_is_drawn_is_a_candidate_with_a_weight_and_drawn_once(weights: dict[bytes, int], by: Digest) -> None:
    able = [name for name, weight in weights.items() if weight]
    for count in range(len(able) + 1):
        drawn = draw(by, weights, count)
        assert len(set(drawn)) == len(drawn) == count
        assert set(drawn) <= set(able)
        assert drawn == draw(by, weights, len(able))[:count]


@given(weighed, seeds, st.randoms(use_true_random=False))
def test_the_order_of_a_list_decides_nothing(weights: dict[bytes, int], by: Digest, shuffled: Any) -> None:
    items = list(weights.items())
    shuffled.shuffle(items)
    count = sum(weight > 0 for weight in weights.values())
    assert draw(by, dict(items), count) == draw(by, weights, count)


def test_every_order_comes_as_often_as_every_other() -> None:
    rounds = 4_800
    found = Counter(draw_order(seed(at), NAMES[:4]) for at in range(rounds))
    orders = dict.fromkeys(permutations(NAMES[:4]), rounds / 24)
    assert chi_square(found, orders) < CRITICAL[23]


def test_the_first_is_drawn_by_weight() -> None:
    weights = dict(zip(NAMES[:4], (1, 2, 3, 10), strict=True))
    rounds = 4_000
    found = Counter(draw(seed(at), weights, 1)[0] for at in range(rounds))
    assert chi_square(found, {name: rounds * weight / 16 for name, weight in weights.items()}) < CRITICAL[3]


def test_the_second_is_drawn_by_the_weights_that_are_left() -> None:
    weights = dict(zip(NAMES[:3], (1, 2, 3), strict=True))
    rounds = 6_000
    found = Counter(draw(seed(at), weights, 2) for at in range(rounds))
    expected = {
        (one, two): rounds * weights[one] / 6 * weights[two] / (6 - weights[one])
        for one, two in permutations(NAMES[:3], 2)
    }
    assert chi_square(found, expected) < CRITICAL[5]


def test_more_weight_is_drawn_more_often() -> None:
    rounds, often = 1_500, []
    for weight in (1, 2, 4, 8):
        weights = dict.fromkeys(NAMES, 2) | {NAMES[0]: weight}
        often.append(sum(NAMES[0] in draw(seed(at), weights, 2) for at in range(rounds)))
    assert often == sorted(often)
    assert often[3] > 2 * often[0]


def test_weights_count_by_their_proportion_alone() -> None:
    huge = MAX_WEIGHT // 6
    weights = {name: huge * part for name, part in zip(NAMES[:3], (1, 2, 3), strict=True)}
    rounds = 3_000
    found = Counter(draw(seed(at), weights, 1)[0] for at in range(rounds))
    assert chi_square(found, {NAMES[0]: rounds / 6, NAMES[1]: rounds / 3, NAMES[2]: rounds / 2}) < CRITICAL[3]


def test_no_bias_where_the_range_does_not_divide(monkeypatch: pytest.MonkeyPatch) -> None:
    """With words of 4 bits and 10 candidates, folding would give the first six twice the chance of the others."""
    rounds = 4_000
    used = [seed(at) for at in range(rounds)]
    names = [bytes((at,)) for at in range(10)]
    monkeypatch.setattr(draws, "_WORD", 16)
    monkeypatch.setattr(draws, "sha256", lambda data: bytes((sha256(data)[0] % 16,)))
    found = Counter(draw(each, dict.fromkeys(names, 1), 1)[0] for each in used)
    assert chi_square(found, dict.fromkeys(names, rounds / 10)) < CRITICAL[9]
    folded = Counter(names[sha256(each + bytes(8))[0] % 16 % 10] for each in used)
    assert chi_square(folded, dict.fromkeys(names, rounds / 10)) > CRITICAL[9]


def test_draws_from_one_value_are_apart() -> None:
    rounds, same = 600, 0
    for at in range(rounds):
        same += draw_order(seed(at, b"turns"), NAMES[:3]) == draw_order(seed(at, b"probes"), NAMES[:3])
    assert abs(same - rounds / 6) < 50


@given(st.binary(max_size=8), st.binary(max_size=8), st.integers(0, 5), st.integers(0, 5))
def test_seeds_differ_in_all_that_they_bind(one: bytes, two: bytes, here: int, there: int) -> None:
    assume((one, here) != (two, there))
    value = sha256(b"value")
    assert compute_seed(NETWORK, value, here, one) != compute_seed(NETWORK, value, there, two)
    assert compute_seed(NETWORK, value, here, one) != compute_seed(NETWORK, sha256(value), here, one)
    assert compute_seed(NETWORK, value, here, one) != compute_seed(NetworkId(sha256(NETWORK)), value, here, one)


def test_a_lottery_is_won_as_often_as_its_target_says() -> None:
    by, rounds = seed(1), 4_000
    for numerator, denominator in ((1, 2), (1, 10), (9, 10)):
        target = compute_target(numerator, denominator)
        won = sum(is_winner(sha256(at.to_bytes(4, "big")), by, target) for at in range(rounds))
        chance = numerator / denominator
        assert abs(won - rounds * chance) < 5 * (rounds * chance * (1 - chance)) ** 0.5
    assert all(is_winner(sha256(bytes((at,))), by, compute_target(7, 7)) for at in range(50))


def test_a_ticket_is_the_hash_of_identity_and_seed() -> None:
    by = seed(2)
    ticket = int.from_bytes(keccak256(NAMES[0] + by), "big")
    assert is_winner(NAMES[0], by, ticket)
    assert not is_winner(NAMES[0], by, ticket - 1)


@pytest.mark.parametrize(
    ("weights", "count", "code"),
    [
        ({b"a": -1}, 0, "draw.weight"),
        ({b"a": True}, 0, "draw.weight"),
        ({b"a": MAX_WEIGHT + 1}, 1, "draw.weight"),
        ({b"a": 1, b"b": 0}, 2, "draw.too_few"),
        ({b"a": 1}, -1, "draw.too_few"),
        (dict.fromkeys((at.to_bytes(4, "big") for at in range(MAX_CANDIDATES + 1)), 1), 1, "draw.candidates"),
    ],
)
def test_bad_draws_are_refused(weights: dict[bytes, int], count: int, code: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        draw(seed(1), weights, count)
    assert caught.value.code == code


def test_bad_seeds_and_probabilities_are_refused() -> None:
    with pytest.raises(MalformedInput, match=r"draw\.purpose"):
        compute_seed(NETWORK, bytes(32), 0, bytes(257))
    with pytest.raises(MalformedInput, match=r"draw\.purpose"):
        compute_seed(NETWORK, bytes(32), -1, b"")
    with pytest.raises(MalformedInput):
        compute_seed(NETWORK, bytes(31), 0, b"")
    for numerator, denominator in ((0, 1), (2, 1), (1, 0)):
        with pytest.raises(MalformedInput, match=r"draw\.probability"):
            compute_target(numerator, denominator)
