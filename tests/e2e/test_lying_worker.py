"""Workers and nodes that lie to a client: nothing false is ever returned, and the error names what failed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from coprocessor.client.calls import CallHandle
from coprocessor.client.network import AsyncNetwork, AsyncProgram, aconnect
from coprocessor.client.workers import WorkerEndpoint, Workers
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.queries import QueryReply
from coprocessor.values.errors import CoprocessorError
from tests.support.json_mutation import mutations
from tests.support.live import LiveNetwork
from tests.support.lying_proxy import lying_proxy

Change = Callable[[str, bytes], bytes]
STRANGER = PrivateKey(keccak256(b"stranger"))


@asynccontextmanager
async def lying_worker(url: str, change: Change) -> AsyncIterator[str]:
    """A server in front of a worker that changes its answers; yields its URL."""

    async def forward(request: web.Request) -> web.Response:
        target = url + request.path_qs
        data = await request.read()
        async with aiohttp.ClientSession() as session, session.request(request.method, target, data=data) as answer:
            body = await answer.read()
            changed = change(request.path, body) if answer.status == 200 else body
            return web.Response(body=changed, status=answer.status)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def deceive(net: AsyncNetwork, program: AsyncProgram, change: Change, work: Awaitable[Any]) -> Any:
    """What ``work`` gives while every worker lies; impatient, so that refusals come at once."""
    workers = net.session.workers
    honest = await workers.members(program.record.cluster)
    async with lying_worker(honest[0].url, change) as url:

        async def members(cluster: bytes, fresh: bool = False) -> Sequence[WorkerEndpoint]:
            return [WorkerEndpoint(honest[0].worker, url)]

        async def ask(cluster: Any, question: Any, patience: float = 0.0) -> Any:
            return await Workers.ask(workers, cluster, question, 0.0)

        workers.members = members  # type: ignore[method-assign, assignment]
        workers.ask = ask  # type: ignore[method-assign]
        try:
            return await work
        finally:
            del workers.members, workers.ask  # type: ignore[attr-defined]


def code_of(network: LiveNetwork, counter: str, change: Change) -> str:
    """The code with which a query through a lying worker fails."""

    async def main() -> str:
        async with await aconnect(network.folder) as net:
            program = await net.program(counter)
            with pytest.raises(CoprocessorError) as caught:
                await deceive(net, program, change, program.query("get"))
            return caught.value.code

    return asyncio.run(main())


def reply_with(**fields: Any) -> Change:
    return lambda path, body: replace(QueryReply.decode(body), **fields).encode()


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"network": keccak256(b"n")}, {"query.binding"}),
        ({"cluster": keccak256(b"c")}, {"query.binding"}),
        ({"program": keccak256(b"p")}, {"query.binding"}),
        ({"query_digest": keccak256(b"q")}, {"query.binding"}),
        ({"block_number": 1}, {"query.binding"}),
        ({"block_hash": keccak256(b"b")}, {"query.binding"}),
        ({"executed_block": 0}, {"query.stale"}),
        ({"executed_links": 0}, {"query.signer", "signature.invalid"}),
        ({"state_root": keccak256(b"s")}, {"query.signer", "signature.invalid"}),
        ({"worker": keccak256(b"w")}, {"query.signer", "signature.invalid"}),
        ({"epoch": 2}, {"query.signer", "signature.invalid"}),
        ({"status": 1}, {"query.signer", "signature.invalid"}),
        ({"fuel": 1}, {"query.signer", "signature.invalid"}),
        ({"sealed_result": bytes(60)}, {"query.signer", "signature.invalid"}),
        ({"signature": bytes(65)}, {"signature.malformed"}),
    ],
)
def test_an_altered_reply_is_refused(
    network: LiveNetwork, counter: str, fields: dict[str, Any], codes: set[str]
) -> None:
    assert code_of(network, counter, reply_with(**fields)) in codes


def test_a_reply_that_a_stranger_signs_is_refused(network: LiveNetwork, counter: str) -> None:
    def change(path: str, body: bytes) -> bytes:
        return replace(QueryReply.decode(body), signature=b"").signed(STRANGER).encode()

    assert code_of(network, counter, change) == "query.signer"


def test_a_replayed_reply_and_rubbish_are_refused(network: LiveNetwork, counter: str) -> None:
    kept: list[bytes] = []

    def replay(path: str, body: bytes) -> bytes:
        kept.append(body)
        return kept[0]

    async def main() -> str:
        async with await aconnect(network.folder) as net:
            program = await net.program(counter)
            await deceive(net, program, replay, program.query("get"))
            with pytest.raises(CoprocessorError) as caught:
                await deceive(net, program, replay, program.query("get"))
            return caught.value.code

    assert asyncio.run(main()) == "query.binding"
    assert code_of(network, counter, lambda path, body: b"\xff" * 40) == "cbor.malformed"


def test_no_altered_output_is_taken_for_the_right_one(network: LiveNetwork, counter: str) -> None:
    """Each value of a served output changed in turn: the result is the true one or an error."""

    async def main() -> None:
        async with await aconnect(network.folder) as net:
            program = await net.program(counter)
            handle = (await program.call("add", 2)).handle
            honest = await handle.result()
            served: list[Any] = []
            await deceive(net, program, _keeping(served), _again(handle).result(10))
            refused = 0
            for _, mutated in mutations(served[0]):
                body = json.dumps(mutated).encode()
                try:
                    result = await deceive(net, program, lambda path, _, body=body: body, _again(handle).result(5))
                    assert result == honest
                except CoprocessorError:
                    refused += 1
            assert refused > 50

    asyncio.run(main())


def _keeping(served: list[Any]) -> Change:
    def change(path: str, body: bytes) -> bytes:
        served.append(json.loads(body))
        return body

    return change


def _again(handle: CallHandle) -> CallHandle:
    """The same command, its outcome not yet fetched."""
    return CallHandle(handle._session, handle._item, handle._sent, handle.place.position)


def _flip(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def _lie(method: str, change: Callable[[Any], Any]) -> Callable[[str, list[Any], Any], Any]:
    return lambda asked, parameters, result: change(result) if asked == method else result


def _forged_value(result: Any) -> Any:
    for slot in result["storageProof"]:
        slot["proof"] = [*slot["proof"][:-1], _flip(slot["proof"][-1])] if slot["proof"] else ["0xc0"]
    return result


@pytest.mark.parametrize(
    ("lie", "families"),
    [
        (_lie("coproc_getRawHeaders", lambda headers: [_flip(one) for one in headers]), ("headers.", "signature.")),
        (_lie("coproc_getSeals", lambda seals: {**seals, "signatures": []}), ("headers.not_final",)),
        (_lie("eth_getProof", _forged_value), ("proof.", "rlp.")),
        (_lie("eth_getProof", lambda proof: {**proof, "accountProof": proof["accountProof"][:-1]}), ("proof.",)),
        (_lie("eth_chainId", lambda chain: "0x1"), ("network.chain",)),
    ],
)
def test_a_node_cannot_lie_to_a_client(
    network: LiveNetwork, counter: str, lie: Callable[..., Any], families: tuple[str, ...]
) -> None:
    async def main(rpc: str) -> str:
        with pytest.raises(CoprocessorError) as caught:
            async with await aconnect(network.folder, rpc=rpc) as net:
                await (await net.program(counter)).query("get")
        return caught.value.code

    with lying_proxy(network.hints["rpc"]) as proxy:
        proxy.set_lie(lie)
        assert asyncio.run(main(proxy.url)).startswith(families)
