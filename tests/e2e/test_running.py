"""A network as its users meet it: across real processes, through the command line and the SDK."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from coprocessor import connect
from tests.e2e.conftest import COUNTER, fund
from tests.support.live import LiveNetwork, phat, running_network, worker_process, write_key


def descendants(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [found for child in children for found in descendants(int(child))]


def test_deploy_call_query_receipt_verify(network: LiveNetwork, counter: str, tmp_path: Path) -> None:
    where = ("--network", str(network.folder))
    before = phat("query", counter, "get", *where)
    assert set(before) == {"ok", "result", "block", "state_root", "worker", "epoch", "simulated"}
    done = phat("call", counter, "add", "3", *where)
    assert set(done) == {"ok", "program", "index", "result", "error", "fuel", "block", "state_root", "simulated"}
    assert (done["ok"], done["result"], done["simulated"]) == (True, before["result"] + 3, True)
    assert phat("query", counter, "get", *where)["result"] == done["result"]
    receipt = tmp_path / "receipt.json"
    phat("receipt", counter, done["index"], "--out", str(receipt), *where)
    verdict = phat("verify", str(receipt), "--network", str(network.file))
    assert (verdict["ok"], verdict["anchored"], verdict["program"]) == (True, True, counter)
    assert verdict["simulated"] is True
    unanchored = phat("verify", str(receipt), fails=True)
    assert (unanchored["ok"], unanchored["anchored"]) == (False, False)


def test_a_failing_command_says_why_and_exits_with_1(network: LiveNetwork, counter: str) -> None:
    answer = phat("call", counter, "add", str(2**64 - 1), "--network", str(network.folder), fails=True)
    assert answer["ok"] is False
    assert "overflow" in json.dumps(answer)


def test_sdk_in_six_lines(network: LiveNetwork, counter: str) -> None:
    with connect(str(network.folder)) as net:
        program = net.program(counter)
        handle = program.call("add", 2)
        result = handle.result(60)
        assert program.query("get") == result
        assert json.loads(handle.receipt())


def test_status_names_every_process_and_the_simulation(network: LiveNetwork, counter: str) -> None:
    status = network.status()
    assert {"chain_id", "block", "finalized", "simulated", "processes", "clusters"} <= set(status)
    assert status["simulated"] is True
    assert {process["role"] for process in status["processes"]} >= {"worker", "gatekeeper"}
    (cluster,) = status["clusters"]
    assert {"id", "epoch", "index", "state_root", "workers"} <= set(cluster)


def test_enclave_processes_hold_no_network_socket_and_no_database(network: LiveNetwork, counter: str) -> None:
    unix = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    enclaves = [process["enclave_pid"] for process in network.status()["processes"] if process.get("enclave_pid")]
    assert len(enclaves) == 2
    pids = [pid for enclave in enclaves for pid in descendants(enclave)]
    assert len(pids) >= 3  # the worker's executor too
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(descriptor)
            socket = re.fullmatch(r"socket:\[(\d+)\]", target)
            if socket:
                assert socket.group(1) in unix, f"process {pid} holds a network socket"
            else:
                assert not re.search(r"\.(db|sqlite|sqlite3)|-wal$|-shm$", target), target


def test_a_stranger_joins_with_the_network_file_alone_and_a_second_network_is_another(
    network: LiveNetwork, counter: str, tmp_path: Path
) -> None:
    where = ("--network", str(network.folder))
    receipt = tmp_path / "receipt.json"
    done = phat("call", counter, "add", "1", *where)
    phat("receipt", counter, done["index"], "--out", str(receipt), *where)
    operator = write_key(tmp_path / "operator.key", bytes(31) + b"\x77")
    network_file = tmp_path / "stranger" / "network.json"
    network_file.parent.mkdir()
    with running_network(tmp_path / "other", "--workers", "0") as other:
        network_file.write_text(other.file.read_text())
        fund(other, operator)
        with worker_process(network_file, operator, tmp_path / "stranger" / "data"):
            program = phat("deploy", str(COUNTER), "--arg", "start=1", "--network", str(network_file))["program"]
            assert phat("call", program, "add", "2", "--network", str(network_file))["result"] == 3
            settled = other.status()["clusters"][0]
            assert settled["index"] == settled["links"]
        verdict = phat("verify", str(receipt), "--network", str(other.file), fails=True)
        assert (verdict["ok"], verdict["code"]) == (False, "receipt.foreign_network")


def test_an_interrupted_network_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "again"
    with running_network(folder) as first:
        program = phat("deploy", str(COUNTER), "--arg", "start=1", "--network", str(folder))["program"]
        before = first.status()["clusters"][0]
    with running_network(folder) as second:
        assert phat("call", program, "add", "1", "--network", str(folder))["result"] == 2
        after = second.status()["clusters"][0]
    assert after["id"] == before["id"]
    assert after["index"] == before["index"] + 1


def test_no_simulated_is_refused(tmp_path: Path) -> None:
    answer = phat("up", "--data", str(tmp_path / "none"), "--no-simulated", fails=True)
    assert (answer["ok"], answer["code"]) == (False, "attestation.simulated_refused")
