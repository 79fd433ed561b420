"""New keys and another runtime for a running cluster: nothing is lost, older ones are closed, a newcomer begins
at the end."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import COUNTER, fund
from tests.support.live import LiveNetwork, get_json, phat, running_network, wait_until, worker_process, write_key
from tests.support.node import RpcClient

GRACE_SECONDS = 60  # longer than that of development networks


@pytest.fixture(scope="module")
def rotating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNetwork]:
    with running_network(tmp_path_factory.mktemp("epochs") / "net") as network:
        yield network


def let_time_pass(network: LiveNetwork) -> None:
    rpc = RpcClient(network.hints["rpc"])
    rpc.call("evm_increaseTime", GRACE_SECONDS)
    rpc.call("evm_mine")


def test_keys_change_and_the_older_ones_are_closed(rotating: LiveNetwork, tmp_path: Path) -> None:
    where = ("--network", str(rotating.folder))
    program = str(phat("deploy", str(COUNTER), "--arg", "start=5", *where)["program"])
    assert phat("call", program, "add", "1", *where)["result"] == 6
    announced = the_next_runtime_is_announced(rotating)
    raised = phat("epoch", "raise", *where)
    assert (raised["present"], raised["first_open"], raised["overdue"]) == (2, 1, False)
    wait_until(lambda: [one["code"] for one in phat("epoch", *where)["missing"]] == ["epoch.grace"])
    assert phat("query", program, "get", *where)["result"] == 6
    assert phat("call", program, "add", "1", *where)["result"] == 7
    switched = phat("cluster", "runtime", *where)
    assert (switched["runtime"], switched["announced"], switched["epoch"]) == (announced, None, 2)
    let_time_pass(rotating)
    wait_until(lambda: phat("epoch", *where)["first_open"] == 2)  # a member appends a link where nobody else does
    closed = phat("epoch", *where)
    assert [epoch["open"] for epoch in closed["epochs"]] == [False, True]
    assert phat("query", program, "get", *where)["result"] == 7
    assert phat("call", program, "add", "1", *where)["result"] == 8

    operator = write_key(tmp_path / "operator.key", b"\x37" * 32)
    fund(rotating, operator)
    with worker_process(rotating.file, operator, tmp_path / "late"):

        def late() -> dict[str, object]:
            workers = [one for one in rotating.processes("worker") if one["pid"] is not None]
            return next((one for one in workers if one["pid"] != rotating_pid), {})

        rotating_pid = rotating.processes("worker")[0]["pid"]
        wait_until(lambda: "running" in str(late().get("state", "")), 120)
        log = (tmp_path / "late.log").read_text()
        assert f"begins after {closed['boundary_links']} links" in log
        assert phat("call", program, "add", "1", *where)["result"] == 9
        own, other = (one["state"] for one in rotating.processes("worker"))
        assert own == other
    all_members_lose_their_disks(rotating, program)
    audit = phat("network", "verify", *where)  # each receipt under its epoch's runtime, the switch in its time
    assert audit["ok"] is True
    assert {"runtimes": 2, "epochs": 2}.items() <= {line["subject"]: line["count"] for line in audit["lines"]}.items()


def the_next_runtime_is_announced(rotating: LiveNetwork) -> str:
    """PROTOCOL 12: one that nobody has is warned of and withdrawn, then the release's other one, whose delay passes."""
    where = ("--network", str(rotating.folder))
    unknown = "0x" + "11" * 32
    assert phat("cluster", "runtime", "announce", unknown, *where, fails=True)["code"] == "runtime.unknown"
    early = phat("cluster", "runtime", "announce", unknown, "--even-unknown", "--delay", "1", *where, fails=True)
    assert "clusters: delay" in early["what"]
    lacking = phat("cluster", "runtime", "announce", unknown, "--even-unknown", *where)
    assert (lacking["announced"], lacking["lacking"]) == (unknown, True)
    wait_until(lambda: "runtime.announced" in rotating.worker()["state"])
    (told,) = rotating.status()["clusters"]
    assert (told["next_runtime"], told["runtime_lacking"]) == (unknown, True)
    assert phat("cluster", "runtime", "withdraw", *where)["announced"] is None
    wait_until(lambda: rotating.worker()["state"] == "running")
    found = phat("cluster", "runtime", "announce", *where)
    assert found["announced"] in set(found["carried"]) - {found["runtime"]}
    assert found["lacking"] is False
    let_time_pass(rotating)
    return str(found["announced"])


def all_members_lose_their_disks(rotating: LiveNetwork, program: str) -> None:
    """Attack 52: after the closing nothing of the cluster is left but the chain, gatekeepers, and what they hold."""
    where = ("--network", str(rotating.folder))

    def cluster() -> dict[str, Any]:
        return dict(rotating.status()["clusters"][0])

    wait_until(lambda: cluster()["index"] == cluster()["links"])
    dead = rotating.worker()["pid"]
    folder = rotating.folder / "worker-0"
    folder.rename(folder.with_name("lost"))
    os.kill(dead, signal.SIGKILL)
    shutil.rmtree(folder.with_name("lost"))
    assert list((rotating.folder / "gatekeeper-0" / "held").glob("*/*.checkpoint"))

    def is_back() -> bool:
        return any(one["pid"] not in (None, dead) and one["state"] == "running" for one in rotating.processes("worker"))

    wait_until(is_back, 120)
    assert "begins after" in (rotating.folder / "logs" / "worker-0.log").read_text()
    endpoint = next(one["endpoint"] for one in rotating.processes("worker") if one["pid"] is not None)
    wait_until(lambda: get_json(f"{endpoint}/v1/status")["executed"] >= cluster()["index"])
    assert phat("query", program, "get", *where)["result"] == 9
    wait_until(lambda: get_json(f"{endpoint}/v1/status")["settled"] == cluster()["links"])
    assert phat("call", program, "add", "1", *where)["result"] == 10
