"""``phat policy``: what turns out bad later is distrusted by one command, and everybody sees it (attack 33)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coprocessor.attestation.roots import SIMULATED_ROOT
from tests.e2e.conftest import COUNTER, fund
from tests.support.live import LiveNetwork, phat, running_network, wait_until, worker_process, write_key
from tests.support.node import RpcClient

ROOT = "0x" + SIMULATED_ROOT.digest.hex()
NEXT = "0x" + "5e" * 32


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNetwork]:
    with running_network(tmp_path_factory.mktemp("policy") / "net") as network:
        yield network


def let_time_pass(network: LiveNetwork, seconds: int) -> None:
    rpc = RpcClient(network.hints["rpc"])
    rpc.call("evm_increaseTime", seconds)
    rpc.call("evm_mine")


def test_a_policy_is_shown_narrowed_and_enforced(governed: LiveNetwork, tmp_path: Path) -> None:
    where = ("--network", str(governed.folder))
    shown = phat("policy", *where)
    assert [one["root"] for one in shown["roots"]] == [ROOT]
    assert [(one["version"], one["counts"]) for one in shown["measurements"]] == [(1, True)]
    assert (shown["minimum_version"], shown["distrusted"], shown["paused_until"], shown["pins"]) == (1, [], None, None)

    stranger = write_key(tmp_path / "stranger.key", b"\x61" * 32)
    fund(governed, stranger)
    refused = phat("policy", "distrust", ROOT, "--key", str(stranger), *where, fails=True)
    assert "registry: guardian" in str(refused)
    assert phat("policy", "minimum-version", NEXT, *where, fails=True)["code"] == "chain.reverted"
    announced = phat("policy", "announce", NEXT, "2", *where)["measurements"][1]
    assert (announced["measurement"], announced["version"], announced["counts"]) == (NEXT, 2, False)
    let_time_pass(governed, shown["delay"] + 600)  # blocks run ahead of the clock
    wait_until(lambda: phat("policy", *where)["measurements"][1]["counts"])  # once the block is final
    assert phat("policy", "minimum-evaluation", "17", *where)["minimum_evaluation"] == 17
    assert phat("policy", "pin", NEXT, *where)["pins"]["digests"] == [NEXT]
    late = write_key(tmp_path / "late.key", b"\x62" * 32)
    fund(governed, late)
    with worker_process(governed.file, late, tmp_path / "late"):
        log = tmp_path / "late.log"
        wait_until(lambda: "attestation.collateral_not_pinned" in log.read_text(), 60)
        assert phat("policy", "pause", *where)["paused_until"] > shown["now"]
        assert phat("policy", "pin", *where)["pins"] is None
        wait_until(lambda: "policy.paused" in log.read_text(), 60)
        assert phat("policy", "resume", *where)["paused_until"] is None
        wait_until(lambda: sum(one["state"] == "running" for one in governed.processes("worker")) == 2, 120)
        one_call_ends_a_vendor(governed)


def one_call_ends_a_vendor(governed: LiveNetwork) -> None:
    where = ("--network", str(governed.folder))
    program = str(phat("deploy", str(COUNTER), "--arg", "start=5", *where)["program"])
    assert phat("query", program, "get", *where)["result"] == 5
    policy = phat("policy", "distrust", ROOT, *where)
    assert policy["distrusted"] == [{"subject": ROOT, "until": None}]
    assert [one["distrusted"] for one in policy["gatekeepers"]] == ["root"]  # reported; it keeps its seat
    assert phat("query", program, "get", *where, fails=True)["code"] == "query.distrusted"
    policy = phat("policy", "trust", ROOT, *where)
    assert policy["distrusted"][0]["until"] >= policy["now"]
    let_time_pass(governed, 2 * policy["delay"] + 5)
    assert phat("policy", *where)["distrusted"] == []
    assert phat("query", program, "get", *where)["result"] == 5
    audited = phat("network", "verify", *where)
    found = {line["subject"]: line["count"] for line in audited["lines"] if line["verdict"] == "holds"}
    assert (found["policy"], found["revocations"]) == (6, 2)  # announced, evaluation, two pins, pause and its end
