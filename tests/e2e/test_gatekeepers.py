"""Five gatekeepers with a threshold of three, in processes of their own: who may die, and what goes on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.evm import KeptConnection
from tests.e2e.conftest import COUNTER, Gatekeepers, fund
from tests.support.live import (
    get_json,
    phat,
    running_network,
    status_of,
    wait_until,
    worker_process,
    write_key,
)


@pytest.fixture(scope="module")
def gatekeepers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatekeepers]:
    folder = tmp_path_factory.mktemp("gatekeepers") / "net"
    with running_network(folder, "--gatekeepers", "5", "--workers", "3") as network:
        committee = Gatekeepers(network)
        try:
            yield committee
        finally:
            committee.let_go()


@contextmanager
def newcomer(gatekeepers: Gatekeepers, folder: Path, seed: int, role: str = "worker") -> Iterator[str]:
    """A stranger's worker or gatekeeper; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    operator = write_key(folder / f"{seed}.key", bytes(31) + bytes((seed,)))
    fund(gatekeepers.network, operator)
    place = folder / f"{role}-{seed}"
    with worker_process(gatekeepers.network.file, operator, place, "--listen", address, role=role):
        yield f"http://{address}"


def beacon(gatekeepers: Gatekeepers) -> dict[str, Any]:
    """As ``phat beacon`` shows it."""
    return phat("beacon", "--network", str(gatekeepers.network.folder))


def next_value(gatekeepers: Gatekeepers) -> dict[str, Any]:
    """Mines up to a window's first block; its value."""
    state = beacon(gatekeepers)
    height = (state["block"] // state["window"] + 1) * state["window"]
    with closing(KeptConnection(gatekeepers.network.hints["rpc"])) as node:
        node.call("anvil_mine", hex(height - state["block"]))
    wait_until(lambda: beacon(gatekeepers)["values"][:1] and beacon(gatekeepers)["values"][0]["height"] >= height)
    found: dict[str, Any] = beacon(gatekeepers)["values"][0]
    return found


def test_two_of_five_may_die_unnoticed_and_three_stop_nothing_that_runs(
    gatekeepers: Gatekeepers, tmp_path: Path
) -> None:
    where = ("--network", str(gatekeepers.network.folder))
    assert gatekeepers.network.status()["committee"] == {"threshold": 3, "members": 5, "answering": 5}
    shares = [get_json(f"{url}/v1/status")["has_share"] for url in gatekeepers.urls]
    assert shares == [True] * 5
    program = str(phat("deploy", str(COUNTER), "--arg", "start=5", *where)["program"])

    wait_until(lambda: beacon(gatekeepers)["committee"] == 1)  # the beacon's key comes in the background

    gatekeepers.kill(1, 3)
    assert gatekeepers.answering() == 3
    value = next_value(gatekeepers)
    assert (value["source"], value["committee"], value["verified"]) == ("beacon", 1, True)
    assert phat("call", program, "add", "1", *where)["result"] == 6
    assert phat("query", program, "get", *where)["result"] == 6
    with newcomer(gatekeepers, tmp_path, 1) as url:
        wait_until(lambda: status_of(url).get("has_keys"))

    gatekeepers.kill(0)
    assert phat("call", program, "add", "1", *where)["result"] == 7
    assert phat("query", program, "get", *where)["result"] == 7
    with newcomer(gatekeepers, tmp_path, 2) as url:
        wait_until(lambda: (status_of(url).get("waiting") or {}).get("code") == "gatekeepers.too_few")
        waiting = status_of(url)
        assert not waiting["has_keys"]
        assert "2 of 5 gatekeepers" in waiting["waiting"]["what"]
        assert all(gatekeepers.urls[at] in waiting["waiting"]["why"] for at in (0, 1, 3))

        gatekeepers.let_go(0)
        wait_until(lambda: status_of(url).get("has_keys"))
    healed = get_json(f"{gatekeepers.urls[0]}/v1/status")
    assert (healed["state"], healed["has_share"]) == ("running", True)


def test_the_committee_is_renewed_changed_and_cut_down_while_programs_run(
    gatekeepers: Gatekeepers, tmp_path: Path
) -> None:
    """The network's file stays as it was: everybody finds the newcomer through the chain."""
    where = ("--network", str(gatekeepers.network.folder))
    gatekeepers.let_go()
    wait_until(lambda: gatekeepers.answering() == 5)
    program = str(phat("deploy", str(COUNTER), "--arg", "start=1", *where)["program"])

    def committee(*words: str) -> dict[str, Any]:
        shown = phat("gatekeeper", *words, *where)
        assert shown["ok"]
        assert shown["simulated"]
        return shown

    assert [member["endpoint"] for member in committee("show")["members"]] == gatekeepers.urls
    assert all(member["has_share"] for member in committee("show")["members"])
    number = committee("show")["committee"]
    assert committee("refresh", "--wait", "110")["committee"] == number + 1
    assert phat("call", program, "add", "1", *where)["result"] == 2

    with newcomer(gatekeepers, tmp_path, 11, "gatekeeper") as url:
        wait_until(lambda: status_of(url).get("step") == "running")
        following = [*gatekeepers.urls[:4], url]
        shown = committee("replace", *following, "--wait", "110")
        assert shown["committee"] == number + 2
        wait_until(lambda: [member["endpoint"] for member in committee("show")["members"]] == following)
        wait_until(lambda: all(member["has_share"] for member in committee("show")["members"]), 180)
        assert phat("call", program, "add", "1", *where)["result"] == 3

        victim = committee("revoke", gatekeepers.urls[0])["members"][0]
        assert victim["revoked"] > 0
        wait_until(lambda: committee("show")["committee"] == number + 3, 180)  # by themselves
        wait_until(lambda: not status_of(gatekeepers.urls[0])["has_share"], 180)
        assert phat("gatekeeper", "revoke", gatekeepers.urls[0], *where, fails=True)["code"] == "chain.reverted"

        with newcomer(gatekeepers, tmp_path, 12) as worker:
            wait_until(lambda: status_of(worker).get("has_keys"), 180)
        assert phat("query", program, "get", *where)["result"] == 3
        ranked = phat("gatekeeper", "candidates", *where)["candidates"]
        assert ranked
        assert all(one["stake"] is None and one["heartbeats"] is None for one in ranked)
