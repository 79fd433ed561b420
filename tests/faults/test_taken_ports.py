"""A port that another process has: each process says which, why and what to do; ``phat up`` takes another one."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from coprocessor.chain.development import development_keys
from coprocessor.cli.main import main
from coprocessor.host.gatekeeper import GatekeeperHost
from coprocessor.host.gatekeeper_options import GatekeeperOptions
from coprocessor.host.up_state import UpState
from coprocessor.host.worker import WorkerHost
from coprocessor.host.worker_options import WorkerOptions
from coprocessor.protocol.genesis import network_to_json
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import to_hex
from tests.protocol.samples import make_network

RPC = "http://127.0.0.1:1"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_chain_says_so(taken: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chain", "--data", str(tmp_path), "--port", str(taken), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["ok"] is False
    assert f"devnode.port: cannot listen on 127.0.0.1:{taken}" in answer["what"]
    assert "next: stop what uses the port, or choose another with --port" in answer["what"]


def gatekeeper(folder: Path, port: int) -> Coroutine[Any, Any, None]:
    text = network_to_json(make_network(), {"rpc": RPC})
    return GatekeeperHost(GatekeeperOptions(text, development_keys()[0], folder, ("127.0.0.1", port))).run()


def worker(folder: Path, port: int) -> Coroutine[Any, Any, None]:
    text = network_to_json(make_network(), {"rpc": RPC, "cluster": to_hex(bytes(32))})
    return WorkerHost(WorkerOptions(text, development_keys()[0], folder, ("127.0.0.1", port))).run()


@pytest.mark.parametrize("start", [gatekeeper, worker])
def test_hosts_say_so(start: Callable[[Path, int], Coroutine[Any, Any, None]], taken: int, tmp_path: Path) -> None:
    with pytest.raises(CallerMisuse, match=rf"http\.port: cannot listen on 127\.0\.0\.1:{taken}") as caught:
        asyncio.run(start(tmp_path, taken))
    assert caught.value.why
    assert "--listen" in caught.value.next


def test_phat_up_takes_another_and_keeps_it(taken: int, tmp_path: Path) -> None:
    UpState(tmp_path / "state.json").keep("port worker-0", taken)
    state = UpState(tmp_path / "state.json")
    port = state.port("worker-0", preferred=taken)
    assert port != taken
    assert UpState(tmp_path / "state.json").port("worker-0") == port
