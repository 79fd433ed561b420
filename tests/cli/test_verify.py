"""``phat verify`` as a process: right, wrong, unpinned, foreign; light, and without any network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coprocessor.protocol.genesis import network_to_json
from coprocessor.protocol.receipt_file import receipt_file_to_json
from coprocessor.values.identities import to_hex
from tests.support.receipt_world import PROGRAM, World

KEYS = {
    "ok", "anchored", "anchor", "program", "index", "output_digest", "trusted", "simulated", "code", "reason"
}  # fmt: skip
HEAVY = ("web3", "eth_account", "eth", "wasmtime", "aiohttp", "pyblst", "msgspec", "dcap_qvl", "asyncio")


def phat(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    command = [sys.executable, "-m", "coprocessor.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def last_object(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("receipts")
    world, other = World(), World(gatekeeper=b"other")
    (path / "network.json").write_text(network_to_json(world.network))
    (path / "other.json").write_text(network_to_json(other.network))
    (path / "receipt.json").write_text(receipt_file_to_json(world.file()))
    forged = json.loads(receipt_file_to_json(world.file()))
    forged["leaf"]["fuel"] += 1
    (path / "forged.json").write_text(json.dumps(forged))
    return path


def test_a_sound_receipt(folder: Path) -> None:
    result = phat(folder, "verify", "receipt.json", "--network", "network.json")
    assert result.returncode == 0, result.stderr
    assert "VERIFIED: output 21.3" in result.stdout
    assert "SIMULATED TEE" in result.stdout
    fields = last_object(phat(folder, "verify", "receipt.json", "--network", ".", "--json"))
    assert set(fields) == KEYS
    assert fields["ok"] is fields["anchored"] is fields["simulated"] is True
    assert fields["anchor"] == to_hex(World().network_id)
    assert fields["program"] == to_hex(PROGRAM)
    assert fields["index"] == "21.3"


def test_without_an_anchor(folder: Path) -> None:
    result = phat(folder, "verify", "receipt.json", "--json")
    fields = last_object(result)
    assert result.returncode == 1
    assert (fields["ok"], fields["anchored"], fields["code"]) == (False, False, "receipt.no_anchor")
    assert fields["anchor"] == to_hex(World().network_id)
    shown = phat(folder, "verify", "receipt.json")
    assert shown.returncode == 1
    assert to_hex(World().network_id) in shown.stdout


def test_a_network_beside_it_is_the_default_anchor(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".phat").mkdir()
    (tmp_path / ".phat" / "network.json").write_text((folder / "network.json").read_text())
    assert phat(tmp_path, "verify", str(folder / "receipt.json")).returncode == 0


def test_a_foreign_network_and_a_forgery(folder: Path) -> None:
    for arguments, code in (
        (("receipt.json", "--network", "other.json"), "receipt.foreign_network"),
        (("forged.json", "--network", "network.json"), "output.proof"),
        (("network.json", "--network", "network.json"), "receipt.malformed"),
    ):
        result = phat(folder, "verify", *arguments, "--json")
        assert result.returncode == 1
        assert last_object(result)["code"] == code
        assert set(last_object(result)) == KEYS


def test_missing_files_and_wrong_usage(folder: Path) -> None:
    missing = phat(folder, "verify", "none.json", "--json")
    assert missing.returncode == 1
    assert last_object(missing)["code"] == "receipt.not_found"
    wrong = phat(folder, "verify", "--json")
    assert wrong.returncode == 2
    assert last_object(wrong) == {
        "ok": False,
        "code": "usage",
        "what": "the following arguments are required: FILE",
        "why": "",
        "next": "see phat verify --help",
    }
    assert phat(folder, "verify", "receipt.json", "--network", "http://127.0.0.1:1/").returncode == 2


@pytest.mark.parametrize("arguments", [("--help",), ("verify", "receipt.json", "--network", "network.json")])
def test_it_stays_light(folder: Path, arguments: tuple[str, ...]) -> None:
    code = (
        "import sys, json\n"
        "from coprocessor.cli.main import main\n"
        f"status = main({list(arguments)!r})\n"
        "print(json.dumps([status, sorted(name.split('.')[0] for name in sys.modules)]))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)
    status, modules = json.loads(result.stdout.splitlines()[-1])
    assert status == 0
    assert not set(HEAVY) & set(modules)


def test_it_opens_no_socket_and_no_process(folder: Path) -> None:
    code = (
        "import sys\n"
        "events = []\n"
        "sys.addaudithook(lambda name, _: events.append(name))\n"
        "from coprocessor.cli.main import main\n"
        "assert main(['verify', 'receipt.json', '--network', 'network.json', '--json']) == 0\n"
        "bad = [e for e in events if e.startswith(('socket.', 'subprocess.', 'os.system', 'os.exec', 'os.fork'))]\n"
        "sys.exit(1 if set(bad) - {'socket.__new__'} or bad else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
