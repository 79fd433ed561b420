"""A node that lies to one worker: progress stops, the failed proof is named, and no other root ever appears."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import COUNTER, fund
from tests.support.live import (
    LiveNetwork,
    get_json,
    phat,
    running_network,
    wait_until,
    worker_process,
    write_key,
)
from tests.support.lying_proxy import LyingProxy, lying_proxy


@dataclass
class Deceived:
    """A worker behind a lying proxy, beside an honest one."""

    network: LiveNetwork
    proxy: LyingProxy
    url: str
    counter: str

    def status(self) -> dict[str, Any]:
        return get_json(self.url + "/v1/status")

    def call(self) -> str:
        """One more command, proven by the honest worker; the cluster's settled root after it."""
        answer = phat("call", self.counter, "add", "1", "--network", str(self.network.folder))
        return str(answer["state_root"])


@contextmanager
def deceived_worker(network: LiveNetwork, counter: str, folder: Path) -> Iterator[Deceived]:
    operator = write_key(folder / "operator.key", bytes(31) + b"\x55")
    fund(network, operator)
    with lying_proxy(network.hints["rpc"]) as proxy:
        document = json.loads(network.file.read_text())
        document["hints"]["rpc"] = proxy.url
        file = folder / "network.json"
        file.write_text(json.dumps(document))
        log = folder / "worker.log"
        with worker_process(file, operator, folder / "worker"):
            wait_until(lambda: log.exists() and b"serves http" in log.read_bytes(), 60)
            match = re.search(r"serves (http://\S+)", log.read_text())
            assert match is not None
            yield Deceived(network, proxy, match.group(1), counter)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNetwork]:
    """A network of this module's own: the deceived worker stays a member of it when it is gone."""
    with running_network(tmp_path_factory.mktemp("lies") / "net") as live:
        yield live


@pytest.fixture(scope="module")
def counter(network: LiveNetwork) -> str:
    return str(phat("deploy", str(COUNTER), "--arg", "start=5", "--network", str(network.folder))["program"])


@pytest.fixture(scope="module")
def deceived(network: LiveNetwork, counter: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deceived]:
    with deceived_worker(network, counter, tmp_path_factory.mktemp("deceived")) as deceived:
        wait_until(lambda: deceived.status().get("executed", 0) > 2, 90)
        yield deceived


def _flip(text: str) -> str:
    """A hexadecimal text with its last digit changed."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def _forge_header(method: str, parameters: list[Any], result: Any) -> Any:
    return [*result[:-1], _flip(result[-1])] if method == "coproc_getRawHeaders" else result


def _forge_seal(method: str, parameters: list[Any], result: Any) -> Any:
    if method == "coproc_getSeals":
        result["signatures"] = [_flip(item[:-2] + "00") for item in result["signatures"]]
    return result


def _drop_seal(method: str, parameters: list[Any], result: Any) -> Any:
    if method == "coproc_getSeals":
        result["signatures"] = []
    return result


def _forge_slot_proof(method: str, parameters: list[Any], result: Any) -> Any:
    if method == "eth_getProof":
        for slot in result["storageProof"]:
            slot["proof"] = [*slot["proof"][:-1], _flip(slot["proof"][-1])] if slot["proof"] else []
    return result


def _drop_proof_node(method: str, parameters: list[Any], result: Any) -> Any:
    if method == "eth_getProof":
        result["accountProof"] = result["accountProof"][:-1]
    return result


def _change_logs(change: Any) -> Any:
    def lie(method: str, parameters: list[Any], result: Any) -> Any:
        return change(result) if method == "eth_getLogs" and result else result

    return lie


def _forge_payload(logs: list[Any]) -> list[Any]:
    logs = copy.deepcopy(logs)
    at = 2 + 64 * 8  # inside the payload, behind the seven words of the event's head
    for log in logs:
        data = log["data"]
        log["data"] = data[:at] + ("0" if data[at] != "0" else "1") + data[at + 1 :]
    return logs


LIES = {
    "forged header": _forge_header,
    "forged seal": _forge_seal,
    "dropped seal": _drop_seal,
    "forged storage proof": _forge_slot_proof,
    "dropped proof node": _drop_proof_node,
    "forged payload": _change_logs(_forge_payload),
    "dropped log": _change_logs(lambda logs: logs[:-1]),
    "reordered logs": _change_logs(lambda logs: logs[::-1]),
}
PROOFS = ("headers.", "proof.", "inbox.", "signature.", "chain.", "rlp.", "header.", "node.", "follower.")


@pytest.mark.parametrize("name", LIES)
def test_a_lie_stops_progress_and_is_named(deceived: Deceived, name: str) -> None:
    wait_until(lambda: deceived.status()["state"] == "running", 60)
    before = deceived.status()
    deceived.proxy.set_lie(LIES[name])
    try:
        roots = [deceived.call()]
        if name == "reordered logs":
            roots.append(deceived.call())
        if name == "reordered logs":
            wait_until(lambda: deceived.proxy.told > 0 or deceived.status()["executed"] > before["executed"], 60)
        else:
            wait_until(lambda: deceived.proxy.told > 0 and deceived.status()["state"].startswith("waiting:"), 60)
            waiting = deceived.status()
            assert waiting["state_root"] == before["state_root"]
            assert any(f"waiting: {prefix}" in waiting["state"] for prefix in PROOFS), waiting["state"]
    finally:
        deceived.proxy.set_lie(None)
    wait_until(lambda: deceived.status()["state_root"] == roots[-1], 60)


def test_a_delay_only_delays(deceived: Deceived) -> None:
    frozen: dict[str, Any] = {}

    def old_answers(method: str, parameters: list[Any], result: Any) -> Any:
        if method == "eth_getBlockByNumber" and parameters[0] in ("latest", "finalized", "safe"):
            return frozen.setdefault(parameters[0], result)
        return result

    wait_until(lambda: deceived.status()["state"] == "running", 60)
    before = deceived.status()
    deceived.proxy.set_lie(old_answers)
    root = deceived.call()
    assert deceived.status()["state_root"] == before["state_root"]
    deceived.proxy.set_lie(None)
    wait_until(lambda: deceived.status()["state_root"] == root, 60)
