"""The RPC core against broken and hostile servers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coprocessor.chain.errors import (
    ChainUnreachable,
    ResponseMalformed,
    RpcError,
    TransactionReverted,
    decode_revert,
)
from coprocessor.chain.node import Node, quantity
from coprocessor.chain.rpc import MAX_BATCH, Call, RpcClient, RpcOptions
from coprocessor.codec import abi
from coprocessor.values.errors import CallerMisuse

from .fake_server import Answer, serve

FAST = RpcOptions(timeout=2, attempts=3, backoff=0.001, max_response=10_000)


def ask(answer: Answer, method: str = "eth_chainId", into: Any = str, options: RpcOptions = FAST) -> Any:
    async def go() -> Any:
        async with serve(answer) as url, RpcClient(url, options) as rpc:
            return await rpc.call(method, into=into)

    return asyncio.run(go())


def ok(result: Any) -> Answer:
    return lambda request: {"jsonrpc": "2.0", "id": request["id"], "result": result}


def test_result_and_request_form() -> None:
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request)
        return ok("0x7a69")(request)

    assert ask(answer) == "0x7a69"
    assert seen == [{"jsonrpc": "2.0", "id": 0, "method": "eth_chainId", "params": []}]


def test_reads_are_repeated_and_writes_are_not() -> None:
    count = {"eth_chainId": 0, "eth_sendRawTransaction": 0}

    def answer(request: Any) -> Any:
        count[request["method"]] += 1
        return 503 if count[request["method"]] < 3 else ok("0x1")(request)

    assert ask(answer) == "0x1"
    assert count["eth_chainId"] == 3
    with pytest.raises(ChainUnreachable, match="503"):
        ask(answer, "eth_sendRawTransaction")
    assert count["eth_sendRawTransaction"] == 1


def test_no_node_at_all() -> None:
    async def go() -> None:
        async with RpcClient("http://127.0.0.1:9/", FAST) as rpc:
            await rpc.call("eth_chainId")

    with pytest.raises(ChainUnreachable) as caught:
        asyncio.run(go())
    assert caught.value.code == "chain.unreachable"


def test_url_must_be_http() -> None:
    with pytest.raises(CallerMisuse):
        RpcClient("file:///etc/passwd")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{", b"5", b'{"id": "x"}', b'{"result": {"a": 1}}', b'{"result": null}', b"\xff\xfe"],
)
def test_malformed_answers(body: bytes) -> None:
    with pytest.raises(ResponseMalformed):
        ask(lambda _: body)


def test_answer_too_long() -> None:
    with pytest.raises(ResponseMalformed, match="10000 bytes"):
        ask(ok("0x" + "00" * 20_000))


def test_error_object_becomes_typed_error() -> None:
    def answer(request: Any) -> Any:
        return {"id": request["id"], "error": {"code": -32601, "message": "no such method"}}

    with pytest.raises(RpcError) as caught:
        ask(answer)
    assert (caught.value.number, caught.value.code) == (-32601, "chain.rpc_error")
    assert "no such method" in caught.value.what


def test_revert_reason_is_decoded() -> None:
    data = abi.selector("Error(string)") + abi.encode(["string"], ["settlement: head"])

    def answer(request: Any) -> Any:
        error = {"code": 3, "message": "execution reverted", "data": "0x" + data.hex()}
        return {"id": request["id"], "error": error}

    with pytest.raises(TransactionReverted) as caught:
        ask(answer)
    assert caught.value.reason == "settlement: head"


def test_decode_revert_of_other_data() -> None:
    assert decode_revert(b"") == ""
    assert decode_revert(b"\x01\x02") == "0x0102"
    assert decode_revert(abi.selector("Panic(uint256)") + (17).to_bytes(32, "big")) == "panic 0x11"
    assert decode_revert(abi.selector("Error(string)") + b"junk").startswith("0x08c379a0")


class TestBatch:
    def test_order_splitting_and_errors_in_place(self) -> None:
        sizes: list[int] = []

        def answer(requests: Any) -> Any:
            sizes.append(len(requests))
            replies = [
                {"id": one["id"], "error": {"code": -1, "message": "odd"}}
                if one["params"][0] % 2
                else {"id": one["id"], "result": one["params"][0]}
                for one in requests
            ]
            return list(reversed(replies))

        async def go() -> list[Any]:
            async with serve(answer) as url, RpcClient(url, RpcOptions()) as rpc:
                return await rpc.try_batch([Call("m", (at,)) for at in range(MAX_BATCH + 3)], int)

        outcomes = asyncio.run(go())
        assert sizes == [MAX_BATCH, 3]
        assert outcomes[::2] == list(range(0, MAX_BATCH + 3, 2))
        assert all(isinstance(outcome, RpcError) for outcome in outcomes[1::2])

    @pytest.mark.parametrize(
        "replies",
        [[], [{"id": 0, "result": 1}], [{"id": 0, "result": 1}] * 2, [{"id": 0, "result": 1}, {"id": 7, "result": 1}]],
    )
    def test_missing_or_doubled_answers(self, replies: list[Any]) -> None:
        async def go() -> None:
            async with serve(lambda _: replies) as url, RpcClient(url, FAST) as rpc:
                await rpc.batch([Call("a"), Call("b")], int)

        with pytest.raises(ResponseMalformed):
            asyncio.run(go())


@pytest.mark.parametrize("text", ["", "10", "0xzz", "0x"])
def test_bad_quantities(text: str) -> None:
    with pytest.raises(ResponseMalformed):
        quantity("eth_chainId", text)


@pytest.mark.parametrize(
    "result",
    [
        {"number": "0x1", "hash": "0x12", "parentHash": "0x" + "00" * 32, "timestamp": "0x1"},
        {"number": 1, "hash": "0x" + "00" * 32, "parentHash": "0x" + "00" * 32, "timestamp": "0x1"},
        {"number": "0x1", "parentHash": "0x" + "00" * 32, "timestamp": "0x1"},
        "0x",
    ],
)
def test_block_of_wrong_form(result: Any) -> None:
    async def go() -> None:
        async with serve(ok(result)) as url, RpcClient(url, FAST) as rpc:
            await Node(rpc).block(1)

    with pytest.raises(ResponseMalformed):
        asyncio.run(go())
