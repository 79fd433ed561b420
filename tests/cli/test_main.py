"""The command's front: help, versions, wrong usage, errors, progress."""

from __future__ import annotations

import importlib
import json
import re
import time
from pathlib import Path

import pytest

from coprocessor import __version__
from coprocessor.cli.main import COMMANDS, _parse, main
from coprocessor.cli.options import parse_address
from coprocessor.cli.screen import Screen, to_json_value
from coprocessor.values.errors import CallerMisuse
from tests.support.receipt_world import World

NAMES = [name for name, _ in COMMANDS]


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in NAMES)
    assert main([]) == 2
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: phat {name}")
    assert "--json" in shown
    assert importlib.import_module(f"coprocessor.cli.commands.{name}").__doc__


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["call"],
        ["call", "0x00"],
        ["receipt", "0x00", "1"],
        ["deploy", "x", "--fuel", "much"],
        ["code", "0x00", "--opening", "x"],
    ],
)
def test_wrong_usage_exits_2_in_both_forms(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert "error: usage:" in shown.err
    assert "next:" in shown.err
    assert main([*arguments, "--json"]) == 2
    fields = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert fields["ok"] is False
    assert set(fields) == {"ok", "code", "what", "why", "next"}


def test_a_missing_network_is_an_error_without_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHAT_NETWORK", raising=False)
    assert main(["query", "0x" + "00" * 32, "tally", "--json"]) == 1
    fields = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert fields["code"] == "network.not_found"
    assert "phat up" in fields["next"]


def test_an_unreachable_node_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from coprocessor.protocol.genesis import network_to_json

    (tmp_path / "network.json").write_text(network_to_json(World().network))
    status = main(["status", "--network", str(tmp_path), "--rpc", "http://127.0.0.1:1", "--json"])
    assert status == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["code"] == "chain.unreachable"


def test_new_makes_a_project_that_bundles(tmp_path: Path) -> None:
    from coprocessor.sandbox.python_guest import bundle

    assert main(["new", str(tmp_path / "ballot"), "--json"]) == 0
    assert bundle(tmp_path / "ballot")
    assert main(["new", str(tmp_path / "ballot")]) == 1


def test_doctor_looks_at_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHAT_NETWORK", raising=False)
    status = main(["doctor", "--json"])
    fields = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert fields["ok"] is (status == 0)
    names = ["python", "machine", "memory", "packages", "disk", "ports", "tee"]
    assert [check["name"] for check in fields["checks"]] == names
    assert set(fields) == {"ok", "simulated", "tee", "interfaces", "evidence", "checks"}
    assert fields["simulated"] is (fields["tee"] is None)
    assert all(check["next"] for check in fields["checks"] if not check["ok"])


@pytest.mark.parametrize(
    ("text", "address"), [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80)), ("host:65535", ("host", 65535))]
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "host", ":80", "host:", "host:x", "host:65536", "host:-1"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(CallerMisuse):
        parse_address(text)


def test_progress_shows_only_after_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(as_json=True)
    with screen.progress("working"):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("coprocessor.cli.screen._PROGRESS_AFTER", 0.0)
    with screen.progress("working"):
        deadline = time.monotonic() + 20
        while not (shown := capsys.readouterr().err) and time.monotonic() < deadline:
            pass
    assert shown == "working ...\n"


def test_values_have_a_json_form() -> None:
    assert to_json_value({"a": b"\x01", "b": (1, [None, True])}) == {"a": "0x01", "b": [1, [None, True]]}


@pytest.mark.parametrize(
    ("words", "dest", "found"),
    [
        ("custodian restore --gatekeeper http://h a b", "files", [Path("a"), Path("b")]),
        ("custodian restore a --gatekeeper http://h b", "files", [Path("a"), Path("b")]),
        ("custodian restore a b --gatekeeper http://h", "files", [Path("a"), Path("b")]),
        ("gatekeeper replace --threshold 1 http://a http://b", "who", ["http://a", "http://b"]),
        ("call PROGRAM add --network net 1 2", "arguments", ["1", "2"]),
    ],
)
def test_a_list_may_stand_before_between_or_after_options(words: str, dest: str, found: list[object]) -> None:
    name, *rest = words.split()
    command = importlib.import_module(f"coprocessor.cli.commands.{name}")
    assert getattr(_parse(name, command, rest), dest) == found


@pytest.mark.parametrize("words", ["status a", "call PROGRAM add --network net 1 --nothing", "verify a --network n b"])
def test_what_belongs_to_no_list_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--json"]) == 2
    assert "unrecognized arguments" in capsys.readouterr().out
