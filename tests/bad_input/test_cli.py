"""Every option and argument of every command, found in its parser: an exit status, one message, never a traceback.

What would serve for ever is replaced by something that returns at once, so that a usable value does no harm.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coprocessor.chain import rpc
from coprocessor.cli.committee import ACTIONS
from coprocessor.cli.main import COMMANDS, main
from coprocessor.client import target
from coprocessor.protocol.genesis import network_to_json
from tests.protocol import samples
from tests.support.error_codes import LISTED_CODES

SERVING = {
    "up": "run_up",
    "chain": "run_node",
    "worker": "run_worker",
    "gatekeeper": "run_gatekeeper",
    "demo": "run_demo",
}
"""Commands that do not end by themselves, with the function to replace."""

NUMBERS = (
    "",
    " ",
    "-1",
    "x",
    "1e3",
    "0x10",
    "1.5",
    "nan",
    "inf",
    "-inf",
    "1_000",
    "\u0661",
    "9" * 30,
    "9" * 5000,
    "None",
)
TEXTS = (
    "",
    " ",
    "\0",
    "\udcff",
    "\u202e\x1b[31m",
    "x" * 5000,
    "-",
    "--",
    "..",
    "/",
    "/dev/null",
    "/dev/zero",
    "/proc/self/mem",
    "a/b/c",
    "0x",
    "0x1",
    "0x" + "zz" * 32,
    "0x" + "11" * 31,
    "0x" + "11" * 33,
    "[]",
    "{}",
    "null",
    "=",
    "a=b=c",
    "http://",
    "http://[::1",
    "http://x y",
    "ftp://x",
    "http://127.0.0.1:1",
    "http://127.0.0.1:99999",
    "127.0.0.1:",
    ":0",
    "[::1]:0",
    "x:99999",
    "1.2.3",
    "1.-2",
    "9" * 400,
    "1" * 20 + "." + "1" * 20,
)


def parser_of(name: str) -> argparse.ArgumentParser:
    """The command's own parser."""
    parser = argparse.ArgumentParser(prog=name)
    importlib.import_module(f"coprocessor.cli.commands.{name}").add_arguments(parser)
    return parser


def actions_of(name: str) -> list[argparse.Action]:
    return [action for action in parser_of(name)._actions if action.dest != "help"]


CASES = [(name, action) for name, _ in COMMANDS for action in actions_of(name)]


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A valid word for every kind of argument; the network is there, its node is not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHAT_NETWORK", raising=False)

    async def no_pause(seconds: float) -> None:
        return None

    monkeypatch.setattr(rpc, "asyncio", SimpleNamespace(sleep=no_pause))
    monkeypatch.setattr(target, "_FETCH_SECONDS", 2)
    for name, function in SERVING.items():
        module = importlib.import_module(f"coprocessor.cli.commands.{name}")
        replacement = _no_demo if name == "demo" else lambda *_: None
        monkeypatch.setattr(module, function, replacement)
    (tmp_path / "network.json").write_text(network_to_json(samples.make_network(), {"rpc": "http://127.0.0.1:1"}))
    key = tmp_path / "key"
    key.write_text("11" * 32)
    key.chmod(0o600)
    (tmp_path / "p.py").write_text("x = 1\n")
    return {
        "--network": ["network.json"],
        "--operator": ["key"],
        "--key": ["key"],
        "--out": ["out.json"],
        "program": ["0x" + "11" * 32],
        "method": ["vote"],
        "arguments": [],
        "gatekeeper who": [],
        "values": [],
        "index": ["1.0"],
        "path": ["p.py"],
        "file": ["receipt.json"],
        "folder": ["new"],
        "opening": ["opening.json"],
        "code": ["0x" + "11" * 32],
        "network action": ["verify"],
        "keys action": ["lineage"],
        "drill action": ["break"],
        "custodian action": ["open"],
        "custodian files": [],
        "kind": ["worker"],
        "name": ["0x11111111"],
    }


async def _no_demo(*_: Any) -> dict[str, Any]:
    return {"ok": True}


def line(name: str, words: dict[str, list[str]], changed: argparse.Action, value: str | None) -> list[str]:
    """A command line in which one argument has this value; None leaves it out."""
    out, last = [name], []
    for action in actions_of(name):
        option = action.option_strings[0] if action.option_strings else None
        if action is changed or action.dest == changed.dest:
            given = [] if value is None else [value]
        else:
            known = words.get(f"{name} {action.dest}", words.get(option or action.dest))
            if known is None and (action.required and not option):
                raise AssertionError(f"the table of words lacks {name} {action.dest}")
            given = known or []
            if option and not given and not action.required:
                continue
        if option is None:
            last += given
        elif action.nargs == 0:
            out += [option]
        elif given:
            out += [option, *given]
    return [*out, "--json", *(["--", *last] if any(word.startswith("-") for word in last) else last)]


def values_for(action: argparse.Action) -> Iterator[str | None]:
    if action.required:
        yield None
    if action.nargs == 0:
        return
    kind = getattr(action.type, "__name__", "")
    yield from NUMBERS if kind in ("whole", "seconds", "int", "float") else TEXTS


@pytest.mark.parametrize(("name", "action"), CASES, ids=[f"{name}-{action.dest}" for name, action in CASES])
def test_every_argument(
    name: str, action: argparse.Action, words: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    same = next(other for other in actions_of(name) if other.dest == action.dest)
    for value in values_for(same):
        run(line(name, words, same, value), capsys)


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any] | None:
    """Runs a command line; its answer is one JSON object with a code, or nothing is wrong."""
    try:
        status = main(arguments)
    except SystemExit as ended:
        pytest.fail(f"{arguments!r:.300} left with {ended.code!r}")
    except Exception as error:
        pytest.fail(f"{arguments!r:.300}: {type(error).__name__}: {error}")
    out, noise = capsys.readouterr()
    assert "Traceback" not in noise + out
    assert status in (0, 1, 2)
    if status == 0:
        return None
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert found["ok"] is False
    if "code" in found and found["code"] is not None:
        assert found["code"] == "usage" or found["code"] in LISTED_CODES, found
    return found


URL = "http://127.0.0.1:1"


@pytest.mark.parametrize("action", ACTIONS)
def test_the_actions_on_a_committee(
    action: str, words: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every argument of every action: its words are judged before a network is asked, which is not there."""
    for option, values in {"--threshold": NUMBERS, "--wait": NUMBERS, "--key": TEXTS}.items():
        for value in values:
            found = run(["gatekeeper", action, URL, f"{option}={value}", "--network", "network.json", "--json"], capsys)
            assert found is not None
            assert found["code"], value
    for name in TEXTS:
        found = run(["gatekeeper", action, "--network", "network.json", "--json", "--", name], capsys)
        assert found is not None
        assert found["code"], name


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (["replace"], "gatekeeper.no_list"),
        (["replace", "gatekeeper-1"], "gatekeeper.no_list"),
        (["replace", URL, URL], "gatekeeper.no_list"),
        (["replace", URL, "--threshold=0"], "gatekeeper.threshold"),
        (["replace", URL, f"{URL}2", f"{URL}3", "--threshold=3"], "gatekeeper.threshold"),
        (["revoke"], "gatekeeper.whom"),
        (["revoke", "0", "1"], "gatekeeper.whom"),
        (["refresh", URL], "gatekeeper.names"),
        (["show", URL], "gatekeeper.names"),
        (["candidates", URL], "gatekeeper.names"),
    ],
)
def test_words_that_make_no_sense_are_refused_by_name(
    given: list[str], code: str, words: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(["gatekeeper", *given, "--network", "network.json", "--json"], capsys)
    assert found is not None
    assert found["code"] == code


@pytest.mark.parametrize("name", [name for name, _ in COMMANDS])
def test_unknown_and_surplus_words(name: str, words: dict[str, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    for surplus in (["--unknown"], ["--network"], ["a", "b", "c", "d", "e", "f", "--x"], ["\udcff"], ["--json=1"]):
        found = run([name, *surplus, "--json"], capsys)
        assert found is None or found["code"]


@pytest.mark.parametrize(
    "word", ["", "\0", "\udcff", "--", "-x", "call ", "CALL", "x" * 9999, "..", "main", "__init__"]
)
def test_what_is_no_command(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([word, "--json"], capsys)["code"] == "usage"  # type: ignore[index]


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\xff\xfe", b"{}", b"[" * 100_000, b'{"format": 5}', b'{"a": 1, "a": 2}', bytes(300_000)]
)
@pytest.mark.parametrize("name", ["status", "verify"])
def test_files_of_other_content(
    name: str, data: bytes, words: dict[str, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "network.json").write_bytes(data)
    (tmp_path / "receipt.json").write_bytes(data)
    arguments = ["status"] if name == "status" else ["verify", "receipt.json"]
    found = run([*arguments, "--network", "network.json", "--json"], capsys)
    assert found is not None
    assert found["code"].startswith(("network.", "json.", "receipt."))


def test_the_loop_is_real() -> None:
    """The pauses that tests leave out are those of the RPC client alone."""
    assert rpc.asyncio is asyncio
