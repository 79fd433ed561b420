"""A worker's host killed at its transactions, of enrolment and settlement: the next start goes on, nothing is twice."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coprocessor import connect
from coprocessor.chain.artifacts import load_artifact
from coprocessor.chain.development import development_keys
from coprocessor.codec import abi
from coprocessor.devnode.transactions import decode_transaction
from coprocessor.protocol.genesis import network_from_json
from coprocessor.values.identities import to_hex
from tests.support.cutting_proxy import cutting_proxy
from tests.support.live import get_json, running_network, wait_until, worker_process, write_key
from tests.support.node import RpcClient

COUNTER = Path(__file__).parents[2] / "examples" / "c_counter" / "counter.wasm"
OPERATOR = development_keys()[4]

SECONDS = 120

# In the order in which a worker comes to them; the node has the transaction each time, and the worker hears nothing.
STEPS = [("Registry", "admit"), ("Clusters", "join"), ("Settlement", "settle")]


@dataclass
class KillAtSteps:
    """A rule of the proxy: kills the worker when it comes to the next step of the list."""

    left: list[tuple[str, str]]
    process: subprocess.Popen[bytes] | None = None

    def __call__(self, request: Any, forward: Callable[[], bytes]) -> bytes | None:
        if not self.left or not isinstance(request, dict) or request["method"] != "eth_sendRawTransaction":
            return forward()
        contract, function = self.left[0]
        data = decode_transaction(bytes.fromhex(request["params"][0][2:])).data
        wanted = load_artifact(contract).interface.function(function)
        if data[:4] != abi.selector(f"{wanted.name}({','.join(wanted.inputs)})"):
            return forward()
        assert self.process is not None
        self.left.pop(0)
        forward()
        self.process.send_signal(signal.SIGKILL)
        return None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def status_of(url: str) -> dict[str, Any]:
    """A host's status; empty while it is away."""
    try:
        return get_json(f"{url}/v1/status")
    except OSError:
        return {}


def test_a_worker_killed_at_each_step_becomes_a_member_and_settles_once(tmp_path: Path) -> None:
    key, port = write_key(tmp_path / "operator.key", OPERATOR.secret), free_port()
    with running_network(tmp_path / "net", "--workers", "0") as network, cutting_proxy(network.hints["rpc"]) as proxy:
        rule = KillAtSteps(list(STEPS))
        proxy.rule = rule
        arguments = ("--rpc", proxy.url, "--listen", f"127.0.0.1:{port}")
        for at in range(len(STEPS)):
            with worker_process(network.file, key, tmp_path / "worker", *arguments) as rule.process:
                assert rule.process.wait(SECONDS) == -signal.SIGKILL
            assert len(rule.left) == len(STEPS) - at - 1
        with worker_process(network.file, key, tmp_path / "worker", *arguments):
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: status_of(url).get("step") == "running")
            with connect(network.folder) as net:
                program = net.deploy(COUNTER, start=4)
                assert program.call("add", 3).result() == 7
                assert program.query("get") == 7
            wait_until(lambda: status_of(url)["settled"] == status_of(url)["executed"] > 1)
        check_history(RpcClient(network.hints["rpc"]), network.file)
    assert not list((tmp_path / "worker").rglob("*.draft"))


def check_history(node: RpcClient, file: Path) -> None:
    """One worker, one member, and receipts that follow one another without a gap."""
    configuration = network_from_json(file.read_text())[0].configuration

    def events(contract: str, name: str) -> list[Any]:
        event = load_artifact(contract).interface.event(name)
        place = to_hex(configuration.contract(contract).address)
        wanted = {"address": place, "topics": [to_hex(event.topic)], "fromBlock": "0x0", "toBlock": "latest"}
        return list(node.call("eth_getLogs", wanted))

    assert len(events("Clusters", "Joined")) == 1
    settled = [int(log["topics"][2], 16) for log in events("Settlement", "Settled")]
    assert settled == list(range(len(settled)))
