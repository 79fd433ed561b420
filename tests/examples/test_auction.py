"""The sealed-bid auction: rules of bidding, what stays secret, and what the consumer contract gets."""

from __future__ import annotations

import pytest

from coprocessor.codec import abi
from coprocessor.sandbox.outcome import OutcomeKind
from coprocessor.values.identities import ZERO_ADDRESS, Address
from tests.examples.scene import ALICE, BOB, CAROL, HOUSE, NOW, OWNER, Failed, Scene, Theatre, account, refused

PATH = "auction/auction.py"


@pytest.fixture
def auction(theatre: Theatre) -> Scene:
    """Open for bids of 10 and more, its house appointed."""
    scene = theatre.open(PATH, minimum=10)
    scene.call("appoint", HOUSE)
    return scene


def close(auction: Scene, origin: Address = HOUSE) -> tuple[Address, int]:
    """Winner and price, as a consumer decodes them."""
    winner, price = abi.decode(["address", "uint256"], auction.request("close", origin))
    return Address(winner), price


def test_highest_bid_wins_at_its_own_price(auction: Scene) -> None:
    counts = auction.batch((ALICE, "bid", 30), (BOB, "bid", 50), (CAROL, "bid", 40))
    assert counts == [1, 2, 3]
    assert close(auction) == (BOB, 50)


def test_answer_is_exactly_what_the_consumer_decodes(auction: Scene) -> None:
    auction.call("bid", 77, author=ALICE)
    assert auction.request("close", HOUSE) == bytes(12) + ALICE + (77).to_bytes(32)
    method = auction.interface.method("close")
    assert (method.kind, method.selector.hex()) == ("request", "0d7dad84")


def test_raised_bid_replaces_the_old_one(auction: Scene) -> None:
    auction.call("bid", 30, author=ALICE)
    auction.call("bid", 40, author=BOB)
    assert auction.call("bid", 60, author=ALICE) == 2
    assert auction.query("my_bid", caller=ALICE) == 60
    assert close(auction) == (ALICE, 60)


@pytest.mark.parametrize("amount", [29, 30])
def test_own_bid_is_never_lowered_or_repeated(auction: Scene, amount: int) -> None:
    auction.call("bid", 30, author=ALICE)
    with refused("your bid is 30 already: bid more, or let it stand"):
        auction.call("bid", amount, author=ALICE)
    assert auction.query("my_bid", caller=ALICE) == 30


@pytest.mark.parametrize("amount", [0, 9])
def test_bid_below_the_least_is_refused_and_writes_nothing(auction: Scene, amount: int) -> None:
    with refused("the least bid is 10"):
        auction.call("bid", amount, author=ALICE)
    assert auction.writes == ()
    assert auction.query("status")["bids"] == 0


def test_first_of_equal_bids_wins(auction: Scene) -> None:
    auction.batch((CAROL, "bid", 50), (ALICE, "bid", 50))
    auction.call("bid", 50, author=BOB)
    assert close(auction) == (CAROL, 50)


def test_raising_to_a_tie_comes_after_the_bid_it_ties_with(auction: Scene) -> None:
    auction.call("bid", 20, author=ALICE)
    auction.call("bid", 50, author=BOB)
    auction.call("bid", 50, author=ALICE)
    assert close(auction) == (BOB, 50)


def test_greatest_amount_fits(auction: Scene) -> None:
    auction.call("bid", 2**256 - 1, author=ALICE)
    assert close(auction) == (ALICE, 2**256 - 1)


def test_closed_auction_takes_no_bids(auction: Scene) -> None:
    auction.call("bid", 30, author=ALICE)
    close(auction)
    with refused("the auction is closed"):
        auction.call("bid", 99, author=BOB)


def test_closing_again_answers_the_same(auction: Scene) -> None:
    auction.call("bid", 30, author=ALICE)
    assert close(auction) == close(auction) == (ALICE, 30)
    assert auction.writes == ()


def test_nobody_wins_without_bids(auction: Scene) -> None:
    assert close(auction) == (ZERO_ADDRESS, 0)
    status = auction.query("status")
    assert (status["closed"], status["winner"], status["price"]) == (True, None, None)


def test_only_the_appointed_house_closes(auction: Scene) -> None:
    auction.call("bid", 30, author=ALICE)
    for stranger in (OWNER, ALICE, account(0xC1), ZERO_ADDRESS):
        with refused("only the appointed auction house closes the auction"):
            close(auction, stranger)
    assert not auction.query("status")["closed"]


def test_without_a_house_nobody_closes(theatre: Theatre) -> None:
    scene = theatre.open(PATH)
    for origin in (HOUSE, ZERO_ADDRESS):
        with refused("only the appointed auction house closes the auction"):
            close(scene, origin)


def test_close_is_no_command(auction: Scene) -> None:
    with pytest.raises(Failed, match="close is a request"):
        auction.call("close", author=HOUSE)


def test_only_the_seller_appoints_and_only_once(theatre: Theatre) -> None:
    scene = theatre.open(PATH)
    with refused("only the seller appoints the auction house"):
        scene.call("appoint", HOUSE, author=ALICE)
    with refused("the auction house has no address"):
        scene.call("appoint", ZERO_ADDRESS)
    scene.call("appoint", HOUSE)
    scene.call("appoint", HOUSE)
    with refused(f"0x{HOUSE.hex()} is the auction house already"):
        scene.call("appoint", account(0xC1))


def test_bids_come_before_a_house_is_appointed(theatre: Theatre) -> None:
    scene = theatre.open(PATH)
    scene.call("bid", 1, author=ALICE)
    scene.call("appoint", HOUSE)
    assert close(scene) == (ALICE, 1)


def test_nothing_closes_before_its_time(theatre: Theatre) -> None:
    scene = theatre.open(PATH, closes_at=NOW + 60)
    scene.call("appoint", HOUSE)
    with refused(f"the auction is open until {NOW + 60}, now it is {NOW}"):
        close(scene)
    scene.now = NOW + 60
    scene.call("bid", 5, author=ALICE)
    assert close(scene) == (ALICE, 5)


def test_least_bid_is_at_least_one(theatre: Theatre) -> None:
    with refused("the least bid must be at least 1"):
        theatre.open(PATH, minimum=0)


def test_status_shows_no_amount_before_closing(auction: Scene) -> None:
    auction.batch((ALICE, "bid", 31337), (BOB, "bid", 4242))
    assert auction.query("status") == {
        "bids": 2, "minimum": 10, "closes_at": 0, "closed": False, "winner": None, "price": None,
    }  # fmt: skip
    close(auction)
    status = auction.query("status")
    assert (status["closed"], status["winner"], status["price"]) == (True, "0x" + ALICE.hex(), 31337)


def test_own_bid_is_shown_to_its_signer_alone(auction: Scene) -> None:
    auction.call("bid", 30, author=ALICE)
    assert auction.query("my_bid", caller=ALICE) == 30
    assert auction.query("my_bid", caller=BOB) == 0
    with refused("sign the query: a bid is shown to its bidder alone"):
        auction.query("my_bid")


def test_bidding_writes_the_same_keys_whether_it_leads_or_not(auction: Scene) -> None:
    auction.call("bid", 50, author=ALICE)
    auction.call("bid", 60, author=BOB)
    leading = [write.key.replace(BOB, b"") for write in auction.writes]
    auction.call("bid", 40, author=CAROL)
    assert [write.key.replace(CAROL, b"") for write in auction.writes] == leading


def test_event_is_in_the_bidders_output(auction: Scene) -> None:
    auction.call("bid", 50, author=ALICE)
    assert auction.last is not None
    assert [(event.name, event.data) for event in auction.last.events] == [("BidTaken", b'{"amount":50}')]


def test_fifty_bidders_in_one_batch_and_their_fuel(auction: Scene) -> None:
    auction.batch(*((account(number), "bid", 1000 + number * 7 % 50) for number in range(1, 51)))
    assert auction.last is not None
    assert auction.last.kind == OutcomeKind.OK
    assert auction.last.fuel < 2_000_000
    assert close(auction) == (account(7), 1049)
    assert auction.last.fuel < 20_000_000
