"""Processes under measurement: found, read, told apart, and ended."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.network import TOKENS
from bench.processes import Usage, descendants, pss_bytes, run_phat, running, usage, wait_until
from bench.suite.memory import role_of
from coprocessor.protocol.commands import method_selector
from coprocessor.protocol.interface import parse_interface
from tests.support.wasm import ROOT, compile_c


def test_a_process_is_ended_with_its_children(tmp_path: Path) -> None:
    log = tmp_path / "log"
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.pause()"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {ignoring!r}]).wait()"
    with running((sys.executable, "-c", parent), log) as process:
        wait_until(lambda: bool(descendants(process.pid)), 20, "the child")
        (child,) = descendants(process.pid)
        assert usage(child).pss > 0
    assert process.poll() is not None
    wait_until(lambda: not Path(f"/proc/{child}/smaps_rollup").exists() or _is_gone(child), 20, "the child's end")


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_memory_of_this_process() -> None:
    here = usage(os.getpid())
    assert 10e6 < here.pss < 10e9
    assert here.cpu_seconds > 0
    with pytest.raises(OSError, match="No such"):
        pss_bytes(2**22 + 1)


def test_waiting_ends() -> None:
    with pytest.raises(TimeoutError, match="waited 0 s for rain"):
        wait_until(lambda: False, 0.0, "rain")


def test_a_command_that_fails_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="phat no-such-command ended with 2"):
        run_phat("no-such-command")


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("python -m coprocessor.cli.main worker --network n --operator k --data d", "host"),
        ("python -m coprocessor.enclave.worker_main --platform-dir p --fd 5", "core"),
        ("python -m coprocessor.sandbox.executor_process --fd 4", "executor"),
        ("python -m coprocessor.cli.main gatekeeper --network n --operator k", ""),
        ("python -m coprocessor.cli.main chain --data worker-0", ""),
    ],
)
def test_roles_of_processes(command: str, role: str) -> None:
    assert role_of(Usage(1, command, 1, 1.0)) == role


def test_the_raw_token_is_the_guest_in_c() -> None:
    path = TOKENS["raw"].path
    assert path.read_bytes() == compile_c(ROOT / "guests" / "c" / "token.c")
    interface = parse_interface(path.with_name("c_token.interface.json").read_bytes())
    assert interface.init is not None
    assert interface.method("transfer", "command").selector == method_selector("transfer")
    assert interface.method("balance_of", "query").selector == method_selector("balance_of")
