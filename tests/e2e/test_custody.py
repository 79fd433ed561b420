"""Gatekeepers whose shares rest under pads of each other's memories: one is killed, and comes back with its share."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.e2e.conftest import COUNTER
from tests.e2e.test_gatekeepers import status_of
from tests.support.live import get_json, phat, running_network, wait_until


def rests(url: str, pieces: int) -> bool:
    """Whether a gatekeeper's share is open, and that many others hold pieces of its newest pad."""
    custody: Any = status_of(url).get("custody") or {}
    return bool(custody) and not custody["locked"] and custody["durable"] and custody["pieces"] >= pieces


def test_a_killed_gatekeeper_gets_its_share_back_from_the_others_memories(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    with running_network(folder, "--gatekeepers", "3", "--workers", "1", "--custody", "none") as network:
        urls: list[str] = network.hints["gatekeepers"]
        where = ("--network", str(network.folder))
        wait_until(lambda: all(rests(url, 2) for url in urls))
        program = str(phat("deploy", str(COUNTER), "--arg", "start=5", *where)["program"])

        for victim in (2, 0):  # the first one that fell gives the other its piece
            before = get_json(f"{urls[victim]}/v1/status")
            os.kill(before["pid"], signal.SIGKILL)
            wait_until(lambda at=victim, pid=before["pid"]: status_of(urls[at]).get("pid", pid) != pid)
            wait_until(lambda at=victim: rests(urls[at], 2))
            after = get_json(f"{urls[victim]}/v1/status")
            assert after["signer"] == before["signer"]
            assert after["has_share"]
            wait_until(lambda: all(rests(url, 2) for url in urls))
        assert phat("call", program, "add", "1", *where)["result"] == 6
        assert get_json(f"{urls[0]}/v1/status")["custody"]["custodian"] == "none"
