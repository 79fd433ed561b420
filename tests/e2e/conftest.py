"""The network that all tests of this folder share, with a counter in C."""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from coprocessor.crypto.secp256k1 import PrivateKey
from tests.support.live import LiveNetwork, get_json, phat, wait_until
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


class Gatekeepers:
    """The committee of a network that runs; the dead stay dead until they are let go."""

    def __init__(self, network: LiveNetwork) -> None:
        self.network = network
        self.urls: list[str] = network.hints["gatekeepers"]
        self._locks: dict[int, int] = {}

    def kill(self, *members: int) -> None:
        """Ends hosts and enclaves; their folders are held, so that ``phat up`` tries in vain to start them again."""
        for at in members:
            os.kill(get_json(f"{self.urls[at]}/v1/status")["pid"], signal.SIGKILL)
            lock = os.open(self.network.folder / f"gatekeeper-{at}" / "lock", os.O_RDWR)
            self._locks[at] = lock
            wait_until(lambda lock=lock: _is_locked(lock))

    def let_go(self, *members: int) -> None:
        """The folders can be used again."""
        for at in members or tuple(self._locks):
            os.close(self._locks.pop(at))

    def answering(self) -> int:
        """As ``phat status`` counts them."""
        return int(self.network.status()["committee"]["answering"])


def _is_locked(lock: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
