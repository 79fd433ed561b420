"""The second reader over a running network, and over one whose node or worker lies to it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import rlp

from tests.independent import reader
from tests.support.live import LiveNetwork, phat, running_network, wait_until
from tests.support.node import RpcClient

_ROOT = Path(__file__).parents[2]
_READER = Path(reader.__file__)
_LIBRARIES = {"cbor2", "coincurve", "eth_abi", "py_ecc", "rlp", "sha3"}
_LONGEST = 480
_SUBJECTS = ["headers", "contracts", "inbox", "cluster", "receipts", "outputs", "beacon", "proofs"]
_CALLS = 3
_DIGEST = "0x" + "11" * 32

Lie = Callable[[str, list[Any], Any], Any]


@dataclass(frozen=True, slots=True)
class Read:
    """A network that has settled something, by what the reader is given of it."""

    rpc: str
    file: Path
    worker: str


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    """Two workers; a program, commands, one that fails; a program that does not come up, a void command to it;
    new keys, a command under them.
    """
    folder = tmp_path_factory.mktemp("independent") / "net"
    with running_network(folder, "--workers", "2") as live:
        at = ("--network", str(folder))
        wait_for_values(live)
        deploy = ("deploy", str(_ROOT / "examples/c_counter/counter.wasm"), "--arg", "start=40", *at)
        program = phat(*deploy)["program"]
        for by in range(_CALLS - 1):
            phat("call", program, "add", str(by), *at)
        phat("call", program, "add", "1", "--fuel", "3", *at, fails=True)
        dead = re.search("0x[0-9a-f]{64}", phat(*deploy, "--fuel", "100", fails=True)["what"])
        assert dead is not None
        assert phat("call", dead[0], "add", "1", *at, fails=True)["error"]["code"] == "call.void"
        phat("epoch", "raise", *at)
        assert phat("call", program, "add", "9", *at)["result"] == 40 + sum(range(_CALLS - 1)) + 9
        workers = [process["endpoint"] for process in live.processes("worker")]
        yield Read(live.hints["rpc"], live.file, workers[0])


def wait_for_values(live: LiveNetwork) -> None:
    """Blocks until the beacon has a value of its own, and a window has been missed."""
    node, at = RpcClient(live.hints["rpc"]), ("--network", str(live.folder))

    def shown() -> set[str]:
        return {value["source"] for value in phat("beacon", "--count", "64", *at)["values"]}

    wait_until(lambda: phat("beacon", *at)["committee"] == 1)
    window = phat("beacon", *at)["window"]
    node.call("anvil_mine", hex(window))
    wait_until(lambda: "beacon" in shown())
    node.call("anvil_mine", hex(5 * window))  # faster than anybody can sign
    wait_until(lambda: len(shown()) == 2)


def _ask(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


@contextmanager
def _liar(target: str, lie: Lie) -> Iterator[str]:
    """URL of a node or worker that answers as the true one does, but for ``lie(method or path, parameters, result)``"""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked, answer = json.loads(body), _ask(target, body)
            if "result" in answer:
                answer["result"] = lie(asked["method"], asked["params"], answer["result"])
            self._answer(answer)

        def do_GET(self) -> None:
            self._answer(lie(self.path.partition("?")[0], [self.path], _ask(target + self.path)))

        def _answer(self, answer: Any) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _run(monkeypatch: pytest.MonkeyPatch, rpc: str, file: Path, worker: str | None) -> None:
    words = ["reader.py", "--rpc", rpc, "--network", str(file), *(["--worker", worker] if worker else [])]
    monkeypatch.setattr(sys, "argv", words)
    reader.main()


def _flip(text: str, place: int) -> str:
    """Hexadecimal text with one byte changed; places from the end are negative."""
    data = bytearray.fromhex(text[2:])
    data[place] ^= 1
    return "0x" + data.hex()


# What is read


def test_it_is_short_and_imports_nothing_of_ours() -> None:
    source = _READER.read_text()
    tree = ast.parse(source)
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).partition(".")[0])
        elif isinstance(node, ast.Name):
            assert node.id not in {"__import__", "eval", "exec", "compile"}
    assert imported - set(sys.stdlib_module_names) == _LIBRARIES
    assert not imported & {"importlib", "runpy", "subprocess", "pkgutil"}
    assert len(source.splitlines()) <= _LONGEST


def test_the_whole_network_is_read(network: Read) -> None:
    words = ["--rpc", network.rpc, "--network", str(network.file), "--worker", network.worker]
    done = subprocess.run(
        [sys.executable, "-I", str(_READER), *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert list(table) == _SUBJECTS
    assert table["contracts"].startswith("10 with the pinned code")
    assert table["cluster"] == "epoch 2, 2 members, 2 programs"
    # Two epochs, two members, two programs; the calls, the void one, the one under new keys.
    links = 2 + 2 + 2 + _CALLS + 1 + 1
    assert table["inbox"].startswith(f"{links} links replayed")
    assert table["receipts"].endswith(f"over {links} links, signed by admitted members")
    assert table["outputs"] == f"{2 + _CALLS + 1 + 1} under the settled roots, 3 of them public"
    assert re.fullmatch("[1-9][0-9]* values by 1 keys, the newest [12] paired; [1-9][0-9]* missed", table["beacon"])
    assert int(table["proofs"].split()[0]) > 100


def test_without_a_worker_only_outputs_are_left_out(
    network: Read, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(monkeypatch, network.rpc, network.file, None)
    assert "outputs    0 under" in capsys.readouterr().out


def test_the_pages_table_of_header_fields_makes_every_header(network: Read) -> None:
    """``headers.md`` names them for nodes that serve no raw headers."""
    page = (_ROOT / "docs/specification/headers.md").read_text()
    named = re.findall(r"\| (\d+) `(\w+)` (\w+)", page)
    fields = sorted((int(place), name, kind) for place, name, kind in named)
    assert [place for place, _, _ in fields] == list(range(21))
    node = reader.Network(reader.read_network(network.file.read_text()), network.rpc, None)
    node.read_headers()
    for header in node.headers:
        block = node.rpc("eth_getBlockByNumber", hex(header.number), False)
        texts = [(block[name], kind) for _, name, kind in fields if name in block]
        parts = [int(value, 16) if kind == "integer" else bytes.fromhex(value[2:]) for value, kind in texts]
        assert reader.keccak(rlp.encode(parts)) == header.hash


# What is refused


def _changed_payload(method: str, parameters: list[Any], result: Any) -> Any:
    if method == "eth_getLogs" and parameters[0]["topics"][0] == "0x" + reader.keccak(reader.LINK.encode()).hex():
        submitted = next(log for log in result if int(log["data"][2:66], 16) == reader.SUBMIT)
        submitted["data"] = _flip(submitted["data"], 8 * 32 + 40)
    return result


def _changed_origin(method: str, parameters: list[Any], result: Any) -> Any:
    if method == "eth_getLogs" and parameters[0]["topics"][0] == "0x" + reader.keccak(reader.LINK.encode()).hex():
        result[-1]["data"] = _flip(result[-1]["data"], 63)
    return result


def _link_left_out(place: int) -> Lie:
    def lie(method: str, parameters: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and parameters[0]["topics"][0] == "0x" + reader.keccak(reader.LINK.encode()).hex():
            del result[place]
        return result

    return lie


def _receipt_left_out(method: str, parameters: list[Any], result: Any) -> Any:
    if method == "eth_getLogs" and parameters[0]["topics"][0] == "0x" + reader.keccak(reader.SETTLED.encode()).hex():
        del result[-1]
    return result


def _in_log(event: str, alter: Callable[[Any], None]) -> Lie:
    def lie(method: str, parameters: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and parameters[0]["topics"][0] == "0x" + reader.keccak(event.encode()).hex():
            alter(result[-1])
        return result

    return lie


def _left_out(event: str) -> Lie:
    def lie(method: str, parameters: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and parameters[0]["topics"][0] == "0x" + reader.keccak(event.encode()).hex():
            del result[-1]
        return result

    return lie


def _in_result(wanted: str, alter: Callable[[Any], None]) -> Lie:
    def lie(method: str, parameters: list[Any], result: Any) -> Any:
        if method == wanted:
            alter(result)
        return result

    return lie


def _flip_in(container: Any, key: Any, place: int) -> None:
    container[key] = _flip(container[key], place)


def _swap_slots(proof: Any) -> None:
    proof["storageProof"] = proof["storageProof"][::-1]


def _no_slots(proof: Any) -> None:
    for item in proof["storageProof"]:
        item["proof"] = []


_LIES: dict[str, tuple[Lie, str]] = {
    "a header": (_in_result("coproc_getRawHeaders", lambda raws: _flip_in(raws, -2, 100)), "headers"),
    "the last header": (_in_result("coproc_getRawHeaders", lambda raws: _flip_in(raws, -1, 100)), "headers"),
    "a header left out": (_in_result("coproc_getRawHeaders", lambda raws: raws.pop(3)), "headers"),
    "a seal": (_in_result("coproc_getSeals", lambda answer: _flip_in(answer["signatures"], 0, 5)), "headers"),
    "no seals": (_in_result("coproc_getSeals", lambda answer: answer["signatures"].clear()), "headers"),
    "an account's node": (_in_result("eth_getProof", lambda p: _flip_in(p["accountProof"], -1, 30)), "contracts"),
    "a slot's node": (
        _in_result("eth_getProof", lambda p: p["storageProof"] and _flip_in(p["storageProof"][0]["proof"], -1, -1)),
        "contracts",
    ),
    "a slot that is said to be empty": (_in_result("eth_getProof", _no_slots), "contracts"),
    "proofs of other slots": (_in_result("eth_getProof", _swap_slots), "contracts"),
    "a link's payload": (_changed_payload, "inbox"),
    "a link's origin": (_changed_origin, "inbox"),
    "a link left out": (_link_left_out(3), "inbox"),
    "the last link left out": (_link_left_out(-1), "inbox"),
    # The call ends with the last signature's 65 bytes and 31 of padding.
    "a receipt's signature": (_in_result("eth_getTransactionByHash", lambda t: _flip_in(t, "input", -90)), "receipts"),
    "a receipt's new root": (
        _in_result("eth_getTransactionByHash", lambda t: _flip_in(t, "input", 4 + 9 * 32 - 1)),
        "receipts",
    ),
    "a receipt left out": (_receipt_left_out, "receipts"),
    "a beacon's signature": (_in_log(reader.POSTED, lambda log: _flip_in(log, "data", 64 + 20)), "beacon"),
    "a beacon value left out": (_left_out(reader.POSTED), "beacon"),
    "a fallback left out": (_left_out(reader.FELL_BACK), "beacon"),
    "a beacon's key": (_in_log(reader.BEACON_KEY, lambda log: _flip_in(log, "data", 96 + 20)), "beacon"),
    "a fallback's randomness": (_in_log(reader.FELL_BACK, lambda log: _flip_in(log, "data", 5)), "beacon"),
    "an output": (_in_result("/v1/output", lambda a: a.update(output=a["output"] + "00")), "outputs"),
    "an output's fuel": (_in_result("/v1/output", lambda a: a["leaf"].update(fuel=1)), "outputs"),
    "an output's place": (_in_result("/v1/output", lambda a: a["place"]["siblings"].append(_DIGEST)), "outputs"),
}


@pytest.mark.parametrize("name", _LIES)
def test_a_lie_is_refused(
    name: str, network: Read, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lie, refused = _LIES[name]
    told = []

    def watched(method: str, parameters: list[Any], result: Any) -> Any:
        before = json.dumps(result)
        result = lie(method, parameters, result)
        told.append(json.dumps(result) != before)
        return result

    with (
        _liar(network.rpc, watched) as rpc,
        _liar(network.worker, watched) as worker,
        pytest.raises(SystemExit, match="REFUSED"),
    ):
        _run(monkeypatch, rpc, network.file, worker)
    assert any(told)
    subjects = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert subjects == _SUBJECTS[: _SUBJECTS.index(refused)]


def test_proofs_of_an_older_block_are_refused(
    network: Read, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lie(method: str, parameters: list[Any], result: Any) -> Any:
        if method == "eth_getProof":
            asked = [*parameters[:2], hex(int(parameters[2], 16) - 1)]
            older = {"jsonrpc": "2.0", "id": 1, "method": method, "params": asked}
            return _ask(network.rpc, json.dumps(older).encode())["result"]
        return result

    with _liar(network.rpc, lie) as rpc, pytest.raises(SystemExit, match="REFUSED"):
        _run(monkeypatch, rpc, network.file, None)
    assert "contracts" not in capsys.readouterr().out


@pytest.mark.parametrize("part", ["sealer", "code hash", "gatekeeper", "digest", "cluster"])
def test_another_pinned_network_is_refused(
    part: str, network: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = json.loads(network.file.read_text())
    container, key = {
        "sealer": (file["configuration"]["header_source"]["sealers"], 0),
        "code hash": (file["configuration"]["contracts"]["Inbox"], "code_hash"),
        "gatekeeper": (file["gatekeepers"], 0),
        "digest": (file, "network"),
        "cluster": (file["hints"], "cluster"),
    }[part]
    _flip_in(container, key, 7)
    altered = tmp_path / "network.json"
    altered.write_text(json.dumps(file))
    with pytest.raises(SystemExit, match="REFUSED"):
        _run(monkeypatch, network.rpc, altered, network.worker)
    assert capsys.readouterr().out == ""
