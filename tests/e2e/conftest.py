"""The network that all tests of this folder share, with a counter in C."""

from __future__ import annotations

from pathlib import Path

import pytest

from coprocessor.crypto.secp256k1 import PrivateKey
from tests.support.live import LiveNetwork, phat
from tests.support.node import RpcClient

ROOT = Path(__file__).parents[2]
COUNTER = ROOT / "examples" / "c_counter" / "counter.wasm"


@pytest.fixture(scope="session")
def network(live_network: LiveNetwork) -> LiveNetwork:
    """The session's network: one chain, one gatekeeper, one worker."""
    return live_network


@pytest.fixture(scope="session")
def counter(network: LiveNetwork) -> str:
    """The id of a counter that begins at 5."""
    answer = phat("deploy", str(COUNTER), "--arg", "start=5", "--network", str(network.folder))
    return str(answer["program"])


def fund(network: LiveNetwork, operator: Path) -> None:
    """Gives an operator's account gas money."""
    address = PrivateKey(bytes.fromhex(operator.read_text().strip()[2:])).address
    rpc = RpcClient(network.hints["rpc"])
    sender = rpc.call("eth_accounts")[1]
    rpc.call("eth_sendTransaction", {"from": sender, "to": "0x" + address.hex(), "value": hex(10**20)})
