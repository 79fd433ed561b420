"""Two clusters in one network: each has its workers, its programs and its owner's terms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coprocessor.chain.development import development_keys
from coprocessor.values.identities import to_hex
from tests.e2e.conftest import COUNTER
from tests.support.live import LiveNetwork, phat, running_network, write_key


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNetwork]:
    folder = tmp_path_factory.mktemp("clusters") / "net"
    with running_network(folder, "--clusters", "2", "--workers", "2") as network:
        yield network


def test_programs_run_where_they_are_deployed(clusters: LiveNetwork, tmp_path: Path) -> None:
    where = ("--network", str(clusters.folder))
    listed = phat("cluster", *where)["clusters"]
    first, second = (one["cluster"] for one in listed)
    assert [one["members"] for one in listed] == [1, 1]
    assert clusters.hints["cluster"] == first

    programs = [
        str(phat("deploy", str(COUNTER), "--arg", f"start={start}", "--cluster", cluster, *where)["program"])
        for start, cluster in ((5, first), (7, second))
    ]
    assert [phat("query", program, "get", *where)["result"] for program in programs] == [5, 7]
    assert phat("call", programs[1], "add", "1", *where)["result"] == 8

    unnamed = phat("epoch", "raise", *where, fails=True)
    assert unnamed["code"] == "cluster.which"
    assert first in unnamed["why"]
    assert second in unnamed["why"]
    assert phat("epoch", "raise", "--cluster", second, *where)["present"] == 2
    assert [one["epoch"] for one in phat("cluster", *where)["clusters"]] == [1, 2]

    key = development_keys()[3]
    owner = ("--key", str(write_key(tmp_path / "owner", key.secret)))
    made = phat("cluster", "create", "--quorum", "2", "--dispute-window", "9", "--closed", *owner, *where)
    shown = phat("cluster", "show", "--cluster", made["cluster"], *where)
    assert shown == made
    assert (shown["owner"], shown["quorum"], shown["fast_quorum"]) == (to_hex(key.address), 2, 2)
    assert (shown["dispute_window"], shown["open"], shown["members"]) == (9, False, 0)
    impossible = ("--quorum", "3", "--fast-quorum", "2")
    assert phat("cluster", "create", *impossible, *where, fails=True)["code"] == "cluster.terms"
    assert phat("cluster", "show", "--cluster", "0x" + "11" * 32, *where, fails=True)["code"] == "cluster.unknown"
