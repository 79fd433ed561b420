"""The whole auction on a network: sealed bids, one smart contract that gets the winner, and nothing else that leaks.

    phat up &
    python examples/auction/run.py

Prints one JSON object as its last line.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import time
from importlib import resources
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.middleware import SignAndSendRawMiddlewareBuilder

from coprocessor import connect
from coprocessor.chain.development import development_keys
from coprocessor.client.sync import Program
from coprocessor.client.target import Target, load_target
from coprocessor.values.errors import CoprocessorError

PROGRAM = Path(__file__).with_name("auction.py")
AMOUNTS = (40, 75, 60)
FUEL_LIMIT = 1_000_000_000
CALLBACK_GAS = 150_000
PATIENCE_SECONDS = 60.0


def run(network: str) -> dict[str, Any]:
    """Deploys program and auction house, bids, closes; what became of it."""
    target = load_target(network)
    seller, relayer, *bidders = development_keys()
    with connect(network, key=seller) as net:
        auction = net.deploy(PROGRAM, minimum=10)
        house = deploy_house(target, auction)
        auction.call("appoint", house.address).result()
        print(f"program {auction.id}, auction house {house.address}")

        batch = net.batch(relayer)
        for bidder, amount in zip(bidders, AMOUNTS, strict=False):
            batch.add(auction, "bid", amount, author=bidder)
        bids = batch.submit()
        counts = [bid.result() for bid in bids]
        print(f"{counts[-1]} sealed bids; what everybody sees: {auction.query('status')}")
        print(f"what the first bidder alone sees: {auction.query('my_bid', caller=bidders[0])}")

        close(house)
        winner, price = house.functions.winner().call(), house.functions.price().call()
        print(f"the auction house knows: {winner} pays {price}")
        if net.simulated:
            print("SIMULATED TEE: nothing on this network is secret")
        return {
            "program": auction.id,
            "house": house.address,
            "bids": [bid.index for bid in bids],
            "winner": winner,
            "price": price,
            "simulated": net.simulated,
        }


def deploy_house(target: Target, auction: Program) -> Contract:
    """The consumer, ``contracts/consumers/AuctionHouse.vy``, with the network's own contracts and the program's id."""
    chain = Web3(HTTPProvider(target.rpc_url()))
    seller = Account.from_key(development_keys()[0].secret)
    chain.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(seller), layer=0)
    chain.eth.default_account = seller.address
    artifact = json.loads((resources.files("coprocessor.chain") / "artifacts" / "AuctionHouse.json").read_text())
    contracts = {
        name: Web3.to_checksum_address(contract.address) for name, contract in target.network.configuration.contracts
    }
    factory = chain.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    creation = factory.constructor(contracts["Inbox"], contracts["Fees"], contracts["Settlement"], auction.id)
    receipt = chain.eth.wait_for_transaction_receipt(creation.transact())
    return factory(receipt["contractAddress"])


def close(house: Contract) -> None:
    """The seller asks; the answer comes by callback, in a later transaction that a worker sends."""
    house.w3.eth.wait_for_transaction_receipt(house.functions.close(FUEL_LIMIT, 0, CALLBACK_GAS).transact())
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not house.functions.closed().call():
        if time.monotonic() > deadline:
            raise TimeoutError("no answer reached the auction house")
        time.sleep(0.2)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A sealed-bid auction from the first bid to the consumer contract.")
    parser.add_argument("--network", default=".phat", help="folder of phat up, network.json, or its URL")
    arguments = parser.parse_args()
    try:
        print(json.dumps(run(arguments.network)))
    except CoprocessorError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
