"""One scenario for each persist point: what lies there before, the act that writes, and what is seen afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coprocessor.chain.deployment import GatekeeperMember
from coprocessor.chain.keyfile import load_key_file, write_key_file
from coprocessor.client import guest_cache
from coprocessor.client.journal import Journal
from coprocessor.client.private_code import Opening, read_opening, write_opening
from coprocessor.client.unfinished import Plan, deployment_note
from coprocessor.devnode.chain import Chain, Dropped
from coprocessor.devnode.database import Database
from coprocessor.devnode.options import NodeOptions
from coprocessor.devnode.seals import load_sealer
from coprocessor.durable.disk import PLAIN_DISK, Disk
from coprocessor.durable.points import PersistPoint
from coprocessor.host.ceremony import CeremonyFile, FirstCommittee, KeptCeremony
from coprocessor.host.checkpoints import CheckpointFolder
from coprocessor.host.store import Store
from coprocessor.host.up_state import UpState
from coprocessor.values.identities import Address, ClusterId, CodeHash, Digest, NetworkId
from tests.bad_input.hosts import kept_checkpoint
from tests.devnode.contract import wallet
from tests.host.test_store import CLUSTER, NETWORK, executed, receipt

__all__ = ["SCENARIOS", "Scenario", "dump_database", "kept_ceremony", "open_chain"]

GENESIS_TIME = 1_700_000_000
TARGET = "0x" + "77" * 20


@dataclass(frozen=True)
class Scenario:
    """How to come to a persist point.

    Args:
        prepare: makes what is there before.
        act: comes to the point once; doing it again after a crash MUST lead to what one undisturbed act leads to.
        observe: the state that must be before or after.
    """

    prepare: Callable[[Path], None]
    act: Callable[[Path, Disk], None]
    observe: Callable[[Path], Any]


def dump_database(path: Path, *without: str) -> Any:
    """The version and every row of every table of an SQLite file; None where there is none."""
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        (version,) = connection.execute("pragma user_version").fetchone()
        names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        tables = {name: sorted(connection.execute(f"select * from {name}")) for name in names if name not in without}
    finally:
        connection.close()
    return (version, tables) if tables else None


def open_chain(folder: Path, disk: Disk = PLAIN_DISK, finality_lag: int = 1) -> tuple[Chain, Database]:
    """The chain in a folder, at a clock that stands still."""
    database = Database(folder / "chain.sqlite", disk)
    return Chain(database, NodeOptions(folder, finality_lag=finality_lag), lambda: GENESIS_TIME), database


def _on_chain(work: Callable[[Chain], object], finality_lag: int = 1) -> Callable[[Path, Disk], None]:
    def act(folder: Path, disk: Disk) -> None:
        chain, database = open_chain(folder, disk, finality_lag)
        work(chain)
        database.close()

    return act


def _submit(chain: Chain, count: int = 2) -> None:
    sender = wallet(0, chain.states.get_account(chain.head.header.state_root, wallet(0).key.address).nonce)
    for _ in range(count):
        chain.submit(bytes.fromhex(sender.sign(TARGET, value=1, gas=25_000)[2:]))


def _submit_and_save(chain: Chain) -> None:
    if not len(chain.pool):
        _submit(chain)
    chain.save()


def _mine_some(chain: Chain) -> None:
    for _ in range(3):
        _submit(chain, 1)
        chain.mine()


def _mine_once(chain: Chain) -> None:
    if len(chain.pool):
        chain.mine()


def _reorganise_once(chain: Chain) -> None:
    if not chain.head.header.extra_data:
        chain.reorganise(2, Dropped.POOL)


def _shift_once(chain: Chain) -> None:
    if chain._get_integer("time_offset") == 0:
        chain.increase_time(100)


def _chain_file(folder: Path) -> Any:
    return dump_database(folder / "chain.sqlite")


def _tables(folder: Path) -> Any:
    found = dump_database(folder / "chain.sqlite")
    return found and (found[0], sorted(found[1]))


def _blocks(folder: Path) -> Any:
    found = dump_database(folder / "chain.sqlite")
    return found and found[1]["blocks"]


def _nothing(folder: Path) -> None:
    return None


def _no_tables_yet(folder: Path) -> None:
    Database(folder / "chain.sqlite").close()


def _prepared(work: Callable[[Chain], object], finality_lag: int = 1) -> Callable[[Path], None]:
    return lambda folder: _on_chain(work, finality_lag)(folder, PLAIN_DISK)


def _whole_file(point: PersistPoint) -> Scenario:
    """A file that is written whole by ``Disk.replace``."""
    return Scenario(
        prepare=lambda folder: PLAIN_DISK.replace(point, folder / "file", b"old content" * 100),
        act=lambda folder, disk: disk.replace(point, folder / "file", b"new" * 1000),
        observe=lambda folder: (folder / "file").read_bytes(),
    )


def _key(folder: Path) -> str | None:
    path = folder / "some.key"
    return f"key of {len(load_key_file(path).address)} bytes" if path.exists() else None


def _sealer(folder: Path) -> str | None:
    path = folder / "sealer.key"
    return f"key of {len(load_sealer(path, False).address)} bytes" if path.exists() else None


def kept_ceremony(sealed: bytes) -> KeptCeremony:
    """What a gatekeeper keeps, with any blob."""
    member = GatekeeperMember(Address(b"o" * 20), Address(b"s" * 20), b"k" * 32, Digest(b"d" * 32))
    return KeptCeremony(FirstCommittee(NetworkId(b"n" * 32), 1, (member,), b"g" * 65), sealed)


def _save_ceremony(folder: Path, disk: Disk) -> None:
    CeremonyFile(folder / "gatekeeper.json", disk).update(sealed=b"share", is_done=True, has_share=True)


_CHECKPOINT = kept_checkpoint()


def _held(folder: Path, disk: Disk) -> CheckpointFolder:
    return CheckpointFolder(folder / "held", disk, PersistPoint.HOLDER_CHECKPOINT)


def _journal(folder: Path, disk: Disk = PLAIN_DISK) -> Journal:
    return Journal(folder / "authors" / "me.jsonl", disk)


def _remember(folder: Path, disk: Disk) -> None:
    _journal(folder, disk).remember(ClusterId(b"c" * 32), 2, 0, 22)


def _write_opening(folder: Path, disk: Disk) -> None:
    if not (folder / "opening").exists():
        write_opening(folder / "opening", Opening(Digest(b"c" * 32), b"s" * 32), disk)


def _begin_deployment(folder: Path, disk: Disk) -> None:
    plan = Plan(Address(b"o" * 20), CodeHash(b"h" * 32), ClusterId(b"c" * 32), (), b"arguments", 7)
    with deployment_note(folder, plan, disk):
        pass


def _notes(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.glob("unfinished/*") if not path.suffix]


def _on_store(work: Callable[[Store], object], max_bytes: int = 1 << 30) -> Callable[[Path, Disk], None]:
    def act(folder: Path, disk: Disk) -> None:
        with Store(folder / "cache.sqlite", NETWORK, CLUSTER, max_bytes, disk) as store:
            work(store)

    return act


def _fill_store(store: Store) -> None:
    for number in range(3):
        store.add_link(executed(number, size=20_000))
        store.add_receipt(receipt(number, number, number + 1))


def _store_scenario(work: Callable[[Store], object], max_bytes: int = 1 << 30) -> Scenario:
    return Scenario(
        prepare=lambda folder: _on_store(_fill_store)(folder, PLAIN_DISK),
        act=_on_store(work, max_bytes),
        observe=lambda folder: dump_database(folder / "cache.sqlite"),
    )


SCENARIOS = {
    PersistPoint.KEY_FILE: Scenario(
        _nothing, lambda folder, disk: void(write_key_file(folder / "some.key", disk)), _key
    ),
    PersistPoint.NODE_SEALER: Scenario(
        _nothing, lambda folder, disk: void(load_sealer(folder / "sealer.key", True, disk)), _sealer
    ),
    PersistPoint.UP_STATE: Scenario(
        lambda folder: void(UpState(folder / "state.json").keep("first", 1)),
        lambda folder, disk: void(UpState(folder / "state.json", disk).keep("second", 2)),
        lambda folder: [UpState(folder / "state.json").get(name) for name in ("first", "second")],
    ),
    PersistPoint.UP_GENESIS: _whole_file(PersistPoint.UP_GENESIS),
    PersistPoint.UP_NETWORK: _whole_file(PersistPoint.UP_NETWORK),
    PersistPoint.GATEKEEPER_SHARE: Scenario(
        lambda folder: CeremonyFile(folder / "gatekeeper.json").save(kept_ceremony(b"secret of the ceremony")),
        _save_ceremony,
        lambda folder: CeremonyFile(folder / "gatekeeper.json").load()
    ),
    PersistPoint.GATEKEEPER_PAD: Scenario(
        lambda folder: CeremonyFile(folder / "gatekeeper.json").save(kept_ceremony(b"under a pad")),
        lambda folder, disk: CeremonyFile(folder / "gatekeeper.json", disk).update(
            PersistPoint.GATEKEEPER_PAD, sealed=b"under the next one"
        ),
        lambda folder: CeremonyFile(folder / "gatekeeper.json").load()
    ),
    PersistPoint.HOLDER_CHECKPOINT: Scenario(
        prepare=_nothing,
        act=lambda folder, disk: _held(folder, disk).keep(*_CHECKPOINT),
        observe=lambda folder: _held(folder, PLAIN_DISK).find(_CHECKPOINT[0]),
    ),
    PersistPoint.CUSTODIAN_FILE: _whole_file(PersistPoint.CUSTODIAN_FILE),
    PersistPoint.WORKER_CHECKPOINT: _whole_file(PersistPoint.WORKER_CHECKPOINT),
    PersistPoint.WORKER_NATIVE_CODE: _whole_file(PersistPoint.WORKER_NATIVE_CODE),
    PersistPoint.CLIENT_NATIVE_CODE: Scenario(
        lambda folder: guest_cache._write(folder / "guests" / "a.native", b"old" * 100, PLAIN_DISK),
        lambda folder, disk: guest_cache._write(folder / "guests" / "a.native", b"new" * 100, disk),
        lambda folder: guest_cache._read(folder / "guests" / "a.native"),
    ),
    PersistPoint.CLIENT_RECEIPT: _whole_file(PersistPoint.CLIENT_RECEIPT),
    PersistPoint.CLIENT_DEPLOYMENT: Scenario(
        _nothing, _begin_deployment, _notes
    ),
    PersistPoint.CLIENT_OPENING: Scenario(
        _nothing,
        _write_opening,
        lambda folder: read_opening(folder / "opening") if (folder / "opening").exists() else None,
    ),
    PersistPoint.CLIENT_PROJECT: _whole_file(PersistPoint.CLIENT_PROJECT),
    PersistPoint.CLIENT_JOURNAL: Scenario(
        lambda folder: _journal(folder).remember(ClusterId(b"c" * 32), 1, 0, 11),
        _remember,
        lambda folder: [_journal(folder).find(ClusterId(b"c" * 32), link, 0) for link in (1, 2)],
    ),
    PersistPoint.NODE_TABLES: Scenario(
        _nothing, lambda folder, disk: Database(folder / "chain.sqlite", disk).close(), _tables
    ),
    PersistPoint.NODE_GENESIS: Scenario(_no_tables_yet, _on_chain(lambda chain: None), _blocks),
    PersistPoint.NODE_START: Scenario(_prepared(_mine_some), _on_chain(lambda chain: None, 0), _chain_file),
    PersistPoint.NODE_POOL: Scenario(_prepared(_mine_some), _on_chain(_submit_and_save), _chain_file),
    PersistPoint.NODE_BLOCK: Scenario(_prepared(_submit_and_save), _on_chain(_mine_once), _chain_file),
    PersistPoint.NODE_REORGANISATION: Scenario(_prepared(_mine_some), _on_chain(_reorganise_once), _chain_file),
    PersistPoint.NODE_TIME: Scenario(_prepared(_mine_some), _on_chain(_shift_once), _chain_file),
    PersistPoint.WORKER_CACHE: Scenario(
        _nothing, _on_store(lambda store: None), lambda folder: dump_database(folder / "cache.sqlite")
    ),
    PersistPoint.WORKER_LINK: _store_scenario(lambda store: store.add_link(executed(7))),
    PersistPoint.WORKER_RECEIPT: _store_scenario(lambda store: store.add_receipt(receipt(3, 3, 4))),
    PersistPoint.WORKER_DELIVERY: _store_scenario(lambda store: store.mark_delivered(b"q" * 32)),
    PersistPoint.WORKER_PRUNING: _store_scenario(lambda store: store._prune(), max_bytes=130_000),
}


def void(result: object) -> None:
    """Nothing, whatever something returned."""
