"""Admissions end and are renewed by the worker itself, with the same keys (DESIGN 5; PROTOCOL 1.4, 7.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coprocessor.enclave.gatekeeper import ADMISSION_SECONDS
from coprocessor.host import worker_life
from coprocessor.host.enrolment import RENEW_SECONDS
from coprocessor.values.identities import WorkerId, from_hex
from tests.host.running import RunningHosts, running_hosts
from tests.support.node import run_dev_node

SIGNER, EXPIRES = 3, 10
SIMULATED_EVALUATION = 18


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningHosts]:
    monkeypatch.setattr(worker_life, "RENEWAL_LOOK_SECONDS", 0.1)
    with run_dev_node() as node, running_hosts(tmp_path, node.url) as hosts:
        yield hosts


async def let_time_pass(hosts: RunningHosts, seconds: int) -> None:
    await hosts.node.rpc.call("evm_increaseTime", seconds)
    await hosts.node.rpc.call("evm_mine")


async def record(hosts: RunningHosts) -> Any:
    """What the registry says of the worker."""
    status = await hosts.status(hosts.workers[0])
    worker = WorkerId(from_hex(status["worker"], 32, "worker"))
    return await hosts.contracts["Registry"].read("workers", worker)


async def is_settled(hosts: RunningHosts) -> None:
    """One more link, executed and settled by the worker."""
    index = await hosts.submit(b"a void item")
    await hosts.until(hosts.workers[0], settled=index + 1)


async def renewals(hosts: RunningHosts) -> None:
    first = await record(hosts)
    known = first
    for _ in range(3):
        await let_time_pass(hosts, ADMISSION_SECONDS - RENEW_SECONDS + 3_600)  # blocks run ahead of the clock
        while (renewed := await record(hosts))[EXPIRES] == known[EXPIRES]:
            await asyncio.sleep(0.05)
        assert renewed[EXPIRES] > known[EXPIRES] + 4 * 86_400
        assert renewed[SIGNER : SIGNER + 2] == first[SIGNER : SIGNER + 2]  # the same keys
        known = renewed
        await is_settled(hosts)


def test_a_worker_serves_on_across_renewals_with_the_same_keys(hosts: RunningHosts) -> None:
    """Fifteen days, more than two admissions long."""
    hosts.run(renewals(hosts))


async def refused(hosts: RunningHosts, log: pytest.LogCaptureFixture) -> None:
    registry = hosts.contracts["Registry"]
    call = registry.encode("raise_minimum_evaluation", SIMULATED_EVALUATION + 1)
    await hosts.sender.send(registry.address, call)
    before = await record(hosts)
    await let_time_pass(hosts, ADMISSION_SECONDS - RENEW_SECONDS + 3_600)  # blocks run ahead of the clock
    status = await hosts.status(hosts.workers[0])
    while "attestation.evaluation_number" not in status.get("state", ""):
        await asyncio.sleep(0.05)
        status = await hosts.status(hosts.workers[0])
    told = (status["waiting"]["part"], status["waiting"]["next"])
    assert told == ("renewal", "fetch the newest collateral and attest again")
    await is_settled(hosts)  # it counts until its admission ends
    block = await hosts.node.block("latest")
    assert block is not None
    await let_time_pass(hosts, before[EXPIRES] - block.timestamp + 3_600)
    index = await hosts.submit(b"nobody settles this")
    await hosts.until(hosts.workers[0], executed=index + 1)
    while "clusters: expired" not in log.text:
        await asyncio.sleep(0.05)
    assert (await record(hosts))[EXPIRES] == before[EXPIRES]
    settled, _, _ = await hosts.contracts["Settlement"].read("settled", hosts.cluster)
    assert settled == index


def test_a_renewal_under_a_raised_floor_is_refused_and_told(
    hosts: RunningHosts, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator reads why, and what to do, in the status; the worker counts until its admission ends, not longer."""
    hosts.run(refused(hosts, caplog))
