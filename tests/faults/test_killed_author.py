"""``deploy`` killed at each of its transactions: the same deployment asked for again goes on, and is paid for once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from coprocessor import connect
from coprocessor.chain.development import development_keys
from coprocessor.client.unfinished import Plan, deployment_note
from coprocessor.durable.disk import Disk
from coprocessor.durable.points import Moment, PersistPoint
from coprocessor.values.identities import Address, ClusterId, CodeHash, to_hex
from tests.faults import children
from tests.support.cutting_proxy import cutting_proxy
from tests.support.killing import KillAtEachTransaction
from tests.support.live import LiveNetwork
from tests.support.node import RpcClient

EXAMPLE = Path(__file__).parents[2] / "examples" / "c_counter"
AUTHOR = development_keys()[6]
OWN_SECTION = b"\x00\x08\x05fault" + b"42"
"""A custom section of WebAssembly: code of our own that behaves as the example does."""


def own_counter(folder: Path) -> Path:
    """A copy of the example that nobody has published."""
    shutil.copy(EXAMPLE / "counter.interface.json", folder)
    (folder / "counter.wasm").write_bytes((EXAMPLE / "counter.wasm").read_bytes() + OWN_SECTION)
    return folder / "counter.wasm"


def deploy_counter(network: Path, rpc: str, code: Path, pid_file: Path) -> tuple[str, int]:
    """The program's id and what it answers."""
    pid_file.write_text(str(os.getpid()))
    with connect(network, key=AUTHOR, rpc=rpc) as net:
        program = net.deploy(code, start=4)
        return program.id, program.query("get")


def test_a_deployment_that_was_cut_short_goes_on(live_network: LiveNetwork, tmp_path: Path) -> None:
    node, code, pid_file = RpcClient(live_network.hints["rpc"]), own_counter(tmp_path), tmp_path / "pid"

    def paid() -> int:
        return int(node.call("eth_getTransactionCount", to_hex(AUTHOR.address), "latest"), 16)

    first, rule = paid(), KillAtEachTransaction(pid_file)
    with cutting_proxy(node.url) as proxy:
        proxy.rule = rule
        killed = 0
        while (made := children.run(deploy_counter, live_network.file, proxy.url, code, pid_file)) is None:
            killed += 1
            assert killed <= 4
        assert rule.unheard == rule.unanswered == {first, first + 1}  # publish, instantiate
        assert paid() == first + 2
        program, answer = made
        assert answer == 4
        proxy.rule = lambda request, forward: forward()
        again, _ = children.run(deploy_counter, live_network.file, proxy.url, code, pid_file)
    assert again != program  # that one was finished: this is another
    assert paid() == first + 3
    assert not [path for path in live_network.folder.glob("unfinished/*") if path.suffix != ".lock"]


def plan(arguments: bytes = b"a") -> Plan:
    return Plan(Address(b"o" * 20), CodeHash(b"h" * 32), ClusterId(b"c" * 32), (), arguments, 1)


def test_a_note_is_kept_until_the_end(tmp_path: Path) -> None:
    with deployment_note(tmp_path, plan()) as cut_short:
        assert not cut_short.has_begun
    with deployment_note(tmp_path, plan()) as resumed:
        assert (resumed.has_begun, resumed.salt) == (True, cut_short.salt)
        resumed.end()
    with deployment_note(tmp_path, plan()) as another:
        assert not another.has_begun
        assert another.salt != cut_short.salt
    with deployment_note(tmp_path, plan(b"b")) as other_arguments:
        assert not other_arguments.has_begun


def test_deployments_side_by_side_are_different_ones(tmp_path: Path) -> None:
    with deployment_note(tmp_path, plan()) as first, deployment_note(tmp_path, plan()) as second:
        assert first.salt != second.salt
        assert not second.has_begun
        second.end()
        first.end()


def test_a_folder_that_takes_no_note_keeps_nobody_from_deploying(tmp_path: Path) -> None:
    def fail(point: PersistPoint, moment: Moment) -> None:
        raise OSError(28, "No space left on device")

    with deployment_note(tmp_path, plan(), Disk(fail)) as note:
        assert (len(note.salt), note.has_begun, note.path) == (32, False, None)
    (tmp_path / "file").write_text("")
    with deployment_note(tmp_path / "file", plan()) as note:
        assert note.path is None
    (tmp_path / "unfinished" / plan(b"c").digest().hex()).write_text("no salt")
    with deployment_note(tmp_path, plan(b"c")) as note:
        assert not note.has_begun
