"""Three gatekeeper hosts with real enclaves and a real node make the beacon's key and values; two stop, and it falls
back; one comes back, and it goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coprocessor.chain.deployment import DEVELOPMENT_BEACON_WINDOW as WINDOW
from coprocessor.crypto.bls import check_public_key
from coprocessor.crypto.hashing import keccak256
from coprocessor.host import beacon, key_ceremony
from coprocessor.keys.beacon import BeaconRound, verify_beacon
from coprocessor.protocol.genesis import compute_network_id
from tests.host.running import SECONDS, RunningHosts, running_committee
from tests.support.node import run_dev_node


async def key_of(hosts: RunningHosts) -> bytes:
    """The beacon's key, once it is recorded and each host's enclave has its share."""
    contract = hosts.contracts["Beacon"]
    while await contract.read("committee") == 0:
        await asyncio.sleep(0.05)
    recorded = (await contract.read("keys", 1))[3]
    logs = await hosts.node.logs([contract.address], [contract.interface.event("Completed").topic], recorded, recorded)
    return bytes(contract.events(logs, "Completed")[0]["beacon_key"])


async def mine_to(hosts: RunningHosts, number: int) -> None:
    head = await hosts.node.block("latest")
    assert head is not None
    if head.number < number:
        await hosts.node.rpc.call("anvil_mine", hex(number - head.number), into=object)


async def next_height(hosts: RunningHosts) -> int:
    """A height whose window begins now."""
    head = await hosts.node.block("latest")
    assert head is not None
    height = (head.number // WINDOW + 1) * WINDOW
    await mine_to(hosts, height)
    return height


async def value_at(hosts: RunningHosts, height: int) -> tuple[bytes, int, bool]:
    while True:
        value, committee, is_fallback = await hosts.contracts["Beacon"].read("values", height)
        if any(value):
            return value, committee, is_fallback
        await asyncio.sleep(0.05)


async def verified(hosts: RunningHosts, key: bytes, height: int) -> bool:
    """Whether the value on the chain is the hash of the key's signature that the log carries."""
    value, committee, is_fallback = await value_at(hosts, height)
    contract = hosts.contracts["Beacon"]
    topics = [contract.interface.event("Posted").topic, height.to_bytes(32, "big")]
    head = await hosts.node.block("latest")
    assert head is not None
    (posted,) = contract.events(await hosts.node.logs([contract.address], topics, height, head.number), "Posted")
    round_ = BeaconRound(compute_network_id(hosts.network), height, insecure=True)
    found = verify_beacon(check_public_key(key), round_, posted["signature"])
    return (found, 1, False) == (value, committee, is_fallback) and found == keccak256(posted["signature"])


def test_a_key_and_values_while_members_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beacon, "BEGIN_SECONDS", 0.0)
    monkeypatch.setattr(beacon, "TURN_SECONDS", 0.3)
    monkeypatch.setattr(beacon, "QUIET_SECONDS", SECONDS)  # nobody is left out for being slow
    monkeypatch.setattr(key_ceremony, "QUIET_SECONDS", SECONDS)
    with run_dev_node() as node, running_committee(tmp_path, node.url, members=3, threshold=2) as hosts:
        key = hosts.run(key_of(hosts))
        first = hosts.run(next_height(hosts))
        assert hosts.run(verified(hosts, key, first))

        hosts.run(hosts.stop_gatekeeper(1))
        second = hosts.run(next_height(hosts))
        assert hosts.run(verified(hosts, key, second))

        hosts.run(hosts.stop_gatekeeper(2))  # one of three cannot make a value alone
        missed = hosts.run(next_height(hosts))
        hosts.run(mine_to(hosts, missed + 2 * WINDOW + 1))
        value, committee, is_fallback = hosts.run(value_at(hosts, missed))
        assert (committee, is_fallback, len(value)) == (0, True, 32)

        hosts.run(hosts.restart_gatekeeper(2))
        third = hosts.run(next_height(hosts))
        assert hosts.run(verified(hosts, key, third))
