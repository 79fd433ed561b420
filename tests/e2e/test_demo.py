"""``phat demo``: what the README promises, as one process that a newcomer starts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.support.live import PHAT, phat

KEYS = {
    "ok", "commands", "commands_per_second", "gas_per_command", "gas_total_per_command", "killed_at_index",
    "recovered_root", "settled_root", "recovery_seconds", "state_root", "receipt", "simulated",
}  # fmt: skip


def test_the_demonstration_ends_in_a_verified_result(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = [*PHAT, "demo", "--data", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIMULATED TEE" in done.stdout
    result = json.loads(done.stdout.splitlines()[-1])
    assert set(result) == KEYS
    assert result["ok"] is True
    assert result["commands"] == 200
    assert result["recovered_root"] == result["settled_root"]
    assert 0 < result["gas_per_command"] < result["gas_total_per_command"] < 20_000
    assert (folder / "worker-b").exists()
    assert not (folder / "worker-a").exists()
    verdict = phat("verify", result["receipt"], "--network", str(folder / "network.json"))
    assert (verdict["ok"], verdict["anchored"], verdict["simulated"]) == (True, True, True)
    assert verdict["program"]
