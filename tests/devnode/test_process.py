"""The node as a process: crashes, restarts, locks, ports, keys, finality over RPC."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.devnode.options import NodeOptions
from coprocessor.devnode.process import serve
from coprocessor.devnode.running import RunningNode, locked_folder
from coprocessor.values.errors import CoprocessorError
from tests.devnode.contract import call_data, deploy, wallet
from tests.support.node import DevNode, RpcFailure, run_dev_node

TARGET = "0x" + "77" * 20
START_SECONDS = 60


def snapshot(node: DevNode, probe: str) -> dict[str, Any]:
    head = node.call("eth_getBlockByNumber", "latest", True)
    return {
        "head": head,
        "finalized": node.call("eth_getBlockByNumber", "finalized", False),
        "logs": node.call("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"}),
        "receipts": node.call("eth_getBlockReceipts", "latest"),
        "proof": node.call("eth_getProof", probe, ["0x0", "0x1"], "latest"),
        "headers": node.call("coproc_getRawHeaders", "0x0", head["number"]),
        "seal": node.call("coproc_getSeals", node.call("eth_getBlockByNumber", "finalized", False)["hash"]),
        "sealers": node.call("coproc_sealers"),
    }


def test_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with run_dev_node(data=tmp_path, finality_lag=1) as node:
        owner = wallet(0)
        probe = deploy(node, owner)
        note = call_data("note(uint256,bytes32,bytes,uint256)", 1, bytes(32), b"x", 2)
        raws = [owner.sign(probe.address, note) for _ in range(20)]
        mined = [node.call("eth_sendRawTransaction", raw) for raw in raws]
        before = snapshot(node, probe.address)
        node.kill()
        node.restart()
        assert snapshot(node, probe.address) == before
        assert all(node.call("eth_getTransactionReceipt", digest)["status"] == "0x1" for digest in mined)
        again = node.call("eth_sendRawTransaction", owner.sign(probe.address, note))
        assert node.call("eth_getTransactionReceipt", again)["status"] == "0x1"
        assert node.stop() == 0


def test_kill_loses_no_waiting_transaction(tmp_path: Path) -> None:
    with run_dev_node(data=tmp_path, block_time=3600) as node:
        sender = wallet(0)
        waiting = [node.call("eth_sendRawTransaction", sender.sign(TARGET, gas=21_000)) for _ in range(5)]
        gap = node.call("eth_sendRawTransaction", sender.sign(TARGET, gas=21_000, nonce=7))
        assert node.call("eth_blockNumber") == "0x0"
        node.kill()
        node.restart()
        assert node.call("eth_getTransactionCount", sender.address, "pending") == "0x5"
        node.call("evm_mine")
        block = node.call("eth_getBlockByNumber", "latest", False)
        assert block["transactions"] == waiting
        assert node.call("eth_getTransactionByHash", gap)["blockHash"] is None


def test_blocks_come_at_the_interval() -> None:
    with run_dev_node(block_time=0.05) as node:
        digest = node.call("eth_sendRawTransaction", wallet(0).sign(TARGET, gas=21_000))
        for _ in range(100_000):
            if node.call("eth_getTransactionReceipt", digest) and int(node.call("eth_blockNumber"), 16) > 2:
                break
        else:
            raise AssertionError("no blocks came")
        node.call("evm_setIntervalMining", 0)
        stopped = node.call("eth_blockNumber")
        node.call("eth_sendRawTransaction", wallet(0, 1).sign(TARGET, gas=21_000))
        assert node.call("eth_blockNumber") == stopped
        node.call("evm_setAutomine", True)
        assert node.call("eth_blockNumber") == hex(int(stopped, 16) + 1)


def test_finality_seals_and_reorganisation_over_rpc() -> None:
    with run_dev_node(finality_lag=2) as node:
        node.call("evm_mine", {"blocks": 6})

        def block(tag: str) -> dict[str, Any]:
            return dict(node.call("eth_getBlockByNumber", tag, False))

        assert [int(block(tag)["number"], 16) for tag in ("latest", "safe", "finalized", "earliest")] == [6, 4, 2, 0]
        unfinalised = block("0x3")["hash"]
        with pytest.raises(RpcFailure, match="block 3 is not finalized: finalized is 2"):
            node.call("coproc_getSeals", unfinalised)
        assert node.call("coproc_getSeals", block("finalized")["hash"])["blockNumber"] == "0x2"
        with pytest.raises(RpcFailure, match="unknown block"):
            node.call("coproc_getSeals", "0x" + "12" * 32)
        with pytest.raises(RpcFailure, match="take back finalized block"):
            node.call("coproc_reorg", 5)
        replaced = node.call("coproc_reorg", 4)
        assert block("latest")["hash"] == replaced["blockHash"]
        assert block("0x3")["hash"] != unfinalised
        assert node.call("eth_getBlockByHash", unfinalised, False) is None
        node.call("evm_mine", {"blocks": 2})
        with pytest.raises(RpcFailure, match="unknown block"):
            node.call("coproc_getSeals", unfinalised)  # left behind: never sealed
        assert node.call("coproc_getSeals", block("0x3")["hash"])["blockNumber"] == "0x3"


def test_time_can_be_steered() -> None:
    with run_dev_node() as node:

        def now() -> int:
            return int(node.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

        start = now()
        assert node.call("evm_increaseTime", 10_000) == 10_000
        node.call("evm_mine")
        assert now() >= start + 10_000
        node.call("evm_setNextBlockTimestamp", start + 50_000)
        node.call("evm_mine")
        assert now() == start + 50_000
        node.call("anvil_mine", "0x3", "0x64")
        assert now() >= start + 50_200


def run_and_fail(*arguments: str) -> str:
    command = [sys.executable, "-m", "coprocessor.devnode", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    return result.stderr


def test_failures_to_start_are_told_in_a_line(tmp_path: Path) -> None:
    assert "devnode.options" in run_and_fail("--data", str(tmp_path), "--block-time", "0")
    upstream = ("--upstream", "http://127.0.0.1:1")
    assert "devnode.upstream" in run_and_fail("--data", str(tmp_path), "--port", "0", *upstream)


def start(data: Path, **options: Any) -> RunningNode:
    """Start a node in this process and stop it again."""

    async def run() -> RunningNode:
        async with serve(NodeOptions(data=data, **{"port": 0, **options})) as node:
            return node

    return asyncio.run(run())


def refuse(code: str, data: Path, **options: Any) -> str:
    """The error of a node that must not start."""
    with pytest.raises(CoprocessorError) as failure:
        start(data, **options)
    assert failure.value.code == code
    return str(failure.value)


def test_one_process_per_folder(tmp_path: Path) -> None:
    with locked_folder(tmp_path):
        refuse("devnode.locked", tmp_path)
    start(tmp_path)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert str(port) in refuse("devnode.port", tmp_path, port=port)


def test_a_foreign_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "chain.sqlite").write_bytes(b"something else entirely" * 100)
    refuse("disk.damaged", tmp_path)


def test_another_release_is_told(tmp_path: Path) -> None:
    start(tmp_path)
    with sqlite3.connect(tmp_path / "chain.sqlite") as connection:
        connection.execute("pragma user_version = 99")
    assert "version 99" in refuse("devnode.data", tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refuse("devnode.data", tmp_path / "file")


def test_a_chain_keeps_its_id(tmp_path: Path) -> None:
    assert start(tmp_path, chain_id=77).chain_id == 77
    assert start(tmp_path, chain_id=78).chain_id == 77


def test_the_sealer_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = start(tmp_path).sealer
    assert stat.S_IMODE((tmp_path / "sealer.key").stat().st_mode) == 0o600
    assert start(tmp_path).sealer == first


def test_a_given_sealer_key_is_used(tmp_path: Path) -> None:
    key = tmp_path / "given.key"
    key.write_text("0x" + "11" * 32 + "\n")
    assert start(tmp_path / "a", sealer_key=key).sealer == "0x" + PrivateKey(b"\x11" * 32).address.hex()
    for wrong in ("11" * 31, "zz" * 32, "00" * 32, ""):
        key.write_text(wrong)
        error = refuse("devnode.sealer_key", tmp_path / "b", sealer_key=key)
        assert not wrong or wrong not in error
    refuse("devnode.sealer_key", tmp_path / "b", sealer_key=tmp_path / "absent")


@pytest.mark.parametrize(
    "options",
    [
        {"port": 65_536},
        {"chain_id": 0},
        {"gas_limit": 16_777_215},
        {"finality_lag": -1},
        {"block_time": 0.0},
        {"block_time": 3_601.0},
    ],
)
def test_options_have_ranges(tmp_path: Path, options: dict[str, Any]) -> None:
    refuse("devnode.options", tmp_path, **options)
