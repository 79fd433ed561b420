"""One network for all tests of this folder: embedded chain, one gatekeeper, one worker, a counter in C."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coprocessor.crypto.secp256k1 import PrivateKey
from tests.support.live import LiveNetwork, phat, running_network
from tests.support.node import RpcClient

ROOT = Path(__file__).parents[2]
COUNTER = ROOT / "examples" / "c_counter" / "counter.wasm"


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNetwork]:
    with running_network(tmp_path_factory.mktemp("live") / "net") as live:
        yield live


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
