"""Three gatekeeper hosts with real enclaves and a real node; one of them is killed at every step of the ceremony."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from coprocessor.host import gatekeeper, handover, key_ceremony, renewal
from coprocessor.host.ceremony import CeremonyFile
from coprocessor.host.enclave_process import EnclaveDied
from coprocessor.host.key_ceremony import CeremonyCourier
from coprocessor.host.succession import announce_committee
from coprocessor.values.identities import ZERO_DIGEST
from tests.host.running import SECONDS, running_committee
from tests.support.node import run_dev_node

VICTIM = 1
PLACES = ("after saying 1", "before saying 2", "after saying 3", "before saying 4", "after saying 4")
"""The cores die at every place in ``tests/enclave/test_committee.py``; here hosts, files and the chain take part."""


class Killer:
    """Ends the victim's enclave, once at each place."""

    def __init__(self) -> None:
        self.places: list[str] = []

    def at(self, place: str, courier: CeremonyCourier) -> None:
        """A place of the victim's; the enclave dies at the first visit."""
        if courier._index == VICTIM and place in PLACES and place not in self.places:
            self.places.append(place)
            courier._enclave.kill()
            raise EnclaveDied("killed by a test")


def test_a_gatekeeper_killed_at_every_step_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killer, post = Killer(), CeremonyCourier._post

    async def killing_post(self: CeremonyCourier, session: Any, kind: int, data: bytes) -> bool:
        killer.at(f"before saying {kind}", self)
        said = await post(self, session, kind, data)
        if said:
            killer.at(f"after saying {kind}", self)
        return said

    monkeypatch.setattr(gatekeeper, "_RESTART_SECONDS", 0.05)
    monkeypatch.setattr(key_ceremony, "QUIET_SECONDS", SECONDS)  # nobody is left out for being slow
    monkeypatch.setattr(CeremonyCourier, "_post", killing_post)
    with run_dev_node() as node, running_committee(tmp_path, node.url, members=3, threshold=2) as hosts:

        async def go() -> None:
            for url in hosts.gatekeepers:
                assert (await hosts.until(url, step="running", has_share=True))["committee"] == 1
            assert await hosts.contracts["Gatekeeping"].read("master_key_hash") != ZERO_DIGEST

        hosts.run(go())
    assert tuple(killer.places) == PLACES
    kept = [CeremonyFile(tmp_path / f"gatekeeper-{at}" / "gatekeeper.json").load() for at in range(3)]
    assert all(one is not None and one.is_done and one.has_share for one in kept)


def test_a_key_outlives_its_gatekeepers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three refresh their shares, then hand over to two of three others, one of whom stays; an enclave dies in
    each. The master key stays, and who left holds nothing."""
    monkeypatch.setattr(gatekeeper, "_RESTART_SECONDS", 0.05)
    monkeypatch.setattr(key_ceremony, "QUIET_SECONDS", SECONDS)
    monkeypatch.setattr(handover, "QUIET_SECONDS", SECONDS)
    monkeypatch.setattr(handover, "TURN_SECONDS", 0.5)
    monkeypatch.setattr(renewal, "TURN_SECONDS", 0.5)
    monkeypatch.setattr(renewal, "LOOK_SECONDS", 0.1)
    with run_dev_node() as node, running_committee(tmp_path, node.url, members=3, threshold=2) as hosts:

        async def renew(following: list[str], number: int, victim: str) -> None:
            contract = hosts.contracts["Gatekeeping"]
            await announce_committee(hosts.peers, hosts.sender, contract, following, 2)
            while not await contract.read("is_handover") and await contract.read("committee") < number:
                await asyncio.sleep(0.05)  # the hosts begin it by themselves
            os.kill((await hosts.status(victim))["enclave_pid"], signal.SIGKILL)
            for url in following:
                await hosts.until(url, step="running", committee=number, has_share=True)

        async def go() -> None:
            contract = hosts.contracts["Gatekeeping"]
            for url in hosts.gatekeepers:
                await hosts.until(url, step="running", has_share=True)
            key, first = await contract.read("master_key_hash"), await contract.read("share_keys_hash")
            await renew(hosts.gatekeepers, 2, hosts.gatekeepers[1])
            second = await contract.read("share_keys_hash")
            for _ in range(2):
                await hosts.until(await hosts.start_gatekeeper(), step="running", has_share=False)
            following = hosts.gatekeepers[2:]
            await renew(following, 3, following[1])
            for url in hosts.gatekeepers[:2]:
                await hosts.until(url, committee=3, has_share=False)
            assert await contract.read("master_key_hash") == key
            assert len({first, second, await contract.read("share_keys_hash")}) == 3
            assert await contract.read("committee") == 3

        hosts.run(go())
