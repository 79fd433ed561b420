"""Two clusters in one network: each has its workers, its programs and its owner's terms; and one worker is broken.

The memory of its real processes opens its own cluster, and nothing of the other. The same attack over cores, with every
kind of ciphertext and with the defence switched off, is in ``tests/attacks``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coprocessor.chain.code import fetch_code
from coprocessor.chain.development import development_keys
from coprocessor.chain.inbox import InboxFollower
from coprocessor.client.audit import replay_network
from coprocessor.client.network import AsyncNetwork, aconnect
from coprocessor.client.target import load_target
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.protocol.commands import Destination
from coprocessor.protocol.items import decode_items
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.private_code import decode_private_code, is_private_code
from coprocessor.protocol.sealed_init import InitPlace
from coprocessor.protocol.system import decode_instantiation
from coprocessor.values.identities import ClusterId, ProgramId, WorkerId, from_hex, to_hex
from tests.attacks.sealed import Sealed, derive_lock, hpke
from tests.attacks.thief import Thief
from tests.e2e.conftest import COUNTER, Gatekeepers
from tests.support.live import LiveNetwork, phat, running_network, status_of, wait_until, write_key
from tests.support.memory import descendants, find_in_memory, is_memory_readable, python_bytes
from tests.support.node import RpcClient

_LOG = logging.getLogger(__name__)
_INIT_HEAD = 24
GRACE_SECONDS = 60  # longer than that of development networks
HOSTS = ("gatekeeper-0", "worker-0", "worker-1")
_NO_KEY = bytes(96)


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNetwork]:
    folder = tmp_path_factory.mktemp("clusters") / "net"
    with running_network(folder, "--clusters", "2", "--workers", "2") as network:
        yield network


class Recording(Thief):
    """Keeps the secrets of the epochs that it finds."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.secrets: dict[ClusterIdentity, bytes] = {}

    def _try_secret(self, secret: bytes, identity: ClusterIdentity) -> None:
        super()._try_secret(secret, identity)
        if ClusterKeys(secret, identity).private_code_key.public_key == self.code_keys[identity]:
            self.secrets[identity] = secret


async def sealed_on_chain(net: AsyncNetwork, cluster: ClusterId) -> tuple[list[Sealed], bytes]:
    """Every input, private code and sealed constructor arguments of a cluster, and its code key."""
    session, found, at = net.session, [], (cluster, 1)
    programs, head = session.contracts["Programs"], (await session.chain.refresh()).header.number
    code_key: bytes = await programs.read("input_keys", cluster, 1)
    handles: dict[int, ProgramId] = {}
    async for links in InboxFollower(session.node, session.contracts["Inbox"], cluster).links(head):
        for link in links:
            if link.kind == LinkKind.INSTANTIATE:
                made = decode_instantiation(link.payload)
                handles[made.handle] = made.program
                where = InitPlace(session.network_id, cluster, 1, made.program)
                found.append(hpke("init", at, ("code",), code_key, made.init[_INIT_HEAD:], where.info()))
                published = b"".join(await fetch_code(session.node, programs, made.code_hash, head))
                assert is_private_code(published)
                record = decode_private_code(published)
                info = record.info(session.network_id)
                found.append(hpke("code", at, ("code",), code_key, record.sealed, info))
            elif link.kind == LinkKind.SUBMIT:
                for item in decode_items(link):
                    program = handles[item.handle]
                    inbox, chain_id = session.contracts["Inbox"].address, session.target.network.configuration.chain_id
                    place = Destination(session.network_id, chain_id, inbox, program, 1, link.kind, link.origin)
                    info = place.info(item.fuel_limit, item.fee_limit)
                    key: bytes = await programs.read("input_keys", program, 1)
                    found.append(hpke("input", at, ("input", program), key, item.sealed, info))
    return found, code_key


def url_of(network: LiveNetwork, number: int) -> str:
    """Where the worker that ``phat up`` started as this one is reached."""
    port = json.loads((network.folder / "state.json").read_text())["values"][f"port worker-{number}"]
    return f"http://127.0.0.1:{port}"


def enclave_of(network: LiveNetwork, number: int) -> int:
    """Its core's process."""
    return int(status_of(url_of(network, number))["enclave_pid"])


def needles(secret: bytes, identity: ClusterIdentity, objects: list[Sealed]) -> set[bytes]:
    """A cluster's secret and every key below it that opens one of its objects."""
    keys = ClusterKeys(secret, identity)
    return {secret} | {derive_lock(one.lock, keys) for one in objects if one.cluster == identity.cluster}


def test_the_memory_of_one_worker_opens_nothing_of_the_other_cluster(clusters: LiveNetwork) -> None:
    if not is_memory_readable(clusters.process.pid):
        pytest.skip("this machine does not let us read the memory of our own processes")
    where = ("--network", str(clusters.folder))
    ids = [ClusterId(from_hex(one["cluster"], 32)) for one in phat("cluster", *where)["clusters"]][:2]
    programs = []
    for cluster in ids:
        for start in ("5", "6"):
            words = ("--arg", f"start={start}", "--cluster", "0x" + cluster.hex(), "--private")
            program = str(phat("deploy", str(COUNTER), *words, *where)["program"])
            phat("call", program, "add", "1", *where)
            programs.append(from_hex(program, 32))

    async def read() -> tuple[list[Sealed], dict[ClusterIdentity, bytes]]:
        objects: list[Sealed] = []
        epochs: dict[ClusterIdentity, bytes] = {}
        async with await aconnect(str(clusters.folder)) as net:
            for cluster in ids:
                found, code_key = await sealed_on_chain(net, cluster)
                objects += found
                epochs[ClusterIdentity(net.session.network_id, cluster, 1, insecure=True)] = code_key
        return objects, epochs

    objects, epochs = asyncio.run(read())
    identities, known = list(epochs), {*ids, *programs}
    pids = [descendants(enclave_of(clusters, number)) for number in (0, 1)]
    thieves = []
    for processes in pids:
        thief = Recording(objects, epochs, _NO_KEY, 1)
        thief.search(word for pid in processes for word in python_bytes(pid, (16, 32, 48), known))
        thieves.append(thief)
        counts = [thief.count(cluster, "input", "code", "init") for cluster in ids]
        _LOG.info("%s words, open: %s and %s of %s objects", len(thief.words), *counts, len(objects))
    for own, (thief, processes) in enumerate(zip(thieves, pids, strict=True)):
        other = 1 - own
        for kind in ("input", "code", "init"):
            assert thief.count(ids[own], kind) == thief.total(ids[own], kind) == 2, kind
        assert thief.count(ids[other]) == 0
        mine = needles(thief.secrets[identities[own]], identities[own], objects)
        theirs = needles(thieves[other].secrets[identities[other]], identities[other], objects)
        found = set().union(*(find_in_memory(pid, mine | theirs) for pid in processes))
        assert found & mine, "the search does not find what is there"
        assert not found & theirs, "a key of the other cluster lies in this worker's memory"


def test_programs_run_where_they_are_deployed(clusters: LiveNetwork, tmp_path: Path) -> None:
    where = ("--network", str(clusters.folder))
    listed = phat("cluster", *where)["clusters"]
    first, second = (one["cluster"] for one in listed)
    assert [one["members"] for one in listed] == [1, 1]
    assert clusters.hints["cluster"] == first

    programs = [
        str(phat("deploy", str(COUNTER), "--arg", f"start={start}", "--cluster", cluster, *where)["program"])
        for start, cluster in ((5, first), (7, second))
    ]
    assert [phat("query", program, "get", *where)["result"] for program in programs] == [5, 7]
    assert phat("call", programs[1], "add", "1", *where)["result"] == 8

    unnamed = phat("epoch", "raise", *where, fails=True)
    assert unnamed["code"] == "cluster.which"
    assert first in unnamed["why"]
    assert second in unnamed["why"]
    assert phat("epoch", "raise", "--cluster", second, *where)["present"] == 2
    assert [one["epoch"] for one in phat("cluster", *where)["clusters"]] == [1, 2]

    key = development_keys()[3]
    owner = ("--key", str(write_key(tmp_path / "owner", key.secret)))
    made = phat("cluster", "create", "--quorum", "2", "--dispute-window", "9", "--closed", *owner, *where)
    shown = phat("cluster", "show", "--cluster", made["cluster"], *where)
    assert shown == made
    assert (shown["owner"], shown["quorum"], shown["fast_quorum"]) == (to_hex(key.address), 2, 2)
    assert (shown["dispute_window"], shown["open"], shown["members"]) == (9, False, 0)
    impossible = ("--quorum", "3", "--fast-quorum", "2")
    assert phat("cluster", "create", *impossible, *where, fails=True)["code"] == "cluster.terms"
    assert phat("cluster", "show", "--cluster", "0x" + "11" * 32, *where, fails=True)["code"] == "cluster.unknown"


def test_a_cluster_comes_back_from_what_another_clusters_worker_holds(clusters: LiveNetwork) -> None:
    """The gatekeeper is away while the epoch is closed, then all disks of the cluster are lost. The machine that was
    lost with them is distrusted at last, and the member that stays changes the keys by itself."""
    where = ("--network", str(clusters.folder))
    own = ("--cluster", phat("cluster", *where)["clusters"][0]["cluster"], *where)
    program = str(phat("deploy", str(COUNTER), "--arg", "start=1", *own)["program"])
    assert phat("call", program, "add", "1", *where)["result"] == 2
    assert phat("epoch", "raise", *own)["present"] == 2
    first = status_of(url_of(clusters, 0))
    assert first["cluster"] == own[1]
    wait_until(lambda: status_of(url_of(clusters, 0))["epoch"] == 2)
    assert phat("call", program, "add", "1", *where)["result"] == 3

    gatekeepers = Gatekeepers(clusters)
    gatekeepers.kill(0)
    rpc = RpcClient(clusters.hints["rpc"])
    rpc.call("evm_increaseTime", GRACE_SECONDS)
    rpc.call("evm_mine")
    wait_until(lambda: phat("epoch", *own)["first_open"] == 2)
    held = [list((clusters.folder / host / "held" / own[1][2:]).glob("*.checkpoint")) for host in HOSTS]
    assert [len(found) for found in held] == [0, 0, 1], "the other cluster's worker alone"
    gatekeepers.let_go()

    folder = clusters.folder / "worker-0"
    folder.rename(folder.with_name("lost"))
    os.kill(first["pid"], signal.SIGKILL)
    shutil.rmtree(folder.with_name("lost"))
    wait_until(lambda: status_of(url_of(clusters, 0)).get("state") == "running", 120)
    assert status_of(url_of(clusters, 0))["worker"] != first["worker"]
    assert "begins after" in (clusters.folder / "logs" / "worker-0.log").read_text()
    assert phat("call", program, "add", "1", *where)["result"] == 4

    stays = status_of(url_of(clusters, 0))["worker"]
    holders = phat("keys", "lineage", program, *where)["epochs"][1]["holders"]
    assert {one["worker"] for one in holders} == {first["worker"], stays}
    phat("policy", "distrust", platform_of(clusters, first["worker"]), *where)
    wait_until(lambda: phat("epoch", *own)["present"] == 3, 120)
    wait_until(lambda: status_of(url_of(clusters, 0))["epoch"] == 3)
    assert phat("call", program, "add", "1", *where)["result"] == 5
    holders = phat("keys", "lineage", program, *where)["epochs"][2]["holders"]
    assert [one["worker"] for one in holders] == [stays]


def platform_of(network: LiveNetwork, worker: str) -> str:
    """The machine of an admitted worker."""
    state = asyncio.run(replay_network(load_target(str(network.folder))))
    return to_hex(state.workers[WorkerId(from_hex(worker, 32))].live.platform)
