"""Sealed headers in front of another node: anvil, and one that lies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey, recover_address
from coprocessor.devnode.errors import RpcError
from coprocessor.devnode.seals import compute_seal_digest
from coprocessor.devnode.upstream import Upstream, UpstreamProxy
from coprocessor.values.identities import Digest
from tests.devnode.contract import CHAIN_ID, deploy, wallet
from tests.support.anvil import run_anvil
from tests.support.node import DevNode, RpcFailure, run_dev_node

LAG = 2


@pytest.fixture(scope="module", params=["prague", "osaka"])
def node(request: pytest.FixtureRequest) -> Iterator[DevNode]:
    with (
        run_anvil("--slots-in-an-epoch", str(LAG), hardfork=request.param) as anvil,
        run_dev_node("--upstream", anvil.url) as node,
    ):
        node.call("anvil_mine", "0x8")
        yield node


def test_everything_else_is_forwarded(node: DevNode) -> None:
    assert node.chain_id == CHAIN_ID
    assert node.call("web3_clientVersion").startswith("anvil/")
    with pytest.raises(RpcFailure):
        node.call("eth_noSuchMethod")
    assert deploy(node, wallet(0)).read("total()", "uint256") == 7
    replies = node.batch([("eth_chainId", []), ("eth_blockNumber", [])])
    assert replies[0]["result"] == hex(CHAIN_ID)


def test_headers_are_rebuilt(node: DevNode) -> None:
    head = int(node.call("eth_blockNumber"), 16)
    headers = node.call("coproc_getRawHeaders", "0x0", hex(head))
    hashes = [node.call("eth_getBlockByNumber", hex(n), False)["hash"] for n in range(head + 1)]
    assert ["0x" + keccak256(bytes.fromhex(header[2:])).hex() for header in headers] == hashes
    with pytest.raises(RpcFailure, match="1024 headers"):
        node.call("coproc_getRawHeaders", "0x0", "0x400")


def test_only_finalised_blocks_are_sealed(node: DevNode) -> None:
    finalized, latest = (node.call("eth_getBlockByNumber", tag, False) for tag in ("finalized", "latest"))
    assert int(finalized["number"], 16) < int(latest["number"], 16)
    seals = node.call("coproc_getSeals", finalized["hash"])
    number = int(finalized["number"], 16)
    digest = compute_seal_digest(CHAIN_ID, number, Digest(bytes.fromhex(finalized["hash"][2:])))
    assert "0x" + recover_address(digest, bytes.fromhex(seals["signatures"][0][2:])).hex() == node.sealer
    assert node.call("coproc_sealers") == [node.sealer]
    with pytest.raises(RpcFailure, match="not finalized"):
        node.call("coproc_getSeals", latest["hash"])
    with pytest.raises(RpcFailure, match="unknown block"):
        node.call("coproc_getSeals", "0x" + "12" * 32)


def test_mixed_batches_and_bad_calls(node: DevNode) -> None:
    replies = node.batch([("coproc_sealers", []), ("eth_chainId", []), ("coproc_reorg", [1]), ("coproc_sealers", [1])])
    assert replies[0]["result"] == [node.sealer]
    assert replies[1]["result"] == hex(CHAIN_ID)
    assert replies[2]["error"]["code"] == -32601
    assert replies[3]["error"]["code"] == -32602


class LyingUpstream(Upstream):
    """Answers from a table; what it says of a block need not be true."""

    def __init__(self, by_hash: Any, finalized: Any, canonical: Any) -> None:
        self._answers = {"eth_getBlockByHash": by_hash, "eth_getBlockByNumber": canonical, "finalized": finalized}

    async def batch(self, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        names = ["finalized" if p and p[0] == "finalized" else method for method, p in calls]
        return [self._answers[name] for name in names]

    async def forward(self, body: bytes) -> bytes:
        raise RpcError(-32603, "upstream did not answer: ClientError")


def ask(upstream: Upstream, method: str, *parameters: Any) -> Any:
    proxy = UpstreamProxy(upstream, PrivateKey(b"\x11" * 32), CHAIN_ID)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
    return json.loads(asyncio.run(proxy.handle(body)))


@pytest.fixture(scope="module")
def blocks(node: DevNode) -> list[dict[str, Any]]:
    return [node.call("eth_getBlockByNumber", hex(n), False) for n in range(4)]


def test_an_honest_table_is_sealed(blocks: list[dict[str, Any]]) -> None:
    reply = ask(LyingUpstream(blocks[2], blocks[3], blocks[2]), "coproc_getSeals", blocks[2]["hash"])
    assert reply["result"]["blockNumber"] == "0x2"


@pytest.mark.parametrize("name", ["stateRoot", "parentHash", "timestamp", "requestsHash", "hash"])
def test_an_altered_header_is_never_sealed(blocks: list[dict[str, Any]], name: str) -> None:
    altered = {**blocks[2], name: "0x07" if name == "timestamp" else "0x" + "99" * 32}
    reply = ask(LyingUpstream(altered, blocks[3], altered), "coproc_getSeals", blocks[2]["hash"])
    assert "hashes to" in reply["error"]["message"]


def test_another_block_than_asked_is_never_sealed(blocks: list[dict[str, Any]]) -> None:
    reply = ask(LyingUpstream(blocks[1], blocks[3], blocks[1]), "coproc_getSeals", blocks[2]["hash"])
    assert "another block" in reply["error"]["message"]


def test_a_block_off_the_chain_is_never_sealed(blocks: list[dict[str, Any]]) -> None:
    reply = ask(LyingUpstream(blocks[2], blocks[3], blocks[1]), "coproc_getSeals", blocks[2]["hash"])
    assert "not finalized" in reply["error"]["message"]


@pytest.mark.parametrize("block", [7, [], {}, {"hash": "0x"}])
def test_what_is_no_block_is_an_error(block: Any) -> None:
    reply = ask(LyingUpstream(block, block, block), "coproc_getRawHeaders", "0x0", "0x1")
    assert "cannot be read" in reply["error"]["message"]


def test_a_silent_upstream_is_an_error() -> None:
    assert "did not answer" in ask(LyingUpstream(None, None, None), "eth_chainId")["error"]["message"]
