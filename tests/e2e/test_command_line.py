"""The command line against a live network: what the other files do not already run through."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from coprocessor import connect
from tests.support.live import PHAT, LiveNetwork, phat, write_key
from tests.support.node import RpcClient

STRANGER = bytes(31) + b"\x77"


def where(network: LiveNetwork) -> tuple[str, str]:
    return ("--network", str(network.folder))


def test_no_wait_returns_at_once_and_the_receipt_comes_later(
    network: LiveNetwork, counter: str, tmp_path: Path
) -> None:
    sent = phat("call", counter, "add", "1", "--no-wait", *where(network))
    assert (sent["ok"], sent["result"], sent["fuel"], sent["state_root"]) == (True, None, None, None)
    phat("call", counter, "add", "0", *where(network))  # when this is settled, so is the one before
    out = tmp_path / "receipt.json"
    made = phat("receipt", counter, sent["index"], "--out", str(out), *where(network))
    assert made["index"] == sent["index"]
    assert json.loads(out.read_text())["opened"] is not None
    phat("receipt", counter, sent["index"], "--sealed", "--out", str(out), *where(network))
    assert json.loads(out.read_text())["opened"] is None
    assert phat("verify", str(out), "--network", str(network.file))["ok"] is True


def test_who_did_not_send_a_command_gets_its_receipt_sealed(
    network: LiveNetwork, counter: str, tmp_path: Path
) -> None:
    done = phat("call", counter, "add", "1", *where(network))
    key, out = write_key(tmp_path / "key", STRANGER), tmp_path / "receipt.json"
    phat("receipt", counter, done["index"], "--out", str(out), "--key", str(key), *where(network))
    assert json.loads(out.read_text())["opened"] is None


def test_an_estimate_sends_nothing(network: LiveNetwork, counter: str) -> None:
    rpc = RpcClient(network.hints["rpc"])
    before = [rpc.call("eth_getTransactionCount", account, "pending") for account in rpc.call("eth_accounts")]
    cost = phat("call", counter, "add", "1", "--estimate", *where(network))
    assert 21_000 < cost["gas"] < 200_000
    assert cost["bytes"] == 146 + 8  # PROTOCOL 4.3: overhead, and one u64
    after = [rpc.call("eth_getTransactionCount", account, "pending") for account in rpc.call("eth_accounts")]
    assert after == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("call", "{counter}", "subtract", "1"), "interface.unknown_method"),
        (("call", "{counter}", "get"), "interface.kind"),
        (("query", "{counter}", "add", "1"), "interface.kind"),
        (("call", "{counter}", "add"), "interface.argument"),
        (("call", "{counter}", "add", "many"), "interface.argument"),
        (("call", "{counter}", "add", "-1"), "interface.argument"),
        (("receipt", "{counter}", "nowhere", "--out", "x"), "usage"),
        (("call", "0x" + "11" * 32, "add", "1"), "program.unknown"),
        (("call", "0x11", "add", "1"), "value.hex"),
        (("receipt", "{counter}", "100000", "--out", "x"), "receipt.not_settled"),
        (("receipt", "{counter}", "0", "--out", "x"), "output.unknown"),
        (("deploy", "nowhere.py"), "deploy.not_found"),
    ],
)
def test_mistakes_are_named_before_anything_is_sent(
    network: LiveNetwork, counter: str, words: tuple[str, ...], code: str
) -> None:
    filled = [word.format(counter=counter) for word in words]
    command = [*PHAT, *filled, "--json", *where(network)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["ok"] is False
    assert answer["code"] == code
    assert answer["what"]
    assert done.returncode == (2 if code.startswith(("usage", "interface")) else 1)
    assert "Traceback" not in done.stderr


def test_text_for_people_names_the_simulation_and_the_proof(network: LiveNetwork, counter: str) -> None:
    for words in (("call", counter, "add", "1"), ("query", counter, "get"), ("status",)):
        command = [*PHAT, *words, *where(network)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert "SIMULATED TEE" in done.stdout
    assert {"clusters", "runtime"} <= {check["name"] for check in phat("doctor", *where(network))["checks"]}


def test_a_workers_url_is_enough_to_connect(network: LiveNetwork, counter: str) -> None:
    worker = network.worker()
    answer = phat("query", counter, "get", "--network", worker["endpoint"])
    assert answer["ok"] is True
    with connect(worker["endpoint"], pinned=connect_id(network)) as net:
        assert net.simulated
        assert net.program(counter).query("get") == answer["result"]


def connect_id(network: LiveNetwork) -> str:
    return str(json.loads(network.file.read_text())["network"])
