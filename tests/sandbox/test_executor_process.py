"""The executor as a process: death and restart, malformed frames, deadlines, no open doors."""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coprocessor.sandbox.abi import FrameKind
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.executor_messages import (
    EXECUTOR_REPLIES,
    Done,
    ExecutorFailed,
    Queried,
    Query,
    SetState,
    StateEntry,
)
from coprocessor.sandbox.framing import read_frame, write_frame
from coprocessor.sandbox.outcome import OutcomeKind
from coprocessor.sandbox.rules import NEXT_RULES, RULES
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.sandbox.supervisor import ExecutorDied, ExecutorHandle
from coprocessor.values.errors import MalformedInput
from coprocessor.values.identities import RuntimeId
from tests.sandbox.scenes import call, guest, link, load_program, program_id
from tests.support.wasm import ROOT

SCAN = "(drop (call $kv_scan (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100)))"
COUNTER = (ROOT / "examples" / "c_counter" / "counter.wasm").read_bytes()


@pytest.fixture
def handle() -> Iterator[ExecutorHandle]:
    with ExecutorHandle() as started:
        yield started


class _Local:
    """The same conversation with an executor in this process."""

    def __init__(self, engine: Engine) -> None:
        self._executor = Executor(engine)

    def ask(self, request: Any) -> Any:
        return self._executor.handle(request)


def _feed(executor: Any, count: int) -> None:
    executor.ask(load_program(1, COUNTER))
    assert executor.ask(SetState(program_id(1), (StateEntry(b"count", struct.pack("<Q", count)),))) == Done()


def _add(index: int) -> Any:
    return link(*[call(method="add", arguments=struct.pack("<Q", by)) for by in range(20)], index=index)


def test_killed_executor_is_replaced_with_equal_results(engine: Engine) -> None:
    local = _Local(engine)
    _feed(local, 100)
    expected = [local.ask(_add(index)) for index in range(3)]

    first = ExecutorHandle()
    _feed(first, 100)
    assert first.ask(_add(0)) == expected[0]
    os.kill(first.process_id, 9)
    with pytest.raises(ExecutorDied):
        first.ask(_add(1))
    assert not first.is_alive
    first.close()

    with ExecutorHandle() as second:
        _feed(second, 100 + 190)
        assert [second.ask(_add(1)), second.ask(_add(2))] == expected[1:]
    assert not second.is_alive


def test_a_process_executes_under_the_runtime_that_it_was_started_with() -> None:
    """The release's second runtime prices an entry of a scan otherwise (PROTOCOL 12)."""
    fuel = []
    for runtime in release_runtimes().ids:
        with ExecutorHandle(runtime) as started:
            started.ask(load_program(1, guest(SCAN)))
            started.ask(SetState(program_id(1), tuple(StateEntry(bytes((at,)), b"v") for at in range(10))))
            fuel.append(started.ask(link(call())).results[0].outcome.fuel)
    prices = [rules.prices["kv_scan_entry"].base for rules in (RULES, NEXT_RULES)]
    assert fuel[1] - fuel[0] == 10 * (prices[1] - prices[0]) > 0


def test_no_process_executes_under_a_runtime_that_is_not_carried() -> None:
    with ExecutorHandle(RuntimeId(b"\x01" * 32)) as started, pytest.raises(ExecutorDied):
        started.ask(load_program(1, COUNTER))


def test_kill_in_the_middle_of_a_batch_decides_nothing(handle: ExecutorHandle) -> None:
    """The process dies while a guest loops; the request stays unanswered."""
    handle.ask(load_program(1, guest("(loop $again (br $again))")))
    data_sent = link(call(fuel=10**15))
    killer = threading.Timer(0.3, handle._process.kill)
    killer.start()
    with pytest.raises(ExecutorDied) as caught:
        handle.ask(data_sent)
    killer.join()
    assert caught.value.code == "executor.died"


def test_query_ends_at_its_deadline(handle: ExecutorHandle) -> None:
    handle.ask(load_program(1, guest("(loop $again (br $again))")))
    endless = Query(1, 2, 3, 4, call(kind=FrameKind.QUERY, fuel=10**15), deadline_milliseconds=50)
    reply = handle.ask(endless)
    assert isinstance(reply, Queried)
    assert (reply.outcome.kind, reply.outcome.message) == (OutcomeKind.INTERRUPTED, "the deadline passed")
    _feed(handle, 0)
    reply = handle.ask(Query(1, 2, 3, 4, call(method="get", kind=FrameKind.QUERY), 10_000))
    assert reply.outcome.kind == OutcomeKind.OK


def test_malformed_requests_are_answered(handle: ExecutorHandle) -> None:
    for data in (b"", b"\xff", b"\x81\x64Stop\x00", b"\x81\x66Format"):
        write_frame(handle._channel, data)
        answer = read_frame(handle._channel, 1 << 20)
        assert answer is not None
        reply = EXECUTOR_REPLIES.decode(answer)
        assert isinstance(reply, ExecutorFailed)
        assert not reply.is_fatal
    assert handle.ask(SetState(program_id(1), ())).code == "executor.program"


def test_process_holds_one_socket_and_no_files(handle: ExecutorHandle) -> None:
    _feed(handle, 1)
    targets = [os.readlink(path) for path in Path(f"/proc/{handle.process_id}/fd").iterdir() if int(path.name) > 2]
    assert sum(target.startswith("socket:") for target in targets) == 1
    assert all(target.startswith(("socket:", "anon_inode:", "/memfd:")) for target in targets)


def test_executor_does_not_outlive_its_parent() -> None:
    """The parent is killed while a guest runs, which no closed channel would interrupt."""
    script = """
from coprocessor.sandbox.supervisor import ExecutorHandle
from coprocessor.sandbox.executor_messages import EXECUTOR_REQUESTS
from coprocessor.sandbox.framing import write_frame
from tests.sandbox.scenes import call, guest, link, load_program
handle = ExecutorHandle()
handle.ask(load_program(1, guest("(loop $again (br $again))")))
write_frame(handle._channel, EXECUTOR_REQUESTS.encode(link(call(fuel=10**15))))
print(handle.process_id, flush=True)
input()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        ended, _, _ = select.select([descriptor], [], [], 30)
        assert ended == [descriptor]
    finally:
        os.close(descriptor)


def test_frames() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        write_frame(ours, b"")
        write_frame(ours, b"abc")
        assert (read_frame(theirs, 3), read_frame(theirs, 3)) == (b"", b"abc")
        write_frame(ours, b"abcd")
        with pytest.raises(MalformedInput):
            read_frame(theirs, 3)
        assert theirs.recv(4) == b"abcd"
        ours.sendall(b"\0\0\0\5ab")
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(EOFError):
            read_frame(theirs, 5)
        assert read_frame(theirs, 5) is None


@pytest.mark.parametrize(
    "lost", ["class A:\n    def __del__(self): 1 / 0\nA()", "sys.excepthook(ValueError, ValueError(), None)"]
)
def test_process_ends_where_an_error_would_be_lost(lost: str) -> None:
    """A callback that C code cannot make leaves nothing but such an error."""
    script = f"""
import sys
from coprocessor.sandbox.executor_process import exit_on_lost_errors
exit_on_lost_errors()
{lost}
print("goes on")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Error" in done.stderr
