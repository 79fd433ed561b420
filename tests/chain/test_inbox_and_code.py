"""Links and code packages read back from a chain, and nodes that leave something out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coprocessor.chain.code import (
    CHUNK_BYTES,
    MAX_CHUNKS,
    compute_code_hash,
    fetch_code,
    publish_code,
    split_code,
)
from coprocessor.chain.deployment import ClusterTerms, NetworkContracts, create_cluster, deploy_contracts
from coprocessor.chain.development import development_keys
from coprocessor.chain.errors import ResponseMalformed
from coprocessor.chain.inbox import InboxFollower
from coprocessor.chain.node import Log, Node
from coprocessor.chain.sender import TransactionSender
from coprocessor.protocol.links import compute_genesis_head, compute_head
from coprocessor.values.errors import CallerMisuse, PeerUnreachable
from coprocessor.values.identities import CodeHash
from tests.support.node import DevNode

from .conftest import connected, deployment_options

PACKAGE = bytes(range(256)) * 600  # three chunks


class Forgetful(Node):
    """Leaves out, doubles or swaps logs."""

    def __init__(self, inner: Node, change: Callable[[list[Log]], list[Log]]) -> None:
        super().__init__(inner.rpc)
        self.change = change

    async def logs(self, *arguments: Any) -> list[Log]:
        return self.change(await super().logs(*arguments))


def test_links_replay_to_the_head(dev_node: DevNode, run: Callable[..., Any]) -> None:
    async def go() -> None:
        async with connected(dev_node.url) as node:
            sender = TransactionSender(node, development_keys()[1])
            configuration = await deploy_contracts(node, sender, 0, deployment_options(dev_node.sealer))
            contracts = NetworkContracts.of(node, configuration)
            inbox, cluster = contracts["Inbox"], await create_cluster(
                sender, contracts["Clusters"], ClusterTerms(b"\x01" * 32)
            )
            other = await create_cluster(sender, contracts["Clusters"], ClusterTerms(b"\x02" * 32))
            for at in range(5):
                await sender.send(inbox.address, inbox.encode("submit", cluster, 7, 0, bytes([at]) * 30))
                await sender.send(inbox.address, inbox.encode("submit", other, 7, 0, b"elsewhere"))
            last = await node.block("finalized")
            assert last is not None

            follower = InboxFollower(node, inbox, cluster)
            links = [link async for part in follower.links(last.number) for link in part]
            assert [link.index for link in links] == list(range(6))
            head = compute_genesis_head(configuration.chain_id, inbox.address, cluster)
            for link in links:
                head = compute_head(head, link)
            assert head == await inbox.read("heads", cluster)
            assert [part async for part in follower.links(last.number)] == []

            await sender.send(inbox.address, inbox.encode("submit", cluster, 7, 0, b"more"))
            later = [link async for part in follower.links(last.number + 1) for link in part]
            assert [(link.index, link.payload) for link in later] == [(6, b"more")]

            for change in (
                lambda logs: logs[:2] + logs[3:],
                lambda logs: logs[1:],
                lambda logs: [*logs[:2], logs[1], *logs[2:]],
                lambda logs: list(reversed(logs)),
            ):
                broken = InboxFollower(Forgetful(node, change), inbox, cluster)
                with pytest.raises(ResponseMalformed, match="eth_getLogs"):
                    _ = [part async for part in broken.links(last.number)]
                assert broken.next_index == 0

            programs = contracts["Programs"]
            code_hash = await publish_code(sender, programs, PACKAGE)
            assert await publish_code(sender, programs, PACKAGE) == code_hash
            last = await node.block("latest")
            assert last is not None
            assert b"".join(await fetch_code(node, programs, code_hash, last.number)) == PACKAGE
            with pytest.raises(PeerUnreachable, match=r"code\.not_found"):
                await fetch_code(node, programs, CodeHash(b"\x05" * 32), last.number)

            def lose_chunk(logs: list[Log]) -> list[Log]:
                return logs if len(logs) == 1 else logs[1:]

            with pytest.raises(ResponseMalformed, match="another hash"):
                await fetch_code(Forgetful(node, lose_chunk), programs, code_hash, last.number)

    run(go)


def test_chunks() -> None:
    chunks = split_code(PACKAGE)
    assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES, CHUNK_BYTES, len(PACKAGE) - 2 * CHUNK_BYTES]
    assert compute_code_hash(chunks) != compute_code_hash([PACKAGE])
    for bad in (b"", bytes(MAX_CHUNKS * CHUNK_BYTES + 1)):
        with pytest.raises(CallerMisuse) as caught:
            split_code(bad)
        assert caught.value.code == "code.size"
