"""A worker of two breaks: what that exposes is computed, contained under a minute, and no command is lost meanwhile.
Then a gatekeeper, whose disk is worth nothing afterwards, and the whole machine that it shares with a worker."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coprocessor.attesters.simulated import SimulatedAttester
from coprocessor.audit.state import AuditState
from coprocessor.client.audit import replay_network
from coprocessor.client.target import load_target
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.values.identities import ClusterId, from_hex
from tests.e2e.conftest import COUNTER, fund
from tests.support.hoard_attack import HoardAttack
from tests.support.live import LiveNetwork, phat, running_network, status_of, wait_until, worker_process, write_key

KEYS = {
    "ok", "kind", "name", "workers", "gatekeepers", "assumed", "block", "nothing_exposed", "master", "master_earlier",
    "clusters", "committees", "not_exposed", "for_ever", "simulated", "contained",
}  # fmt: skip
CONTAINED_SECONDS = 60.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNetwork]:
    """Two workers and three gatekeepers, of whom two must act."""
    with running_network(tmp_path_factory.mktemp("drill") / "net", "--workers", "2", "--gatekeepers", "3") as live:
        yield live


@contextmanager
def commands(folder: str, counter: str) -> Iterator[list[dict[str, Any]]]:
    """Commands one after the other, for as long as the block lasts; each must succeed."""
    answers: list[dict[str, Any]] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def send() -> None:
        try:
            while not stop.is_set():
                answers.append(phat("call", counter, "add", "1", "--network", folder))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()
    assert not failures, failures


def test_a_broken_worker_is_contained_while_commands_go_on(network: LiveNetwork, tmp_path: Path) -> None:
    folder = str(network.folder)
    counter = str(phat("deploy", str(COUNTER), "--arg", "start=5", "--network", folder)["program"])
    phat("call", counter, "add", "1", "--network", folder)
    worker = network.status()["clusters"][0]["workers"][0]

    found = phat("drill", "break", "worker", worker[:16], "--network", folder)
    assert set(found) == KEYS
    assert (found["nothing_exposed"], found["master"], found["contained"]) == (False, False, None)
    (cluster,) = found["clusters"]
    assert [epoch["epoch"] for epoch in cluster["epochs"]] == [1]
    assert cluster["programs"] == [counter]
    assert (cluster["links"], cluster["items"]) == (1, 1)
    alone = phat("drill", "break", "gatekeeper", "0", "--network", folder)
    assert alone["nothing_exposed"] is True
    assert [one["missing"] for one in alone["committees"]] == [1]
    everything = phat("drill", "break", "vendor", "simulated", "--network", folder)
    assert everything["master"] is True

    stranger = write_key(tmp_path / "stranger.key", bytes(31) + b"\x07")
    refused = phat(
        "drill", "break", "worker", worker, "--contain", "--key", str(stranger), "--network", folder, fails=True
    )
    assert refused["code"] == "drill.guardian"

    with commands(folder, counter) as answers:
        contained = phat("drill", "break", "worker", worker, "--contain", "--network", folder)["contained"]
    assert contained["seconds"] < CONTAINED_SECONDS
    assert [one["epoch"] for one in contained["clusters"]] == [2]
    results = [answer["result"] for answer in answers]
    assert len(results) > 2
    assert results == list(range(results[0], results[0] + len(results)))

    lineage = phat("keys", "lineage", counter, "--network", folder)
    first, second = lineage["epochs"]
    assert {holder["state"] for holder in first["holders"] if holder["worker"] == worker} == {"revoked"}
    assert worker not in {holder["worker"] for holder in second["holders"]}
    after = phat("drill", "break", "worker", worker, "--network", folder)
    assert all(epoch["epoch"] == 1 for one in after["clusters"] for epoch in one["epochs"] + one["earlier"])
    audited = phat("network", "verify", "--network", folder)
    assert audited["ok"] is True
    assert {line["subject"]: line["count"] for line in audited["lines"]}["revocations"] == 1


Machine = tuple[bytes, bytes]
"""What whoever owns a gatekeeper's machine has: the sealed blob on its disk, and the key that opens it."""


def machine_of(network: LiveNetwork, number: int) -> Machine:
    folder = network.folder / f"gatekeeper-{number}"
    blob = from_hex(json.loads((folder / "gatekeeper.json").read_text())["sealed"])
    return blob, SimulatedAttester.open(folder / "platform").seal_key(b"gatekeeper-share")


def derives(network: LiveNetwork, cluster: str, *machines: Machine) -> bool:
    """Whether these machines together give the key of a cluster's first epoch."""
    state: AuditState = asyncio.run(replay_network(load_target(str(network.folder))))
    attack = HoardAttack(
        blobs=[blob for blob, _ in machines],
        seal_keys=[key for _, key in machines],
        offers=(),
        shown=(),
        committees=[one.keys for one in state.committees if one.keys is not None],
        identity=ClusterIdentity(state.network_id, ClusterId(from_hex(cluster, 32)), 1, insecure=True),
    )
    found = attack.derive([]) is not None
    assert len(attack.opened) == len(machines), "a broken machine gives its share"
    return found


@contextmanager
def worker_beside(network: LiveNetwork, number: int, folder: Path) -> Iterator[str]:
    """A stranger's worker on the machine of a gatekeeper; its URL, once it has keys."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    operator = write_key(folder / "beside.key", bytes(31) + b"\x09")
    fund(network, operator)
    platform = network.folder / f"gatekeeper-{number}" / "platform"
    words = ("--listen", address, "--platform", str(platform))
    with worker_process(network.file, operator, folder / "beside", *words):
        wait_until(lambda: status_of(f"http://{address}").get("has_keys"), 120)
        yield f"http://{address}"


def test_a_broken_gatekeeper_and_its_machine_are_contained(network: LiveNetwork, tmp_path: Path) -> None:
    where = ("--network", str(network.folder))
    cluster = str(network.hints["cluster"])
    counter = str(phat("deploy", str(COUNTER), "--arg", "start=1", *where)["program"])

    beyond = phat("drill", "break", "vendor", "simulated", "--contain", *where, fails=True)
    assert (beyond["code"], beyond["why"].endswith("nothing was sent")) == ("drill.beyond", True)

    first, broken = machine_of(network, 0), machine_of(network, 1)
    assert derives(network, cluster, first, broken), "two of one period are t: the attack works"
    before = phat("gatekeeper", "show", *where)["committee"]
    found = phat("drill", "break", "gatekeeper", "1", "--contain", *where)
    shares = found["contained"]["committee"]
    assert found["nothing_exposed"] is True
    assert (shares["number"], shares["holders"], shares["threshold"]) == (before + 1, 2, 2)
    assert shares["seconds"] < CONTAINED_SECONDS
    wait_until(lambda: machine_of(network, 0) != first)
    assert not derives(network, cluster, machine_of(network, 0), broken), "its old share fits no other any more"
    wait_until(lambda: not status_of(network.hints["gatekeepers"][1])["has_share"])
    again = phat("drill", "break", "gatekeeper", found["gatekeepers"][0], "--contain", *where)
    assert again["contained"]["transactions"] == []
    assert [(one["number"], one["broken"]) for one in again["committees"]] == [(before, 1), (before + 1, 0)]

    with worker_beside(network, 1, tmp_path) as url:
        state = asyncio.run(replay_network(load_target(where[1])))
        (machine,) = [
            record.live.platform
            for record in state.workers.values()
            if record.live.platform in state.gatekeeper_platforms.values()
        ]
        contained = phat("drill", "break", "platform", machine.hex(), "--contain", *where)
        assert (len(contained["workers"]), contained["gatekeepers"]) == (1, found["gatekeepers"])
        assert contained["master"] is False
        (renewed,) = contained["contained"]["clusters"]
        assert renewed["stands_still"] is False
        assert phat("call", counter, "add", "1", *where)["result"] == 2
        lineage = phat("keys", "lineage", counter, *where)["epochs"]
        assert lineage[-1]["epoch"] == renewed["epoch"]
        assert contained["workers"][0] not in {holder["worker"] for holder in lineage[-1]["holders"]}
        assert status_of(url).get("epoch", 0) < renewed["epoch"]
    assert phat("query", counter, "get", *where)["result"] == 2
    audited = phat("network", "verify", *where)
    assert audited["ok"] is True
    assert {line["subject"]: line["count"] for line in audited["lines"]}["revocations"] == 3
