"""Hosts' files with flipped bits, cut, emptied and overlong: refused by code, or made again; never believed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coprocessor.attesters.simulated import SECRET_FILE, SimulatedAttester
from coprocessor.chain.keyfile import load_key_file, write_key_file
from coprocessor.client.target import load_target
from coprocessor.durable.errors import DiskFailed
from coprocessor.host.ceremony import CeremonyFile
from coprocessor.host.store import Store
from coprocessor.host.up_state import UpState
from coprocessor.protocol.genesis import network_to_json
from coprocessor.values.errors import CoprocessorError
from tests.faults.scenarios import kept_ceremony
from tests.host.test_store import CLUSTER, NETWORK, executed, receipt
from tests.protocol.samples import make_network

LINKS = 8


def spoiled(content: bytes, rng: random.Random) -> list[bytes]:
    """The content cut, emptied, overlong, with noise, and with single bits flipped."""
    cuts = [content[: len(content) * part // 7] for part in range(7)]
    flips = []
    for _ in range(40):
        data = bytearray(content)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        flips.append(bytes(data))
    return [*cuts, *flips, content + content, bytes(len(content)), rng.randbytes(len(content)), b"\xff" * 3000]


FILES: dict[str, tuple[Callable[[Path], object], Callable[[Path], Any], set[str]]] = {
    "share": (
        lambda path: CeremonyFile(path).save(kept_ceremony(b"share" * 20)),
        lambda path: CeremonyFile(path).load(),
        {"gatekeeper.file"},
    ),
    "key": (write_key_file, load_key_file, {"key.malformed", "key.not_found"}),
    "up": (lambda path: UpState(path).keep("port a", 1234), UpState, {"up.state"}),
    "network": (
        lambda path: path.write_text(network_to_json(make_network(), {"rpc": "http://127.0.0.1:1"})),
        lambda path: load_target(path),
        set(),  # every malformed code of a network description; the pinned id covers what is well-formed
    ),
    "platform": (
        lambda path: SimulatedAttester.open(path.parent, b"m" * 32).seal_key(b"") and path.write_bytes(b"s" * 32),
        lambda path: SimulatedAttester.open(path.parent, b"m" * 32),
        {"attestation.platform_secret"},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_raises_a_code_and_nothing_else(name: str, tmp_path: Path) -> None:
    write, read, codes = FILES[name]
    path = tmp_path / (SECRET_FILE if name == "platform" else f"{name}.json")
    write(path)
    read(path)
    content, found = path.read_bytes(), set()
    for data in spoiled(content, random.Random(name)):
        path.write_bytes(data)
        try:
            read(path)
        except CoprocessorError as error:
            found.add(error.code)
    assert found
    assert not codes or found <= codes


def fill(path: Path) -> None:
    with Store(path, NETWORK, CLUSTER) as store:
        for link in range(LINKS):
            store.add_link(executed(link, size=3_000))
            store.add_receipt(receipt(link, link, link + 1))


def everything(path: Path) -> tuple[list[Any], bool]:
    """What a cache serves, and whether it noticed damage on the way."""
    served: list[Any] = []
    with Store(path, NETWORK, CLUSTER) as store:
        for link in range(LINKS):
            for question in (store.outputs_of_link, store.receipt_of_link, store.receipt):
                try:
                    served.append(question(link))
                except DiskFailed as error:
                    served.append(None if error.code == "disk.damaged" else error.code)
        was_damaged = store.is_damaged
        if was_damaged:
            store.make_anew()
            assert not store.is_damaged
            assert store.output(0, 0) is None
            store.add_link(executed(0))
            assert store.output(0, 0) is not None
    return served, was_damaged


def test_a_damaged_cache_serves_what_is_right_or_nothing(tmp_path: Path) -> None:
    origin = tmp_path / "origin.sqlite"
    fill(origin)
    with sqlite3.connect(origin) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    content, right = origin.read_bytes(), everything(origin)[0]
    rng, noticed, emptied = random.Random(3), 0, 0
    for at in range(120):
        data = bytearray(content)
        for _ in range(1 + at % 5):
            data[rng.randrange(100, len(data))] ^= 1 << rng.randrange(8)
        path = tmp_path / f"{at}.sqlite"
        path.write_bytes(data)
        served, was_damaged = everything(path)
        for got, wanted in zip(served, right, strict=True):
            assert got in (wanted, None, [])
        noticed += was_damaged
        emptied += all(not one for one in served)
    assert noticed > 10
    assert emptied > 3
