"""Gatekeepers whose shares rest under pads of each other's memories: one is killed, and comes back with its share; then
all are, and offline custodians bring the shares back."""

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


def is_lost(url: str) -> bool:
    """Whether a gatekeeper waits for its pad, and says that only custodians can help."""
    status = status_of(url)
    return bool((status.get("custody") or {}).get("locked")) and "custody.lost" in str(status.get("waiting"))


def restore(url: str, keys: list[Path], folder: Path, where: tuple[str, str]) -> None:
    """What custodians do: one fetches what the gatekeeper needs, each opens its piece, one brings them."""
    request, opened = folder / "request", [folder / f"{key.name}.piece" for key in keys]
    phat("custodian", "request", "--gatekeeper", url, "--out", str(request))
    for key, piece in zip(keys, opened, strict=True):
        phat("custodian", "open", "--request", str(request), "--keyfile", str(key), "--out", str(piece), *where)
    phat("custodian", "restore", "--gatekeeper", url, *map(str, opened))


def test_a_killed_gatekeeper_gets_its_share_back_from_the_others_memories(tmp_path: Path) -> None:
    folder, keys = tmp_path / "net", [tmp_path / f"custodian{at}" for at in range(3)]
    public = [str(phat("custodian", "new", "--keyfile", str(key))["public_key"]) for key in keys]
    custody = "2:" + ",".join(public)
    with running_network(folder, "--gatekeepers", "3", "--workers", "1", "--custody", custody) as network:
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

        for url in urls:
            os.kill(get_json(f"{url}/v1/status")["pid"], signal.SIGKILL)
        wait_until(lambda: all(is_lost(url) for url in urls))
        for at, chosen in enumerate(([keys[0], keys[2]], [keys[1], keys[2]])):
            restore(urls[at], chosen, tmp_path, where)
        wait_until(lambda: all(status_of(url).get("custody", {}).get("durable") for url in urls[:2]))
        assert get_json(f"{urls[0]}/v1/status")["custody"]["custodian"] == "keys"
        assert all(get_json(f"{url}/v1/status")["has_share"] for url in urls[:2])
        assert is_lost(urls[2])  # its own custodians have not acted yet
        assert phat("call", program, "add", "1", *where)["result"] == 7
