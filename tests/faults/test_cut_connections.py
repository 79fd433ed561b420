"""Connections cut in mid-answer, at every byte: reads are made again or end in a clear error, never half an answer."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coprocessor.chain.errors import ChainUnreachable
from coprocessor.chain.node import Node
from coprocessor.chain.rpc import Call, RpcClient, RpcOptions
from coprocessor.client.workers import WorkersApi
from coprocessor.enclave import messages as m
from coprocessor.host.enclave_process import EnclaveDied, EnclaveOptions, EnclaveProcess
from coprocessor.host.http import PeerClient
from coprocessor.values.errors import PeerUnreachable
from tests.support.cutting_proxy import CuttingProxy, cutting_proxy

HALF_ENCLAVE = Path(__file__).with_name("half_enclave.py")
QUICK = RpcOptions(timeout=10, attempts=2, backoff=0.001)
SENT: list[str] = []


def node(request: Any, forward: Callable[[], bytes]) -> bytes:
    """A node that knows one thing, for single calls and batches."""

    def answer(call: Any) -> dict[str, Any]:
        SENT.append(call["method"])
        return {"jsonrpc": "2.0", "id": call["id"], "result": "0x7a69"}

    return json.dumps([answer(one) for one in request] if isinstance(request, list) else answer(request)).encode()


class CutOnce:
    """Cuts the first answer after so many bytes; the later ones are whole."""

    def __init__(self, proxy: CuttingProxy, offset: int) -> None:
        self._proxy, self._left = proxy, 1
        self._offset = offset

    def __call__(self, request: Any, forward: Callable[[], bytes]) -> bytes:
        self._proxy.cut_after = self._offset if self._left else None
        self._left -= bool(self._left)
        return node(request, forward)


def whole_length() -> int:
    body = node({"id": 0, "method": "eth_chainId"}, bytes)
    return len(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n") + len(body)


def test_a_read_that_is_cut_anywhere_is_made_again() -> None:
    async def go(proxy: CuttingProxy) -> None:
        for offset in range(whole_length()):
            proxy.rule = CutOnce(proxy, offset)
            async with RpcClient(proxy.url, QUICK) as rpc:
                assert await Node(rpc).chain_id() == 31337
                proxy.rule = CutOnce(proxy, offset)
                assert await rpc.batch([Call("eth_chainId"), Call("eth_blockNumber")]) == ["0x7a69"] * 2

    with cutting_proxy("http://127.0.0.1:1") as proxy:
        asyncio.run(go(proxy))
        assert proxy.cuts == 2 * whole_length()


def test_a_node_that_is_always_cut_is_told_and_writes_are_sent_once() -> None:
    async def go(proxy: CuttingProxy) -> None:
        async with RpcClient(proxy.url, QUICK) as rpc:
            for offset in range(0, whole_length(), 7):
                proxy.cut_after = offset
                with pytest.raises(ChainUnreachable) as caught:
                    await rpc.call("eth_chainId")
                assert caught.value.why
                assert caught.value.next
                SENT.clear()
                with pytest.raises(ChainUnreachable):
                    await rpc.call("eth_sendRawTransaction", "0x00")
                assert SENT == ["eth_sendRawTransaction"]

    with cutting_proxy("http://127.0.0.1:1") as proxy:
        proxy.rule = node
        asyncio.run(go(proxy))


def test_a_peer_and_a_worker_that_are_cut_are_told() -> None:
    answer = json.dumps({"ok": True, "step": "running", "text": "x" * 40}).encode()

    async def go(proxy: CuttingProxy) -> None:
        peers, api = PeerClient(), WorkersApi()
        try:
            for offset in range(0, len(answer) + 60, 3):
                proxy.cut_after = offset
                with pytest.raises(PeerUnreachable) as caught:
                    await peers.get_json(f"{proxy.url}/v1/status")
                assert caught.value.next
                with pytest.raises(PeerUnreachable):
                    await api.status(proxy.url)
            proxy.cut_after = None
            assert (await peers.get_json(f"{proxy.url}/v1/status"))["step"] == "running"
            assert (await api.status(proxy.url))["step"] == "running"
        finally:
            await peers.close()
            await api.close()

    with cutting_proxy("http://127.0.0.1:1") as proxy:
        proxy.rule = lambda request, forward: answer
        asyncio.run(go(proxy))


def test_an_enclave_that_dies_inside_a_frame_is_dead_to_its_host() -> None:
    """The channel is cut after each byte of an answer; every one but the last leaves nothing but the death."""
    ready = m.WORKER_REPLIES.encode(m.Ready())
    frame = len(ready).to_bytes(4, "big") + ready

    async def ask(count: int) -> Any:
        command = (sys.executable, "-S", "-E", str(HALF_ENCLAVE), frame[:count].hex())
        options = EnclaveOptions(command, m.WORKER_REQUESTS, m.WORKER_REPLIES)
        enclave = await EnclaveProcess.start(options, lambda notice: None)
        try:
            return await enclave.request(m.Stop(), m.Ready)
        except EnclaveDied as death:
            return death
        finally:
            await enclave.close()

    async def go() -> None:
        for count in range(len(frame)):
            assert isinstance(await ask(count), EnclaveDied), count
        assert isinstance(await ask(len(frame)), m.Ready)

    asyncio.run(go())
