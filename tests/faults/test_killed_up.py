"""``phat up`` with a process killed at its persist points: the next one goes on, and there is one network."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from coprocessor.cli.options import CRASH_VARIABLE
from coprocessor.protocol.genesis import compute_network_id, network_from_json
from coprocessor.values.identities import to_hex
from tests.support.live import PHAT, get_json, running_network

SECONDS = 120

# In the order in which they are come to: the share before and after it is kept, and the file that others pin.
PLANS = ("gatekeeper.share middle", "gatekeeper.share after", "up.network middle")


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


def test_an_interrupted_start_goes_on(tmp_path: Path) -> None:
    folder, plan = tmp_path / "net", tmp_path / "plan"
    shares = []
    for text in PLANS:
        plan.write_text(text)
        assert up_until_killed(folder, plan) != 0
        assert not plan.exists(), f"{text} was not come to"
        assert not (folder / "network.json").exists()
        shares.append(share_of(folder))
    assert shares[0] is None
    assert shares[1]["sealed"] != shares[2]["sealed"]  # the ceremony's secret, then the share beside it
    assert shares[1]["genesis"] == shares[2]["genesis"]
    with running_network(folder, "--workers", "0"):
        network, hints = network_from_json((folder / "network.json").read_text())
        status = get_json(hints["gatekeepers"][0] + "/v1/status")
        assert status["network"] == to_hex(compute_network_id(network)) == shares[1]["genesis"]["network"]
        assert status["has_share"]
    kept = share_of(folder)
    assert kept["genesis"] == shares[1]["genesis"]
    assert kept["is_done"]
    assert not list(folder.rglob("*.draft"))
