"""A private program on a running network: it works like any other, and its source is found nowhere outside enclaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coprocessor import connect
from coprocessor.chain.development import development_keys
from coprocessor.client.deployment import open_package
from coprocessor.client.sync import Program
from coprocessor.sandbox.package import encode_package
from coprocessor.values.errors import GuestFailed
from tests.e2e.conftest import fund
from tests.support.live import LiveNetwork, get_json, phat, running_network, worker_process, write_key
from tests.support.memory import descendants, find_in_memory, is_memory_readable
from tests.support.node import RpcClient

CANARY = "cnry_8e41c7"
SOURCE = '''
"""CNRY of the module."""
from phat import Contract, command, query, revert

# CNRY in a comment
_CNRY_constant = "CNRY in a text"


class CNRY_helper:
    pass


class Safe(Contract):
    """CNRY of the class."""

    CNRY_field: str = "CNRY default"

    def init(self, start: str) -> None:
        if start == "fail":
            raise ValueError(_CNRY_constant)
        self.CNRY_field = start

    def _CNRY_method(self, how: str) -> str:
        return {"same": "kept"}[how + _CNRY_constant[:0]]

    @command
    def keep(self, text: str, how: str = "CNRY argument") -> str:
        """CNRY of the method."""
        self.env.log("CNRY in the log")
        self.CNRY_field = text
        return self._CNRY_method(how)

    @query
    def show(self, how: str) -> str:
        if how == "refuse":
            revert("not today")
        return self.CNRY_field if how == "now" else self._CNRY_method(how + "CNRY")
'''


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The author's folder: the one place on disk that holds the source."""
    folder = tmp_path_factory.mktemp("author")
    (folder / "contract.py").write_text(SOURCE.replace("CNRY", CANARY))
    (folder / "public.py").write_text(SOURCE.replace("CNRY", "twin_5ab06d"))
    return folder


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """HOME and TMPDIR of every process; the compiled interpreter is taken from where the machine has it."""
    home, temporary = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        patch.setenv("XDG_CACHE_HOME", cache)
        patch.setenv("HOME", str(home))
        patch.setenv("TMPDIR", str(temporary))
        yield home, temporary


def needles(path: Path, canary: str) -> dict[str, bytes]:
    """The forms in which a source could lie somewhere: as text, packed as a bundle, packed as a package."""
    package = open_package(path)
    packed = encode_package(package)
    text = canary.encode()
    return {
        "text": text,
        "hexadecimal": text.hex().encode(),
        "bundle": package.payload[32:128],
        "bundle in hexadecimal": package.payload[32:128].hex().encode(),
        "package": packed[32:128],
        "package in hexadecimal": packed[32:128].hex().encode(),
    }


def files(*folders: Path) -> dict[str, bytes]:
    """Every file of some folders, by path."""
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in paths}


def told_by_node(network: LiveNetwork) -> dict[str, bytes]:
    """All blocks, transactions, receipts and logs, as the node answers; hexadecimal data also as bytes."""
    rpc = RpcClient(network.hints["rpc"])
    found: dict[str, bytes] = {}

    def note(name: str, answer: Any) -> None:
        text = json.dumps(answer)
        data = b"".join(bytes.fromhex(word[2:]) for word in text.split('"') if is_hexadecimal(word))
        found[name] = text.encode() + data

    for number in range(int(rpc.call("eth_blockNumber"), 16) + 1):
        block = rpc.call("eth_getBlockByNumber", hex(number), True)
        note(f"block {number}", block)
        for transaction in block["transactions"]:
            note(f"receipt {transaction['hash']}", rpc.call("eth_getTransactionReceipt", transaction["hash"]))
    note("logs", rpc.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"}))
    return found


def is_hexadecimal(word: str) -> bool:
    return word.startswith("0x") and len(word) % 2 == 0 and len(word) > 66


def told_by_worker(network: LiveNetwork) -> dict[str, bytes]:
    """Status, and every output, of the worker that runs."""
    worker = network.worker()
    answers = {"status": get_json(f"{worker['endpoint']}/v1/status")}
    for link in range(answers["status"]["executed"]):
        answers[f"link {link}"] = get_json(f"{worker['endpoint']}/v1/outputs?link={link}")
    found = {}
    for name, answer in answers.items():
        texts = [output["output"] for output in answer.get("outputs", [])]
        found[name] = json.dumps(answer).encode() + b"".join(bytes.fromhex(text[2:]) for text in texts)
    return found


def assert_absent(places: dict[str, bytes], forms: dict[str, bytes]) -> None:
    for place, content in places.items():
        for form, needle in forms.items():
            assert needle not in content, f"the source lies as {form} in {place}"


def assert_kept_in_enclaves(network: LiveNetwork, host: int, forms: dict[str, bytes]) -> None:
    """The enclave's core and its executor hold the source, no other process does; where memory may be read at all."""
    if not is_memory_readable(network.process.pid):
        return
    enclave = network.worker()["enclave_pid"]
    core, executor = descendants(enclave)
    wanted = set(forms.values())
    assert forms["bundle"] in find_in_memory(core, wanted), "the search does not find what is there"
    assert forms["text"] in find_in_memory(executor, wanted), "the search does not find what is there"
    others = set(descendants(network.process.pid) + descendants(host)) - {core, executor}
    assert len(others) >= 5  # the supervisor, the node, a gatekeeper with its enclave, the worker's host
    for pid in others:
        found = find_in_memory(pid, wanted)
        assert not found, f"{Path(f'/proc/{pid}/cmdline').read_text()} holds the source"


def end_worker(host: int) -> None:
    """Kills a worker with its enclave, as a power cut would."""
    for pid in descendants(host):
        os.kill(pid, signal.SIGKILL)


def use(program: Program, foreign: Program) -> dict[str, bytes]:
    """Commands and queries of the owner and of a stranger; what the stranger was told."""
    assert program.query("show", "now") == "first"
    calls = [foreign.call("keep", "second", "same"), program.call("keep", "third", "same")]
    calls.append(foreign.call("keep", "fails", "other"))
    assert [call.result(60) for call in calls[:2]] == ["kept", "kept"]
    outcome = calls[2].outcome(60)
    assert (outcome.message, outcome.logs) == ("the private program failed", ())
    with pytest.raises(GuestFailed, match="the private program failed"):
        foreign.query("show", "other")
    with pytest.raises(GuestFailed, match="Error: not today"):
        foreign.query("show", "refuse")
    return {"receipt of a stranger": calls[0].receipt().encode(), "failure of a stranger": calls[2].receipt().encode()}


def test_a_private_program_works_and_stays_in_enclaves(
    author: Path, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    source, folder = str(author / "contract.py"), tmp_path / "network"
    forms = needles(author / "contract.py", CANARY)
    where = ("--network", str(folder))
    operator = write_key(tmp_path / "operator.key", bytes(31) + b"\x78")
    data, platform = tmp_path / "worker-a", tmp_path / "platform"
    with running_network(folder, "--workers", "0") as network:
        fund(network, operator)
        with worker_process(network.file, operator, data, "--platform", str(platform)) as worker:
            done = phat("deploy", source, "--private", "--arg", "start=first", *where, timeout=300)
            assert (done["private"], done["epoch"], done["simulated"]) == (True, 1, True)
            with connect(str(folder)) as net, connect(str(folder), key=development_keys()[3]) as other:
                said = use(net.program(done["program"]), other.program(done["program"]))
                with pytest.raises(GuestFailed, match=r"code\.constructor"):
                    net.deploy(source, private=True, start="fail")
                net.deploy(author / "public.py", start="first")
            code = phat("code", done["program"], "--against", source, *where)
            assert (code["matches"], code["commitment"]) == (True, done["commitment"])
            assert_kept_in_enclaves(network, worker.pid, forms)
            said |= told_by_worker(network) | {"deploy": json.dumps(done).encode(), "code": json.dumps(code).encode()}
            end_worker(worker.pid)
        (name,) = [path.name for path in (data / "cache").glob("guest-python-*")]
        interpreter = (data / "cache" / name).read_bytes()
        assert_absent(files(data), forms)
        shutil.rmtree(data)
        successor = tmp_path / "worker-b"
        (successor / "cache").mkdir(parents=True)
        (successor / "cache" / name).write_bytes(interpreter)  # sealed to the machine; spares compiling
        with worker_process(network.file, operator, successor, "--platform", str(platform)) as worker:
            with connect(str(folder)) as net:
                program = net.program(done["program"])
                assert program.query("show", "now") == "third"
                assert program.call("keep", "fourth", "same").result(60) == "kept"
            assert_kept_in_enclaves(network, worker.pid, forms)
            said |= told_by_worker(network)
        chain = told_by_node(network)
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(said["receipt of a stranger"])
    assert phat("verify", str(receipt), "--network", str(folder))["program"] == done["program"]
    caches = Path(os.environ["XDG_CACHE_HOME"]) / "coprocessor"
    assert_absent(said | chain | files(tmp_path, *homes, caches), forms)
    twin = needles(author / "public.py", "twin_5ab06d")
    assert any(twin["package"] in content for content in chain.values()), "the search finds a public program"
