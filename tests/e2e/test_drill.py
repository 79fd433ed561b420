"""A worker of two breaks: what that exposes is computed, contained under a minute, and no command is lost meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import COUNTER
from tests.support.live import LiveNetwork, phat, running_network, write_key

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
