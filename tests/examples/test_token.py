"""The confidential token: conservation, allowances, and who may read what."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coprocessor.values.identities import ZERO_ADDRESS, Address
from tests.examples.scene import ALICE, BOB, CAROL, OWNER, Failed, Scene, Theatre, refused

PATH = "token/confidential_token.py"
SUPPLY = 1000
SIGN = "sign the query with the key of the account that it is about"


@pytest.fixture
def token(theatre: Theatre) -> Scene:
    """All of it with OWNER."""
    return theatre.open(PATH, name="Example", supply=SUPPLY)


def balance(token: Scene, account: Address) -> int:
    """As the account itself sees it."""
    held: int = token.query("balance_of", account, caller=account)
    return held


def events(token: Scene) -> list[tuple[str, dict[str, object]]]:
    """Of the last command."""
    assert token.last is not None
    return [(event.name, json.loads(event.data)) for event in token.last.events]


def test_transfer_moves_and_conserves(token: Scene) -> None:
    assert token.call("transfer", ALICE, 300) == 700
    assert token.call("transfer", BOB, 100, author=ALICE) == 200
    assert [balance(token, who) for who in (OWNER, ALICE, BOB)] == [700, 200, 100]
    assert token.query("total_supply") == SUPPLY


def test_transfer_tells_its_author_what_moved(token: Scene) -> None:
    token.call("transfer", ALICE, 300)
    moved = {"sender": "0x" + OWNER.hex(), "recipient": "0x" + ALICE.hex(), "amount": 300}
    assert events(token) == [("Transferred", moved)]


def test_transfer_to_oneself_changes_nothing(token: Scene) -> None:
    assert token.call("transfer", OWNER, SUPPLY) == SUPPLY
    assert balance(token, OWNER) == SUPPLY


def test_more_than_one_has_stays(token: Scene) -> None:
    with refused("you have 0, which is less than 1"):
        token.call("transfer", BOB, 1, author=ALICE)
    with refused("you have 1000, which is less than 1001"):
        token.call("transfer", BOB, SUPPLY + 1)
    assert token.writes == ()
    assert balance(token, OWNER) == SUPPLY


def test_nobody_receives_nothing(token: Scene) -> None:
    with refused("tokens cannot be sent to nobody"):
        token.call("transfer", ZERO_ADDRESS, 1)


def test_greatest_supply_moves_whole(theatre: Theatre) -> None:
    token = theatre.open(PATH, name="All", supply=2**256 - 1)
    assert token.call("transfer", ALICE, 2**256 - 1) == 0
    assert balance(token, ALICE) == 2**256 - 1


def test_balance_is_told_to_its_owner_alone(token: Scene) -> None:
    for stranger in (BOB, ALICE, ZERO_ADDRESS):
        with refused(SIGN):
            token.query("balance_of", OWNER, caller=stranger)
    with refused(SIGN):
        token.query("balance_of", ZERO_ADDRESS)


def test_supply_is_told_to_anybody(token: Scene) -> None:
    assert token.query("total_supply") == SUPPLY


def test_spender_moves_what_it_was_allowed(token: Scene) -> None:
    token.call("approve", ALICE, 50)
    token.call("transfer_from", OWNER, BOB, 30, author=ALICE)
    assert token.query("allowance", OWNER, ALICE, caller=ALICE) == 20
    with refused("this much is not allowed or not there"):
        token.call("transfer_from", OWNER, BOB, 21, author=ALICE)
    token.call("transfer_from", OWNER, BOB, 20, author=ALICE)
    assert token.query("allowance", OWNER, ALICE, caller=OWNER) == 0
    assert balance(token, BOB) == 50


def test_approval_replaces_the_one_before(token: Scene) -> None:
    token.call("approve", ALICE, 50)
    token.call("approve", ALICE, 7)
    assert token.query("allowance", OWNER, ALICE, caller=OWNER) == 7
    token.call("approve", ALICE, 0)
    with refused("this much is not allowed or not there"):
        token.call("transfer_from", OWNER, BOB, 1, author=ALICE)


def test_stranger_moves_nothing(token: Scene) -> None:
    token.call("approve", ALICE, 50)
    with refused("this much is not allowed or not there"):
        token.call("transfer_from", OWNER, CAROL, 1, author=CAROL)


def test_lack_of_balance_and_of_allowance_look_alike(token: Scene) -> None:
    token.call("transfer", BOB, SUPPLY)
    token.call("approve", ALICE, 50)
    with refused("this much is not allowed or not there"):
        token.call("transfer_from", OWNER, ALICE, 50, author=ALICE)


def test_allowance_is_told_to_the_two_alone(token: Scene) -> None:
    for stranger in (CAROL, ZERO_ADDRESS):
        with refused(SIGN):
            token.query("allowance", OWNER, ALICE, caller=stranger)


ACCOUNTS = (OWNER, ALICE, BOB)
transfers = st.lists(
    st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), st.integers(0, SUPPLY)), max_size=12
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=transfers)
def test_behaves_like_a_dictionary(theatre: Theatre, moves: list[tuple[Address, Address, int]]) -> None:
    token = theatre.open(PATH, name="Model", supply=SUPPLY)
    model = dict.fromkeys(ACCOUNTS, 0) | {OWNER: SUPPLY}
    for sender, recipient, amount in moves:
        try:
            token.call("transfer", recipient, amount, author=sender)
        except Failed:
            assert amount > model[sender]
            continue
        model[sender] -= amount
        model[recipient] += amount
    assert {who: balance(token, who) for who in ACCOUNTS} == model
    assert sum(model.values()) == SUPPLY
