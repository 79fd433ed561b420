"""A disk that is full, slow or not to be written: told by code; nothing acknowledged is lost, and all goes on later."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coprocessor.chain.development import development_keys
from coprocessor.chain.keyfile import write_key_file
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import RpcClient
from coprocessor.chain.sender import TransactionSender
from coprocessor.client.journal import Journal
from coprocessor.devnode.options import NodeOptions
from coprocessor.devnode.process import serve
from coprocessor.durable.disk import Disk
from coprocessor.durable.errors import DiskFailed
from coprocessor.durable.points import Moment, PersistPoint
from coprocessor.host import store as store_module
from coprocessor.host.ceremony import CeremonyFile
from coprocessor.host.folder import locked_folder
from coprocessor.host.store import Store
from coprocessor.host.up_state import UpState
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import Address, ClusterId
from tests.devnode.contract import wallet
from tests.faults import children
from tests.faults.scenarios import TARGET, _mine_some, _submit, dump_database, kept_ceremony, open_chain
from tests.host.test_store import CLUSTER, NETWORK, executed
from tests.support.node import RpcFailure, run_dev_node

NOBODY = 65_534
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def test_a_node_whose_disk_is_full_reads_on_and_goes_on(tmp_path: Path) -> None:
    """The kernel refuses the node's writes beyond a size, at several sizes; a real process over RPC."""
    with run_dev_node(data=tmp_path) as node:
        sender = wallet(0)
        kept = [node.call("eth_sendRawTransaction", sender.sign(TARGET, value=1, gas=25_000)) for _ in range(3)]
        said: list[str] = []
        for room in (0, 1, 20_000):
            size = (tmp_path / "chain.sqlite-wal").stat().st_size
            resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))
            for _ in range(100):
                raw = sender.sign(TARGET, value=1, gas=25_000)
                try:
                    kept.append(node.call("eth_sendRawTransaction", raw))
                except RpcFailure as failure:
                    said.append(failure.message)
                    sender.nonce -= 1
                    break
            receipts = [node.call("eth_getTransactionReceipt", digest) for digest in kept]
            assert all(one["status"] == "0x1" for one in receipts)
            assert node.call("eth_getBalance", TARGET, "latest") == hex(len(kept))
            resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, UNLIMITED)
            kept.append(node.call("eth_sendRawTransaction", sender.sign(TARGET, value=1, gas=25_000)))
        assert len(said) == 3
        # disk.full, or disk.failed where a limit and no disk is met
        assert all("disk.f" in message and "next: " in message for message in said)
        node.kill()
        node.restart()
        assert all(node.call("eth_getTransactionReceipt", digest)["status"] == "0x1" for digest in kept)
        assert node.call("eth_getBalance", TARGET, "latest") == hex(len(kept))


def test_a_chain_whose_file_may_not_grow_changes_nothing(tmp_path: Path) -> None:
    """SQLite refuses the n-th new page; the block is as if it had never been begun, and comes once there is room."""
    chain, database = open_chain(tmp_path)
    _mine_some(chain)
    refused = 0
    for room in range(12):
        before = dump_database(tmp_path / "chain.sqlite")
        (pages,) = database._file.row("pragma page_count")
        database._file.run(f"pragma max_page_count = {pages + room}")
        try:
            for _ in range(8):
                _submit(chain)
                chain.mine()
                before = dump_database(tmp_path / "chain.sqlite")
        except DiskFailed as error:
            refused += error.code == "disk.full"
            assert dump_database(tmp_path / "chain.sqlite") == before
            assert chain.head.hash == before[1]["blocks"][-1][1]
            chain.forget_unsaved()
        database._file.run("pragma max_page_count = 1000000")
        chain.mine_waiting()
        assert len(chain.pool) == 0
    assert refused >= 6
    database.close()
    chain, database = open_chain(tmp_path)  # every trie node is there
    mined = sum(len(database.get_transactions(number)) for number in range(chain.head.header.number + 1))
    target = Address(bytes.fromhex(TARGET[2:]))
    assert chain.states.get_account(chain.head.header.state_root, target).balance == mined
    database.close()


def test_a_block_that_fails_takes_no_transaction_with_it(tmp_path: Path) -> None:
    """An interval's block meets a full disk between a submission and its acknowledgement, which then holds."""
    chain, database = open_chain(tmp_path)
    _submit(chain)
    (pages,) = database._file.row("pragma page_count")
    database._file.run(f"pragma max_page_count = {pages}")
    with pytest.raises(DiskFailed, match=r"disk\.full"):
        chain.mine()
    database._file.run("pragma max_page_count = 1000000")
    chain.save()  # and now it is acknowledged
    database.close()
    chain, database = open_chain(tmp_path)
    assert len(chain.pool) == 2
    database.close()


def test_a_worker_cache_waits_for_its_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path / "cache.sqlite", NETWORK, CLUSTER) as store:
        store.add_link(executed(0))
        (pages,) = store._file.row("pragma page_count")
        store._file.run(f"pragma max_page_count = {pages}")
        for link in range(1, 5):
            store.add_link(executed(link, size=50_000))  # nothing is lost: it waits
        assert store.output(1, 0) is None
        with pytest.raises(DiskFailed, match=r"disk\.full"):
            store.save()
        assert not store.is_damaged
        monkeypatch.setattr(store_module, "MAX_UNSAVED_BYTES", 450_000)
        with pytest.raises(DiskFailed, match=r"disk\.full"):
            store.add_link(executed(5, size=50_000))  # more than memory should hold
        store._file.run("pragma max_page_count = 1000000")
        store.save()
        assert store.has_links(0, 6)
        output = store.output(4, 1)
        assert output is not None
        assert output.output == b"\x01" * 50_000


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """A folder that user ``NOBODY`` may read and not write."""
    if os.getuid() != 0:
        pytest.skip("only root can become a user who may not write")
    folder = Path(tempfile.mkdtemp(prefix="forbidden-"))
    UpState(folder / "state.json").keep("a", 1)
    folder.chmod(0o755)
    (folder / "state.json").chmod(0o644)
    yield folder
    shutil.rmtree(folder)


def write_as_nobody(folder: Path, allowed: Path) -> list[str]:
    """The codes of every kind of write, by a user who may not write in the folder."""
    assert set(write_everything(allowed)) == {"done"}  # as root; it also loads what nobody may not
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    return write_everything(folder)


def write_everything(folder: Path) -> list[str]:
    """For each kind of write ``done``, or its code."""
    state = UpState(folder / "state.json")
    acts: list[Callable[[], object]] = [
        lambda: state.keep("a", 2),
        lambda: write_key_file(folder / "key"),
        lambda: CeremonyFile(folder / "gatekeeper.json").save(kept_ceremony(b"share")),
        lambda: Store(folder / "cache.sqlite", NETWORK, CLUSTER).close(),
        lambda: open_chain(folder),
        lambda: locked_folder(folder).__enter__(),
        lambda: Journal(folder / "journal").remember(ClusterId(bytes(32)), 0, 0, 0),
    ]
    codes = []
    for act in acts:
        try:
            act()
            codes.append("done")
        except (DiskFailed, CallerMisuse) as error:
            codes.append(error.code if error.why and error.next else "says too little")
    return codes


def test_a_folder_that_may_not_be_written_is_told(forbidden: Path, tmp_path: Path) -> None:
    codes = children.run(write_as_nobody, forbidden, tmp_path)
    assert codes == [*["disk.refused"] * 5, "host.folder", "done"]  # a journal is a convenience
    assert [path.name for path in forbidden.iterdir()] == ["state.json"]


def test_a_slow_disk_makes_nobody_give_up(tmp_path: Path) -> None:
    """Every commit takes a fifth of a second; senders wait and all of them are told the truth."""
    commits: list[PersistPoint] = []

    def wait(point: PersistPoint, moment: Moment) -> None:
        if moment is Moment.MIDDLE:
            commits.append(point)
            threading.Event().wait(0.2)

    async def go() -> None:
        options = NodeOptions(tmp_path, port=0, disk=Disk(wait))
        async with serve(options) as running, RpcClient(running.url) as rpc:
            senders = [TransactionSender(Node(rpc), key) for key in development_keys()[:4]]
            target = Address(bytes.fromhex(TARGET[2:]))
            sent = [sender.send(target, b"", value=1) for sender in senders for _ in range(3)]
            receipts = await asyncio.gather(*sent)
            assert len({one.hash for one in receipts}) == 12

    asyncio.run(go())
    assert commits.count(PersistPoint.NODE_BLOCK) >= 3
