"""``phat up`` with a process killed at its persist points: the next one goes on, and there is one network."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from coprocessor.cli.options import CRASH_VARIABLE
from coprocessor.protocol.genesis import compute_network_id, network_from_json
from coprocessor.values.identities import to_hex
from tests.support.live import PHAT, get_json, running_network, wait_until

SECONDS = 120

def up_until_killed(folder: Path, plan: Path) -> int:
    """``phat up`` under a plan; its exit status. It ends by itself: killed, or since it misses who was."""
    log = folder.with_name("killed.log")
    environment = {**os.environ, CRASH_VARIABLE: str(plan)}
    command = [*PHAT, "up", "--data", str(folder), "--workers", "0"]
    with log.open("ab") as out:
        streams = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}
        done = subprocess.run(command, env=environment, timeout=SECONDS, check=False, **streams)  # type: ignore[call-overload]
    assert "Traceback" not in log.read_text()
    return done.returncode


def share_of(folder: Path) -> Any:
    file = folder / "gatekeeper-0" / "gatekeeper.json"
    return json.loads(file.read_text()) if file.exists() else None


def test_an_interrupted_start_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, plan = tmp_path / "net", tmp_path / "plan"
    kept = []
    for moment in ("middle", "after"):  # the genesis that the gatekeeper's enclave has signed
        plan.write_text(f"gatekeeper.share {moment}")
        assert up_until_killed(folder, plan) != 0
        assert not plan.exists(), f"{moment} was not come to"
        assert not (folder / "network.json").exists()
        kept.append(share_of(folder))
    assert kept[0] is None
    genesis = kept[1]["genesis"]
    plan.write_text("gatekeeper.share middle")  # the share: the gatekeeper alone is killed, and started again
    monkeypatch.setenv(CRASH_VARIABLE, str(plan))
    with running_network(folder, "--workers", "0"):
        network = check_network(folder, genesis)
        assert not plan.exists()
    monkeypatch.delenv(CRASH_VARIABLE)
    plan.write_text("up.network middle")
    assert up_until_killed(folder, plan) != 0
    assert not plan.exists()
    assert (folder / "network.json").read_text() == network
    with running_network(folder, "--workers", "0"):
        assert check_network(folder, genesis) == network
    assert not list(folder.rglob("*.draft"))


def status_of(url: str) -> dict[str, Any]:
    """A host's status; empty while it is away."""
    try:
        return get_json(url)
    except OSError:
        return {}


def check_network(folder: Path, genesis: Any) -> str:
    """The text of the one network that there is, which is the one that was signed first."""
    text = (folder / "network.json").read_text()
    network, hints = network_from_json(text)
    url = hints["gatekeepers"][0] + "/v1/status"
    wait_until(lambda: status_of(url).get("has_share"))  # the key ceremony goes on beside ``phat up``
    assert status_of(url)["network"] == to_hex(compute_network_id(network)) == genesis["network"]
    assert share_of(folder)["genesis"] == genesis
    return text
